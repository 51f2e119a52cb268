"""Work in threads that nobody waits for any more, once whoever asked for it has gone.

    with pool(8) as threads:                        # left by an exception: what has not begun never will
        threads.map(work, items)
    within(None, lambda: np.linalg.eigh(matrix))    # one long step of a library, beside which signals are heard
    within(10, server.ask)                          # TimeoutError after ten seconds

Python hears Ctrl-C and SIGTERM between two steps of its main thread, and one step of a library may take minutes.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")


@contextmanager
def pool(threads: int) -> Iterator[ThreadPoolExecutor]:
    """Threads that are waited for at the end, unless an exception is the end: they finish what they are at, alone."""
    executor = ThreadPoolExecutor(threads)
    try:
        yield executor
    except BaseException:
        executor.shutdown(wait=False, cancel_futures=True)
        raise
    executor.shutdown()


def within(seconds: float | None, work: Callable[[], T]) -> T:
    """What ``work`` gives, in a thread that is left to itself if it takes longer or whoever waits is interrupted.

    Args:
        seconds: that it may take; None for as long as it likes.

    Raises:
        TimeoutError: after so many seconds.
        BaseException: what ``work`` raises.
    """
    given: list[T] = []
    raised: list[BaseException] = []

    def begin() -> None:
        try:
            given.append(work())
        except BaseException as problem:
            raised.append(problem)

    thread = threading.Thread(target=begin, daemon=True)
    thread.start()
    thread.join(seconds)
    if raised:
        raise raised[0]
    if not given:
        raise TimeoutError(f"no complete answer within {seconds:.0f} s")
    return given[0]
