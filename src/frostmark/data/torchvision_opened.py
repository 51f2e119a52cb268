"""Which classification sets torchvision has, and what is in one that it has opened: files or pixels, labels, classes.

    opened = reader_of("OxfordIIITPet")(root, **SETS["OxfordIIITPet"].train)
    files_in(opened)                        # [(Path("…/Abyssinian_1.jpg"), 0), …]; None where it holds pixels
    classes_in(opened)                      # ("Abyssinian", …); None where they have no names

Where a set has train, val and test, the first and the last are used: what results are published for.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType
from typing import Protocol

import numpy as np
import torch
import torchvision
from torch import Tensor

from frostmark.errors import ConfigError, nearest


@dataclass(frozen=True)
class Arguments:
    """What torchvision's class takes for each split; ``test`` is None where a set has no splits of its own."""

    train: Mapping[str, object] = field(default_factory=dict)
    test: Mapping[str, object] | None = None
    left_out: str = ""


def _split(train: str, test: str, key: str = "split", left_out: str = "", **more: object) -> Arguments:
    return Arguments({**more, key: train}, {**more, key: test}, left_out)


_FLAG = Arguments({"train": True}, {"train": False})
_VALIDATED = _split("train", "test", left_out="val")

SETS: Mapping[str, Arguments] = {
    "MNIST": _FLAG, "FashionMNIST": _FLAG, "KMNIST": _FLAG, "CIFAR10": _FLAG, "CIFAR100": _FLAG, "USPS": _FLAG,
    "EMNIST": Arguments({"split": "balanced", "train": True}, {"split": "balanced", "train": False}),
    "QMNIST": _split("train", "test", "what"),
    "SVHN": _split("train", "test"),
    "STL10": _split("train", "test"),
    "FER2013": _split("train", "test"),
    "SEMEION": Arguments(),
    "OxfordIIITPet": _split("trainval", "test"),
    "Flowers102": _VALIDATED,
    "Food101": _split("train", "test"),
    "DTD": _VALIDATED,
    "GTSRB": _split("train", "test"),
    "FGVCAircraft": _split("trainval", "test"),
    "StanfordCars": _split("train", "test"),
    "RenderedSST2": _VALIDATED,
    "Country211": _split("train", "test", left_out="valid"),
    "CLEVRClassification": _split("train", "val"),
    "Imagenette": _split("train", "val"),
    "ImageNet": _split("train", "val"),
    "Places365": _split("train-standard", "val", small=True),
    "INaturalist": _split("2021_train_mini", "2021_valid", "version"),
    "SUN397": Arguments(),
    "EuroSAT": Arguments(),
    "Caltech101": Arguments(),
    "Caltech256": Arguments(),
}  # fmt: skip
"""Name of the class → its splits."""

OTHERS = {
    "PCAM": "its images lie in HDF5 files: save them as files, then dataset=folder",
    "Omniglot": "its two splits have no class in common",
    "LFWPeople": "its two splits have no person in common",
    "CelebA": "its images have forty labels each: choose one in a table, then dataset=table",
}
"""Sets of labelled images that are not classification with a train and a test split, and why."""


class Reader(Protocol):
    """One of torchvision's classes."""

    def __call__(self, root: Path, **arguments: object) -> object: ...


def reader_of(name: str) -> Reader:
    """Torchvision's class of this name.

    Raises:
        ConfigError: if it is none of :data:`SETS`.
    """
    if name in OTHERS:
        raise ConfigError(f"dataset.name={name} cannot be benchmarked", fix=OTHERS[name])
    if name not in SETS:
        lower = {known.lower(): known for known in SETS}
        listed = lower.get(name.lower().replace("-", "").replace("_", "")) or nearest(name, SETS, most=len(SETS))
        told = f"torchvision has no classification set {name}" if name else "dataset=torchvision needs a name"
        raise ConfigError(f"{told}. Nearest: {listed}", fix=f"dataset.name={listed.split(', ')[0]}")
    reader: Reader = getattr(torchvision.datasets, name)
    return reader


