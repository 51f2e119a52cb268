"""The LightningModule: a batch of images in, rows of every tap out.

Trainer(...).predict(FeatureModule(extractor, pipeline), datamodule=images, return_predictions=False)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pytorch_lightning as pl
from torch import Tensor

from frostmark.backbones.extractor import Extractor
from frostmark.data.source import Batch


class Rows(NamedTuple):
    """``indices`` (N,), ``labels`` (N,) and for every tap its ``rows`` (N, D) float32."""

    indices: Tensor
    labels: Tensor
    rows: list[Tensor]


class FeatureModule(pl.LightningModule):
    """Preprocesses on the device, then one forward pass through the deepest tap.

    Args:
        extractor: the frozen backbone, cut and pooled.
        preprocess: (N, C, H, W) uint8 → (N, 3, S, S) float32.
    """

    def __init__(self, extractor: Extractor, preprocess: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.extractor = extractor
        self._preprocess = preprocess

    def predict_step(self, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> Rows:
        return Rows(batch.indices, batch.labels, self.extractor(self._preprocess(batch.images)))
