"""Folders as people make them: each ends as a person would expect, and says what was done in a sentence.

A case lists folders with how many images are in them (``{"train/cat": 3}``) and files of other kinds by name. What is
read must be these classes and counts; what is refused names the readings, and what to type.
"""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from PIL import Image

from frostmark.data.decode import SUFFIXES
from frostmark.data.fingerprint import fingerprint
from frostmark.data.folder import ImageFolder
from frostmark.data.split_names import KINDS, split_name
from frostmark.data.table import ImageTable
from frostmark.data.tree import LEFT_BY_PROGRAMS, Tree, scanned
from frostmark.errors import DataError
from support.environment import REPOSITORY

NFC, NFD = (unicodedata.normalize(form, "Löwe") for form in ("NFC", "NFD"))

Counts = Mapping[str, int]


def laid_out(root: Path, folders: Counts, files: tuple[str, ...] = ()) -> Path:
    """A folder with images, all different, and with other files."""
    root.mkdir(parents=True, exist_ok=True)
    for number, (name, count) in enumerate(folders.items()):
        (root / name).mkdir(parents=True, exist_ok=True)
        for i in range(count):
            Image.new("RGB", (4, 4), (number, i, 9)).save(root / name / f"{i}.png")
    for name in files:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"something")
    return root


def read(source: ImageFolder) -> tuple[tuple[str, ...], dict[str, Counts]]:
    """The classes, and by split how many images each has."""
    classes = source.classes()
    splits = {split: Counter(classes[c] for c in source.split(split).labels) for split in ("train", "test")}  # type: ignore[arg-type]
    return classes, {split: dict(count) for split, count in splits.items()}


# ---------------------------------------------------------------- what is read

TWO = {"cat": 3, "dog": 4}
SAME = {"train": {"cat": 3, "dog": 4}, "test": {"cat": 1, "dog": 2}}


def pair(train: str, test: str) -> dict[str, int]:
    """The folders of :data:`SAME` under other names of the splits."""
    return {f"{train}/cat": 3, f"{train}/dog": 4, f"{test}/cat": 1, f"{test}/dog": 2}


@dataclass(frozen=True)
class Read:
    """A folder that is read.

    Attributes:
        folders, files: what is in it.
        splits: images by split and class; one of both (``{"": …}``) where a hash makes the splits.
        said: what must be said, each as a regular expression; whatever else is said fails the test.
        words: of the data set, beside its root.
    """

    folders: Counts
    splits: Mapping[str, Counts]
    said: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    words: Mapping[str, object] = field(default_factory=dict)
    then: Callable[[Path], None] = lambda root: None


HASHED = r"^a hash of each path says which images are test \(dataset\.test_share=0\.2\)$"


def link(name: str, to: str) -> Callable[[Path], None]:
    return lambda root: (root / name).symlink_to(to, target_is_directory=True)


def taken(train: str, test: str) -> str:
    return rf"^{re.escape(train)} is the train split, {re.escape(test)} the test split$"


