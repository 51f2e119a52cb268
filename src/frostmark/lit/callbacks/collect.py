"""Rows and class moments, collected while the images pass or while stored rows are replayed.

rows, moments = CollectRows(...), StreamMoments(...)      # both in the trainer's list, in any order
rows.feature_sets["test"].rows                            # on rank zero, once the pass is over
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch.distributed as dist

from frostmark.features.rows import FeatureSet, not_finite, refuse_not_finite
from frostmark.lit.callbacks.each_batch import EachBatch
from frostmark.lit.module import Rows
from frostmark.stats.moments import Array, ClassMoments


def gather_to_zero(trainer: pl.Trainer, value: Any) -> list[Any]:
    """``value`` of every rank, on rank zero; elsewhere an empty list. Called once a pass, never in batch hooks.

    Ranks see different numbers of batches (predict pads nothing), so a collective in a batch hook would wait for ever.
    """
    if trainer.world_size == 1:
        return [value]
    gathered: list[Any] | None = [None] * trainer.world_size if trainer.is_global_zero else None
    dist.gather_object(value, gathered, dst=0)
    return gathered or []


class CollectRows(EachBatch):
    """Keeps the rows of every split, in the order of the data set.

    Args:
        layer: its name, for messages.
        sizes: images of each split, in the order of the loaders.
        project: (N, D) → (N, d), where the rows themselves are too wide to be kept.
    """

    def __init__(self, layer: str, sizes: Mapping[str, int], project: Callable[[Array], Array] | None = None) -> None:
        self.feature_sets: dict[str, FeatureSet] = {}
        self._layer = layer
        self._sizes = dict(sizes)
        self._project = project

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        self.feature_sets = {}

    def take(self, trainer: pl.Trainer, batch_rows: Rows, split: int, batch: int) -> None:
        (rows,) = batch_rows.rows
        kept = rows.cpu().numpy()
        if self._project is not None:
            bad = not_finite(kept)
            kept = self._project(np.nan_to_num(kept, nan=0.0, posinf=0.0, neginf=0.0))
            kept[bad] = np.nan  # a projection refuses what is no number; it is told of at the end, with the others
        name, size = list(self._sizes.items())[split]
        if name not in self.feature_sets:
            self.feature_sets[name] = FeatureSet.empty(size, kept.shape[1])
        self.feature_sets[name].put(batch_rows.indices.cpu().numpy(), batch_rows.labels.cpu().numpy(), kept)

    def on_predict_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.world_size > 1:
            self._merge(gather_to_zero(trainer, [_filled(*item) for item in self.feature_sets.items()]))
        for split, features in self.feature_sets.items() if trainer.is_global_zero else ():
            assert features.there.all(), f"{np.count_nonzero(~features.there)} rows of {split} never came"
            refuse_not_finite(not_finite(features.rows).tolist(), len(features.rows), self._layer, split)

    def _merge(self, gathered: list[list[tuple[str, Array, Array, Array]]]) -> None:
        for split, index, labels, rows in (item for rank in gathered for item in rank):
            self.feature_sets.setdefault(split, FeatureSet.empty(self._sizes[split], rows.shape[1]))
            self.feature_sets[split].put(index, labels, rows)


def _filled(split: str, features: FeatureSet) -> tuple[str, Array, Array, Array]:
    index = np.flatnonzero(features.there)
    return split, index, features.labels[index], features.rows[index]


class StreamMoments(EachBatch):
    """Class moments of every split in float64, in memory that does not grow with the number of images.

    Args:
        width: features D of a row.
        classes: number of classes.
        splits: names, in the order of the loaders.
    """

    def __init__(self, width: int, classes: int, splits: tuple[str, ...]) -> None:
        self.moments: dict[str, ClassMoments] = {}
        self._shape = (classes, width)
        self._splits = splits

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        self.moments = {split: ClassMoments.empty(*self._shape) for split in self._splits}

    def take(self, trainer: pl.Trainer, batch_rows: Rows, split: int, batch: int) -> None:
        (rows,) = batch_rows.rows
        self.moments[self._splits[split]].update(rows.cpu().numpy(), batch_rows.labels.cpu().numpy())

    def on_predict_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        gathered = gather_to_zero(trainer, self.moments)
        if trainer.is_global_zero:
            self.moments = {s: reduce(ClassMoments.merge, [rank[s] for rank in gathered]) for s in self._splits}
