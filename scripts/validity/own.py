"""A user's own comparison against accuracies that he has.

cells = own_cells(runs, accuracies(Path("accuracy.csv")))       # one cell: the metrics of every layer that has one
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from frostmark.comparison.cards import imagenet_top1
from frostmark.comparison.groups import Group, comparable
from frostmark.comparison.runs import Run
from frostmark.comparison.verdict import judge
from frostmark.errors import ConfigError, nearest
from frostmark.metrics.kinds import Across, Kind, kind_of, words_of
from frostmark.metrics.lookup import own_keys
from validity.orders import MIN_NETWORKS, Cell, Float

CONTROLS = ("ImageNet top-1", "parameters", "features")
"""What the model cards say, and the width of the layer."""

Accuracies = Mapping[tuple[str, str], float]
"""(network, layer) → accuracy; an empty layer stands for the one that stands for its network in a comparison."""

_FIX = "columns network (or backbone), accuracy and, if several layers of a network are meant, layer"


def accuracies(path: Path) -> dict[tuple[str, str], float]:
    """What a CSV says: ``network`` or ``backbone``, ``layer`` if wanted, ``accuracy`` in any unit.

    Raises:
        ConfigError: if a column is missing or a number is not one.
    """
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    named = next((name for name in ("network", "backbone") if rows and name in rows[0]), None)
    if named is None or "accuracy" not in rows[0]:
        raise ConfigError(f"{path} has not the columns that are needed", fix=_FIX)
    try:
        return {(row[named], row.get("layer") or ""): float(row["accuracy"]) for row in rows}
    except ValueError as problem:
        raise ConfigError(f"{path}: {problem}", fix="one number per line in the column accuracy") from problem


def own_cells(runs: Sequence[Run], accuracy: Accuracies) -> list[Cell]:
    """One cell for every group of runs that may be compared and of which three layers or more have an accuracy.

    Raises:
        ConfigError: if there is none, naming what could not be matched.
    """
    groups = comparable(runs)
    cells = [cell for group in groups if (cell := _cell(group, accuracy)) is not None]
    if not cells:
        known = sorted({name for group in groups for name in group.names})
        wanted = ", ".join(f"{network} ({nearest(network, known)}?)" for network, _ in accuracy if network not in known)
        raise ConfigError(
            f"fewer than {MIN_NETWORKS} layers of comparable runs have an accuracy. The runs are of: "
            f"{', '.join(known)}" + (f"; not among them: {wanted}" if wanted else ""),
            fix="name networks as comparison.csv names them",
        )
    return cells


def _cell(group: Group, accuracy: Accuracies) -> Cell | None:
    chosen = dict(_matched(group, accuracy))
    if len(chosen) < MIN_NETWORKS:
        return None
    runs = [group.runs[position] for position in chosen]
    width = _numbers([run.tags.get("features", "") for run in runs])
    scores = {CONTROLS[0]: _numbers([imagenet_top1(run) for run in runs])}
    scores |= {CONTROLS[1]: _numbers([run.tags.get("parameters", "") for run in runs]), CONTROLS[2]: width}
    return Cell(group.setting, metrics_of(runs) | scores, np.array(list(chosen.values())), width)


def _matched(group: Group, accuracy: Accuracies) -> Iterator[tuple[int, float]]:
    """(Position of a run, its accuracy)."""
    standing = {c.name for c in judge(group).contenders} if len(set(group.names)) > 1 else set()
    for position, (name, layer, title) in enumerate(zip(group.names, group.layers, group.titles, strict=True)):
        for word in layer.split(" = "):  # one node may have been asked for by several words
            if (name, word) in accuracy:
                yield position, accuracy[name, word]
        if title in standing and (name, "") in accuracy:
            yield position, accuracy[name, ""]


def metrics_of(runs: Sequence[Run], split: str = "test") -> dict[str, Float]:
    """Words of every metric of a split that orders runs → (R,) its values, the larger the better; NaN where undefined.

    Metrics that hold within one run alone are left out; those that claim to compare equal widths only say so.
    """
    kinds = runs[0].kinds
    keys = dict.fromkeys(key for run in runs for key in own_keys(run.values, kinds) if key.startswith(f"{split}/"))
    scores = {}
    for key in keys:
        kind = kind_of(key, kinds)
        if kind is not None and kind.across is not Across.RUN and kind.better != "neither" and not kind.of_map:
            scores[_words(key, kind, kinds)] = oriented([run.values.get(key) for run in runs], kind)
    return scores


def oriented(values: Sequence[float | None], kind: Kind) -> Float:
    """Values of a metric, those of which less is more with the other sign."""
    return (-1.0 if kind.better == "lower" else 1.0) * _numbers(values)


def _words(key: str, kind: Kind, kinds: Mapping[str, Kind]) -> str:
    words = words_of(key, kinds) + (" (negative)" if kind.better == "lower" else "")
    return words if kind.across is Across.NETWORKS else f"{words} [{kind.across.value}]"


def _numbers(values: Sequence[float | str | None]) -> Float:
    return np.array([np.nan if value in (None, "") else float(value) for value in values])
