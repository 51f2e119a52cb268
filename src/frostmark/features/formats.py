"""Files of rows made elsewhere, read array by array: npz, safetensors and parquet, in one spelling of their keys.

contents = read_contents(Path("features.npz"))
contents.keys                       # ("train", "test", "train_labels", "test_labels", "classes")
contents.read("train")              # (N, D) as it was written; texts as an array of texts

An npz has every key as an array. A safetensors file has rows and numbers as tensors, and what is text as JSON in its
metadata. A parquet file has one line per image, with the columns ``split``, ``label``, ``file`` and ``group`` and one
column of lists per layer. Nothing in a file is run: pickled objects are refused.
"""

from __future__ import annotations

import json
import re
import shutil
import uuid
import zlib
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from os import fspath
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from frostmark.errors import DataError
from frostmark.features.entry import Array
from frostmark.signatures import PICKLE, in_our_words, kind_of

SPLITS = ("train", "test")

CLASSES, ABOUT = "classes", "about"
"""Keys of what is not of one image: names of the classes, and what is known of all rows, as a JSON object of texts."""

_LINES = {"label": "labels", "file": "files", "group": "groups"}
"""Column of a parquet file with one value per image → end of the key."""

FIX = "np.savez('features.npz', train=train, test=test, train_labels=train_labels, test_labels=test_labels)"
"""What makes a file that can be read."""


@dataclass(frozen=True)
class Contents:
    """The arrays of a file, each of them read when it is asked for.

    Attributes:
        name: of the file, for messages.
        keys: of the arrays.
        read: the array of a key.
    """

    name: str
    keys: tuple[str, ...]
    read: Callable[[str], Array]


def read_contents(path: Path) -> Contents:
    """The contents of a file, by its ending.

    Raises:
        DataError: if it is missing, damaged, of another kind, or holds pickled objects; so does reading an array.
    """
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise DataError(
            f"{path} is not a file of rows (valid: {', '.join(_READERS)})",
            fix=f"{FIX}; then backbone.file=features.npz",
        )
    if not path.is_file():
        told = f"{path} is a folder" if path.is_dir() else f"there is no file {path}"
        raise DataError(told, fix="backbone.file=<file .npz, .safetensors or .parquet>")
    with _reading(path):
        contents = reader(path)

    def read(key: str) -> Array:
        with _reading(path):
            return contents.read(key)

    return Contents(path.name, contents.keys, read)


def contents_of(arrays: Mapping[str, object]) -> Contents:
    """The contents of arrays that are in memory: whatever NumPy takes for an array."""

    def read(key: str) -> Array:
        value = arrays[key]
        try:
            array = np.asarray(json.dumps(dict(value)) if isinstance(value, Mapping) else value)
            return np.array([fspath(one) for one in array.flat]) if array.dtype == object else array
        except (TypeError, ValueError, RuntimeError) as problem:
            told = f"{key!r} of the mapping of rows is not an array of numbers or texts: {problem}"
            fix = "np.asarray(rows, dtype='float32'), and texts as np.asarray(texts, dtype=str)"
            raise DataError(told, fix=fix) from problem

    return Contents("the mapping of rows", tuple(map(str, arrays)), read)


_PROBLEMS = (
    OSError, ValueError, KeyError, TypeError, EOFError, BadZipFile, NotImplementedError, zlib.error, SafetensorError,
    RecursionError,
)  # fmt: skip
"""What the libraries raise about a file."""


def _reading(path: Path) -> AbstractContextManager[None]:
    return in_our_words(path, _PROBLEMS, fix=f"write the file again: {FIX}")


# ---------------------------------------------------------------- npz


def _npz(path: Path) -> Contents:
    kind = kind_of(path)  # NumPy takes whatever it does not know for a pickle
    if kind.words == PICKLE:
        raise _pickled(path)
    if not kind.suits(path) or kind.cut:
        raise ValueError("it is not an npz file")

    def read(key: str) -> Array:
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                return np.asarray(arrays[key])
        except ValueError as problem:
            if "allow_pickle" not in str(problem):
                raise
            raise _pickled(path) from problem

    with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        return Contents(path.name, tuple(arrays.files), read)


def _pickled(path: Path) -> DataError:
    return DataError(
        f"{path} holds pickled objects, which could run code: they are not read",
        fix=f"save arrays of numbers, and texts as np.array(texts, dtype=str): {FIX}",
    )


# ---------------------------------------------------------------- safetensors


def _safetensors(path: Path) -> Contents:
    with safe_open(path, framework="np") as file:
        tensors, texts = tuple(file.keys()), dict(file.metadata() or {})
    texts.pop("format", None)  # torch, transformers and others write there whose tensors they are
    if twice := sorted(set(tensors) & set(texts)):
        raise ValueError(f"{twice[0]!r} is a tensor and a text of the metadata")

    def read(key: str) -> Array:
        if key in texts:
            return np.asarray(texts[key]) if key == ABOUT else _listed(texts[key], key)
        with safe_open(path, framework="np") as file:
            kind = file.get_slice(key).get_dtype()
            if kind.startswith(("BF", "F8")):
                raise DataError(
                    f"{path}: the values of {key!r} are {kind}, which NumPy does not know",
                    fix="save them as float32: tensor.float()",
                )
            return np.asarray(file.get_tensor(key))

    return Contents(path.name, tensors + tuple(texts), read)


