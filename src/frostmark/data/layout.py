"""Which folders are splits and which are classes, of a folder as people make them; what is ambiguous is refused.

    layout = layout_of(Path("flowers"), scanned(Path("flowers")))
    layout.classes, layout.separated        # ("rose", "tulip"), True
    layout.images("train", root)            # ["Train/rose/1.jpg", …], [0, …]
    layout.remarks                          # ["Train is the train split, valid the test split", …]

Read are ``<class>/*``; ``<train>/<class>/*`` and ``<test>/<class>/*`` under any usual name; ``<class>/<train>/*``; each
below any number of folders that are the only one with images. docs/images.md has all of it in words.
"""

from __future__ import annotations

import os
import unicodedata
from array import array
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain, repeat
from pathlib import Path
from typing import NamedTuple

from frostmark.data.refusals import (
    data_sets_as_classes,
    half_separated,
    no_class_in_both,
    no_classes,
    no_two_splits,
    one_folder_twice,
    several_pairs,
    several_readings,
    twice,
    unread_class,
)
from frostmark.data.source import SPLITS, SplitName
from frostmark.data.split_names import Kind, Pair, pairs_among, split_name
from frostmark.data.tree import Tree
from frostmark.data.unused import images, is_unread_class, listed_names, without_images


class Place(NamedTuple):
    """A folder: where it is, and what is in it."""

    path: Path
    tree: Tree

    def below(self, name: str) -> Place:
        return Place(self.path / name, self.tree.folders[name])


@dataclass(frozen=True)
class SplitFolders:
    """The class folders of one split, or of both.

    Attributes:
        classes: name of the class → its folders; several where their names differ in the form of Unicode alone.
    """

    classes: Mapping[str, Sequence[Place]]


