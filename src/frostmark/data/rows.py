"""The images that rows made elsewhere are of: labels, groups and perhaps the names of files, but no pixels to forward.

source = RowSource("pets", ("cat", "dog"), {"train": train, "test": test})
train = RowImages(labels, fingerprint, groups=None, files=("a.png", "b.png"), root=Path("photos"))
train.pictured                  # whether every file is there, so that maps can show the images
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from frostmark.data.decode import decode
from frostmark.data.source import Batch, Limits, SplitName
from frostmark.errors import DataError

GREY = 128
"""Of the picture of a file that is not an image."""


@dataclass
class RowImages:
    """One split.

    Attributes:
        labels: (N,) int64.
        fingerprint: what identifies the images.
        groups: of every image; None where none are known.
        files: of every image; None where they are not known.
        root: the folder that relative names of files start from.
    """

    labels: Tensor
    fingerprint: str
    groups: Sequence[Hashable] | None = None
    files: Sequence[str] | None = None
    root: Path = field(default_factory=Path)
    uniform: bool = False
    geometry: Callable[[Tensor], Tensor] | None = None

    @classmethod
    def of(
        cls,
        labels: NDArray[np.int64],
        fingerprint: str,
        groups: Sequence[Hashable] | None,
        files: Sequence[str] | None,
        root: Path,
    ) -> RowImages:
        """The same of labels as an array."""
        return cls(torch.from_numpy(labels), fingerprint, groups, files, root)

    def __len__(self) -> int:
        return len(self.labels)

    def __getitems__(self, indices: Sequence[int]) -> Batch:
        """Pictures of the images, for a person; grey where a file is no image."""
        index = torch.as_tensor(indices)
        return Batch(index, torch.stack([self._picture(i) for i in indices]), self.labels[index])

    def take(self, count: int) -> RowImages:
        groups = None if self.groups is None else self.groups[:count]
        files = None if self.files is None else self.files[:count]
        return replace(self, labels=self.labels[:count], groups=groups, files=files)

    def content(self) -> Sequence[bytes]:
        return [self.fingerprint.encode(), str(len(self)).encode()]

    @cached_property
    def missing(self) -> list[str]:
        """The files that are not there."""
        return [name for name in self.files or () if not (self.root / name).is_file()]

    @property
    def pictured(self) -> bool:
        """Whether there is a picture of every image."""
        return self.files is not None and not self.missing

    def _picture(self, position: int) -> Tensor:
        assert self.geometry is not None
        assert self.files is not None
        try:
            return self.geometry(decode(self.root / self.files[position]).pixels)
        except DataError:
            return self.geometry(torch.full((3, 8, 8), GREY, dtype=torch.uint8))


@dataclass(frozen=True)
class RowSource:
    """Both splits; see :class:`frostmark.data.source.Source`."""

    name: str
    names: tuple[str, ...]
    splits: Mapping[str, RowImages]
    limit: Limits = field(default_factory=Limits)

    def classes(self) -> tuple[str, ...]:
        return self.names

    def split(self, split: SplitName) -> RowImages:
        return self.splits[split]
