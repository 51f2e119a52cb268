"""The table of all pairs of classes, which grows with their square: a thousand classes have half a million pairs.

for path in table_files(folder, "pair_variance", columns, classes=1_000):    # a short CSV, and all pairs as parquet
    ...
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from frostmark.metrics.metric import CLASSES_AS_SCALARS
from frostmark.results.tables import write_csv
from frostmark.stats.moments import Array

PAIRS = "pair_variance"

MAX_PAIRS = 1_000
"""Pairs per split in the CSV of a run of over :data:`~frostmark.metrics.metric.CLASSES_AS_SCALARS` classes."""

KEPT_BITS = 6
"""Of a number's mantissa in the parquet file, so that it is within 0.8 %. With all 23 the pairs of a thousand classes
take 13 MB, and all files of such a run shall take 10. The closest pairs are exact in the CSV."""

DERIVED = "standardised_distance"
"""Not in the parquet file: ``mean_distance`` over the root of the mean of both classes' variances."""

DIGITS = 9
"""Of the numbers in a CSV of many classes."""


def table_files(folder: Path, name: str, table: Mapping[str, Sequence[object]], classes: int) -> list[Path]:
    """Write a table of a run; of the pairs of many classes the closest as CSV, and all as parquet."""
    path = folder / f"{name}.csv"
    if classes <= CLASSES_AS_SCALARS:
        return [write_csv(path, table)]
    if name != PAIRS:
        return [write_csv(path, {column: _in_digits(cells) for column, cells in table.items()})]
    shown = closest(table, MAX_PAIRS)
    few = {column: _in_digits([cells[line] for line in shown]) for column, cells in table.items()}
    return [write_csv(path, few), _write_all(path.with_suffix(".parquet"), short(table))]


def _in_digits(cells: Sequence[object]) -> list[object]:
    return [float(f"{cell:.{DIGITS}g}") if isinstance(cell, float) else cell for cell in cells]


def _write_all(path: Path, columns: Mapping[str, Array]) -> Path:
    """Numbers and first names come in few values; the second class of a line is that of the line before and one."""
    from pyarrow import parquet, table

    coded = [name for name in columns if name not in ("class_j", "name_j")]
    steps = {"class_j": "DELTA_BINARY_PACKED"}
    parquet.write_table(table(dict(columns)), path, compression="zstd", use_dictionary=coded, column_encoding=steps)
    return path


def closest(table: Mapping[str, Sequence[object]], most: int) -> list[int]:
    """The lines of the pairs whose means are closest, of each space and split ``most``, the closest first."""
    distance = np.asarray(table["mean_distance"], np.float64)
    groups = np.array([f"{space} {split}" for space, split in zip(table["space"], table["split"], strict=True)])
    lines: list[int] = []
    for group in dict.fromkeys(groups.tolist()):
        mine = np.flatnonzero(groups == group)
        lines += mine[np.argsort(distance[mine], kind="stable")[:most]].tolist()  # what is no number comes last
    return lines


def short(table: Mapping[str, Sequence[object]]) -> dict[str, Array]:
    """The columns of a table but :data:`DERIVED`, numbers that are not whole in float32 of :data:`KEPT_BITS` bits."""
    columns = {name: np.asarray(cells) for name, cells in table.items() if name != DERIVED}
    return {name: rounded(cells) if cells.dtype.kind == "f" else cells for name, cells in columns.items()}


def rounded(values: Array) -> Array:
    """Numbers (n,) to the nearest of :data:`KEPT_BITS` bits behind the leading one, as float32: zeros compress."""
    mantissa, exponent = np.frexp(values.astype(np.float64))
    steps, most = 2.0 ** (KEPT_BITS + 1), float(np.finfo(np.float32).max)
    return np.clip(np.ldexp(np.round(mantissa * steps) / steps, exponent), -most, most).astype(np.float32)
