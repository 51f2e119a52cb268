"""The port: all that the rest of the program knows of experiment tracking.

with tracker:                                    # FINISHED, FAILED or KILLED when it is left
    tracker.set_tags({"backbone": "resnet18"})
    tracker.log_metrics({"test/variance/intra": 21.5})
    tracker.log_file(Path("map.png"))
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Protocol, Self

from frostmark.errors import Terminated

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_CREDENTIALS = re.compile(r"(?<=:)//(?:[^/@:\s]*:[^\s'\"]+|[^/@\s]+)@")
"""Up to the last ``@`` where there is a colon: databases take passwords with ``/`` and ``@`` as they are."""

_IN_QUERY = re.compile(r"([?&][^=&\s]*(?:password|passwd|secret|token|key)=)[^&\s'\"]+", re.IGNORECASE)

Status = Literal["FINISHED", "FAILED", "KILLED"]


class Tracker(Protocol):
    """One run in a tracking store. Entering opens the run, leaving closes it with the right status."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    @property
    def run_id(self) -> str | None:
        """The run's identifier in the store, if it has one."""
        ...

    def log_params(self, params: Mapping[str, str]) -> None:
        """Write down what was chosen."""
        ...

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Write down what the run is."""
        ...

    def log_metrics(self, metrics: Mapping[str, float]) -> None:
        """Write down finite numbers."""
        ...

    def log_file(self, path: Path, folder: str = "") -> None:
        """Keep a file under its own name, at the root of the run or in a ``folder`` of it."""
        ...

    def log_dataset(self, name: str, split: str, digest: str, images: int) -> None:
        """Write down what went in: one split of a data set, by the fingerprint of its images."""
        ...

    def log_image(self, key: str, image: NDArray[np.uint8]) -> None:
        """Keep an image (H, W, 3) for grids of images."""
        ...


class RunStore(Protocol):
    """All that a comparison asks of a tracking store: finished runs are read, and the comparison is kept with one.

    Every method raises a ``TrackingError`` if the store does not answer.
    """

    def finished(self, name: str) -> tuple[list[str], str | None]:
        """The finished benchmarks that a name stands for, oldest first, and the run that is their parent."""
        ...

    def fetch(self, run_id: str, names: Sequence[str], into: Path) -> Path:
        """A folder below ``into`` with the files ``names`` of a run, as far as the run has them."""
        ...

    def compare_link(self, run_ids: Sequence[str]) -> str:
        """The place in the store's pages where the runs are side by side."""
        ...

    def link(self, run_id: str) -> str:
        """The run's place in the store's pages."""
        ...

    def start(self, name: str, tags: Mapping[str, str]) -> str:
        """Create a run and return its identifier."""
        ...

    def add_files(self, run_id: str, files: Sequence[Path], folder: str = "") -> None:
        """Keep files at the root of a run, or in a ``folder`` of it."""
        ...

    def add_metrics(self, run_id: str, points: Sequence[tuple[str, float, int]]) -> None:
        """Write (key, value, step) into a run."""
        ...

    def add_tags(self, run_id: str, tags: Mapping[str, str]) -> None:
        """Write tags of a run."""
        ...

    def finish(self, run_id: str, status: Status, tags: Mapping[str, str]) -> None:
        """Close a run and write its last tags."""
        ...


def status_of(kind: type[BaseException] | None) -> Status:
    """How a run ended that was left with an exception of ``kind``, or with none."""
    if kind is None:
        return "FINISHED"
    return "KILLED" if issubclass(kind, KeyboardInterrupt | Terminated) else "FAILED"


def without_secrets(text: str) -> str:
    """``text`` without the user names and passwords that addresses in it carry."""
    text = _IN_QUERY.sub(r"\1…", text)
    return _CREDENTIALS.sub("//", text)
