"""Your own images: a folder with one sub-folder a class.

    ImageFolder(root="flowers").split("train")

Layouts are read as people make them, see :mod:`frostmark.data.layout`. Where the folder does not separate train and
test, a seeded hash of each file's relative path does, or of its group: see :mod:`frostmark.data.splitting`.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from frostmark.data.files import ImageFiles, check_reading
from frostmark.data.grouping import PathGroups
from frostmark.data.layout import Layout, class_remarks, layout_of
from frostmark.data.paths import PathList
from frostmark.data.source import Limits, SplitName
from frostmark.data.split_names import split_name
from frostmark.data.splitting import HashSplit
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
        group: a regular expression with one parenthesis: what it finds in the path of an image is the image's group.
        nested: whether folders inside class folders are known to be no classes of their own; of groups they are.

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
    nested: bool = False

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
    def _tree(self) -> Tree:
        return scanned(self._root)

    @cached_property
    def _layout(self) -> Layout:
        """How the folder is read; looked at once."""
        if self.on_bad_image == "error" and (first := first_unreadable(self._tree)):
            raise unreadable(self._root / first[0], first[1])
        return layout_of(self._root, self._tree, self.nested or self.group is not None)

    def classes(self) -> tuple[str, ...]:
        return tuple(map(storable, self._layout.classes))

    def split(self, split: SplitName) -> ImageFiles:
        layout = self._layout
        names, labels = layout.images(split, self._root)
        groups = None if self.group is None else PathGroups(self.group).of(names)
        hashed = HashSplit(self.test_share, self.split_seed)
        chosen = hashed.order(names) if layout.separated else hashed.parted(names, groups)[split]
        paths = PathList(self._root, names)
        return ImageFiles.chosen(chosen, paths, labels, groups, self._root, self.on_bad_image, self.bits)

    @property
    def remarks(self) -> list[str]:
        """What must be said of how the folder is read, and what of it is not used."""
        layout = self._layout
        said = [*layout.reading]
        if not layout.separated:
            hashed = "path" if self.group is None else "group"
            said.append(f"a hash of each {hashed} says which images are test (dataset.test_share={self.test_share:g})")
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