def _listed(text: str, key: str) -> Array:
    """A JSON list of texts, or of whole numbers, as an array."""
    try:
        values = json.loads(text)
    except ValueError:
        values = None
    if not isinstance(values, list):
        raise ValueError(f'{key!r} in the metadata is not a list as JSON, such as ["cat", "dog"]')
    return _texts_or_numbers(values, key)


def _texts_or_numbers(values: list[object], key: str) -> Array:
    for kind in (str, int):
        if all(type(value) is kind for value in values):
            return np.array(values, dtype=None if values else str)
    odd = next(value for value in values if type(value) not in (str, int) or type(value) is not type(values[0]))
    raise ValueError(f"{key!r} holds {odd!r}: use either texts or whole numbers for all")


def write_safetensors(path: Path, tensors: Mapping[str, Array], texts: Mapping[str, str]) -> None:
    """Write a file that :func:`read_contents` reads, whole or not at all.

    Args:
        texts: JSON by key, for the metadata.

    Raises:
        DataError: if there is no such folder, or its disk is too full.
    """
    if not path.parent.is_dir():
        raise DataError(f"there is no folder {path.parent}", fix=f"mkdir -p '{path.parent}'")
    needed = sum(of.nbytes for of in tensors.values()) + sum(map(len, texts.values()))
    if needed > (free := shutil.disk_usage(path.parent).free):
        told = f"the disk of {path.parent} is too full: {needed:,} bytes are needed and {free:,} are free"
        raise DataError(told, fix="name a file on a larger disk")
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        save_file({key: np.ascontiguousarray(of) for key, of in tensors.items()}, temporary, dict(texts))
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


# ---------------------------------------------------------------- parquet


_PANDAS_INDEX = re.compile(r"__index_level_\d+__")
"""What pandas calls the numbers of the lines of a frame that was filtered or shuffled."""


def _parquet(path: Path) -> Contents:
    from pyarrow import ArrowException, parquet

    try:
        schema = parquet.read_schema(path)
        texts = {key.decode(): value.decode() for key, value in (schema.metadata or {}).items()}
        told = [name for name in schema.names if name != "split" and not _PANDAS_INDEX.fullmatch(name)]
        columns = {name: _is_layer(schema.field(name).type, name) for name in told}
        splits = _splits(path, schema.names)
    except ArrowException as problem:
        raise ValueError(str(problem)) from problem
    column_of = {_key(column, split, layer): column for column, layer in columns.items() for split in SPLITS}

    def read(key: str) -> Array:
        if key in texts:
            return np.asarray(texts[key]) if key == ABOUT else _listed(texts[key], key)
        column = column_of[key]
        lines = np.flatnonzero(splits == _split_of(key, layer=columns[column]))
        try:
            return _matrix(path, column)[lines] if columns[column] else _line_values(path, column, lines)
        except ArrowException as problem:
            raise ValueError(str(problem)) from problem

    return Contents(path.name, (*column_of, *(key for key in (CLASSES, ABOUT) if key in texts)), read)


def _is_layer(kind: object, column: str) -> bool:
    """Whether a column holds rows; of other columns those are known that hold one value per image."""
    from pyarrow import types

    if column in _LINES:
        return False
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        return True
    raise ValueError(
        f"the column {column!r} is of {kind}: columns are split, {', '.join(_LINES)}, and lists of numbers"
    )


def _key(column: str, split: str, layer: bool) -> str:
    return f"{column}/{split}" if layer else f"{split}_{_LINES[column]}"


def _split_of(key: str, *, layer: bool) -> str:
    return key.rpartition("/")[2] if layer else key.partition("_")[0]


def _splits(path: Path, names: list[str]) -> NDArray[np.str_]:
    """(N,) the split of every line."""
    from pyarrow import parquet

    if "split" not in names:
        raise ValueError("it has no column 'split', with 'train' or 'test' in every line")
    splits = parquet.read_table(path, columns=["split"]).column(0).to_pylist()
    if unknown := [word for word in dict.fromkeys(splits) if word not in SPLITS]:
        raise ValueError(f"the column 'split' holds {unknown[0]!r}; valid: {', '.join(SPLITS)}")
    return np.array(splits, dtype=str)


def _line_values(path: Path, column: str, lines: NDArray[np.intp]) -> Array:
    from pyarrow import parquet

    values = parquet.read_table(path, columns=[column]).column(0).to_pylist()
    return _texts_or_numbers([values[line] for line in lines], column)


def _matrix(path: Path, column: str) -> Array:
    """(N, D) of a column of lists that are of one length."""
    from pyarrow import compute, parquet

    lists = parquet.read_table(path, columns=[column]).column(0).combine_chunks()
    lengths = compute.unique(compute.list_value_length(lists)).to_pylist()
    if lists.null_count or len(lengths) > 1:
        shown = ", ".join(str(length) for length in lengths[:3])
        raise ValueError(f"the lists of the column {column!r} are not of one length: {shown}")
    flat: Array = lists.flatten().to_numpy(zero_copy_only=False)
    return flat.reshape(len(lists), -1) if len(lists) else flat.reshape(0, 0)


_READERS: Mapping[str, Callable[[Path], Contents]] = {
    ".npz": _npz,
    ".safetensors": _safetensors,
    ".parquet": _parquet,
}
"""Ending of a file → what opens it."""
