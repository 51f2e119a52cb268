"""A callback that is handed the rows of every batch.

class Count(EachBatch):
    def take(self, trainer, batch_rows, split, batch): self.images += len(batch_rows.indices)
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import pytorch_lightning as pl

from frostmark.lit.module import Rows


class EachBatch(pl.Callback):
    """Turns Lightning's hook into one with what is needed; batches that another process has as well are left out."""

    @abstractmethod
    def take(self, trainer: pl.Trainer, batch_rows: Rows, split: int, batch: int) -> None:
        """Take in the rows of batch ``batch`` of the split at position ``split``, both counted from 0."""

    def on_predict_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        if not getattr(getattr(trainer, "datamodule", None), "repeats", False):
            self.take(trainer, outputs, dataloader_idx, batch_idx)
