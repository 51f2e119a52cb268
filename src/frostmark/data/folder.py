"""Your own images: a folder with one sub-folder a class.

    ImageFolder(root="flowers").split("train")

Layouts are read as people make them, see :mod:`frostmark.data.layout`. Where the folder does not separate train and
test, a seeded hash of each file's relative path does, so that an image stays in its split when others come and go. The
images of a split are taken in the order of that hash: the first N of them are a fair sample of all classes.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import torch

from frostmark.data.decode import Decoding
from frostmark.data.files import ImageFiles
from frostmark.data.layout import Layout, class_remarks, layout_of
from frostmark.data.source import Limits, SplitName
from frostmark.data.split_names import split_name
from frostmark.data.tree import Tree, scanned, unreadable
from frostmark.data.unused import first_unreadable, unused
from frostmark.errors import ConfigError
from frostmark.names import storable, visible


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
        nested: whether folders inside class folders are known to be no classes of their own.

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
    nested: bool = False

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
    def _tree(self) -> Tree:
        return scanned(self._root)

    @cached_property
    def _layout(self) -> Layout:
        """How the folder is read; looked at once."""
        if self.on_bad_image == "error" and (first := first_unreadable(self._tree)):
            raise unreadable(self._root / first[0], first[1])
        return layout_of(self._root, self._tree, self.nested)

    def classes(self) -> tuple[str, ...]:
        return tuple(map(storable, self._layout.classes))

    def split(self, split: SplitName) -> ImageFiles:
        layout = self._layout
        hashed = ((self._hash(image.name), image) for image in layout.images(split))
        chosen = [(h, i) for h, i in hashed if layout.separated or self._is_test(h) == (split == "test")]
        chosen.sort(key=lambda item: item[0])
        labels = torch.tensor([image.label for _, image in chosen], dtype=torch.long)
        return ImageFiles(
            [image.path for _, image in chosen],
            labels,
            layout.parts[split].root,
            skip_bad=self.on_bad_image == "skip",
            home=self._root,
            decoding=Decoding(bits=self.bits),
        )

    @property
    def remarks(self) -> list[str]:
        """What must be said of how the folder is read, and what of it is not used."""
        layout = self._layout
        said = [*layout.reading]
        if not layout.separated:
            said.append(f"a hash of each path says which images are test (dataset.test_share={self.test_share:g})")
            said += self._beside()
        said += class_remarks(layout)
        left = unused(self._root.name, self._tree, layout.told, layout.again)
        return [*map(visible, said + ([left] if left else []))]

    def _beside(self) -> list[str]:
        """That a folder is one split of two, if the other one lies beside it."""
        word = split_name(self._root.name)
        if word is None:
            return []
        beside = [d.name for d in sorted(self._root.parent.iterdir()) if d.is_dir() and d != self._root]
        others = [name for name in beside if (other := split_name(name)) and other.rest == word.rest]
        told = f"{self._root.name} alone is split; beside it lies {', '.join(others)}: dataset.root={self._root.parent}"
        return [f"{told} reads both"] if others else []

    def _hash(self, name: str) -> bytes:
        relative = name.encode("utf-8", "surrogateescape")
        return hashlib.blake2b(relative, digest_size=8, salt=self.split_seed.to_bytes(8, "little")).digest()

    def _is_test(self, hashed: bytes) -> bool:
        # The last bytes decide the split and the first the order, so that the one does not bias the other.
        return int.from_bytes(hashed[4:], "little") < self.test_share * 2**32
