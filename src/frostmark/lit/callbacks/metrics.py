"""Computes the chosen metric families once the pass is over, and draws the pairs of classes.

Metrics({"variance": Variance(), "neighbours": Neighbours()}, rows, moments, classes, ledger, title)
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytorch_lightning as pl

from frostmark.figures.pairs import draw_pairs
from frostmark.lit.callbacks.collect import CollectRows, StreamMoments
from frostmark.lit.callbacks.ledger import Ledger
from frostmark.metrics.metric import Metric, Split
from frostmark.metrics.variance import pair_variance


class Metrics(pl.Callback):
    """Runs every family on both splits, on rank zero.

    Args:
        families: name → family.
        rows, moments: the callbacks that collect what the families see.
        classes: names in the order of their labels.
        ledger: where the results go.
        title: of the figures.
    """

    def __init__(
        self,
        families: Mapping[str, Metric],
        rows: CollectRows,
        moments: StreamMoments,
        classes: tuple[str, ...],
        ledger: Ledger,
        title: str,
    ) -> None:
        self._families = dict(families)
        self._rows = rows
        self._moments = moments
        self._classes = classes
        self._ledger = ledger
        self._title = title

    def on_predict_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if not trainer.is_global_zero:
            return
        splits = {
            name: Split(features.rows, features.labels, self._moments.moments[name], self._classes)
            for name, features in self._rows.feature_sets.items()
        }
        for name, family in self._families.items():
            self._ledger.progress(f"metrics: {name}")
            scores = family(splits)
            self._ledger.add_scores(scores)
            if "pair_variance" in scores.tables:
                self._draw_pairs(splits)

    def _draw_pairs(self, splits: Mapping[str, Split]) -> None:
        matrices = {name: pair_variance(split.moments) for name, split in splits.items()}
        if not all(np.isfinite(m).any() for m in matrices.values()):
            self._ledger.skipped["pair_variance.png"] = "no class has an image"
            return
        figure = draw_pairs(matrices, self._classes, f"{self._title} · variance of pooled pairs")
        self._ledger.add_figure("pair_variance.png", figure)
