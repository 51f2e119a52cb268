"""A folder as it lies on the disk: its image files, its folders, and what is passed over and why.

    tree = scanned(Path("flowers"))
    tree.folders["rose"].images             # ("1.jpg", "2.jpg")
    tree.count                              # image files in it and in all folders below

Links are followed. A link that leads back into a folder that it lies in is passed over, so that no walk is endless.
"""

from __future__ import annotations

import os
import shlex
from collections import Counter
from collections.abc import Hashable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path

from frostmark.data.decode import SUFFIXES
from frostmark.errors import DataError

LEFT_BY_PROGRAMS = {
    "__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "@eadir", "@recycle", "@recently-snapshot",
    "#recycle", "#snapshot", "$recycle.bin", "recycler", "system volume information", "lost+found", "__pycache__",
    "mlruns", "lightning_logs", "wandb",
}  # fmt: skip
"""Names, in any case, of what unpacking, file managers, storage devices and training leave in folders of images."""


ALWAYS_THERE = "dataset=digits"
"""Images that need no file."""

MAX_NAMED = 8
"""Folders that a message names."""


@dataclass
class PassedOver:
    """What is not looked at, by cause.

    Attributes:
        endings: ending → files that have it.
        hidden, by_programs, loops, unreadable: names of files and folders; ``unreadable`` with the reason.
    """

    endings: Counter[str] = field(default_factory=Counter)
    hidden: list[str] = field(default_factory=list)
    by_programs: list[str] = field(default_factory=list)
    loops: list[str] = field(default_factory=list)
    unreadable: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Tree:
    """One folder.

    Attributes:
        identity: the same for every link that leads to it.
        images: names of its image files, in order.
        folders: name → folder, in order.
        passed_over: of this folder alone.
    """

    identity: Hashable
    images: tuple[str, ...]
    folders: Mapping[str, Tree]
    passed_over: PassedOver

    @cached_property
    def count(self) -> int:
        """Image files in it and below."""
        return len(self.images) + sum(tree.count for tree in self.folders.values())

    @property
    def holding(self) -> dict[str, Tree]:
        """The folders with images in or below them."""
        return {name: tree for name, tree in self.folders.items() if tree.count}


def scanned(folder: Path) -> Tree:
    """Read a folder and all that lies below it.

    Raises:
        DataError: if it is not there, or cannot be read.
    """
    if not folder.is_dir():
        there = "is a file, not a folder" if folder.exists() else ""
        raise DataError(
            f"{folder} {there}" if there else f"there is no folder {folder}{_above(folder)}",
            fix="dataset.root=<folder of class folders>, unpacked where it is an archive"
            if there
            else _instead(folder),
        )
    tree = _Scan().of(os.fspath(folder))
    if problem := tree.passed_over.unreadable.get(""):
        raise unreadable(folder, problem)
    return tree


def _instead(folder: Path) -> str:
    """The folder of nearly that name, or images that are always there."""
    with suppress(OSError):
        beside = [path.name for path in folder.parent.iterdir() if path.is_dir()]
        if near := get_close_matches(folder.name, beside, n=1):
            return shlex.quote(f"dataset={folder.parent / near[0]}")
    return f"{ALWAYS_THERE}; images of your own: dataset=<folder of class folders>"


def _above(folder: Path) -> str:
    """The nearest folder above that is there, and what lies in it."""
    with suppress(OSError):
        above = next(path for path in folder.absolute().parents if path.is_dir())
        names = [name for name, _, is_folder in _listed(os.fspath(above), PassedOver()) if is_folder and name[0] != "."]
        more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
        told = f"has the folder{'s' if len(names) > 1 else ''} {', '.join(names[:MAX_NAMED])}{more}"
        return f"; {above} exists, and {told if names else 'has no folders'}"
    return ""


def folder_with_images_beside(folder: Path) -> str | None:
    """The name of a folder beside it that has images directly within, as class folders have; None if there is none."""
    for name, path, is_folder in _listed(os.fspath(folder.parent), PassedOver()):
        if not is_folder or name == folder.name or name.startswith(".") or name.lower() in LEFT_BY_PROGRAMS:
            continue
        if any(os.path.splitext(file)[1].lower() in SUFFIXES for file, _, _ in _listed(path, PassedOver())):  # noqa: PTH122
            return name
    return None


def unreadable(folder: Path, reason: str) -> DataError:
    """What is raised of a folder whose names cannot be listed."""
    return DataError(
        f"the folder {folder} cannot be read: {reason}",
        fix="give yourself the right to read it, or leave it out: dataset.on_bad_image=skip",
    )


class _Scan:
    """One walk, which reads every folder once, by however many links it is reached."""

    def __init__(self) -> None:
        self._known: dict[Hashable, Tree] = {}
        self._above: set[Hashable] = set()

    def of(self, folder: str) -> Tree:
        identity = _identity(folder)
        if identity in self._known:
            return self._known[identity]
        self._above.add(identity)
        images, folders, passed = [], {}, PassedOver()
        for name, path, is_folder in _listed(folder, passed):
            if name.startswith("."):
                passed.hidden.append(name)
            elif name.lower() in LEFT_BY_PROGRAMS:
                passed.by_programs.append(name)
            elif not is_folder:
                ending = os.path.splitext(name)[1].lower()  # noqa: PTH122 (a million files: no objects)
                # What is not a file either, such as a link to nothing, is refused by name when it is tried.
                if ending in SUFFIXES:
                    images.append(name)
                else:
                    passed.endings[ending] += 1
            elif _identity(path) in self._above:
                passed.loops.append(name)
            else:
                folders[name] = self.of(path)
        self._above.discard(identity)
        self._known[identity] = Tree(identity, tuple(images), folders, passed)
        return self._known[identity]


def _listed(folder: str, passed: PassedOver) -> list[tuple[str, str, bool]]:
    """Name, path and whether it is a folder, in the order of the names; nothing of a folder that cannot be read."""
    try:
        with os.scandir(folder) as entries:
            return sorted((entry.name, entry.path, _is_folder(entry)) for entry in entries)
    except OSError as problem:
        passed.unreadable[""] = problem.strerror or str(problem)
        return []


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads into itself
        return False


def _identity(folder: str) -> Hashable:
    status = os.stat(folder)  # noqa: PTH116
    return (status.st_dev, status.st_ino) if status.st_ino else os.path.realpath(folder)
