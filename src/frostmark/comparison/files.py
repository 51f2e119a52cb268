"""The files of a finished run, read with care: they may be cut, of another program, or of somebody with bad intent.

    with damage_told(folder):                       # whatever is wrong with them is one DataError that names the run
        numbers = numbers_in(folder)
        arrays = arrays_in(folder / "draws.npz", images, classes=10)

Nothing is waited for, nothing is unfolded before its size is known, and every number is one.
"""

from __future__ import annotations

import csv
import json
import math
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO, StringIO
from pathlib import Path
from typing import TypedDict
from zipfile import BadZipFile, ZipFile

import numpy as np

from frostmark.errors import DataError
from frostmark.metrics.kinds import Kind, base_of, kind_of
from frostmark.metrics.lookup import known_kinds
from frostmark.regular import read_regular
from frostmark.results.places import found as found_in
from frostmark.results.record import NUMBERS, SCHEMA
from frostmark.stats.moments import Array, Float

AGAIN = "run that benchmark again; rows in the store are not extracted again"
"""The way out of a damaged run."""

MAX_NUMBERS = 1 << 28
"""Bytes of a run's numbers, and of its pairs of classes."""

MAX_ARRAYS = 1 << 30
"""Bytes of all arrays of a run, unfolded."""

_PER_IMAGE = 2_048
_FOR_DRAWS = 1 << 26
"""Bytes of the arrays of a run: of each image (the name of its file most of all), and of everything else."""

_ROUNDING = 1e-6
"""How far a value may lie outside of its range."""

_POINT_COLUMNS = ("split", "index", "label", "x", "y", "neighbours_kept")

UNREADABLE = (
    OSError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError, EOFError, MemoryError, RuntimeError,
    BadZipFile, zlib.error, csv.Error,
)  # fmt: skip
"""What damaged texts, archives, arrays and tables raise."""

EXPORTED = "exported.json"
"""What an exported network costs, by metric key; there once the run was exported."""

KINDS = ("draws", "outcomes", "groups", "labels", "files")
"""First words of the names of a run's arrays."""


class Numbers(TypedDict):
    """What ``metrics.json`` holds, as far as a comparison asks for it."""

    title: str
    classes: list[str]
    run_id: str | None
    tags: dict[str, str]
    values: dict[str, float]
    undefined: dict[str, str]
    kinds: object


@contextmanager
def damage_told(folder: Path) -> Iterator[None]:
    """Whatever is wrong with the files in ``folder``, in words.

    Raises:
        DataError: in place of what reading them raises.
    """
    try:
        yield
    except UNREADABLE as problem:
        told = (str(problem) or type(problem).__name__).splitlines()[0][:300]
        raise DataError(
            f"the run in {folder} cannot be compared: its files are damaged: {told}", fix=AGAIN
        ) from problem


def numbers_in(folder: Path) -> Numbers:
    """Numbers, tags and classes.

    Raises:
        DataError: if they are of a later version.
        ValueError, KeyError, OSError: if anything is missing, or is not what it must be.
    """
    found = json.loads(read_regular(found_in(folder, NUMBERS), MAX_NUMBERS))
    if not isinstance(found, dict):
        raise TypeError(f"{NUMBERS} is not an object")
    _refuse_later(folder, found.get("schema", 0))
    for name in ("title", "classes", "run_id", "tags", "values", "undefined"):
        if name not in found:
            raise ValueError(f"{NUMBERS} has no {name}")
    _require(isinstance(found["title"], str) and isinstance(found["run_id"], str | None), "title")
    classes = found["classes"]
    _require(isinstance(classes, list) and bool(classes) and all(isinstance(c, str) for c in classes), "classes")
    for name in ("tags", "undefined"):
        _require(isinstance(found[name], dict) and all(isinstance(v, str) for v in found[name].values()), name)
    for tag in ("train_images", "test_images", "seed"):
        _require(str(found["tags"].get(tag, "")).isdecimal(), f"tags: {tag}")
    _require(isinstance(found["values"], dict), "values")
    for key, value in found["values"].items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise ValueError(f"{NUMBERS}: {key} is {value!r}, not a finite number")
    return Numbers(
        title=found["title"], classes=classes, run_id=found["run_id"], tags=found["tags"], values=found["values"],
        undefined=found["undefined"], kinds=found.get("kinds"),
    )  # fmt: skip


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise ValueError(f"{NUMBERS}: {what} is not what a run writes")


