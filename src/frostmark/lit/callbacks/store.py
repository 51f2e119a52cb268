"""Brings the rows of every tap to disk while the images pass.

StoreFeatures({"train": [entry_of_stage4, entry_of_last_conv], "test": [...]})
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pytorch_lightning as pl

from frostmark.features.entry import SHARD, Array, Entry
from frostmark.features.rows import not_finite
from frostmark.lit.callbacks.collect import gather_to_zero
from frostmark.lit.callbacks.each_batch import EachBatch
from frostmark.lit.module import Rows


class StoreFeatures(EachBatch):
    """Collects batches into shards and writes each as soon as it is full.

    Args:
        entries: for every split, in the order of the loaders, an entry for every tap, in the order of the rows.

    A shard with values that are not finite is not stored: its entry stays unfinished.

    Attributes:
        bad: positions of the images whose rows were not finite, by the entry's folder name; in the end those of all
            processes, on rank zero.
    """

    def __init__(self, entries: Mapping[str, Sequence[Entry]]) -> None:
        self.bad: dict[str, list[int]] = {}
        self._entries = [list(of_split) for of_split in entries.values()]
        self._parts: list[list[Array]] = []

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        self.bad = {}
        self._parts = []

    def take(self, trainer: pl.Trainer, batch_rows: Rows, split: int, batch: int) -> None:
        self._parts.append([rows.cpu().numpy() for rows in batch_rows.rows])
        last = int(batch_rows.indices[-1])
        entries = self._entries[split]
        shard = entries[0].shards[last // SHARD]
        if last + 1 < shard.stop:
            return
        for entry, parts in zip(entries, zip(*self._parts, strict=True), strict=True):
            self._write(entry, shard, np.concatenate(parts))
        self._parts = []

    def on_predict_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        # The first process commits what all of them wrote, and speaks for all of them.
        gathered = gather_to_zero(trainer, self.bad)
        self.bad = {}
        for name, positions in (item for rank in gathered for item in rank.items()):
            self.bad.setdefault(name, []).extend(positions)

    def _write(self, entry: Entry, shard: range, rows: Array) -> None:
        bad = not_finite(rows)
        if len(bad):
            self.bad.setdefault(entry.folder.name, []).extend(shard.start + int(i) for i in bad)
        else:
            entry.write(shard, rows)
