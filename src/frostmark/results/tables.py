"""Tables: for the terminal and as CSV.

write_csv(Path("class_variance.csv"), {"class": [0, 1], "variance": [2.5, 3.1]})
console.print(metrics_table(values, undefined, chance))
"""

from __future__ import annotations

import csv
import math
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich import box
from rich.table import Table

from frostmark.errors import ConfigError
from frostmark.metrics.kinds import Across, Kind, kind_of
from frostmark.metrics.lookup import NOT_CHANCE, cost_keys, known_kinds, own_keys, validity
from frostmark.regular import write_whole
from frostmark.results.findings import between
from frostmark.results.terminal import cell
from frostmark.stats.moments import Array

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


def write_text(path: Path, text: str) -> Path:
    """Write a text; whoever reads it finds it whole or not at all."""
    return write_whole(path, text)


def write_parquet(path: Path, columns: Mapping[str, Sequence[Any]]) -> Path:
    """Write ``columns`` of equal length for other tools to read; None where there is no value."""
    from pyarrow import parquet, table

    parquet.write_table(table(dict(columns)), path, compression="zstd")
    return path


def write_arrays(path: Path, arrays: Mapping[str, Array]) -> Path:
    """Write arrays as ``.npz``, whole or not at all."""
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    with temporary.open("xb") as file:  # a name without the suffix would be given one
        np.savez_compressed(file, allow_pickle=False, **arrays)
    temporary.replace(path)
    return path


def data_frame(columns: Mapping[str, Array]) -> Any:
    """``columns`` of equal length as a ``pandas.DataFrame``.

    Raises:
        ConfigError: if pandas is not installed.
    """
    from pyarrow import table

    try:
        return table(dict(columns)).to_pandas()
    except ModuleNotFoundError as problem:
        raise ConfigError(f"to_pandas() needs pandas: {problem}", fix="pip install pandas") from problem


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
    values: Mapping[str, float],
    undefined: Mapping[str, str],
    chance: Mapping[str, float],
    kinds: Mapping[str, Kind] | None = None,
) -> tuple[list[str], list[Line]]:
    """The controls of a run, and its metrics; those of single classes and pairs are left to the files.

    Args:
        kinds: what the metrics are; those of this version if not given.
    """
    known = known_kinds() if kinds is None else kinds
    controls = list(dict.fromkeys(key.split("/")[1] for key in values if key.startswith("control/")))
    names = dict.fromkeys(key.partition("/")[2] for key in own_keys([*values, *undefined], known))
    return controls, [_line(name, controls, values, undefined, chance, known) for name in names]


def _line(
    name: str,
    controls: Sequence[str],
    values: Mapping[str, float],
    undefined: Mapping[str, str],
    chance: Mapping[str, float],
    kinds: Mapping[str, Kind],
) -> Line:
    test = f"test/{name}"
    low, high = values.get(f"{test}_lo"), values.get(f"{test}_hi")
    p, spread = values.get(f"{test}_p"), values.get(f"{test}_std")
    interval = "" if low is None or high is None else between(number(low), number(high))
    valid = validity(kind_of(test, kinds), p) if test in values else "no" if test in undefined else ""
    return Line(
        name,
        _shown(f"train/{name}", values, undefined),
        _shown(test, values, undefined),
        interval if spread is None else f"± {number(spread)}",
        number(chance[test]) if test in chance else "",
        "" if p is None else f"{p:.2g}",
        valid,
        {control: _shown(f"control/{control}/{test}", values, undefined) for control in controls},
    )


def metrics_table(
    values: Mapping[str, float],
    undefined: Mapping[str, str],
    chance: Mapping[str, float] | None = None,
    kinds: Mapping[str, Kind] | None = None,
) -> Table:
    """The metrics of a run: train beside test, and what the test values stand beside."""
    controls, lines = metric_lines(values, undefined, chance or {}, kinds)
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("metric", no_wrap=True)
    for column in ("train", "test", "95% CI (test)", "chance", "p", *controls, "valid"):
        table.add_column(cell(column), justify="right")
    for line in lines:
        beside = [line.controls[control] for control in controls]
        cells = (line.train, line.test, line.interval, line.chance, line.p, *beside, line.valid)
        table.add_row(cell(line.name), *cells)
    for key in cost_keys(values):
        table.add_row(cell(key), "", number(values[key]))
    return table


def notes(
    values: Mapping[str, float], undefined: Mapping[str, str], kinds: Mapping[str, Kind] | None = None
) -> list[str]:
    """What must be said beside the table: which values must not be compared, and why some do not exist."""
    known = known_kinds() if kinds is None else kinds
    lines = []
    of_run, of_map = _only_within(values, known, of_map=False), _only_within(values, known, of_map=True)
    if of_run:
        lines.append(f"{', '.join(of_run)}: compare classes and splits of this run, not networks")
    if of_map:
        lines.append(
            f"{', '.join(of_map)}: do not compare runs by these metrics; they change with the number of points and "
            "the seed"
        )
    tested = {key: values[f"{key}_p"] for key in own_keys(values, known) if f"{key}_p" in values}
    if tested:
        lines.append("chance: the value for random labels; p: how often permuted labels are at least as good")
    weak = [key for key, p in tested.items() if p > NOT_CHANCE]
    if weak:
        lines.append(f"not significantly better than chance (p > {NOT_CHANCE}): {', '.join(weak)}")
    return lines + [f"undefined: {key} ({reason})" for key, reason in undefined.items()]


def _only_within(values: Mapping[str, float], kinds: Mapping[str, Kind], *, of_map: bool) -> list[str]:
    """The metrics that are valid within one run alone, of the map or of the features."""
    names: dict[str, None] = {}
    for key in own_keys(values, kinds):
        kind = kind_of(key, kinds)
        if kind is not None and kind.across is Across.RUN and kind.of_map is of_map:
            names[key.partition("/")[2]] = None
    return list(names)


def _shown(key: str, values: Mapping[str, float], undefined: Mapping[str, str]) -> str:
    if key in values:
        return number(values[key])
    return "undefined" if key in undefined else ""


def number(value: float) -> str:
    """Four significant digits, thousands separated."""
    if value == 0 or 0.001 <= abs(value) < 10_000:
        return f"{value:.4g}"
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.3e}"


def sweep_table(outcomes: Sequence[tuple[str, int | None, float | None]], metric: str = "accuracy") -> Table:
    """Jobs of a sweep: (what sets it apart, exit code, value of the metric that decides) each.

    Args:
        metric: the metric that decides, for a person.
    """
    table = Table(title="Sweep", box=box.SIMPLE_HEAD, title_style="bold", title_justify="left")
    for column, justify in (("#", "right"), ("job", "left"), (metric, "right"), ("ended", "left")):
        table.add_column(column, justify=justify)  # type: ignore[arg-type]
    for position, (title, code, accuracy) in enumerate(outcomes):
        ended = "finished" if code == 0 else f"failed ({code})" if code else "did not finish"
        shown = "" if accuracy is None else number(accuracy)
        table.add_row(str(position), cell(title), shown, ended, style=None if code == 0 else "red")
    return table
