"""Your own images: a folder with one sub-folder a class.

    ImageFolder(root="flowers").split("train")

Two layouts: ``root/train/<class>/*`` and ``root/test/<class>/*``; or ``root/<class>/*`` alone, which is split by a
seeded hash of each file's relative path, so that an image stays in its split when others come and go. The images of a
split are taken in the order of that hash: the first N of them are a fair sample of all classes.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import torch

from frostmark.data.decode import SUFFIXES, Decoding
from frostmark.data.files import ImageFiles
from frostmark.data.source import SPLITS, Limits, SplitName
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

    def __post_init__(self) -> None:
        if self.root is None:
            raise ConfigError("dataset=folder needs to know which folder", fix="dataset.root=<folder of class folders>")
        if not 0 < self.test_share < 1:
            raise ConfigError(f"dataset.test_share={self.test_share} is no share", fix="dataset.test_share=0.2")
        if not 0 <= self.split_seed < 2**63:
            raise ConfigError(f"dataset.split_seed={self.split_seed} is no seed", fix="dataset.split_seed=0")
        if self.on_bad_image not in ("error", "skip"):
            raise ConfigError(
                f"dataset.on_bad_image={self.on_bad_image} is neither error nor skip", fix="dataset.on_bad_image=skip"
            )
        if self.bits is not None and not 8 <= self.bits <= 16:
            raise ConfigError(f"dataset.bits={self.bits} is not a depth of images", fix="dataset.bits=12 (8 to 16)")
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
        if not self._separated:
            files = [(p, label) for p, label in files if self._is_test(p) == (split == "test")]
        files.sort(key=lambda item: self._hash(item[0]))
        labels = torch.tensor([label for _, label in files], dtype=torch.long)
        skip, decoding = self.on_bad_image == "skip", Decoding(bits=self.bits)
        return ImageFiles([p for p, _ in files], labels, parent, skip_bad=skip, home=self._root, decoding=decoding)

    def _hash(self, path: Path) -> bytes:
        relative = str(path.relative_to(self._root)).encode("utf-8", "surrogateescape")
        return hashlib.blake2b(relative, digest_size=8, salt=self.split_seed.to_bytes(8, "little")).digest()

    def _is_test(self, path: Path) -> bool:
        # The last bytes decide the split and the first the order, so that the one does not bias the other.
        return int.from_bytes(self._hash(path)[4:], "little") < self.test_share * 2**32


def _images(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    # What is no file either, a link to nothing say, is refused by name when it is tried: no image vanishes silently.
    return [p for p in sorted(folder.rglob("*")) if p.suffix.lower() in SUFFIXES and not p.is_dir()]