def exported_in(folder: Path) -> dict[str, float]:
    """What the network costs that was exported of the run; nothing of a run that was not exported.

    Raises:
        ValueError, OSError: if the file is not what it must be.
    """
    path = found_in(folder, EXPORTED)
    if not path.exists():
        return {}
    found: dict[str, float] = json.loads(read_regular(path, MAX_NUMBERS))
    _require(isinstance(found, dict) and all(key.startswith("cost/") for key in found), EXPORTED)
    for value in found.values():
        _require(isinstance(value, int | float) and math.isfinite(value), EXPORTED)
    return found


def _refuse_later(folder: Path, schema: object) -> None:
    """Runs of before there was a schema have none: they are read as they are."""
    if not isinstance(schema, int) or schema > SCHEMA:
        raise DataError(
            f"the run in {folder} is of a later version of Frostmark: its {NUMBERS} has schema {schema}, not {SCHEMA}",
            fix="pip install --upgrade frostmark",
        )


def check_range(values: Mapping[str, float], kinds: Mapping[str, Kind]) -> None:
    """Whether every value is one that its metric can have.

    Args:
        kinds: of the metrics, by ``<family>/<name>``; those of this version count more than the run's own.

    Raises:
        ValueError: of the first that is not.
    """
    kinds = {**kinds, **known_kinds()}
    for key, value in values.items():
        low, high = _range_of(key, kinds)
        if not low - _ROUNDING <= value <= high + _ROUNDING:
            raise ValueError(f"{NUMBERS}: {key} is {value}, and lies between {low:g} and {high:g}")


def _range_of(key: str, kinds: Mapping[str, Kind]) -> tuple[float, float]:
    base = base_of(key, kinds)
    if base is not None and key.endswith("_p"):
        return 0, 1
    of_interval = base is not None and key.endswith(("_lo", "_hi"))
    kind = kind_of(str(base) if of_interval else key, kinds)
    return (-math.inf, math.inf) if kind is None else kind.range


def arrays_in(path: Path, images: Mapping[str, int], classes: int) -> dict[str, dict[str, Array]]:
    """What ``draws.npz`` holds, by the first word of each name; nothing where a run has no such file.

    Args:
        images: split → number of its images, which every array of images must have.
        classes: how many there are; labels are less.
    """
    kinds: dict[str, dict[str, Array]] = {kind: {} for kind in KINDS}
    if not path.exists():
        return kinds
    most = min(_FOR_DRAWS + _PER_IMAGE * sum(images.values()), MAX_ARRAYS)
    with ZipFile(BytesIO(read_regular(path, most))) as archive:
        unfolded = sum(entry.file_size for entry in archive.infolist())
        if unfolded > most:
            raise ValueError(f"{path.name} unfolds to {unfolded:,} bytes; a run of so many images has {most:,} at most")
        for member in archive.namelist():
            kind, _, key = member.removesuffix(".npy").partition("/")
            if kind in kinds:
                kinds[kind][key] = array_in(archive, member, most)
                _check(f"{kind}/{key}", kinds[kind][key], images, classes)
    return kinds


def _check(name: str, array: Array, images: Mapping[str, int], classes: int) -> None:
    kind, _, key = name.partition("/")
    dtypes = {"draws": "f", "outcomes": "bf", "groups": "iu", "labels": "iu", "files": "U"}[kind]
    if array.ndim != 1 or array.dtype.kind not in ("b" if key.endswith("_hits") else dtypes):
        raise ValueError(f"{name} is of shape {array.shape} and type {array.dtype}")
    split = key.partition("/")[0]
    if kind != "draws" and len(array) != images.get(split, -1):
        raise ValueError(f"{name} has {len(array):,} entries; the split has {images.get(split, 0):,} images")
    if kind == "draws" and not (len(array) and np.isfinite(array).all()):
        raise ValueError(f"{name}: there are none, or one is not a number")
    if kind == "outcomes" and np.isinf(array).any():  # of images outside of a sample nothing is known
        raise ValueError(f"{name}: one is not a number")
    if kind == "labels" and len(array) and not 0 <= array.min() <= array.max() < classes:
        raise ValueError(f"{name}: a label is not one of the {classes} classes")


