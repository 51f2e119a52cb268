"""What a data set is here: a name, classes, and two splits of images that yield ``(index, image, label)``.

    source = Digits()
    train = source.split("train")
    indices, images, labels = train.__getitems__([0, 1, 2])     # (3,), (3, 1, 8, 8) uint8, (3,)

To add a data set, write one file with a class that has a :class:`Source`'s members, and one YAML that names it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

import torch
from torch import Tensor

from frostmark.errors import ConfigError, DataError

SplitName = Literal["train", "test"]
SPLITS: tuple[SplitName, ...] = ("train", "test")


class Batch(NamedTuple):
    """Images of one split: ``indices`` (N,) int64 in the split, ``images`` (N, C, H, W), ``labels`` (N,) int64.

    ``seen`` is what else was asked for of images that are decoded: of each thing (N, D).
    """

    indices: Tensor
    images: Tensor
    labels: Tensor
    seen: tuple[Tensor, ...] = ()


@dataclass(frozen=True)
class Limits:
    """How many images of each split to use: the first N, ``None`` for all."""

    train: int | None = None
    test: int | None = None


class ImageSet(Protocol):
    """One split, in its own order; indices count from 0.

    A set whose images come in groups also has ``groups``, one id an image; see :func:`groups_of`. One whose images are
    files also has ``files``, one name an image; see :func:`files_of`.

    Attributes:
        labels: (N,) int64.
        uniform: whether all images have one size, so that they can be resized as a batch on the device. If not,
            the images are brought to one size where they are decoded, by ``geometry``.
        geometry: (C, H, W) uint8 → (3, S, S) in 0 … 255, set by the data module for sets that are not uniform.
    """

    labels: Tensor
    uniform: bool
    geometry: Callable[[Tensor], Tensor] | None

    def __len__(self) -> int: ...
    def __getitems__(self, indices: Sequence[int]) -> Batch: ...
    def take(self, count: int) -> ImageSet:
        """The first ``count`` images."""
        ...

    def content(self) -> Sequence[bytes | memoryview]:
        """What the fingerprint is made of: everything that decides an image, in order."""
        ...


class Source(Protocol):
    """A data set with its two splits. ``name`` is what runs are labelled with, ``limit`` how much of it is used.

    One of which something must be said, what of it is not used say, also has ``remarks``; see :func:`said_by`.
    """

    @property
    def name(self) -> str: ...
    @property
    def limit(self) -> Limits: ...

    def classes(self) -> tuple[str, ...]:
        """Class names in the order of their labels."""
        ...

    def split(self, split: SplitName) -> ImageSet:
        """Read one split.

        Raises:
            DataError: if its files are missing or damaged.
        """
        ...


@dataclass
class TensorImages:
    """Images held in memory.

    Attributes:
        images: (N, C, H, W) uint8 with C of 1 or 3.
        labels: (N,) int64.
        groups: N ids; None where no groups are known.
        files: N names; None where the images are not files.
    """

    images: Tensor
    labels: Tensor
    uniform: bool = True
    geometry: Callable[[Tensor], Tensor] | None = None
    groups: Sequence[Hashable] | None = None
    files: Sequence[str] | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def __getitems__(self, indices: Sequence[int]) -> Batch:
        index = torch.as_tensor(indices)
        return Batch(index, self.images[index], self.labels[index])

    def take(self, count: int) -> TensorImages:
        groups = None if self.groups is None else self.groups[:count]
        files = None if self.files is None else self.files[:count]
        return TensorImages(self.images[:count], self.labels[:count], groups=groups, files=files)

    def content(self) -> Sequence[bytes | memoryview]:
        return [str(tuple(self.images.shape)).encode(), self.images.contiguous().numpy().data]


def groups_of(images: ImageSet) -> Sequence[Hashable] | None:
    """The group of every image, such as its patient, video or site; None where the set knows of no groups."""
    groups: Sequence[Hashable] | None = getattr(images, "groups", None)
    return groups


def files_of(images: ImageSet) -> Sequence[str] | None:
    """The name of every image's file; None where the images are not files."""
    files: Sequence[str] | None = getattr(images, "files", None)
    return files


def limited(images: ImageSet, split: SplitName, limits: Limits) -> ImageSet:
    """The first images of a split, as ``dataset.limit.<split>`` asks.

    Raises:
        ConfigError: if the limit is below 1.
        DataError: if the split is empty.
    """
    count = getattr(limits, split)
    if count is not None and count < 1:
        raise ConfigError(
            f"dataset.limit.{split}={count} leaves no image", fix=f"dataset.limit.{split}=1 or more, or null for all"
        )
    if len(images) == 0:
        raise DataError(f"the {split} split holds no image", fix="name a data set with images in both splits")
    return images if count is None else images.take(count)


def said_by(source: Source) -> Sequence[str]:
    """What a data set says of how it was read, such as its split and what it left out; nothing where it says nothing.

    A source that has something to say has ``remarks``, a sequence of short lines, once its splits were read.
    """
    remarks = getattr(source, "remarks", ())
    return [line for line in remarks if isinstance(line, str)] if isinstance(remarks, list | tuple) else []
