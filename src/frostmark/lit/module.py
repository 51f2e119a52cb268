"""The LightningModules: a batch of images in, rows of every tap out; or rows as they were stored.

Trainer(...).predict(FeatureModule(extractor, pipeline), datamodule=images, return_predictions=False)
Trainer(...).predict(ReplayModule(), datamodule=rows, return_predictions=False)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pytorch_lightning as pl
import torch
from torch import Tensor

from frostmark.backbones.extractor import Extractor
from frostmark.data.source import Batch
from frostmark.errors import DataError


class Rows(NamedTuple):
    """``indices`` (N,), ``labels`` (N,) and for every tap its ``rows`` (N, D) float32.

    What was asked for of the images while they were decoded comes last.
    """

    indices: Tensor
    labels: Tensor
    rows: list[Tensor]


class ReplayModule(pl.LightningModule):
    """Hands stored rows to the callbacks; no forward pass."""

    def predict_step(self, batch: Rows, batch_idx: int, dataloader_idx: int = 0) -> Rows:
        return batch


class SeenModule(pl.LightningModule):
    """Hands over what was asked for of images while they were decoded; no forward pass."""

    def predict_step(self, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> Rows:
        return Rows(batch.indices, batch.labels, list(batch.seen))


class FeatureModule(pl.LightningModule):
    """Preprocesses on the device, then one forward pass through the deepest tap.

    A batch that does not fit into memory is forwarded in halves, and so are those that follow.

    Args:
        extractor: the frozen backbone, cut and pooled.
        preprocess: (N, C, H, W) uint8 → (N, 3, S, S) float32.

    Attributes:
        at_once: images forwarded together at most; None as long as every batch fitted.
    """

    def __init__(self, extractor: Extractor, preprocess: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.extractor = extractor
        self.at_once: int | None = None
        self._preprocess = preprocess

    def predict_step(self, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> Rows:
        return Rows(batch.indices, batch.labels, [*self.rows(batch.images), *batch.seen])

    def rows(self, images: Tensor) -> list[Tensor]:
        """Rows (N, D) float32 of every tap for (N, C, H, W) images.

        Raises:
            DataError: if not even one image fits into memory.
        """
        rows = self._try(images)
        while rows is None:
            self.at_once = (self.at_once or len(images)) // 2
            if self.at_once == 0:
                raise DataError(
                    "there is not enough memory to forward a single image",
                    fix="a smaller preprocess.size, a smaller backbone, or trainer=cpu",
                )
            rows = self._try(images)
        return rows

    def _try(self, images: Tensor) -> list[Tensor] | None:
        """The rows; None if memory did not suffice."""
        pieces = torch.split(images, self.at_once or len(images))
        try:
            parts = [self.extractor(self._preprocess(part)) for part in pieces]
        except RuntimeError as problem:  # torch.OutOfMemoryError is one; the CPU's allocator has no class of its own
            if not _out_of_memory(problem):
                raise
            problem.__traceback__ = None  # its frames hold what should be freed
            return None
        return parts[0] if len(parts) == 1 else [torch.cat(of_tap) for of_tap in zip(*parts, strict=True)]


def _out_of_memory(problem: RuntimeError) -> bool:
    return isinstance(problem, torch.OutOfMemoryError) or "can't allocate memory" in str(problem)