READ = {
    # Names of splits.
    "train, test": Read(pair("train", "test"), SAME),
    "Train, Test": Read(pair("Train", "Test"), SAME, (taken("Train", "Test"),)),
    "TRAIN, TEST": Read(pair("TRAIN", "TEST"), SAME, (taken("TRAIN", "TEST"),)),
    "training, testing": Read(pair("training", "testing"), SAME, (taken("training", "testing"),)),
    "Training, Validation": Read(pair("Training", "Validation"), SAME, (taken("Training", "Validation"),)),
    "train, val": Read(pair("train", "val"), SAME, (taken("train", "val"),)),
    "train, valid": Read(pair("train", "valid"), SAME, (taken("train", "valid"),)),
    "train, validation": Read(pair("train", "validation"), SAME, (taken("train", "validation"),)),
    "train, eval": Read(pair("train", "eval"), SAME, (taken("train", "eval"),)),
    "train, dev": Read(pair("train", "dev"), SAME, (taken("train", "dev"),)),
    "trainval, test": Read(pair("trainval", "test"), SAME, (taken("trainval", "test"),)),
    "training_set, test_set": Read(pair("training_set", "test_set"), SAME, (taken("training_set", "test_set"),)),
    "Training Data, Test Data": Read(pair("Training Data", "Test Data"), SAME, (taken("Training Data", "Test Data"),)),
    "TrainSet, TestSet": Read(pair("TrainSet", "TestSet"), SAME, (taken("TrainSet", "TestSet"),)),
    "train2017, val2017": Read(pair("train2017", "val2017"), SAME, (taken("train2017", "val2017"),)),
    "train, test1": Read(pair("train", "test1"), SAME, (taken("train", "test1"),)),
    "flowers_train, flowers_test": Read(
        pair("flowers_train", "flowers_test"), SAME, (taken("flowers_train", "flowers_test"),)
    ),
    "seg_train/seg_train": Read(
        pair("seg_train/seg_train", "seg_test/seg_test"), SAME, (taken("seg_train", "seg_test"),)
    ),
    "train, val and test": Read(
        pair("train", "test") | {"val/cat": 2}, SAME, (r"splits that are not used: val \(2 images\)",)
    ),
    "a test split without labels beside a validation split": Read(
        pair("train", "val") | {"test": 5},
        SAME,
        (taken("train", "val"), r"splits that are not used: test \(5 images\), without a class of train"),
    ),
    "a test split of one folder, unknown": Read(
        pair("train", "val") | {"test/unknown": 5},
        SAME,
        (taken("train", "val"), r"splits that are not used: test \(5 images\), without a class of train"),
    ),
    "an empty Train beside train": Read(pair("train", "test") | {"Train": 0}, SAME),
    "splits beside a hidden folder": Read(
        pair("train", "valid"),
        SAME,
        (taken("train", "valid"), r"not used in set: 1 hidden \(\.git\)"),
        files=(".git/config", ".git/objects/1.png"),
    ),
    "splits beside annotations and other images": Read(
        pair("train", "test") | {"extra/cat": 2},
        SAME,
        (r"not used in set: 2 files of other endings \(2 \.xml\); 2 images outside class folders \(2 in extra/cat\)",),
        files=("annotations/1.xml", "annotations/2.xml"),
    ),
    "images beside the class folders of a split": Read(
        pair("train", "test") | {"train": 2}, SAME, (r"not used in set: 2 images outside class folders \(2 in train\)",)
    ),
    "several splits of older date": Read(
        pair("train", "test") | {"train_old/cat": 2},
        SAME,
        (r"not used in set: 2 images outside class folders \(2 in train_old/cat\)",),
    ),
    "a class in one split only": Read(
        pair("train", "test") | {"train/bat": 2},
        {"train": {"bat": 2, "cat": 3, "dog": 4}, "test": {"cat": 1, "dog": 2}},
    ),
    "splits inside the classes": Read(
        {"cat/train": 3, "dog/train": 4, "cat/test": 1, "dog/test": 2},
        SAME,
        ("inside every class folder train is the train split, test the test split",),
    ),
    "splits inside the classes, of other names": Read(
        {"cat/Training": 3, "dog/Training": 4, "cat/val": 1, "dog/val": 2},
        SAME,
        ("inside every class folder Training is the train split, val the test split",),
    ),
    # Levels.
    "one folder too high": Read(
        {f"flowers/{name}": count for name, count in pair("train", "test").items()},
        SAME,
        ("read from flowers, the only folder with images",),
    ),
    "three folders too high": Read(
        {f"a/b/c/{name}": count for name, count in pair("train", "val").items()},
        SAME,
        ("read from a/b/c, the only folder with images", taken("train", "val")),
    ),
    "one folder too high, without splits": Read(
        {"flowers/cat": 3, "flowers/dog": 4},
        {"": TWO},
        ("read from flowers, the only folder with images", HASHED),
    ),
    "one folder too high, beside a readme and an empty folder": Read(
        {"flowers/cat": 3, "flowers/dog": 4, "empty": 0},
        {"": TWO},
        ("read from flowers, the only folder with images", HASHED, r"1 file of another ending \(1 \.md\)"),
        files=("README.md",),
    ),
    "one folder too high inside the splits": Read(pair("train/images", "test/images"), SAME),
    "one folder too high inside one split": Read(pair("train", "test/pictures"), SAME),
    "a test split of one class with parts": Read(
        {"train/cat": 3, "train/dog": 4, "test/cat/a": 1, "test/cat/b": 2},
        {"train": TWO, "test": {"cat": 3}},
    ),
    # Classes.
    "classes alone": Read(TWO, {"": TWO}, (HASHED,)),
    "a class that is called train": Read(
        {"bus": 2, "car": 3, "train": 4}, {"": {"bus": 2, "car": 3, "train": 4}}, (HASHED,)
    ),
    "trains of two kinds": Read(
        {"bullet train": 2, "steam train": 3}, {"": {"bullet train": 2, "steam train": 3}}, (HASHED,)
    ),
    "a class of scenes with val in its name": Read(
        {"valley": 2, "testudo": 3, "devil": 4}, {"": {"valley": 2, "testudo": 3, "devil": 4}}, (HASHED,)
    ),
    "folders inside one class folder": Read(
        {"cat/a": 1, "cat/b": 2, "dog": 4},
        {"": TWO},
        (HASHED, "images in folders inside a class folder are of that class: cat/a, for example"),
    ),
    "one folder inside every class folder": Read(
        {"cat/images": 3, "dog/images": 4},
        {"": TWO},
        (HASHED, "images in folders inside a class folder are of that class: cat/images, for example"),
    ),
    "classes in parts, as was said": Read(
        {"cat/a": 1, "cat/b": 2, "dog/a": 2, "dog/c": 2},
        {"": TWO},
        (HASHED, "images in folders inside a class folder are of that class"),
        words={"nested": True},
    ),
    "classes in groups": Read(
        {"benign/p1": 3, "benign/p2": 3, "malign/p3": 3, "malign/p4": 3},
        {"": {"benign": 6, "malign": 6}},
        (
            r"^a hash of each group says which images are test \(dataset\.test_share=0\.5\)$",
            "images in folders inside a class folder are of that class: benign/p1, for example",
        ),
        words={"group": "/(p[0-9]+)/", "test_share": 0.5},
    ),
    "parts of classes inside splits": Read(
        {"train/cat/a": 1, "train/cat/b": 2, "train/dog/a": 2, "train/dog/b": 2, "test/cat/c": 1, "test/dog": 2}, SAME
    ),
    "two forms of one name": Read(
        {NFC: 2, NFD: 3, "dog": 4},
        {"": {NFC: 5, "dog": 4}},
        (HASHED, f"folders whose names differ in the form of their accents alone are one class: {NFC}"),
    ),
    "two forms of one name in two splits": Read(
        {f"train/{NFC}": 2, f"test/{NFD}": 3, "train/dog": 1, "test/dog": 1},
        {"train": {NFC: 2, "dog": 1}, "test": {NFC: 3, "dog": 1}},
    ),
    "names in upper and lower case": Read(
        {"Cat": 3, "cat": 4},
        {"": {"Cat": 3, "cat": 4}},
        (HASHED, "class folders that differ in upper and lower case are different classes: Cat and cat"),
    ),
    "names with spaces, quotes and signs": Read(
        {"tabby cat": 3, "it's a dog": 4, "a=b, c": 2},
        {"": {"tabby cat": 3, "it's a dog": 4, "a=b, c": 2}},
        (HASHED,),
    ),
    "names that are numbers": Read({"0": 3, "1": 4}, {"": {"0": 3, "1": 4}}, (HASHED,)),
    # What is not used.
    "an empty class folder": Read(
        {**TWO, "bird": 0}, {"": TWO}, (HASHED, r"class folders without images are left out: bird \(empty\)")
    ),
    "a folder of texts among the classes": Read(
        TWO,
        {"": TWO},
        (
            HASHED,
            r"class folders without images are left out: notes \(2 \.txt\)",
            r"not used in set: 2 files of other endings \(2 \.txt\)",
        ),
        files=("notes/a.txt", "notes/b.txt"),
    ),
    "checkpoints of notebooks": Read(
        TWO,
        {"": TWO},
        (HASHED, r"not used in set: 2 hidden \(\.ipynb_checkpoints\)"),
        files=(".ipynb_checkpoints/1.png", "cat/.ipynb_checkpoints/1-checkpoint.png"),
    ),
    "what an archive of a Mac leaves": Read(
        TWO,
        {"": TWO},
        (HASHED, r"not used in set: 2 hidden \(\.DS_Store, \._1\.png\); 1 left by other programs \(__MACOSX\)"),
        files=("__MACOSX/cat/._1.png", "cat/._1.png", "dog/.DS_Store"),
    ),
    "what Windows leaves": Read(
        TWO,
        {"": TWO},
        (HASHED, r"not used in set: 3 left by other programs \(Desktop\.ini, Thumbs\.db\)"),
        files=("cat/Thumbs.db", "dog/Thumbs.db", "Desktop.ini"),
    ),
    "what storage devices leave": Read(
        TWO,
        {"": TWO},
        (HASHED, r"not used in set: 2 left by other programs \(#recycle, @eaDir\)"),
        files=("cat/@eaDir/1.png/SYNOFILE_THUMB_M.jpg", "#recycle/1.png"),
    ),
    "our own results beside the classes": Read(
        TWO,
        {"": TWO},
        (HASHED, r"not used in set: 1 left by other programs \(mlruns\)"),
        files=("mlruns/1/map.png",),
    ),
    "labels beside the images": Read(
        TWO,
        {"": TWO},
        (HASHED, r"not used in set: 5 files of other endings \(2 \.txt, 1 \.json, 1 \.xml, 1 without an ending\)"),
        files=("cat/1.txt", "cat/2.txt", "cat/1.json", "dog/1.xml", "dog/LICENSE"),
    ),
    "half of a class is raw": Read(
        TWO,
        {"": TWO},
        (HASHED, r"not used in set: 3 files of other endings \(3 \.cr2\)"),
        files=("cat/7.cr2", "cat/8.CR2", "cat/9.cr2"),
    ),
    "images beside the classes": Read(
        {**TWO, ".": 2}, {"": TWO}, (HASHED, r"2 images outside class folders \(2 in the folder itself\)")
    ),
    # Links.
    "a class that is a link": Read(
        {"train/cat": 3, "train/dog": 4, "test/cat": 1, "elsewhere/birds/big": 2},
        {"train": {"big": 2, "cat": 3, "dog": 4}, "test": {"cat": 1}},
        then=link("train/big", "../elsewhere/birds/big"),
    ),
    "a folder linked inside a class": Read(
        {"train/cat": 3, "train/dog": 4, "test/cat": 1, "test/dog": 2, "elsewhere": 2},
        {"train": {"cat": 5, "dog": 4}, "test": {"cat": 1, "dog": 2}},
        then=link("train/cat/more", "../../elsewhere"),
    ),
    "a folder linked twice inside a class": Read(
        {"cat/a": 3, "dog": 4},
        {"": TWO},
        (
            HASHED,
            "images in folders inside a class folder are of that class",
            r"not used in set: 1 of links to folders that are read already \(b\)",
        ),
        then=link("cat/b", "a"),
    ),
    "a link that leads back": Read(
        TWO,
        {"": TWO},
        (HASHED, r"not used in set: 1 of links that lead back to where they lie \(again\)"),
        then=link("cat/again", ".."),
    ),
    "a link to nothing": Read(
        TWO, {"": TWO}, (HASHED, r"1 file of another ending \(1 without an ending\)"), then=link("cat/gone", "nowhere")
    ),
}


