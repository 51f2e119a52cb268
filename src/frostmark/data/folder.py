"""Your own images: a folder with one sub-folder a class.

    ImageFolder(root="flowers").split("train")

Two layouts: ``root/train/<class>/*`` and ``root/test/<class>/*``; or ``root/<class>/*`` alone, which is split by a
seeded hash of each file's relative path, or of its group: see :mod:`frostmark.data.splitting`.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import torch

from frostmark.data.decode import SUFFIXES, Decoding
from frostmark.data.files import ImageFiles, check_reading
from frostmark.data.grouping import PathGroups
from frostmark.data.source import SPLITS, Limits, SplitName
from frostmark.data.splitting import HashSplit
from frostmark.errors import ConfigError, DataError
from frostmark.names import storable

_SPLIT_NAMES = {"train", "training", "test", "testing", "val", "valid", "validation", "eval"}


@dataclass(frozen=True)
class ImageFolder:
    """Image files sorted into a folder a class.

    Args:
        root: the folder.
        limit: how many images of each split to use.
        test_share: share of the images that become the test split where the folder does not separate them.
        split_seed: of the hash that separates them.
        name: what runs are labelled with; the folder's own name where empty.
        on_bad_image: ``error``: files that are no readable image are named and refused; ``skip``: they are left out.
        bits: that samples use in files of 16 bits that do not say so themselves: 10, 12, 14 or 16.
        group: a regular expression with one parenthesis: what it finds in the path of an image is the image's group.

    Raises:
        ConfigError: if ``root`` is not given or ``test_share`` is not between 0 and 1.
    """

    root: str | None = None
    limit: Limits = field(default_factory=Limits)
    test_share: float = 0.2
    split_seed: int = 0
    name: str = ""
    on_bad_image: str = "error"
    bits: int | None = None
    group: str | None = None

    def __post_init__(self) -> None:
        if self.root is None:
            raise ConfigError("dataset=folder needs to know which folder", fix="dataset.root=<folder of class folders>")
        HashSplit(self.test_share, self.split_seed)
        check_reading(self.on_bad_image, self.bits)
        if self.group is not None:
            PathGroups(self.group)
        if not self.name:
            object.__setattr__(self, "name", self._root.name)
        object.__setattr__(self, "name", storable(self.name))

    @property
    def _root(self) -> Path:
        return Path(os.path.abspath(Path(self.root or "").expanduser()))  # noqa: PTH100 (".." goes, links stay)

    @cached_property
    def _separated(self) -> bool:
        return all((self._root / split).is_dir() for split in SPLITS)

    def classes(self) -> tuple[str, ...]:
        return tuple(map(storable, self._class_folders()))

    def _class_folders(self) -> tuple[str, ...]:
        """Their names as the file system has them, which may be no text: the classes in their order."""
        if not self._root.is_dir():
            raise DataError(f"there is no folder {self._root}", fix="dataset.root=<folder of class folders>")
        folders = {d.name for d in self._root.iterdir() if d.is_dir()}
        if folders and folders <= _SPLIT_NAMES and not self._separated:
            raise DataError(
                f"{self._root} holds the splits {', '.join(sorted(folders))}; two are needed, called train and test",
                fix=f"rename or link them: {self._root}/train/<class>/… and {self._root}/test/<class>/…",
            )
        parents = [self._root / split for split in SPLITS] if self._separated else [self._root]
        names = {d.name for parent in parents for d in parent.iterdir() if d.is_dir() and not d.name.startswith(".")}
        if not names:
            raise DataError(f"{self._root} holds no class folders", fix="lay the images out as root/<class>/<image>")
        return tuple(sorted(names))

    def split(self, split: SplitName) -> ImageFiles:
        folders = self._class_folders()
        parent = self._root / split if self._separated else self._root
        files = [(p, label) for label, name in enumerate(folders) for p in _images(parent / name)]
        names = [str(path.relative_to(self._root)) for path, _ in files]
        groups = None if self.group is None else PathGroups(self.group).of(names)
        hashed = HashSplit(self.test_share, self.split_seed)
        chosen = hashed.order(names) if self._separated else hashed.parted(names, groups)[split]
        labels = torch.tensor([files[i][1] for i in chosen], dtype=torch.long)
        return ImageFiles(
            [files[i][0] for i in chosen],
            labels,
            self._root,
            skip_bad=self.on_bad_image == "skip",
            groups=None if groups is None else [groups[i] for i in chosen],
            decoding=Decoding(bits=self.bits),
        )


def _images(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    # What is no file either, a link to nothing say, is refused by name when it is tried: no image vanishes silently.
    return [p for p in sorted(folder.rglob("*")) if p.suffix.lower() in SUFFIXES and not p.is_dir()]
