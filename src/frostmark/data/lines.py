"""Tables of images: CSV, TSV, JSON lines and parquet, column by column, every value as text.

    lines = read_lines(Path("labels.csv"))
    lines.columns                           # ("file_name", "label", "site")
    lines.texts("label")                    # ["cat", "dog", None]: of an empty cell None
    lines.place(2)                          # "line 4": what a person looks for in an editor

Values stay what is written: "007" is not 7, and "NA" is a name like others. Cells of blanks alone are empty.
"""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from frostmark.errors import DataError
from frostmark.signatures import in_our_words, kind_of

MAX_BYTES = 2**30
"""Larger tables are refused: they are read as a whole."""

MAX_NAMED = 5
"""Lines that an error names."""


@dataclass(frozen=True)
class Lines:
    """The lines of a table.

    Attributes:
        path: of the file.
        columns: their names, in order.
        numbers: the line in the file where each begins, or its row from 0 in a parquet file.
        cells: column → one value per line.
    """

    path: Path
    columns: tuple[str, ...]
    numbers: Sequence[int]
    cells: Mapping[str, Sequence[object]]

    def __len__(self) -> int:
        return len(self.numbers)

    def texts(self, column: str) -> list[str | None]:
        """The values of a column as text, None where there is none.

        Raises:
            DataError: if values are lists, bytes or numbers that are not whole; it names the first.
        """
        values = self.cells[column]
        try:
            return [text_of(value) for value in values]
        except ValueError:
            at = next(i for i, value in enumerate(values) if not _is_text(value))
            told = f"{self.path}: column {column} holds {values[at]!r:.60} ({self.place(at)}), which is not a name"
            raise DataError(told, fix="a column of texts or whole numbers") from None

    def place(self, position: int) -> str:
        """Where a line is, for a person."""
        return f"{'row' if self.path.suffix.lower() == '.parquet' else 'line'} {self.numbers[position]}"


def read_lines(path: Path) -> Lines:
    """The lines of a table, by the ending of its file.

    Raises:
        DataError: if it is missing, damaged, too large, of another kind, or has no lines.
    """
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise DataError(f"{path} is not a table (valid: {', '.join(READERS)})", fix="dataset.file=labels.csv")
    if not path.is_file():
        told = f"{path} is a folder" if path.is_dir() else f"there is no file {path}"
        raise DataError(told, fix=f"dataset.file=<file {', '.join(READERS)}>")
    if path.stat().st_size > MAX_BYTES:
        raise DataError(f"{path} has over {MAX_BYTES:,} bytes", fix="only the columns that are used, as parquet")
    with _reading(path):
        lines = reader(path)
    if not len(lines):
        raise DataError(f"{path} has no lines of images", fix="a first line of column names, then one line per image")
    return lines


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """What the libraries raise about a file, in our words; of a text in another encoding with the way to convert it."""
    problems = (OSError, ValueError, csv.Error, RecursionError, pa.ArrowException)
    with in_our_words(path, problems, fix="write the file again"):
        try:
            yield
        except UnicodeDecodeError as problem:
            if kind_of(path).words:
                raise
            told = f"{path} is not UTF-8: byte {problem.start:,} is {problem.object[problem.start]:#x}"
            fix = f"iconv -f WINDOWS-1252 -t UTF-8 '{path}' > '{path.stem}_utf8{path.suffix}'"
            raise DataError(told, fix=fix) from problem


# CSV and TSV


def _separated(path: Path) -> Lines:
    """Commas, tabs, or the semicolons of a spreadsheet whose decimal sign is a comma."""
    text = _decoded(path)
    first = text.partition("\n")[0]
    tabs = path.suffix.lower() == ".tsv" or ("\t" in first and "," not in first)
    mark = "\t" if tabs else ";" if ";" in first and "," not in first else ","
    reader = csv.reader(text.splitlines(keepends=True), delimiter=mark, skipinitialspace=True, strict=True)
    header = [name.strip() for name in next(reader, [])]
    _refuse_header(path, header)
    rows, numbers, begins = [], [], reader.line_num + 1
    for row in reader:
        if row:
            rows.append(row)
            numbers.append(begins)
        begins = reader.line_num + 1
    odd = [i for i, row in enumerate(rows) if len(row) != len(header)]
    if odd:
        told = f"{len(odd):,} lines of {path} do not have {len(header)} cells, such as line {numbers[odd[0]]}"
        example = mark.join(rows[odd[0]])
        raise DataError(f"{told}: {example:.80}", fix=f'quote cells that hold a separator: "a{mark} b"')
    return Lines(path, tuple(header), numbers, dict(zip(header, zip(*rows, strict=True), strict=True)) if rows else {})


def _decoded(path: Path) -> str:
    content = path.read_bytes()
    wide = content.startswith((b"\xff\xfe", b"\xfe\xff"))  # of a spreadsheet that saved "Unicode text"
    return content.decode("utf-16" if wide else "utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")


def _refuse_header(path: Path, header: Sequence[str]) -> None:
    twice = [name for name, count in Counter(header).items() if count > 1 and name]
    if twice:
        raise DataError(f"{path} has the column {twice[0]} more than once", fix="rename one of them")
    if not any(header):
        raise DataError(f"{path} has no column names in its first line", fix="file_name,label as its first line")


# JSON lines


def _objects(path: Path) -> Lines:
    """One object per line."""
    objects, numbers = [], []
    for number, line in enumerate(_decoded(path).split("\n"), 1):
        if not line.strip():
            continue
        try:
            made = json.loads(line)
        except ValueError as problem:
            raise DataError(f"{path}, line {number} is not JSON: {problem}", fix=_JSON) from problem
        if not isinstance(made, dict):
            raise DataError(f"{path}, line {number} is not a JSON object: {line:.60}", fix=_JSON)
        objects.append(made)
        numbers.append(number)
    columns = tuple(dict.fromkeys(key for made in objects for key in made))
    return Lines(path, columns, numbers, {key: [made.get(key) for made in objects] for key in columns})


_JSON = '{"file_name": "1.png", "label": "cat"} as each line'


# Parquet


def _parquet(path: Path) -> Lines:
    table = pq.read_table(path)
    header = list(table.column_names)
    _refuse_header(path, header)
    cells = {name: _Column(table.column(name)) for name in header}
    return Lines(path, tuple(header), range(table.num_rows), cells)


@dataclass(frozen=True)
class _Column(Sequence[object]):
    """Values of a column, made when they are asked for: most columns of a table are not."""

    column: pa.ChunkedArray

    def __len__(self) -> int:
        return len(self.column)

    def __getitem__(self, position: int) -> object:  # type: ignore[override]  # nothing asks for slices
        return self.column[position].as_py()

    def __iter__(self) -> Iterator[object]:
        return iter(self.column.to_pylist())


READERS: Mapping[str, Callable[[Path], Lines]] = {
    ".csv": _separated,
    ".tsv": _separated,
    ".txt": _separated,
    ".jsonl": _objects,
    ".ndjson": _objects,
    ".parquet": _parquet,
}
"""Ending of a file → what reads it."""


def text_of(value: object) -> str | None:
    """A value as text, None for an empty one.

    Raises:
        ValueError: if it is not a name: a list, bytes, a number that is not whole.
    """
    if value is None:
        return None
    if isinstance(value, str):
        return value.strip() or None
    if not _is_text(value):
        raise ValueError
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return None if value != value else str(int(value))
    return str(value)


def _is_text(value: object) -> bool:
    """Whether a value can name something: numbers must be whole."""
    if isinstance(value, float):
        return value != value or value.is_integer()
    return not isinstance(value, bytes | list | dict | tuple)
