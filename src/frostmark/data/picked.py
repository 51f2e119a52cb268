"""Some images of a split, in any order, as a set of their own.

    sample = picked(images, np.array([7, 3, 11]))       # an ImageSet of 3 images

What identifies them is their content, in their order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from frostmark.data.files import ImageFiles
from frostmark.data.source import Batch, ImageSet


def picked(images: ImageSet, positions: NDArray[np.int64]) -> ImageSet:
    """The images at ``positions`` (n,)."""
    if isinstance(images, ImageFiles):
        return images.at(positions.tolist())
    return PickedImages(images, positions)


class PickedImages:
    """Some images of a set that are not files.

    Args:
        images: the set.
        positions: (n,) in it.
    """

    def __init__(self, images: ImageSet, positions: NDArray[np.int64]) -> None:
        self.labels = images.labels[positions.tolist()]
        self.uniform = images.uniform
        self._images, self._positions = images, positions

    @property
    def geometry(self) -> Callable[[Tensor], Tensor] | None:
        return self._images.geometry

    @geometry.setter
    def geometry(self, geometry: Callable[[Tensor], Tensor] | None) -> None:
        self._images.geometry = geometry

    def __len__(self) -> int:
        return len(self._positions)

    def __getitems__(self, indices: Sequence[int]) -> Batch:
        index = torch.as_tensor(indices)
        batch = self._images.__getitems__(self._positions[index.numpy()].tolist())
        return Batch(index, batch.images, batch.labels, batch.seen)

    def take(self, count: int) -> PickedImages:
        return PickedImages(self._images, self._positions[:count])

    def content(self) -> Sequence[bytes | memoryview]:
        """That of the whole set, and which of its images these are."""
        return [*self._images.content(), np.ascontiguousarray(self._positions, "<i8").tobytes()]
