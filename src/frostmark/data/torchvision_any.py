"""Every classification set of torchvision, by the name of its class, with its own splits.

    AnyTorchvision("OxfordIIITPet", root="data").split("test")

A set that has no splits of its own is split by a hash. Image files are taken in an order of hashes, as in a folder.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from frostmark.data.decode import Decoding
from frostmark.data.files import ImageFiles, check_reading
from frostmark.data.grouping import PathGroups
from frostmark.data.source import ImageSet, Limits, SplitName, TensorImages
from frostmark.data.splitting import HashSplit
from frostmark.data.torchvision_opened import (
    SETS,
    addresses_of,
    classes_in,
    files_in,
    pixels_in,
    reader_of,
)
from frostmark.data.torchvision_sets import KNOWN, TorchvisionSet
from frostmark.download import UnreachableError, impatient, require_reachable
from frostmark.errors import ConfigError, DataError
from frostmark.names import storable


@dataclass(frozen=True)
class AnyTorchvision:
    """One of torchvision's classification sets.

    Args:
        name: of torchvision's class.
        root: folder that holds the files, as torchvision lays them out.
        download: fetch what is missing.
        group: a regular expression with one parenthesis that is searched in the path of every image.
        limit: how many images of each split to use.
        test_share, split_seed: of the split by a hash, where the set has none of its own.
        on_bad_image: ``error``: files that are no readable image are named and refused; ``skip``: they are left out.

    Raises:
        ConfigError: if torchvision has no such set.
    """

    name: str = ""
    root: str = "data"
    download: bool = True
    group: str | None = None
    limit: Limits = field(default_factory=Limits)
    test_share: float = 0.2
    split_seed: int = 0
    on_bad_image: str = "error"

    def __post_init__(self) -> None:
        reader_of(self.name)
        HashSplit(self.test_share, self.split_seed)
        check_reading(self.on_bad_image, None)
        if self.group is not None:
            PathGroups(self.group)
            if self.name in KNOWN:
                raise _without_paths(self.name)

    def classes(self) -> tuple[str, ...]:
        return self._small.classes() if self._small else tuple(map(storable, self._classes[0]))

    def split(self, split: SplitName) -> ImageSet:
        if self._small:
            return self._small.split(split)
        opened = self._opened[split]
        files = files_in(opened)
        return self._pixels(opened, split) if files is None else self._files(files, split)

    @property
    def remarks(self) -> list[str]:
        """Which of the set's own splits are not used."""
        left_out = SETS[self.name].left_out
        return [f"splits that are not used: {left_out}"] if left_out else []

    @property
    def _small(self) -> TorchvisionSet | None:
        """One of those that have a YAML of their own, which are read in one way."""
        return TorchvisionSet(self.name, self.root, self.download) if self.name in KNOWN else None

    @property
    def _root(self) -> Path:
        return Path(self.root).expanduser().absolute()

    @cached_property
    def _opened(self) -> dict[SplitName, object]:
        """Torchvision's objects; one and the same of a set that has no splits."""
        arguments = SETS[self.name]
        train = self._open(arguments.train)
        return {"train": train, "test": train if arguments.test is None else self._open(arguments.test)}

    @cached_property
    def _classes(self) -> tuple[tuple[str, ...], dict[int, int]]:
        """Names, and the number of each label that torchvision gives: without names, the labels in their order."""
        named = classes_in(self._opened["train"])
        if named is not None:
            return named, {label: label for label in range(len(named))}
        labels = sorted({label for opened in self._opened.values() for label in _labels(opened)})
        return tuple(map(str, labels)), {label: number for number, label in enumerate(labels)}

    def _files(self, files: Sequence[tuple[Path, int]], split: SplitName) -> ImageFiles:
        names = [str(path.absolute().relative_to(self._root)) for path, _ in files]
        groups = None if self.group is None else PathGroups(self.group).of(names)
        chosen = self._chosen(names, groups, split)
        numbers = self._classes[1]
        return ImageFiles(
            [files[i][0].absolute() for i in chosen],
            torch.tensor([numbers[files[i][1]] for i in chosen], dtype=torch.long),
            self._root,
            skip_bad=self.on_bad_image == "skip",
            groups=None if groups is None else [groups[i] for i in chosen],
            decoding=Decoding(),
        )

    def _pixels(self, opened: object, split: SplitName) -> TensorImages:
        if self.group is not None:
            raise _without_paths(self.name)
        images, labels = pixels_in(opened)
        numbers = self._classes[1]
        mapped = torch.tensor([numbers[int(label)] for label in labels], dtype=torch.long)
        if SETS[self.name].test is not None:
            return TensorImages(images, mapped)
        chosen = self._chosen([str(i) for i in range(len(images))], None, split)
        return TensorImages(images[chosen], mapped[chosen])

    def _chosen(self, names: Sequence[str], groups: Sequence[str] | None, split: SplitName) -> list[int]:
        hashed = HashSplit(self.test_share, self.split_seed)
        return hashed.order(names) if SETS[self.name].test is not None else hashed.parted(names, groups)[split]

    def _open(self, arguments: Mapping[str, object]) -> object:
        reader, given = reader_of(self.name), dict(arguments)
        try:
            # Some of torchvision's classes fetch what is missing unless they are told not to, others take no such word.
            return reader(self._root, **given, **({"download": False} if self.name == "SEMEION" else {}))
        except (RuntimeError, OSError, ValueError) as problem:
            first = problem
        except ImportError as problem:
            raise self._missing(str(problem)) from problem
        if not self.download or self.name in BY_HAND:
            raise self._missing(_line(first)) from first
        try:
            for address in addresses_of(reader)[:1]:
                require_reachable(address, answered=True)
            with impatient():
                return reader(self._root, **given, download=True)
        except (UnreachableError, RuntimeError, OSError, EOFError, ValueError) as problem:
            raise self._missing(f"no download: {_line(problem)}") from problem

    def _missing(self, reason: str) -> DataError:
        addresses = addresses_of(reader_of(self.name))
        fetched = f". Torchvision fetches it from {', '.join(addresses[:MAX_NAMED])}" if addresses else ""
        there = (
            f"put its files into {self._root} as torchvision lays them out, or dataset.root=<folder that holds them>"
        )
        fix = there if self.download or self.name in BY_HAND else f"dataset.download=true, or {there}"
        return DataError(f"{self.name} is not in {self._root} ({reason}){fetched}", fix=fix)


BY_HAND = ("FER2013", "StanfordCars", "ImageNet")
"""Sets that torchvision does not fetch."""

MAX_NAMED = 4
"""Addresses that an error names."""


def _without_paths(name: str) -> ConfigError:
    return ConfigError(f"the images of {name} have no paths to find a group in", fix="dataset.group=null")


def _line(problem: BaseException) -> str:
    """What torchvision says, without the keywords of its own functions."""
    return (str(problem) or type(problem).__name__).splitlines()[0].partition(". You can use download=True")[0]


def _labels(opened: object) -> list[int]:
    files = files_in(opened)
    return [label for _, label in files] if files is not None else np.unique(pixels_in(opened)[1].numpy()).tolist()