@pytest.mark.parametrize("name", READ)
def test_a_layout_is_read(name: str, tmp_path: Path) -> None:
    case = READ[name]
    root = laid_out(tmp_path / "set", case.folders, case.files)
    case.then(root)
    source = ImageFolder(str(root), **case.words)  # type: ignore[arg-type]
    classes, splits = read(source)
    if "" in case.splits:
        splits = {"": dict(Counter(splits["train"]) + Counter(splits["test"]))}
    assert splits == case.splits
    assert classes == tuple(sorted({name for of in case.splits.values() for name in of}))
    said = source.remarks
    unsaid = [sentence for sentence in case.said if not any(re.search(sentence, line) for line in said)]
    assert unsaid == [], said
    assert len(said) == len(case.said), said


@pytest.mark.parametrize("name", READ)
def test_every_file_is_used_or_counted(name: str, tmp_path: Path) -> None:
    case = READ[name]
    root = laid_out(tmp_path / "set", case.folders, case.files)
    source = ImageFolder(str(root), **case.words)  # type: ignore[arg-type]
    used = sum(len(source.split(split)) for split in ("train", "test"))  # type: ignore[arg-type]
    line = next((line for line in source.remarks if line.startswith("not used in")), "")
    left_out = " ".join(line for line in source.remarks if line.startswith("splits that are not used"))
    said = sum(int(count) for count in re.findall(r"(?:: |; |\()(\d+) (?:files? of|images?\b)", f"{line} {left_out}"))
    assert used + said == countable(scanned(root))


