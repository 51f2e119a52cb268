"""A tracker that may be lost on the way: the work goes on, and its results stay in the run's own folder.

with Steady(store.run(title, parent), folder, tell) as tracker:
    tracker.log_metrics(values)         # the server has died: told once, and nothing is sent any more
                                        # TrackingError, when everything else is done
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from frostmark.errors import TrackingError
from frostmark.tracking.tracker import Tracker

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Steady:
    """Passes everything on to another tracker, as long as that one answers.

    Args:
        inner: the tracker. If its run cannot be opened, that is an error at once: nothing was done yet.
        folder: where the results are in any case.
        tell: is told when the tracker is lost.
    """

    def __init__(self, inner: Tracker, folder: Path, tell: Callable[[str], None]) -> None:
        self._inner = inner
        self._folder = folder
        self._tell = tell
        self._lost: TrackingError | None = None

    def __enter__(self) -> Self:
        self._inner.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # A run that ends without all of its results has failed, whatever became of the work.
        failed = error or self._lost
        self._try(lambda: self._inner.__exit__(type(failed) if failed else None, failed, trace))
        if self._lost is not None and error is None:
            raise TrackingError(
                f"{self._lost.problem.rstrip('.')}; the results are in {self._folder}.",
                fix=f"{self._lost.fix}; the same command again then logs them, and forwards no image for it",
            )

    @property
    def run_id(self) -> str | None:
        return self._inner.run_id

    def log_params(self, params: Mapping[str, str]) -> None:
        self._send(lambda: self._inner.log_params(params))

    def set_tags(self, tags: Mapping[str, str]) -> None:
        self._send(lambda: self._inner.set_tags(tags))

    def log_metrics(self, metrics: Mapping[str, float]) -> None:
        self._send(lambda: self._inner.log_metrics(metrics))

    def log_file(self, path: Path, folder: str = "") -> None:
        self._send(lambda: self._inner.log_file(path, folder))

    def log_dataset(self, name: str, split: str, digest: str, images: int) -> None:
        self._send(lambda: self._inner.log_dataset(name, split, digest, images))

    def log_image(self, key: str, image: NDArray[np.uint8]) -> None:
        self._send(lambda: self._inner.log_image(key, image))

    def _send(self, call: Callable[[], None]) -> None:
        if self._lost is None:
            self._try(call)

    def _try(self, call: Callable[[], None]) -> None:
        try:
            call()
        except TrackingError as problem:
            if self._lost is None:
                self._tell(f"{problem.problem.rstrip('.')}; the work goes on, and its results stay in {self._folder}.")
                self._lost = problem