def files_in(opened: object) -> list[tuple[Path, int]] | None:
    """Every image file and its label; None where the set holds pixels."""
    kind = type(opened).__name__
    if kind in _BUILT:
        return list(_BUILT[kind](opened))
    for name in ("samples", "_samples", "imgs"):
        pairs = getattr(opened, name, None)
        if pairs and isinstance(pairs[0][0], str | Path):
            return [(Path(path), int(label)) for path, label, *_ in pairs]
    for name in ("_image_files", "_images"):
        paths = getattr(opened, name, None)
        if paths is not None:
            return [(Path(path), int(label)) for path, label in zip(paths, _known(opened, "_labels"), strict=True)]
    return None


def pixels_in(opened: object) -> tuple[Tensor, Tensor]:
    """(N, C, H, W) uint8 and (N,) int64 of a set that holds pixels.

    Raises:
        DataError: if the labels of a split are not published.
    """
    samples = getattr(opened, "_samples", None)
    if samples is not None:
        return torch.stack([torch.as_tensor(image) for image, _ in samples]).unsqueeze(1), _labels(
            [s[1] for s in samples]
        )
    images = torch.as_tensor(_known(opened, "data"))
    labels = _labels(getattr(opened, "targets", None) if hasattr(opened, "targets") else _known(opened, "labels"))
    if images.ndim == 3:
        images = images.unsqueeze(1)
    elif images.shape[1] not in (1, 3):
        images = images.permute(0, 3, 1, 2)
    return images.contiguous(), labels


def classes_in(opened: object) -> tuple[str, ...] | None:
    """The names of the classes in the order of their labels; None where the set does not name them."""
    for name in ("classes", "categories", "all_categories"):
        names = getattr(opened, name, None)
        if names:
            return tuple(one if isinstance(one, str) else str(one[0]) for one in names)  # ImageNet: all synonyms
    return None


def addresses_of(reader: Reader) -> list[str]:
    """Where torchvision fetches a set from, as far as its class says so."""
    module = vars(sys.modules[reader.__module__])
    for values in (vars(reader), {key: value for key, value in module.items() if key.isupper()}):
        if found := [text for value in values.values() for text in _texts(value) if text.startswith("http")]:
            return list(dict.fromkeys(found))
    return []


def _texts(value: object) -> Iterator[str]:
    """Every text in an attribute of a class: in nested tuples and mappings, and in the code of its methods."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from _texts(tuple(value.values()))
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _texts(one)
    elif isinstance(code := getattr(value, "__code__", None), CodeType):
        yield from _texts(code.co_consts[1:])  # without its docstring


def _labels(labels: object) -> Tensor:
    """(N,); QMNIST has eight numbers of each image, the first of them its class."""
    numbers = torch.as_tensor(np.asarray(labels)).to(torch.int64)
    return numbers if numbers.ndim == 1 else numbers[:, 0]


def _known(opened: object, name: str) -> list[int]:
    value: list[int] = getattr(opened, name)
    return value


def _caltech101(opened: object) -> Iterator[tuple[Path, int]]:
    folder, names = Path(getattr(opened, "root", "")) / "101_ObjectCategories", classes_in(opened) or ()
    for number, label in zip(_known(opened, "index"), _known(opened, "y"), strict=True):
        yield folder / names[label] / f"image_{number:04d}.jpg", label


def _caltech256(opened: object) -> Iterator[tuple[Path, int]]:
    folder, names = Path(getattr(opened, "root", "")) / "256_ObjectCategories", classes_in(opened) or ()
    for number, label in zip(_known(opened, "index"), _known(opened, "y"), strict=True):
        yield folder / names[label] / f"{label + 1:03d}_{number:04d}.jpg", label


def _inaturalist(opened: object) -> Iterator[tuple[Path, int]]:
    folder, names = Path(getattr(opened, "root", "")), classes_in(opened) or ()
    pairs: list[tuple[int, str]] = getattr(opened, "index", [])
    for label, name in pairs:
        yield folder / names[label] / name, label


_BUILT: Mapping[str, Callable[[object], Iterator[tuple[Path, int]]]] = {
    "Caltech101": _caltech101,
    "Caltech256": _caltech256,
    "INaturalist": _inaturalist,
}
"""Sets that put the paths together image by image."""
