"""Data sets that torchvision downloads and reads: FashionMNIST, MNIST, KMNIST, CIFAR-10, CIFAR-100.

    TorchvisionSet("FashionMNIST", root="data").split("test")      # 10,000 grey images of 28 × 28 pixels

Splits are the library's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import torch
import torchvision

from frostmark.data.source import Limits, SplitName, TensorImages
from frostmark.download import UnreachableError, impatient, require_reachable
from frostmark.errors import ConfigError, DataError
from frostmark.names import quoted

_IDX = tuple(
    f"{name}-ubyte.gz" for name in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
)


class _Opened(Protocol):
    """What is read of torchvision's data sets, which have no types."""

    classes: Sequence[str]
    data: object
    targets: object


class _Reader(Protocol):
    """What is read of their classes: where the archives are."""

    resources: Sequence[tuple[str, str]]
    url: str


@dataclass(frozen=True)
class _Files:
    folder: str
    archives: tuple[str, ...]
    megabytes: str


KNOWN = {
    "MNIST": _Files("MNIST/raw", _IDX, "9.9, 0.03, 1.6 and 0.005"),
    "FashionMNIST": _Files("FashionMNIST/raw", _IDX, "26.4, 0.03, 4.4 and 0.005"),
    "KMNIST": _Files("KMNIST/raw", _IDX, "18.2, 0.03, 3.0 and 0.005"),
    "CIFAR10": _Files("", ("cifar-10-python.tar.gz",), "170.5"),
    "CIFAR100": _Files("", ("cifar-100-python.tar.gz",), "169.0"),
}


@dataclass(frozen=True)
class TorchvisionSet:
    """One of torchvision's classification data sets that fit into memory.

    Args:
        dataset: torchvision's class.
        root: folder that holds the files, as torchvision lays them out.
        download: fetch what is missing.
        limit: how many images of each split to use.
        name: what runs are labelled with.

    Raises:
        ConfigError: if ``dataset`` is none of those known here.
    """

    dataset: str
    root: str = "data"
    download: bool = True
    limit: Limits = field(default_factory=Limits)
    name: str = ""

    def __post_init__(self) -> None:
        if self.dataset not in KNOWN:
            raise ConfigError(
                f"no torchvision data set '{self.dataset}' is known here",
                fix=f"dataset.dataset={next(iter(KNOWN))} (valid: {', '.join(KNOWN)})",
            )

    def classes(self) -> tuple[str, ...]:
        return tuple(self._open("train").classes)

    def split(self, split: SplitName) -> TensorImages:
        opened = self._open(split)
        images = torch.as_tensor(opened.data)
        # MNIST and its like: (N, H, W); CIFAR: (N, H, W, 3).
        images = images.unsqueeze(1) if images.ndim == 3 else images.permute(0, 3, 1, 2)
        return TensorImages(images.contiguous(), torch.as_tensor(opened.targets).long())

    def _open(self, split: SplitName) -> _Opened:
        reader = getattr(torchvision.datasets, self.dataset)
        opened: _Opened
        try:
            opened = reader(Path(self.root).expanduser(), train=split == "train", download=False)
            return opened
        except RuntimeError:  # torchvision: "Dataset not found or corrupted"
            pass
        except (AssertionError, ValueError, OSError) as problem:
            raise DataError(
                f"the files of {self.dataset} under {self._folder()} are damaged: {problem}",
                fix="remove them and let them be downloaded again, or put intact ones there",
            ) from problem
        self._require_download(reader)
        try:
            with impatient():
                opened = reader(Path(self.root).expanduser(), train=split == "train", download=True)
                return opened
        except (RuntimeError, OSError, EOFError) as problem:
            raise self._missing(f"the download failed: {problem}") from problem

    def _require_download(self, reader: _Reader) -> None:
        known = KNOWN[self.dataset]
        if all((self._folder() / archive).is_file() for archive in known.archives):
            return None  # put there by hand: torchvision checks and unpacks them
        if not self.download:
            raise self._missing("dataset.download=false")
        mirrors = [m + reader.resources[0][0] for m in getattr(reader, "mirrors", [])] or [reader.url]
        problem: UnreachableError | None = None
        for url in mirrors:
            try:
                return require_reachable(url)
            except UnreachableError as unreachable:
                problem = unreachable
        raise self._missing(f"no download: {problem}") from problem

    def _folder(self) -> Path:
        return (Path(self.root).expanduser() / KNOWN[self.dataset].folder).absolute()

    def _missing(self, reason: str) -> DataError:
        known, folder = KNOWN[self.dataset], self._folder()
        there = known.folder or known.archives[0]
        root = self._root_above()
        moved = f"put these files into {folder}, or dataset.root=<the folder that contains {there}>"
        return DataError(
            f"{self.dataset} is not on this machine ({reason}). Missing in {folder}: {', '.join(known.archives)} "
            f"({known.megabytes} MB)",
            fix=(moved if root is None else f"dataset.root={quoted(str(root))}")
            + "; `python run.py experiment=quickstart` needs no download",
        )

    def _root_above(self) -> Path | None:
        """The folder to name where the root that was named lies in the tree of the files: ``…/FashionMNIST/raw``."""
        known, root = KNOWN[self.dataset], Path(self.root).expanduser().absolute()
        for above in root.parents[:2]:
            folder = above / known.folder
            if all((folder / a).is_file() or (folder / a.removesuffix(".gz")).is_file() for a in known.archives):
                return above
        return None
