"""Computes the chosen metric families once the pass is over, and has them recorded: on disk and in MLflow.

Metrics(Measurement({"variance": Variance(), "neighbours": Neighbours()}, print), observed, record)
"""

from __future__ import annotations

import pytorch_lightning as pl

from frostmark.analysis.measure import Measurement, joined
from frostmark.analysis.observed import Observed
from frostmark.results.record import Record


class Metrics(pl.Callback):
    """Runs every family on both splits, on rank zero.

    Args:
        measurement: the families.
        observed: what the pass collects.
        record: of the run, which takes in each family as soon as it is there; None for a control, whose scores are
            only kept here.

    Attributes:
        scores: once the pass is over, those of all families.
    """

    def __init__(self, measurement: Measurement, observed: Observed, record: Record | None = None) -> None:
        self.scores = joined()
        self._measurement = measurement
        self._observed = observed
        self._record = record

    def on_predict_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if not trainer.is_global_zero:
            return
        splits = self._observed.splits
        for scores in self._measurement.scores(splits):
            self.scores.take(scores)
            if self._record is not None:
                self._record.add_metrics(scores, splits)