def countable(tree: Tree) -> int:
    """Files that are neither hidden nor left by programs, nor in folders that are."""
    own = len(tree.images) + tree.passed_over.endings.total()
    return own + sum(countable(below) for below in tree.folders.values())


@pytest.mark.parametrize("names", [("Training", "val"), ("pets/train", "pets/TEST"), ("train/train", "test/test")])
def test_a_table_of_the_files_gives_the_same_images_in_the_same_order(names: tuple[str, str], tmp_path: Path) -> None:
    root = laid_out(tmp_path, pair(*names))
    files = sorted(path.relative_to(root) for path in root.rglob("*.png"))
    lines = [f"{file.as_posix()},{file.parent.name},{file.as_posix().split(chr(47))[-3]}" for file in files]
    (root / "labels.csv").write_text("\n".join(["file_name,label,split", *lines]), encoding="utf-8")
    folder, table = ImageFolder(str(root)), ImageTable(str(root / "labels.csv"))
    for split in ("train", "test"):
        ours, theirs = (source.split(split) for source in (folder, table))  # type: ignore[arg-type]
        assert ours.files == theirs.files
        assert ours.labels.tolist() == theirs.labels.tolist()
        assert fingerprint(ours) == fingerprint(theirs)


def test_an_image_is_of_one_split_in_both_forms_of_its_name(tmp_path: Path) -> None:
    composed, decomposed = (
        ImageFolder(str(laid_out(tmp_path / form, {name: 40, "dog": 3}))) for form, name in (("c", NFC), ("d", NFD))
    )
    ends = [
        [(path.name, int(c)) for path, c in zip(of.split("test").paths, of.split("test").labels, strict=True)]
        for of in (composed, decomposed)
    ]
    assert ends[0] == ends[1]
    assert len(ends[0]) > 1


