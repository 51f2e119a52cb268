"""Tables: for the terminal and as CSV.

write_csv(Path("class_variance.csv"), {"class": [0, 1], "variance": [2.5, 3.1]})
console.print(metrics_table(values, undefined))
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.markup import escape
from rich.table import Table

_PER_CLASS = ("intra_variance", "pair_variance")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def write_csv(path: Path, columns: Mapping[str, Sequence[Any]]) -> Path:
    """Write ``columns`` of equal length; undefined numbers become empty cells, and no name becomes a formula."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows([_cell(value) for value in line] for line in zip(*columns.values(), strict=True))
    return path


def _cell(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return ""
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"  # a spreadsheet shows it as text instead of computing it
    return value


def metrics_table(values: Mapping[str, float], undefined: Mapping[str, str]) -> Table:
    """The metrics of a run, train beside test; those of single classes and pairs are left to the files."""
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("metric")
    table.add_column("train", justify="right")
    table.add_column("test", justify="right")
    names: dict[str, None] = {}
    for key in {**values, **undefined}:
        split, _, rest = key.partition("/")
        if split in ("train", "test") and not any(part in rest for part in _PER_CLASS):
            names[rest] = None
    for name in names:
        cells = [_shown(f"{split}/{name}", values, undefined) for split in ("train", "test")]
        table.add_row(escape(name), *cells)
    for key in (k for k in values if k.startswith("cost/")):
        table.add_row(escape(key), "", number(values[key]))
    return table


def notes(values: Mapping[str, float], undefined: Mapping[str, str]) -> list[str]:
    """What must be said beside the table: which values compare what, and why some do not exist."""
    found = []
    if any("/variance/" in key for key in values):
        found.append("variance: compares classes and splits of this run, not networks")
    if any("/map/variance" in key for key in values):
        found.append("map/variance: compares nothing between runs (it changes with the number of points and the seed)")
    return found + [f"undefined: {key} ({reason})" for key, reason in undefined.items()]


def _shown(key: str, values: Mapping[str, float], undefined: Mapping[str, str]) -> str:
    if key in values:
        return number(values[key])
    return "undefined" if key in undefined else ""


def number(value: float) -> str:
    """Four significant digits, thousands separated."""
    if value == 0 or 0.001 <= abs(value) < 10_000:
        return f"{value:.4g}"
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.3e}"


def sweep_table(outcomes: Sequence[tuple[str, int | None, float | None]]) -> Table:
    """Jobs of a sweep: (what sets it apart, exit code, k-NN accuracy) each."""
    table = Table(title="Sweep", box=box.SIMPLE_HEAD, title_style="bold", title_justify="left")
    for column, justify in (("#", "right"), ("job", "left"), ("k-NN accuracy", "right"), ("ended", "left")):
        table.add_column(column, justify=justify)  # type: ignore[arg-type]
    for position, (title, code, accuracy) in enumerate(outcomes):
        ended = "finished" if code == 0 else f"failed ({code})" if code else "did not end"
        shown = "" if accuracy is None else number(accuracy)
        table.add_row(str(position), escape(title), shown, escape(ended), style=None if code == 0 else "red")
    return table