def array_in(archive: ZipFile, member: str, most: int) -> Array:
    """One array of an archive of NumPy's; no more is unfolded than its header says, and no more than ``most`` bytes.

    Raises:
        ValueError, KeyError, BadZipFile, zlib.error: if there is anything wrong with it.
    """
    entry = archive.getinfo(member)
    if entry.file_size > most:
        raise ValueError(f"{member} holds {entry.file_size:,} bytes; {most:,} may be there")
    with archive.open(entry) as file:
        content = file.read(entry.file_size)  # never without a number: an entry may unfold to more than it says
    inside = BytesIO(content)
    version = np.lib.format.read_magic(inside)
    reader = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = reader(inside)
    if math.prod(shape) * dtype.itemsize != len(content) - inside.tell():
        raise ValueError(f"{member} is cut")  # NumPy would make room for all that the header promises
    inside.seek(0)
    return np.asarray(np.lib.format.read_array(inside, allow_pickle=False))


def points_in(path: Path, images: Mapping[str, int], classes: int) -> dict[str, Array]:
    """Columns of the map's points, (N,) each; empty of a run without a map.

    Args:
        images: split → number of its images.
    """
    if not path.exists():
        return {}
    from pyarrow import ArrowException, BufferReader
    from pyarrow.parquet import ParquetFile

    most = _FOR_DRAWS + _PER_IMAGE * sum(images.values())
    try:
        file = ParquetFile(BufferReader(read_regular(path, min(most, MAX_ARRAYS))))
        if file.metadata.num_rows > sum(images.values()):
            raise ValueError(f"{path.name} has {file.metadata.num_rows:,} points, more than the run has images")
        missing = set(_POINT_COLUMNS) - set(file.schema_arrow.names)
        if missing:
            raise ValueError(f"{path.name} has no column {', '.join(sorted(missing))}")
        table = file.read(list(_POINT_COLUMNS))
        columns: dict[str, Array] = {name: table.column(name).to_numpy() for name in _POINT_COLUMNS}
        columns["neighbours_kept"] = table.column("neighbours_kept").cast("float64").to_numpy()  # all may be unknown
    except ArrowException as problem:
        raise ValueError(f"{path.name}: {problem}") from problem
    for name, kinds in {"index": "iu", "label": "iu", "x": "f", "y": "f", "neighbours_kept": "f"}.items():
        if columns[name].dtype.kind not in kinds:
            raise ValueError(f"{path.name}: {name} is of type {columns[name].dtype}, or cells are missing")
    _check_points(path.name, columns, images, classes)
    return columns


def _check_points(name: str, columns: Mapping[str, Array], images: Mapping[str, int], classes: int) -> None:
    if not (np.isfinite(columns["x"]).all() and np.isfinite(columns["y"]).all()):
        raise ValueError(f"{name}: a point of the map is not a number")
    kept = columns["neighbours_kept"]
    if not (np.isnan(kept) | ((kept >= -_ROUNDING) & (kept <= 1 + _ROUNDING))).all():
        raise ValueError(f"{name}: a share of neighbours is not one")
    if len(columns["label"]) and not (columns["label"].min() >= 0 and columns["label"].max() < classes):
        raise ValueError(f"{name}: a label is not one of the {classes} classes")
    for split in set(columns["split"].tolist()):
        index = columns["index"][columns["split"] == split]
        if not (index.min() >= 0 and index.max() < images.get(split, 0)):
            raise ValueError(f"{name}: points of {split} images that the run does not have")


def pairs_in(path: Path, classes: int) -> Float | None:
    """(C, C) directional CDNV of the test split, NaN on the diagonal; None where the run has no such table."""
    if not path.exists():
        return None
    matrix = np.full((classes, classes), np.nan)
    for line in csv.DictReader(StringIO(read_regular(path, MAX_NUMBERS).decode())):
        if (line["space"], line["split"]) == ("features", "test") and line["directional_cdnv"]:
            i, j = int(line["class_i"]), int(line["class_j"])
            if not (0 <= i < classes and 0 <= j < classes):
                raise ValueError(f"{path.name}: the classes {i} and {j} are not among the {classes} of the run")
            matrix[i, j] = matrix[j, i] = float(line["directional_cdnv"])
            if not 0 <= matrix[i, j] < math.inf:
                raise ValueError(f"{path.name}: {line['directional_cdnv']} between the classes {i} and {j}")
    return matrix
