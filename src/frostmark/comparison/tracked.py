"""A comparison in the tracking store: its files and curves with a run, and the store's own page of the runs.

links = compare_links(store, runs)              # {"Compare in MLflow": "#/compare-runs?…"}
log_comparison(store, run_id, compared)
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from frostmark.comparison.across import AcrossSets
from frostmark.comparison.compared import Compared
from frostmark.comparison.runs import Run
from frostmark.tracking.tracker import RunStore

_NOT_IN_KEYS = re.compile(r"[^\w.\- ]")

MAX_KEY = 200
"""Characters; MLflow takes 250, and neither a name that reads as a path upwards."""


def compare_links(tracked: RunStore | None, runs: Sequence[Run]) -> dict[str, str]:
    """MLflow's own page that sets the runs side by side, if they are tracked."""
    ids = [run.run_id for run in runs if run.run_id]
    return {} if tracked is None or len(ids) < 2 else {"Compare in MLflow": tracked.compare_link(ids)}


def log_comparison(tracked: RunStore, run_id: str, compared: Compared) -> None:
    """Keep a comparison with a run: its files, and accuracy by depth as one metric a network, the step being depth.

    The step is the percentage of the network's multiply-accumulates up to the layer, so that networks line up.
    """
    tracked.add_files(run_id, compared.files)
    points = {
        (key, round(100 * stop.depth)): stop.value
        for part in compared.parts[:1]
        for key, stops in zip(network_keys("depth", list(part.curves)), part.curves.values(), strict=True)
        for stop in sorted(stops, key=lambda stop: stop.depth)
    }
    tracked.add_metrics(run_id, [(key, value, step) for (key, step), value in points.items()])


def log_across(tracked: RunStore, run_id: str, across: AcrossSets, files: Sequence[Path]) -> None:
    """Keep a ranking over data sets with a run: its files, and ``rank/<network>`` and ``score/<network>``."""
    tracked.add_files(run_id, files)
    if across.ranking is not None:
        columns = {"rank": across.ranking.mean_rank, "score": across.ranking.mean_score}
        points = [
            (key, float(value), 0)
            for word, values in columns.items()
            for key, value in zip(network_keys(word, across.networks), values, strict=True)
        ]
        tracked.add_metrics(run_id, points)


def network_keys(word: str, networks: Sequence[str]) -> list[str]:
    """``depth/<network>`` for each: what MLflow takes for a metric's name, and one for no two of them."""
    keys: list[str] = []
    for name in networks:
        part = _NOT_IN_KEYS.sub("_", name)[:MAX_KEY].strip(". ") or "_"
        several = (f"{word}/{part}{end}" for end in ("", *(f" {n}" for n in range(2, len(networks) + 2))))
        keys.append(next(key for key in several if key not in keys))
    return keys
