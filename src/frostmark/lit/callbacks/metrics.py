"""Computes the chosen metric families once the pass is over.

Metrics({"variance": Variance(), "neighbours": Neighbours()}, splits, found, progress)
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import pytorch_lightning as pl

from frostmark.metrics.contract import declared
from frostmark.metrics.cost import COST_KINDS
from frostmark.metrics.metric import Metric, Scores, Splits
from frostmark.reducers.reducer import Progress

Found = Callable[[Scores, Splits], None]


class Metrics(pl.Callback):
    """Runs every family on both splits, on rank zero.

    Args:
        families: name → family.
        splits: what the families see, once the pass is over.
        found: is handed what each family found, with what it saw.
        progress: told which family is at work.
    """

    def __init__(
        self,
        families: Mapping[str, Metric],
        splits: Callable[[], Splits],
        found: Found,
        progress: Progress,
    ) -> None:
        self._families = dict(families)
        self._splits = splits
        self._found = found
        self._progress = progress

    def on_predict_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.is_global_zero:
            measure(self._families, self._splits(), self._found, self._progress)


def measure(families: Mapping[str, Metric], splits: Splits, found: Found, progress: Progress) -> None:
    """Hand to ``found`` what each family finds in ``splits``, and how long it took (``cost/<family>_seconds``)."""
    for name, family in families.items():
        progress(f"metrics: {name}")
        start = time.perf_counter()
        scores = declared(family(splits), name)
        took = Scores(COST_KINDS)
        took.add(f"cost/{name}_seconds", time.perf_counter() - start)
        scores.take(took)
        found(scores, splits)
