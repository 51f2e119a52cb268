"""Your own images by a table: one line per image with its file, its label, and perhaps its split and its group.

    ImageTable(file="labels.csv").split("train")
    ImageTable(file="labels.csv", root="photos", label="species", group="patient")
    ImageTable(root="photos")               # photos/metadata.csv, or photos/train/metadata.csv and photos/test/…

Files are named from ``root``, by default the folder of the table. Without a column ``split`` images are split, and
taken in an order, as those of a folder are (:mod:`frostmark.data.splitting`): the same images give the same numbers.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from frostmark.data.entries import Columns, Entries, TablePart
from frostmark.data.files import ImageFiles, check_reading
from frostmark.data.lines import read_lines
from frostmark.data.paths import PathList
from frostmark.data.source import Limits, SplitName
from frostmark.data.split_names import is_split
from frostmark.data.splitting import HashSplit, parted
from frostmark.errors import ConfigError, DataError
from frostmark.names import storable

METADATA = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
"""What Hugging Face calls the table of a folder of images."""


@dataclass(frozen=True)
class ImageTable:
    """Image files with what a table says of them.

    Args:
        file: the table: ``.csv``, ``.tsv``, ``.jsonl`` or ``.parquet``; else the metadata files that ``root`` has.
        root: the folder that files are named from; the table's own by default.
        label: another column to take the labels from; the rows of the images are the same.
        group: a column, or a regular expression with one parenthesis that is searched in the path of every image.
        columns: what the columns are called.
        limit: how many images of each split to use.
        test_share, split_seed: of the split by a hash, where the table does not say the split.
        name: what runs are labelled with; the name of the file, or of the folder, where empty.
        on_bad_image: ``error``: files that are missing or no readable image are refused; ``skip``: they are left out.
        bits: that samples use in files of 16 bits that do not say so themselves.

    Raises:
        ConfigError: if neither ``file`` nor ``root`` is given, or a value is not one of its kind.
    """

    file: str | None = None
    root: str | None = None
    label: str | None = None
    group: str | None = None
    columns: Columns = field(default_factory=Columns)
    limit: Limits = field(default_factory=Limits)
    test_share: float = 0.2
    split_seed: int = 0
    name: str = ""
    on_bad_image: str = "error"
    bits: int | None = None

    def __post_init__(self) -> None:
        if self.file is None and self.root is None:
            raise ConfigError("dataset=table needs to know which file", fix="dataset.file=labels.csv")
        HashSplit(self.test_share, self.split_seed)
        check_reading(self.on_bad_image, self.bits)
        own = self._root.name if self.file is None or Path(self.file).name in METADATA else Path(self.file).stem
        shown = self.name or (own if self.label is None else f"{own} ({self.label})")
        object.__setattr__(self, "name", storable(shown))

    def classes(self) -> tuple[str, ...]:
        return self._content.classes

    def split(self, split: SplitName) -> ImageFiles:
        content, chosen = self._content, self._content.positions[split]
        paths, of = PathList(self._root, content.names), (content.labels, content.groups)
        return ImageFiles.chosen(chosen, paths, *of, self._root, self.on_bad_image, self.bits)

    @property
    def remarks(self) -> list[str]:
        """Which splits are used, where that is not plain."""
        return list(self._content.remarks)

    @property
    def _root(self) -> Path:
        folder = self.root if self.root is not None else Path(self.file or "").expanduser().parent
        return Path(os.path.abspath(Path(folder).expanduser()))  # noqa: PTH100 (".." goes, links stay)

    @cached_property
    def _content(self) -> _Content:
        entries = Entries(self._root, tuple(self._parts()), self.columns)
        names = entries.names()
        if self.on_bad_image == "error":
            entries.refuse_missing(names)
        groups = entries.groups(names, self.group)
        hashed = HashSplit(self.test_share, self.split_seed)
        fix = "dataset.columns.split=null splits the images by a hash of their paths"
        positions, remarks = parted(hashed, names, groups, entries.splits(), entries.place_of_all, fix)
        used = [i for of in positions.values() for i in of]
        texts = entries.labels(used, self.label)
        classes = sorted(set(texts))
        numbers = {name: number for number, name in enumerate(classes)}
        labels = [-1] * len(names)
        for i, text in zip(used, texts, strict=True):
            labels[i] = numbers[text]
        return _Content(names, labels, tuple(map(storable, classes)), groups, positions, remarks)

    def _parts(self) -> list[TablePart]:
        if self.file is not None:
            return [TablePart(read_lines(Path(self.file).expanduser()))]
        if not self._root.is_dir():
            raise DataError(f"there is no folder {self._root}", fix="dataset.file=labels.csv")
        if own := _metadata(self._root):
            return [TablePart(read_lines(own))]
        folders = sorted(p for p in self._root.iterdir() if is_split(p.name) and p.is_dir())
        found = [(folder.name, file) for folder in folders if (file := _metadata(folder))]
        if not found:
            told = f"neither {self._root} nor a folder train or test in it holds {' or '.join(METADATA)}"
            raise DataError(told, fix="dataset.file=labels.csv")
        return [TablePart(read_lines(file), name, name) for name, file in found]


@dataclass(frozen=True)
class _Content:
    """What the tables say.

    Attributes:
        names: of the files, from the root.
        labels: numbers of the classes; −1 in lines of no split that is used.
        groups: of the images; None where none are known.
        positions: split → its lines, in its order.
        remarks: which splits are used, where that is not plain.
    """

    names: Sequence[str]
    labels: Sequence[int]
    classes: tuple[str, ...]
    groups: Sequence[str] | None
    positions: Mapping[SplitName, list[int]]
    remarks: Sequence[str]


def _metadata(folder: Path) -> Path | None:
    return next((folder / name for name in METADATA if (folder / name).is_file()), None)
