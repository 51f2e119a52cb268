"""What a table says of images, checked: which files there are, of which class, split and group.

    entries = Entries(Path("photos"), (TablePart(read_lines(Path("photos/labels.csv"))),), Columns())
    entries.names()                         # ["cat/1.png", "dog/1.png"], from the root
    entries.labels([0, 1])                  # ["cat", "dog"] of these lines

Whatever is wrong is said with the first lines, how many there are, and the way out.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from frostmark.data.grouping import PathGroups
from frostmark.data.lines import MAX_NAMED, Lines
from frostmark.errors import DataError, nearest

USUAL = {
    "file_name": (
        "file", "filename", "file name", "path", "filepath", "file_path", "image", "image_path", "image_name", "img",
    ),
    "label": ("labels", "class", "class_name", "category", "target", "species", "y"),
}  # fmt: skip
"""What columns are often called instead: for the fix of an error, never a guess."""


@dataclass(frozen=True)
class Columns:
    """What the columns are called; ``split`` and ``group`` are used where the table has them, null for not at all."""

    file_name: str = "file_name"
    label: str = "label"
    split: str | None = "split"
    group: str | None = "group"


@dataclass(frozen=True)
class TablePart:
    """One table: the folder below the root that it names its files from, and the split that all of it is of."""

    lines: Lines
    prefix: str = ""
    split: str | None = None


@dataclass(frozen=True)
class Entries:
    """The lines of one table or several.

    Attributes:
        root: the folder that holds all files.
        parts: the tables.
        columns: what their columns are called.
    """

    root: Path
    parts: tuple[TablePart, ...]
    columns: Columns

    @property
    def place_of_all(self) -> str:
        """The files of the tables, for messages."""
        return " and ".join(str(part.lines.path) for part in self.parts)

    @property
    def known(self) -> tuple[str, ...]:
        """Columns that every table has."""
        first, *others = (part.lines.columns for part in self.parts)
        return tuple(name for name in first if all(name in columns for columns in others))

    def texts(self, column: str) -> list[str | None]:
        """The values of a column that every table has, None where a cell is empty."""
        return [text for part in self.parts for text in part.lines.texts(column)]

    def names(self) -> list[str]:
        """The path of every file from the root.

        Raises:
            DataError: if the column is missing, or a path is empty, given twice, or leads out of the root.
        """
        column = self._column("file_name", self.columns.file_name)
        texts = self.texts(column)
        empty = [i for i, text in enumerate(texts) if text is None]
        told = f"lines have no file in column {column} of {self.place_of_all}"
        self._refuse(empty, len(texts), told, "fill them in, or leave these lines out")
        prefixes = [part.prefix for part in self.parts for _ in range(len(part.lines))]
        root = os.path.join(self.root, "")  # noqa: PTH118 (with a separator at its end)
        names = [_below(root, prefix, text or "") for prefix, text in zip(prefixes, texts, strict=True)]
        outside = [i for i, name in enumerate(names) if name is None]
        fix = "dataset.root=<the folder that holds all of the files>"
        self._refuse(outside, len(texts), f"paths lead out of {self.root}", fix, [text or "" for text in texts])
        inside = [name or "" for name in names]
        self._refuse_twice(inside)
        return inside

    def refuse_missing(self, names: Sequence[str]) -> None:
        """Refuse files that are not there.

        Raises:
            DataError: that names the first, and how many there are.
        """
        root = os.path.join(self.root, "")  # noqa: PTH118
        missing = [i for i, name in enumerate(names) if not os.path.lexists(root + name)]
        if missing:
            told = f"files of {self.place_of_all} are not in {self.root}"
            self._refuse(missing, len(names), told, self._where(names[missing[0]]), names)

    def labels(self, used: Sequence[int], asked: str | None = None) -> list[str]:
        """The class of each of these lines.

        Args:
            asked: another column than usual.

        Raises:
            DataError: if there is no such column, it is empty somewhere, or holds no classes.
        """
        column = self._column("label", asked or self.columns.label)
        texts = self.texts(column)
        told = f"lines have no label in column {column} of {self.place_of_all}"
        empty = [i for i in sorted(used) if texts[i] is None]
        self._refuse(empty, len(used), told, "fill them in, or leave these lines out")
        labels = [texts[i] or "" for i in used]
        if len(set(labels)) == len(labels) > 2:
            told = f"column {column} of {self.place_of_all} has a different value in each of {len(labels):,} lines"
            raise DataError(told, fix=f"dataset.label={self._other_than(column)}")
        return labels

    def splits(self) -> list[str] | None:
        """What the tables call the split of every line; None where they do not say."""
        column = self.columns.split
        if column in self.known:
            return [text or "" for text in self.texts(column)]
        if any(part.split is None for part in self.parts):
            return None
        return [part.split or "" for part in self.parts for _ in range(len(part.lines))]

    def groups(self, names: Sequence[str], asked: str | None = None) -> list[str] | None:
        """The group of every line; None where none are known.

        Args:
            asked: a column, or a regular expression with one parenthesis.

        Raises:
            ConfigError: if it is neither.
            DataError: if a line has no group.
        """
        column = asked or self.columns.group
        if asked is not None and asked not in self.known:
            return PathGroups(asked, self.known).of(names)
        if column is None or column not in self.known:
            return None
        texts = self.texts(column)
        told = f"lines have no group in column {column} of {self.place_of_all}"
        fix = "an image without others is a group of its own: give it a name that no other has"
        self._refuse([i for i, text in enumerate(texts) if text is None], len(texts), told, fix)
        return [text or "" for text in texts]

    def _column(self, key: str, name: str) -> str:
        if name in self.known:
            return name
        lower = {column.lower(): column for column in reversed(self.known)}
        usual = [lower[word] for word in (name.lower(), *USUAL[key]) if word in lower]
        near = nearest(name, self.known, most=1).split(", ")[0].split(" and ")[0]
        word = (usual or [near])[0]
        told = f"{self.place_of_all} has no column {name}. Columns: {', '.join(self.known[:20]) or 'none in common'}"
        raise DataError(told, fix=f"dataset.label={word}" if key == "label" else f"dataset.columns.{key}={word}")

    def _other_than(self, column: str) -> str:
        others = [name for name in self.known if name not in (column, self.columns.file_name)]
        return others[0] if others else "<a column of classes>"

    def _refuse_twice(self, names: Sequence[str]) -> None:
        counts = Counter(names)
        if len(counts) == len(names):
            return
        twice = [name for name, count in counts.items() if count > 1]
        where = [i for i, name in enumerate(names) if name == twice[0]][:2]
        lines = " and ".join(self._place(i) for i in where)
        more = f", {', '.join(twice[1:MAX_NAMED])}" if len(twice) > 1 else ""
        told = f"{len(twice):,} files stand in {self.place_of_all} more than once: {twice[0]} ({lines}){more}"
        raise DataError(told + (" …" if len(twice) > MAX_NAMED else ""), fix="keep one line per file")

    def _refuse(self, wrong: Sequence[int], total: int, told: str, fix: str, names: Sequence[str] = ()) -> None:
        """Refuse lines, the first of which are named."""
        if wrong:
            first = [f"{names[i]} ({self._place(i)})" if names else self._place(i) for i in wrong[:MAX_NAMED]]
            more = " …" if len(wrong) > MAX_NAMED else ""
            raise DataError(f"{len(wrong):,} of {total:,} {told}: {', '.join(first)}{more}", fix=fix)

    def _place(self, position: int) -> str:
        for part in self.parts:
            if position < len(part.lines):
                where = part.lines.place(position)
                return where if len(self.parts) == 1 else f"{part.prefix}/{part.lines.path.name}, {where}"
            position -= len(part.lines)
        raise IndexError(position)

    def _where(self, name: str) -> str:
        """The way out where a file is not there: the folder that does hold it, if it is near."""
        places = [self.root.parent, Path.cwd(), *sorted(p for p in self.root.iterdir() if p.is_dir())[:100]]
        near = next((place for place in places if (place / name).is_file()), None)
        if near is not None:
            return f"dataset.root='{near}'"
        ended = [f".{suffix}" for suffix in ("jpg", "jpeg", "png") if (self.root / f"{name}.{suffix}").is_file()]
        if ended:
            return f"names with their ending in the column: {name}{ended[0]}"
        return "dataset.root=<the folder that the paths start from>, or dataset.on_bad_image=skip leaves them out"


def _below(root: str, prefix: str, text: str) -> str | None:
    """A path from the root, which ends with a separator; None where it leads out, or is not one that files can have."""
    try:
        os.fsencode(text)
    except UnicodeEncodeError:
        return None
    whole = os.path.join(root, prefix, text)  # noqa: PTH118 (hundreds of thousands of them)
    if "\\" in text and not os.path.lexists(whole):
        whole = os.path.join(root, prefix, text.replace("\\", "/"))  # noqa: PTH118 (of a table made on Windows)
    path = os.path.normpath(whole)
    return path[len(root) :] if path.startswith(root) and "\0" not in path else None
