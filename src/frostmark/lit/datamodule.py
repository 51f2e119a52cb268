"""The splits of a data set as Lightning wants them: a list of predict loaders, one a split.

ImageModule({"train": train_images, "test": test_images}, geometry=pipeline.geometry, batch_size=32)
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytorch_lightning as pl
from torch import Tensor
from torch.utils.data import DataLoader

from frostmark.data.source import Batch, ImageSet
from frostmark.errors import ConfigError, FrostmarkError

WORKERS_MOST = 8


class ImageModule(pl.LightningDataModule):
    """Both splits in one pass.

    Args:
        splits: images by split name, in the order of the loaders.
        geometry: brings images that differ in size to one, where they are decoded.
        batch_size: images a batch.
        num_workers: processes that decode; None for as many as there are processors (at most 8), and none for images
            that are in memory anyway.
    """

    def __init__(
        self,
        splits: Mapping[str, ImageSet],
        geometry: Callable[[Tensor], Tensor],
        batch_size: int = 32,
        num_workers: int | None = None,
    ) -> None:
        super().__init__()
        if num_workers is not None and num_workers < 0:
            raise ConfigError(
                f"trainer.num_workers={num_workers} is no number of processes", fix="trainer.num_workers=0"
            )
        self.splits = dict(splits)
        self._batch_size = batch_size
        self._num_workers = num_workers
        for images in self.splits.values():
            images.geometry = None if images.uniform else geometry

    def predict_dataloader(self) -> list[DataLoader[Batch]]:
        return [self._loader(images) for images in self.splits.values()]

    def on_before_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        if isinstance(batch, FrostmarkError):
            raise batch
        return batch

    def _loader(self, images: ImageSet) -> DataLoader[Batch]:
        return DataLoader(
            _ErrorsAsBatches(images),  # type: ignore[arg-type]  # read through __getitems__, a whole batch at a time
            batch_size=self._batch_size,
            shuffle=False,
            num_workers=self._workers(images),
            collate_fn=_as_is,
        )

    def _workers(self, images: ImageSet) -> int:
        if self._num_workers is not None:
            return self._num_workers
        return 0 if images.uniform else min(WORKERS_MOST, os.cpu_count() or 1)


class _ErrorsAsBatches:
    """Hands a user's error over as if it were a batch: torch would bury it in the traceback of a worker process."""

    def __init__(self, images: ImageSet) -> None:
        self._images = images

    def __len__(self) -> int:
        return len(self._images)

    def __getitems__(self, indices: Sequence[int]) -> Batch | FrostmarkError:
        try:
            return self._images.__getitems__(indices)
        except FrostmarkError as error:
            return error


def _as_is(batch: Any) -> Any:
    """A set puts out whole batches."""
    return batch
