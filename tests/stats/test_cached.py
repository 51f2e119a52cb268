"""Properties that are worked out once."""

from __future__ import annotations

import threading

from frostmark.stats.cached import Cached


class Meeting:
    """Two of these meet in their properties, if neither waits for the other to be done."""

    def __init__(self, barrier: threading.Barrier) -> None:
        self.barrier = barrier
        self.calls = 0

    @Cached
    def value(self) -> int:
        """The doc."""
        self.calls += 1
        self.barrier.wait(timeout=20)
        return 7


def test_objects_do_not_wait_for_each_other_and_work_once() -> None:
    barrier = threading.Barrier(2)
    both = Meeting(barrier), Meeting(barrier)
    found: list[int] = []
    threads = [threading.Thread(target=lambda one=one: found.extend((one.value, one.value))) for one in both]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert found == [7] * 4
    assert [one.calls for one in both] == [1, 1]
