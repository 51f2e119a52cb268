"""Trackers that keep a run to themselves: for tests, and for ``tracking=none``.

tracker = MemoryTracker()
tracker.log_metrics({"test/variance/intra": 21.5})
tracker.metrics["test/variance/intra"]
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from frostmark.tracking.tracker import Status, status_of


@dataclass
class MemoryTracker:
    """Remembers everything it is told; writes nothing."""

    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    files: dict[str, Path] = field(default_factory=dict)
    images: dict[str, NDArray[np.uint8]] = field(default_factory=dict)
    datasets: dict[str, str] = field(default_factory=dict)
    status: Status | None = None
    run_id: str | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.status = status_of(kind)

    def log_params(self, params: Mapping[str, str]) -> None:
        self.params |= params

    def set_tags(self, tags: Mapping[str, str]) -> None:
        self.tags |= tags

    def log_metrics(self, metrics: Mapping[str, float]) -> None:
        self.metrics |= metrics

    def log_file(self, path: Path, folder: str = "") -> None:
        self.files[f"{folder}/{path.name}" if folder else path.name] = path

    def log_dataset(self, name: str, split: str, digest: str, images: int) -> None:
        self.datasets[split] = digest

    def log_image(self, key: str, image: NDArray[np.uint8]) -> None:
        self.images[key] = image
