"""What is raised of a folder that may be read in several ways, or in none: the readings, and what to type for each.

raise several_readings(Path("photos"), {"flowers": tree, "pets": other})
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from frostmark.data.lines import READERS
from frostmark.data.split_names import KINDS, split_name
from frostmark.data.tree import Tree, folder_with_images_beside
from frostmark.data.unused import PICTURES, images, listed_names, without_images
from frostmark.errors import DataError
from frostmark.names import quoted


def root_is(path: Path) -> str:
    """The words that read another folder."""
    return _option("root", [path])


def no_two_splits(root: Path, folders: Mapping[str, Tree]) -> DataError:
    """Folders that are called as splits are, of which not one is of train and one of test."""
    told = ", ".join(f"{name} ({_what(tree)})" for name, tree in folders.items())
    problem = f"{root} holds the splits {told}; two are needed, called train and test ({_ALSO})"
    return DataError(problem, fix=_one_alone(root, folders) or f"lay the images out as {root}/<split>/<class>/<image>")


def no_class_in_both(root: Path, folders: Mapping[str, Tree]) -> DataError:
    """A train split and others, of which none has a class in common with it; the train split comes first."""
    train, *others = folders
    if empty := [name for name in (train, *others[:1]) if not folders[name].count]:
        return DataError(
            f"{root} holds no image in {listed_names(empty)}", fix=f"put images into {root}/{empty[0]}/<class>/"
        )
    told = "; ".join(f"{name} has {_classes(tree)}" for name, tree in folders.items())
    return DataError(
        f"{root} has a train split and a test split without a class in common: {told}",
        fix=_one_alone(root, {train: folders[train]}) or f"lay the images out as {root}/{train}/<class>/<image>",
    )


def twice(root: Path, names: Sequence[str]) -> DataError:
    """Two folders that are both, say, train."""
    return DataError(
        f"{root} has {' and '.join(names)}: each is called as one split is, and one alone would be read",
        fix=f"put their images together, or move all but one of them out of {root}",
    )


def several_pairs(root: Path, pairs: Sequence[Sequence[str]]) -> DataError:
    """More than one train and test."""
    told = "; ".join(" with ".join(names) for names in pairs)
    return DataError(
        f"{root} has several pairs of splits: {told}",
        fix=f"give each a folder of its own, as {root}/<data set>/train and …/test, and name that with dataset.root",
    )


def data_sets_as_classes(root: Path, names: Sequence[str]) -> DataError:
    """Folders with splits of their own."""
    told = f"{names[0]} has" if len(names) == 1 else f"{listed_names(names)} have each"
    compared = _option("root", [root / name for name in names])
    return DataError(
        f"{root} holds data sets, not classes: {told} a train and a test folder with class folders in them",
        fix=f"{root_is(root / names[0])} reads the first; -m {compared} compares them",
    )


def half_separated(root: Path, separated: Sequence[str], others: Sequence[str]) -> DataError:
    """Class folders with splits in them beside some without."""
    return DataError(
        f"inside {listed_names(separated)} there are the splits train and test, inside {listed_names(others)} there "
        f"are none: {root} is neither one data set nor several",
        fix=f"split all of these folders, or read only one: {root_is(root / separated[0])}",
    )


def several_readings(root: Path, tops: Mapping[str, Tree]) -> DataError:
    """Folders of folders: data sets with their classes, or classes with parts."""
    names = list(tops)
    inner = listed_names([*tops[names[0]].holding])
    return DataError(
        f"{root} can be read in two ways: {listed_names(names)} may be data sets, whose classes are the folders "
        f"in them ({names[0]}: {inner}); or they are classes, in parts",
        fix=f"{root_is(root / names[0])} where they are data sets; dataset.nested=true where they are classes",
    )


def no_classes(root: Path, tree: Tree) -> DataError:
    """A folder without a class folder, or without an image in them."""
    lay_out = f"lay the images out as {root}/<class>/<image>"
    if tree.images:
        told, beside = f"{root} holds {images(len(tree.images))} and no class folders with images", None
        if split_name(root.name) is None:
            beside = folder_with_images_beside(root)
        if beside is not None:
            whole = f"dataset={root.parent}"
            return DataError(
                f"{told}; beside it lie folders with images, such as {beside}: did you mean {whole}?",
                fix=f"{shlex.quote(whole)}; {root.name} is then one of its classes",
            )
        return DataError(told, fix=lay_out + _or_table(root))
    if not tree.folders and not tree.passed_over.endings:
        return DataError(f"{root} holds no class folders", fix=lay_out)
    held = without_images(tree)
    if held == "empty":
        return DataError(f"{root} holds no image in {listed_names(list(tree.folders))}", fix=lay_out)
    return DataError(
        f"{root} holds no class folders with images that can be read, only {held}", fix=_convert(held) or lay_out
    )


def unread_class(folder: Path, tree: Tree) -> DataError:
    """A class whose pictures are all of a kind that is not read."""
    return DataError(
        f"class {folder.name} has no image that can be read, only {without_images(tree)}: {folder}",
        fix="convert its files to PNG or JPEG, or move the folder elsewhere",
    )


def one_folder_twice(first: Path, second: Path) -> DataError:
    """Links that give two classes, or both splits, the same images."""
    return DataError(
        f"{first} and {second} are one folder (a link): its images would belong to two classes, or to both splits",
        fix="remove the link",
    )


_ALSO = f"or {', '.join(KINDS['validation'][:3])}"


def _one_alone(root: Path, folders: Mapping[str, Tree]) -> str:
    """How one of the folders is read alone, or images without classes get them; nothing where neither helps."""
    alone = next((name for name, tree in folders.items() if len(tree.holding) > 1), None)
    if alone is not None:
        return f"{root_is(root / alone)} splits that folder by a hash; or add the split that is missing"
    table = _or_table(root)
    return f"lay the images out as {root}/<split>/<class>/<image>{table}" if table else ""


def _what(tree: Tree) -> str:
    """What is in the folder of a split."""
    return images(tree.count) + ("" if tree.holding else ", no class folders") if tree.count else "no image"


def _classes(tree: Tree) -> str:
    return listed_names(list(tree.holding)) if tree.holding else _what(tree)


def _option(key: str, paths: Sequence[Path]) -> str:
    """``dataset.<key>=<path>,<path>`` as a shell takes it."""
    texts = [str(path) if _PLAIN.fullmatch(str(path)) else quoted(str(path)) for path in paths]
    return shlex.quote(f"dataset.{key}={','.join(texts)}")


_PLAIN = re.compile(r"[\w/.\-]+")
"""Paths that neither a shell nor Hydra takes for more than text."""


def _or_table(root: Path) -> str:
    """The way out where a table beside the images says their classes."""
    tables = sorted(path for path in root.iterdir() if path.suffix.lower() in READERS) if root.is_dir() else []
    return f"; or dataset=table {_option('file', [tables[0]])}" if tables else ""


def _convert(held: str) -> str:
    unread = {part.split(" ")[-1] for part in held.split(", ")}
    return "convert the files to PNG or JPEG" if unread & set(PICTURES) else ""
