"""Images that are in memory already: arrays, tensors, or a pair of datasets as PyTorch knows them.

source = GivenImages("mine", train=(images, labels), test=(images, labels), names=("cat", "dog"))
source = GivenImages("mine", train=torch_dataset, test=another)         # (image, label) by index
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol, SupportsInt

import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms.functional import pil_to_tensor

from frostmark.data.source import Limits, SplitName, TensorImages
from frostmark.errors import DataError
from frostmark.names import storable

_FIX = (
    "images (N, H, W), (N, H, W, C) or (N, C, H, W) of 0 … 255 with C of 1 or 3, and N labels 0 … C−1; images of "
    "different sizes go in a folder: dataset=Path('folder')"
)


class Pairs(Protocol):
    """A dataset as torch knows them: (image, label) by index."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> tuple[object, SupportsInt]: ...


Given = tuple[object, object] | Pairs
"""One split: images and labels, or a dataset."""


@dataclass
class GivenImages:
    """A data set whose splits were handed over.

    Args:
        name: what runs are labelled with.
        train, test: (images, labels), or a dataset with ``len`` and (image, label) by index; images are uint8 arrays,
            tensors or PIL images, all of one size.
        names: of the classes in the order of their labels; None: the datasets' own ``classes``, else the numbers.
        groups: of every split one id an image, such as its patient; None if all images are independent.
        files: of every split the path of every image.

    Raises:
        DataError: if what was given is nothing of the kind.
    """

    name: str
    train: Given
    test: Given
    names: Sequence[str] | None = None
    limit: Limits = field(default_factory=Limits)
    groups: Mapping[str, Sequence[Hashable]] | None = None
    files: Mapping[str, Sequence[object]] | None = None

    def __post_init__(self) -> None:
        self.name = storable(self.name)
        self._splits = {"train": _split(self.train, "train"), "test": _split(self.test, "test")}
        shapes = {split: tuple(images.images.shape[1:]) for split, images in self._splits.items()}
        if len(set(shapes.values())) > 1:
            raise DataError(f"the splits' images differ in shape: {shapes}", fix=_FIX)
        highest = max(int(images.labels.max()) if len(images) else 0 for images in self._splits.values())
        if isinstance(self.names, str) or not (self.names is None or hasattr(self.names, "__iter__")):
            told = f"the classes given are not a list of names: {self.names!r:.60}"
            raise DataError(told, fix="'classes': ['cat', 'dog'], in the order of their labels")
        own = getattr(self.train, "classes", None) or range(highest + 1) if self.names is None else self.names
        self._classes = tuple(storable(str(name)) for name in own)
        if highest >= len(self._classes):
            raise DataError(f"label {highest} has no name: there are {len(self._classes)} classes", fix=_FIX)
        _check_lengths("groups", self.groups, self._splits)
        _check_lengths("files", self.files, self._splits)
        for split, ids in (self.groups or {}).items():
            self._splits[split] = replace(self._splits[split], groups=_checked_ids(ids, split))
        for split, paths in (self.files or {}).items():
            self._splits[split] = replace(self._splits[split], files=[storable(str(path)) for path in paths])

    def classes(self) -> tuple[str, ...]:
        return self._classes

    def split(self, split: SplitName) -> TensorImages:
        return self._splits[split]


def _check_lengths(key: str, given: object, splits: Mapping[str, TensorImages]) -> None:
    """Refuse what does not hold one entry for every image of both splits."""
    if given is None:
        return
    fix = f"{{'{key}': {{'train': [one entry an image], 'test': [one entry an image]}}}}"
    if not isinstance(given, Mapping) or set(given) != set(splits):
        held = f"those of {', '.join(map(str, given)) or 'none'}" if isinstance(given, Mapping) else repr(given)[:60]
        raise DataError(f"the {key} given must be those of {' and '.join(splits)}, and are {held}", fix=fix)
    for split, entries in given.items():
        if isinstance(entries, str) or not hasattr(entries, "__len__"):
            raise DataError(f"the {key} of {split} are not a list: {entries!r:.60}", fix=fix)
        if len(entries) != len(splits[split]):
            told = f"{len(entries):,} {key} for {len(splits[split]):,} images of {split}"
            raise DataError(f"there are {told}", fix=fix)


def _checked_ids(ids: Sequence[Hashable], split: str) -> list[Hashable]:
    """Group ids as they can be told apart: hashable, and equal to themselves, as NaN is not."""
    checked: list[Hashable] = []
    for position, one in enumerate(ids):
        try:
            plain = one.item() if hasattr(one, "item") else one  # out of arrays and tensors
            hash(plain)
        except (TypeError, ValueError, RuntimeError) as problem:
            told = f"the group of image {position} of {split} cannot be used, {str(one)[:60]}: {problem}"
            raise DataError(told, fix="numbers or texts as groups: [int(id), …] or [str(id), …]") from problem
        if plain != plain:
            raise DataError(f"image {position} of {split} has no group: {plain!r}", fix="one id for every image")
        checked.append(plain)
    return checked


def _split(given: Given, split: str) -> TensorImages:
    try:
        if isinstance(given, tuple) and len(given) == 2:
            images, labels = torch.as_tensor(given[0]), torch.as_tensor(given[1])
        else:
            pairs = [given[i] for i in range(len(given))]
            images = torch.stack([_tensor(image) for image, _ in pairs])
            labels = torch.as_tensor([int(label) for _, label in pairs])
        return TensorImages(_channels_first(images), _checked_labels(labels, len(images)))
    except (TypeError, ValueError, RuntimeError, IndexError, KeyError) as problem:
        raise DataError(f"the {split} images given cannot be used: {problem}", fix=_FIX) from problem


def _tensor(image: object) -> Tensor:
    return pil_to_tensor(image) if isinstance(image, Image.Image) else torch.as_tensor(image)


def _channels_first(images: Tensor) -> Tensor:
    if images.dtype != torch.uint8:
        raise ValueError(f"{images.dtype} is not uint8")
    if images.ndim == 3:
        images = images[:, None]
    if images.ndim == 4 and images.shape[1] not in (1, 3) and images.shape[3] in (1, 3):
        images = images.permute(0, 3, 1, 2)
    if images.ndim != 4 or images.shape[1] not in (1, 3):
        raise ValueError(f"shape {tuple(images.shape)} is not a shape of images")
    return images.contiguous()


def _checked_labels(labels: Tensor, count: int) -> Tensor:
    if labels.shape != (count,) or labels.is_floating_point() or (count and int(labels.min()) < 0):
        raise ValueError(f"{labels.dtype} labels of shape {tuple(labels.shape)} for {count} images")
    return labels.to(torch.int64)
