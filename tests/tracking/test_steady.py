"""A tracker that is lost on the way: told once, asked no more, and an error only when everything else is done."""

from __future__ import annotations

from pathlib import Path

import pytest

from frostmark.errors import DataError, TrackingError
from frostmark.tracking.memory import MemoryTracker
from frostmark.tracking.steady import Steady


class Breaking(MemoryTracker):
    """Is lost when the first file comes."""

    asked = 0

    def log_file(self, path: Path, folder: str = "") -> None:
        self.asked += 1
        raise TrackingError("the store is gone", fix="start it")


def test_the_work_goes_on_and_the_loss_is_told_in_the_end() -> None:
    told: list[str] = []
    inner = Breaking()
    done: list[bool] = []

    def work() -> None:
        with Steady(inner, Path("out"), told.append) as tracker:
            tracker.log_metrics({"test/a/b": 1.0})
            tracker.log_file(Path("x"))
            tracker.log_file(Path("y"))
            tracker.log_metrics({"test/a/c": 2.0})
            done.append(True)

    with pytest.raises(TrackingError, match="the results are in out") as lost:
        work()
    assert done
    assert inner.asked == 1
    assert inner.metrics == {"test/a/b": 1.0}
    assert inner.status == "FAILED"
    assert len(told) == 1
    assert "goes on" in told[0]
    assert "the same command again" in lost.value.fix


def test_what_went_wrong_in_the_work_itself_counts_more() -> None:
    def work() -> None:
        with Steady(Breaking(), Path("out"), lambda text: None) as tracker:
            tracker.log_file(Path("x"))
            raise DataError("no image", fix="bring some")

    with pytest.raises(DataError, match="no image"):
        work()


def test_a_tracker_that_holds_is_only_passed_on_to() -> None:
    inner = MemoryTracker()
    with Steady(inner, Path("out"), pytest.fail) as tracker:
        tracker.log_params({"a": "1"})
        tracker.set_tags({"b": "2"})
        assert tracker.run_id == inner.run_id
    assert (inner.params, inner.tags, inner.status) == ({"a": "1"}, {"b": "2"}, "FINISHED")
