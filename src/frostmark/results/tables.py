"""Tables: for the terminal and as CSV.

write_csv(Path("class_variance.csv"), {"class": [0, 1], "variance": [2.5, 3.1]})
console.print(metrics_table(values, undefined, chance))
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table

from frostmark.results.terminal import cell
from frostmark.stats.bootstrap import UNCERTAINTY_ENDS

_PER_CLASS = ("intra_variance", "pair_variance")
NOT_CHANCE = 0.05
"""A larger p than this is called chance."""

_NOT_AS_IT_IS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠", "'")
"""What spreadsheets read as the start of a formula; and the mark of what they must not, so that it can be undone."""


def write_csv(path: Path, columns: Mapping[str, Sequence[Any]]) -> Path:
    """Write ``columns`` of equal length; undefined numbers become empty cells, and no name becomes a formula."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([_cell(name) for name in columns])
        cells = [[_cell(value) for value in column] for column in columns.values()]
        writer.writerows(zip(*cells, strict=True))
    return path


def write_parquet(path: Path, columns: Mapping[str, Sequence[Any]]) -> Path:
    """Write ``columns`` of equal length for other tools to read; None where there is no value."""
    from pyarrow import parquet, table

    parquet.write_table(table(dict(columns)), path, compression="zstd")
    return path


def _cell(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return ""
    if isinstance(value, str) and value.startswith(_NOT_AS_IT_IS):
        return f"'{value}"  # a spreadsheet shows it as text instead of computing it
    return value


@dataclass(frozen=True)
class Line:
    """One metric of a run, as it is shown.

    Attributes:
        name: family and metric, without the split.
        train, test: value, ``undefined`` or nothing.
        interval: 95 % of the test value.
        chance: of the test value: what labels that mean nothing would give.
        p: how often permuted labels are as good as the labels of the test split.
        valid: what the test value may be believed to say.
        controls: control → its test value.
    """

    name: str
    train: str
    test: str
    interval: str
    chance: str
    p: str
    valid: str
    controls: Mapping[str, str]


def metric_lines(
    values: Mapping[str, float], undefined: Mapping[str, str], chance: Mapping[str, float]
) -> tuple[list[str], list[Line]]:
    """The controls of a run, and its metrics; those of single classes and pairs are left to the files."""
    controls = list(dict.fromkeys(key.split("/")[1] for key in values if key.startswith("control/")))
    names: dict[str, None] = {}
    for key in {**values, **undefined}:
        split, _, rest = key.partition("/")
        if split in ("train", "test") and not any(part in rest for part in _PER_CLASS) and not _belongs(key, values):
            names[rest] = None
    return controls, [_line(name, controls, values, undefined, chance) for name in names]


def _belongs(key: str, values: Mapping[str, float]) -> bool:
    """Whether a key only says more of another one."""
    return any(key.endswith(end) and key.removesuffix(end) in values for end in UNCERTAINTY_ENDS)


def _line(
    name: str,
    controls: Sequence[str],
    values: Mapping[str, float],
    undefined: Mapping[str, str],
    chance: Mapping[str, float],
) -> Line:
    test = f"test/{name}"
    low, high = values.get(f"{test}_lo"), values.get(f"{test}_hi")
    p, spread = values.get(f"{test}_p"), values.get(f"{test}_std")
    interval = "" if low is None or high is None else f"{number(low)}…{number(high)}"
    return Line(
        name,
        _shown(f"train/{name}", values, undefined),
        _shown(test, values, undefined),
        interval if spread is None else f"± {number(spread)}",
        number(chance[test]) if test in chance else "",
        "" if p is None else f"{p:.2g}",
        _validity(name, test, values, undefined),
        {control: _shown(f"control/{control}/{test}", values, undefined) for control in controls},
    )


def _validity(name: str, test: str, values: Mapping[str, float], undefined: Mapping[str, str]) -> str:
    if test not in values:
        return "no" if test in undefined else ""
    if name.startswith("map/variance"):
        return "within this map"
    if name.startswith("variance/"):
        return "within this run"
    return "as chance" if values.get(f"{test}_p", 0.0) > NOT_CHANCE else "yes"


def metrics_table(
    values: Mapping[str, float], undefined: Mapping[str, str], chance: Mapping[str, float] | None = None
) -> Table:
    """The metrics of a run: train beside test, and what the test values stand beside."""
    controls, lines = metric_lines(values, undefined, chance or {})
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("metric", no_wrap=True)
    for column in ("train", "test", "95 % of test", "chance", "p", *controls, "valid"):
        table.add_column(cell(column), justify="right")
    for line in lines:
        beside = [line.controls[control] for control in controls]
        cells = (line.train, line.test, line.interval, line.chance, line.p, *beside, line.valid)
        table.add_row(cell(line.name), *cells)
    for key in (k for k in values if k.startswith("cost/")):
        table.add_row(cell(key), "", number(values[key]))
    return table


def notes(values: Mapping[str, float], undefined: Mapping[str, str]) -> list[str]:
    """What must be said beside the table: which values compare what, and why some do not exist."""
    found = []
    if any("/variance/" in key for key in values):
        found.append("variance: compares classes and splits of this run, not networks")
    if any("/map/variance" in key for key in values):
        found.append("map/variance: compares nothing between runs (it changes with the number of points and the seed)")
    if any(key.endswith("_p") for key in values):
        found.append("chance: what labels that mean nothing give; p: how often permuted labels are as good as these")
    weak = [key.removesuffix("_p") for key, p in values.items() if key.endswith("_p") and p > NOT_CHANCE]
    if weak:
        found.append(f"not distinguishable from chance (p > {NOT_CHANCE}): {', '.join(weak)}")
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
        table.add_row(str(position), cell(title), shown, ended, style=None if code == 0 else "red")
    return table
