"""Computes the chosen metric families once the pass is over.

Metrics({"variance": Variance(), "neighbours": Neighbours()}, rows, moments, splits_of, found, progress)
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import pytorch_lightning as pl

from frostmark.lit.callbacks.collect import CollectRows, StreamMoments
from frostmark.metrics.metric import Metric, Scores, Splits
from frostmark.reducers.reducer import Progress

Found = Callable[[Scores, Splits], None]


class Metrics(pl.Callback):
    """Runs every family on both splits, on rank zero.

    Args:
        families: name → family.
        rows, moments: the callbacks that collect what the families see.
        splits_of: (rows, labels, moments) by split → what metrics see.
        found: is handed what each family found, with what it saw.
        progress: told which family is at work.
    """

    def __init__(
        self,
        families: Mapping[str, Metric],
        rows: CollectRows,
        moments: StreamMoments,
        splits_of: Callable[..., Splits],
        found: Found,
        progress: Progress,
    ) -> None:
        self._families = dict(families)
        self._rows = rows
        self._moments = moments
        self._splits_of = splits_of
        self._found = found
        self._progress = progress

    def on_predict_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if not trainer.is_global_zero:
            return
        sets = self._rows.feature_sets
        splits = self._splits_of(
            {name: features.rows for name, features in sets.items()},
            {name: features.labels for name, features in sets.items()},
            self._moments.moments,
        )
        measure(self._families, splits, self._found, self._progress)


def measure(families: Mapping[str, Metric], splits: Splits, found: Found, progress: Progress) -> None:
    """Hand to ``found`` what each family finds in ``splits``, and how long it took (``cost/<family>_seconds``)."""
    for name, family in families.items():
        progress(f"metrics: {name}")
        start = time.perf_counter()
        scores = family(splits)
        scores.values[f"cost/{name}_seconds"] = time.perf_counter() - start
        found(scores, splits)