@pytest.mark.parametrize("suffix", [*SUFFIXES, ".JPG", ".JPEG", ".Png", ".TIF"])
def test_every_ending_is_read_in_any_case(suffix: str, tmp_path: Path) -> None:
    root = laid_out(tmp_path, {"a": 1, "b": 1}, (f"a/x{suffix}",))
    assert sum(len(ImageFolder(str(root)).split(split)) for split in ("train", "test")) == 3  # type: ignore[arg-type]


def test_a_split_that_is_named_alone_is_told_of_the_other(tmp_path: Path) -> None:
    laid_out(tmp_path, pair("train", "val"))
    (line,) = [line for line in ImageFolder(str(tmp_path / "train")).remarks if "beside it" in line]
    assert line == f"train alone is split; beside it lies val: dataset.root={tmp_path} reads both"


# ---------------------------------------------------------------- what is refused


@dataclass(frozen=True)
class Refused:
    """A folder that is refused: what is said of it, and the words of its fix, in which ``ROOT`` is its place."""

    folders: Counts
    told: str
    fix: str
    files: tuple[str, ...] = ()
    then: Callable[[Path], None] = lambda root: None


REFUSED = {
    "nothing in it": Refused({}, "holds no class folders", "lay the images out as ROOT/<class>/<image>"),
    "only empty folders": Refused({"cat": 0, "dog": 0}, "holds no image in cat, dog", "lay the images out as"),
    "images without class folders": Refused({".": 5}, "holds 5 images and no class folders", "lay the images out as"),
    "images beside a table of labels": Refused(
        {".": 5}, "holds 5 images and no class folders", "dataset=table dataset.file=ROOT/labels.csv", ("labels.csv",)
    ),
    "files of raw cameras": Refused(
        {}, r"no class folders with images that can be read, only 2 \.cr2", "convert", ("cat/1.cr2", "dog/2.CR2")
    ),
    "texts": Refused({}, r"that can be read, only 2 \.txt", "lay the images out as", ("cat/1.txt", "dog/2.txt")),
    "a class of raw files": Refused(
        TWO, r"class lynx has no image that can be read, only 2 \.nef", "convert", ("lynx/1.nef", "lynx/2.nef")
    ),
    "train alone": Refused(
        {"train/cat": 3, "train/dog": 4},
        r"holds the splits train \(7 images\); two are needed, called train and test",
        "dataset.root=ROOT/train splits that folder by a hash",
    ),
    "test and val without train": Refused(
        {"test/cat": 3, "test/dog": 4, "val/cat": 1, "val/dog": 1},
        r"holds the splits test \(7 images\), val \(2 images\); two are needed",
        "dataset.root=ROOT/test",
    ),
    "train twice": Refused(
        pair("train", "test") | {"training/cat": 2},
        "train and training: each is called as one split is",
        "move all but",
    ),
    "train in two cases": Refused(pair("train", "test") | {"Train/cat": 2}, "Train and train", "move all but"),
    "two kinds of validation and no test": Refused(
        pair("train", "val") | {"valid/cat": 2}, "val and valid", "move all but"
    ),
    "two pairs of splits": Refused(
        {**pair("pets_train", "pets_test"), **pair("cars_train", "cars_test")},
        "several pairs of splits: cars_train with cars_test; pets_train with pets_test",
        "dataset.root",
    ),
    "a test split without class folders": Refused(
        {"train/cat": 3, "train/dog": 4, "test": 5},
        "without a class in common: train has cat, dog; test has 5 images, no class folders",
        "dataset.root=ROOT/train splits that folder by a hash",
    ),
    "splits without class folders": Refused(
        {"train": 3, "test": 5},
        "train has 3 images, no class folders; test has 5 images, no class folders",
        "lay the images out as ROOT/train/<class>/<image>",
    ),
    "splits without class folders beside a table": Refused(
        {"train": 3, "test": 5},
        "without a class in common",
        "dataset=table dataset.file=ROOT/train.csv",
        ("train.csv",),
    ),
    "an empty test split": Refused(
        {"train/cat": 3, "train/dog": 4, "test/cat": 0}, "holds no image in test", "put images into ROOT/test/<class>/"
    ),
    "splits without a class in common": Refused(
        {"train/cat": 3, "train/dog": 4, "test/bus": 3}, "train has cat, dog; test has bus", "dataset.root=ROOT/train"
    ),
    "data sets with splits": Refused(
        {f"{name}/{of}": count for name in ("birds", "pets") for of, count in pair("train", "test").items()},
        "holds data sets, not classes: birds, pets have each a train and a test folder",
        "dataset.root=ROOT/birds reads the first; -m dataset.root=ROOT/birds,ROOT/pets compares them",
    ),
    "data sets without splits": Refused(
        {"birds/gull": 3, "birds/tern": 3, "pets/cat": 3, "pets/dog": 3},
        r"can be read in two ways: birds, pets may be data sets, whose classes .* \(birds: gull, tern\); or",
        "dataset.root=ROOT/birds where they are data sets; dataset.nested=true where they are classes",
    ),
    "data sets a level deeper": Refused(
        {"all/birds/gull": 3, "all/birds/tern": 3, "all/pets/cat": 3, "all/pets/dog": 3},
        "can be read in two ways: birds, pets",
        "dataset.root=ROOT/all/birds where",
    ),
    "folds": Refused(
        {f"fold{i}/{name}": 2 for i in range(3) for name in ("cat", "dog")},
        "can be read in two ways: fold0, fold1, fold2",
        "dataset.root=ROOT/fold0",
    ),
    "splits inside some classes": Refused(
        {"cat/train": 3, "cat/test": 1, "dog": 4},
        "inside cat there are the splits train and test, inside dog there are none",
        "dataset.root=ROOT/cat",
    ),
    "two classes that are one folder": Refused(
        TWO, r"are one folder \(a link\)", "remove the link", then=link("kitten", "cat")
    ),
    "two splits that are one folder": Refused(
        {"train/cat": 3, "train/dog": 4}, r"are one folder \(a link\)", "remove the link", then=link("test", "train")
    ),
    "a class linked inside another": Refused(
        TWO, r"are one folder \(a link\)", "remove the link", then=link("dog/more", "../cat")
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_layout_is_refused_with_its_readings(name: str, tmp_path: Path) -> None:
    case = REFUSED[name]
    root = laid_out(tmp_path / "set", case.folders, case.files)
    case.then(root)
    with pytest.raises(DataError) as refused:
        read(ImageFolder(str(root)))
    assert re.search(case.told, refused.value.problem), refused.value.problem
    assert case.fix.replace("ROOT", str(root)) in refused.value.fix
    for word in re.findall(r"dataset\.root=\S+", refused.value.fix):  # what it names is there
        for folder in word.removeprefix("dataset.root=").rstrip(";").split(","):
            assert folder == "<folder" or Path(folder).is_dir()


def test_a_fix_works_when_it_is_pasted_whatever_the_folder_is_called(tmp_path: Path) -> None:
    from hydra.core.override_parser.overrides_parser import OverridesParser

    root = laid_out(tmp_path / "it's a set, (1)", {"train/cat": 3, "train/dog": 4})
    with pytest.raises(DataError) as refused:
        ImageFolder(str(root)).classes()
    word = shlex.split(refused.value.fix)[0]
    (override,) = OverridesParser.create().parse_overrides([word])
    assert not override.is_sweep_override()
    assert ImageFolder(str(override.value())).classes() == ("cat", "dog")


def test_at_least_sixty_layouts() -> None:
    assert len(READ) + len(REFUSED) >= 60


@pytest.mark.parametrize("name", ["set.zip", "photo.png"])
def test_a_file_is_no_folder(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(DataError, match="is a file, not a folder"):
        ImageFolder(str(tmp_path / name)).classes()


def test_a_folder_that_cannot_be_read_is_named_or_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = laid_out(tmp_path / "set", {"cat": 3, "dog": 3, "cat/locked": 2})
    listing = os.scandir

    def scandir(path: str) -> object:
        if path.endswith("locked"):
            raise PermissionError(13, "Permission denied", path)
        return listing(path)

    monkeypatch.setattr(os, "scandir", scandir)  # the tests may run as root, who may read everything
    with pytest.raises(DataError, match=r"set/cat/locked cannot be read: Permission denied"):
        ImageFolder(str(root)).classes()
    source = ImageFolder(str(root), on_bad_image="skip")
    assert source.classes() == ("cat", "dog")
    assert "1 of folders that cannot be read (cat/locked)" in source.remarks[-1]


def test_links_that_lead_everywhere_are_walked_in_no_time(tmp_path: Path) -> None:
    names = [f"class{i:02}" for i in range(16)]
    laid_out(tmp_path / "set/a", dict.fromkeys(names, 1))
    for name in names:
        for other in names:
            if other != name:
                (tmp_path / "set/a" / name / f"to_{other}").symlink_to(f"../{other}", target_is_directory=True)
    with pytest.raises(DataError, match="are one folder"):
        ImageFolder(str(tmp_path / "set/a")).classes()


# ---------------------------------------------------------------- what stays


@pytest.mark.parametrize("separated", [True, False])
def test_the_order_of_plain_folders_is_that_of_their_paths_hashes(separated: bool, tmp_path: Path) -> None:
    root = laid_out(tmp_path, pair("train", "test") if separated else {"cat": 30, "dog": 20})

    def hashed(path: Path) -> bytes:
        name = path.relative_to(root).as_posix().encode()
        return hashlib.blake2b(name, digest_size=8, salt=bytes(8)).digest()

    for split in ("train", "test"):
        files = (path for path in sorted(root.rglob("*.png"), key=hashed))
        if separated:
            expected = [path for path in files if path.relative_to(root).parts[0] == split]
        else:
            expected = [
                p for p in files if (int.from_bytes(hashed(p)[4:], "little") < 0.2 * 2**32) == (split == "test")
            ]
        images = ImageFolder(str(root)).split(split)  # type: ignore[arg-type]
        assert [*images.paths] == expected
        assert images.files == [path.relative_to(root).as_posix() for path in expected]


# ---------------------------------------------------------------- names


@pytest.mark.parametrize("word", [word for words in KINDS.values() for word in words])
def test_every_name_of_a_split_is_known_in_any_case(word: str) -> None:
    kind = next(kind for kind, words in KINDS.items() if word in words)
    for name in (word, word.upper(), word.capitalize(), f"{word}_set", f"{word.capitalize()} Images", f"{word}set"):
        assert split_name(name) == (kind, ()), name


@pytest.mark.parametrize("name", ["cat", "valley", "contest", "devil", "strain", "", "123", "set", "train_test"])
def test_other_names_are_not_splits(name: str) -> None:
    assert split_name(name) is None


def test_what_programs_leave_is_known_in_any_case() -> None:
    assert {name.lower() for name in LEFT_BY_PROGRAMS} == LEFT_BY_PROGRAMS


def test_the_page_has_all_endings_and_all_names_of_splits() -> None:
    page = (REPOSITORY / "docs/images.md").read_text(encoding="utf-8")
    (endings,) = re.findall(r"do not end in (.*), in any case", page)
    assert tuple(re.split(", | or ", endings)) == SUFFIXES
    for kind, words in KINDS.items():
        assert f"| {kind} | {', '.join(words)} |" in page