@dataclass(frozen=True)
class Layout:
    """A folder as it is read.

    Attributes:
        parts: by split; twice the same where the folder does not separate them.
        separated: whether it does.
        reading: what must be said of how it is read.
        again: folders that links lead to a second time within their class; they are read once.
        left: splits that are not used, of which ``reading`` tells.
    """

    parts: Mapping[SplitName, SplitFolders]
    separated: bool
    reading: tuple[str, ...] = ()
    again: tuple[str, ...] = ()
    left: tuple[Place, ...] = ()

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes that have images, in order."""
        return tuple(sorted({name for part in self.parts.values() for name in _with_images(part)}))

    def images(self, split: SplitName, root: Path) -> tuple[list[str], array[int]]:
        """The images of a split, named from ``root``, and their labels.

        All of them where the folder does not separate the splits. Names and numbers alone: there may be a million.
        """
        names: list[str] = []
        labels = array("q")
        for label, name in enumerate(self.classes):
            for place in _once(self.parts[split].classes.get(name, ())):
                folder = place.path.relative_to(root)
                below = "" if folder == Path() else f"{folder}{os.sep}"
                names += [below + image for image in place.tree.images]
                labels.extend(repeat(label, len(place.tree.images)))
        return names, labels

    @cached_property
    def told(self) -> frozenset[Hashable]:
        """The folders whose images are in a split, or are told of as those of one that is not used."""
        classes = [of for part in self.parts.values() for of in part.classes.values()]
        return frozenset(place.tree.identity for of in (*classes, self.left) for place in _once(of))


def layout_of(root: Path, tree: Tree, nested: bool = False) -> Layout:
    """How a folder is read.

    Args:
        nested: whether folders inside class folders are known to be no classes of their own.

    Raises:
        DataError: if there are no classes, or it may be read in several ways; it says which.
    """
    place, said = Place(root, tree), []
    while True:
        layout = _separated(place) or _separated_inside(place)
        if layout is not None or not (only := _only_child(place)):
            break
        place = place.below(only)
        said = [f"read from {place.path.relative_to(root).as_posix()}, the only folder with images"]
    layout = layout or _plain(place, nested)
    layout = replace(layout, reading=(*said, *layout.reading), again=tuple(_again(layout)))
    for part in layout.parts.values():
        for name, places in part.classes.items():
            if name not in layout.classes and is_unread_class([p.tree for p in places]):
                raise unread_class(places[0].path, places[0].tree)
    return layout


def class_remarks(layout: Layout) -> list[str]:
    """What must be said of the names of the classes, and of folders that became none."""
    folders = {name: of for part in layout.parts.values() for name, of in part.classes.items()}
    empty = [f"{name} ({without_images(of[0].tree)})" for name, of in folders.items() if name not in layout.classes]
    said = [f"class folders without images are left out: {listed_names(empty)}"] if empty else []
    parts = {id(part): part for part in layout.parts.values()}.values()
    one = [name for part in parts for name, of in part.classes.items() if len(of) > 1]
    if one:
        said.append(f"folders whose names differ in the form of their accents alone are one class: {listed_names(one)}")
    by_case: dict[str, list[str]] = {}
    for name in layout.classes:
        by_case.setdefault(name.casefold(), []).append(name)
    differ = [" and ".join(names) for names in by_case.values() if len(names) > 1]
    if differ:
        said.append(f"class folders that differ in upper and lower case are different classes: {listed_names(differ)}")
    return said


# ---------------------------------------------------------------- splits


def _separated(place: Place) -> Layout | None:
    """Folders that are splits, with class folders in them; None if there are no such folders."""
    pair = _pair(place)
    if pair is None:
        return None
    train = _inside(place.below(pair["train"][0]), None)
    tests = {name: _inside(place.below(name), train) for name in (*pair["test"], *pair["validation"])}
    chosen = next((name for name, part in tests.items() if set(_with_images(part)) & set(_with_images(train))), None)
    if chosen is None:
        raise no_class_in_both(place.path, {name: place.tree.folders[name] for name in (pair["train"][0], *tests)})
    kind: Kind = "test" if chosen in pair["test"] else "validation"
    if len(pair[kind]) > 1:
        raise twice(place.path, pair[kind])
    said = []
    if (pair["train"][0], chosen) != SPLITS:
        said.append(f"{pair['train'][0]} is the train split, {chosen} the test split")
    if left := [name for name in tests if name != chosen]:
        counts = [f"{name} ({images(place.tree.folders[name].count)})" for name in left]
        why = ", without a class of train" if pair["test"] and kind == "validation" else ""
        said.append(f"splits that are not used: {listed_names(counts)}{why}")
    parts: dict[SplitName, SplitFolders] = {"train": train, "test": tests[chosen]}
    return Layout(parts, True, tuple(said), left=tuple(place.below(name) for name in left))


def _pair(place: Place) -> Pair | None:
    """The names of the folders that are splits, by kind; None if the folders are none.

    Raises:
        DataError: if folders are called as splits are, and not two of them are one of train and one of test.
    """
    pairs = pairs_among({name: tree.count for name, tree in place.tree.folders.items()})
    if len(pairs) > 1:
        raise several_pairs(place.path, [[*chain(*kinds.values())] for kinds in pairs])
    if not pairs:
        holding = place.tree.holding or place.tree.folders
        if holding and all((word := split_name(name)) is not None and word.is_plain for name in holding):
            raise no_two_splits(place.path, holding)
        return None
    (pair,) = pairs
    if len(pair["train"]) > 1:
        raise twice(place.path, pair["train"])
    return pair


def _inside(split: Place, train: SplitFolders | None) -> SplitFolders:
    """The classes of a split; one folder that holds them all is gone into (``seg_train/seg_train``, ``train/images``).

    Args:
        train: what is in the train split; None if this is it.
    """
    only = _only_child(split)
    if only is None:
        return SplitFolders(_by_class(split))
    below = split.below(only)
    # A train split of one class could not be classified: what holds all classes is none.
    known = set() if train is None else set(train.classes)
    if train is not None and (only in known or not known & set(below.tree.holding)):
        return SplitFolders(_by_class(split))
    return _inside(below, train)


def _separated_inside(place: Place) -> Layout | None:
    """Class folders that have splits in them; None if they have none.

    Raises:
        DataError: if they are data sets instead, or some of them have none.
    """
    tops = {name: place.below(name) for name in place.tree.holding}
    if len(tops) < 2:
        return None
    pairs = {name: pair for name, top in tops.items() if (pair := _pair_within(top)) is not None}
    if not pairs:
        return None
    inner = [tops[name].below(n) for name, pair in pairs.items() for kind in pair.values() for n in kind]
    if any(split.tree.holding for split in inner):
        raise data_sets_as_classes(place.path, list(pairs))
    if len(pairs) < len(tops):
        raise half_separated(place.path, list(pairs), [name for name in tops if name not in pairs])
    chosen = {name: (pair["train"][0], (pair["test"] or pair["validation"])[0]) for name, pair in pairs.items()}
    parts: dict[SplitName, SplitFolders] = {}
    for i, split in enumerate(SPLITS):
        of: dict[str, list[Place]] = {}
        for name, taken in chosen.items():
            of.setdefault(unicodedata.normalize("NFC", name), []).append(tops[name].below(taken[i]))
        parts[split] = SplitFolders(of)
    train, test = (listed_names(sorted({taken[i] for taken in chosen.values()})) for i in (0, 1))
    return Layout(parts, True, (f"inside every class folder {train} is the train split, {test} the test split",))


def _pair_within(top: Place) -> Pair | None:
    """As :func:`_pair` of a folder that may be a class: whatever is not a pair is one of its folders."""
    pairs = pairs_among({name: tree.count for name, tree in top.tree.holding.items()})
    return pairs[0] if len(pairs) == 1 else None


# ---------------------------------------------------------------- classes


def _plain(place: Place, nested: bool) -> Layout:
    """Class folders that no folder separates into splits."""
    tree = place.tree
    if not tree.folders or not tree.count - len(tree.images):
        raise no_classes(place.path, tree)
    tops = tree.holding
    inside = [name for name, top in tops.items() if top.holding]
    said = []
    if len(tops) > 1 and all(not top.images and len(top.holding) > 1 for top in tops.values()) and not nested:
        raise several_readings(place.path, tops)
    if inside:
        first = next(iter(tops[inside[0]].holding))
        said.append(f"images in folders inside a class folder are of that class: {inside[0]}/{first}, for example")
    part = SplitFolders(_by_class(place))
    return Layout({"train": part, "test": part}, False, tuple(said))


def _by_class(place: Place) -> dict[str, list[Place]]:
    classes: dict[str, list[Place]] = {}
    for name in place.tree.folders:
        classes.setdefault(unicodedata.normalize("NFC", name), []).append(place.below(name))
    return classes


def _with_images(part: SplitFolders) -> list[str]:
    return [name for name, places in part.classes.items() if any(place.tree.count for place in places)]


def _only_child(place: Place) -> str | None:
    """The folder that all images are below, if there are more folders with images in it; None if there is none."""
    holding = place.tree.holding
    (name, tree) = next(iter(holding.items()), ("", None))
    return name if tree is not None and len(holding) == 1 and not place.tree.images and tree.holding else None


def _once(places: Sequence[Place]) -> Iterator[Place]:
    """The folders of one class and all below, each once, however many links lead to it."""
    return (place for place, known in _all_below(places) if not known)


def _all_below(places: Sequence[Place]) -> Iterator[tuple[Place, bool]]:
    """Every folder, and whether it came before."""
    seen: set[Hashable] = set()
    waiting = list(reversed(places))
    while waiting:
        place = waiting.pop()
        known = place.tree.identity in seen
        seen.add(place.tree.identity)
        yield place, known
        if not known:
            waiting += [place.below(name) for name in reversed([*place.tree.folders])]


def _again(layout: Layout) -> Iterator[str]:
    """Folders that are met a second time in their class.

    Raises:
        DataError: if two classes, or the two splits, have a folder in common.
    """
    owner: dict[Hashable, tuple[int, str, Path]] = {}
    for part in {id(part): part for part in layout.parts.values()}.values():
        for name, places in part.classes.items():
            for place, known in _all_below(places):
                mine = (id(part), name, place.path)
                first = owner.setdefault(place.tree.identity, mine)
                if first[:2] != mine[:2] and place.tree.count:
                    raise one_folder_twice(first[2], place.path)
                if known:
                    yield place.path.name
