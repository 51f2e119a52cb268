"""The splits of a data set as Lightning wants them: a list of predict loaders, one a split.

ImageModule({"train": train_images, "test": test_images}, wanted, geometry=pipeline.geometry)     # images to forward
StoredRows({"train": entry, "test": entry}, labels)                                               # rows to replay
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader

from frostmark.data.files import ImageFiles, Observe
from frostmark.data.reading import Part, parts
from frostmark.data.source import ImageSet
from frostmark.errors import ConfigError
from frostmark.features.entry import SHARD, shards_of
from frostmark.lit.module import Rows

MAX_WORKERS = 8
DEFAULT_BATCH = 32


class ImageModule(pl.LightningDataModule):
    """Both splits in one pass.

    Args:
        splits: images by split name, in the order of the loaders.
        wanted: the pieces of each split that are to be forwarded. Whole pieces are dealt to the processes of a job, so
            that each is put out by one of them, in batches that are the same whatever was done before.
        geometry: brings images that differ in size to one, where they are decoded.
        num_workers: processes that read; 0 for this one alone, between the batches, in threads. None for that where the
            network runs on the processors, too: processes would only take them from it. Beside an accelerator None is
            as many as there are processors (at most 8), and none for images that are in memory anyway.
        observe: what else is wanted of image files while they are decoded.

    Attributes:
        batch_size: images a batch, at most those of a shard; may be set until the loaders are asked for.
        repeats: whether this process has nothing of its own to forward, and only keeps the others company.
    """

    def __init__(
        self,
        splits: Mapping[str, ImageSet],
        wanted: Mapping[str, Sequence[range]],
        geometry: Callable[[Tensor], Tensor],
        num_workers: int | None = None,
        observe: Sequence[Observe] = (),
    ) -> None:
        super().__init__()
        if num_workers is not None and num_workers < 0:
            raise ConfigError(
                f"trainer.num_workers={num_workers} is not a number of processes", fix="trainer.num_workers=0"
            )
        self.splits = {split: _fitted(images, geometry, observe) for split, images in splits.items()}
        self.batch_size = DEFAULT_BATCH
        self.repeats = False
        # A small split has fewer pieces than there are processes: some have nothing of it to forward.
        self.allow_zero_length_dataloader_with_multiple_devices = True
        self._wanted = dict(wanted)
        self._num_workers = num_workers
        self._parts: list[Part] = []

    def predict_dataloader(self) -> list[Part]:
        mine = self._dealt()
        batches = {split: self._batches(mine[split]) for split in self.splits}
        self._parts = parts(self.splits, batches, self._workers())
        return self._parts

    def close(self) -> None:
        """Let the processes go that read, however the pass ended."""
        for part in self._parts:
            part.reader.close()

    def on_exception(self, exception: BaseException) -> None:
        """Lightning's hook: the processes are not asked for what they are at."""
        for part in self._parts:
            part.reader.abandon()

    def first_images(self, count: int) -> Tensor:
        """(N, C, H, W): the first images of the first split as the backbone's preprocessing gets them."""
        images = next(iter(self.splits.values()))
        return images.__getitems__(range(min(count, len(images)))).images

    def images_at(self, split: str, positions: Sequence[int]) -> Tensor:
        """(n, C, H, W): the images at ``positions`` of a split as the backbone's preprocessing gets them."""
        return self.splits[split].__getitems__(positions).images

    def _dealt(self) -> dict[str, list[range]]:
        """The pieces of this process: by their place in the split, so that all processes agree without talking."""
        trainer = self.trainer
        rank, world = (trainer.global_rank, trainer.world_size) if trainer is not None else (0, 1)
        mine = {
            split: [piece for piece in pieces if piece.start // SHARD % world == rank]
            for split, pieces in self._wanted.items()
        }
        if world > 1 and not any(mine.values()):
            # Lightning leaves out a process without batches, and the others would wait for it: it repeats a piece.
            self.repeats = True
            split, images = next(iter(self.splits.items()))
            mine[split] = shards_of(len(images))[:1]
        return mine

    def _batches(self, pieces: Sequence[range]) -> list[range]:
        return [piece[i : i + self.batch_size] for piece in pieces for i in range(0, len(piece), self.batch_size)]

    def _workers(self) -> int:
        if self._num_workers is not None:
            return self._num_workers
        sets = self.splits.values()
        on_cpu = self.trainer is None or self.trainer.strategy.root_device.type == "cpu"
        alone = all(images.uniform or (on_cpu and isinstance(images, ImageFiles)) for images in sets)
        return 0 if alone else min(MAX_WORKERS, os.cpu_count() or 1)


def _fitted(images: ImageSet, geometry: Callable[[Tensor], Tensor], observe: Sequence[Observe]) -> ImageSet:
    if isinstance(images, ImageFiles):
        return replace(images, geometry=geometry, observe=tuple(observe))
    images.geometry = None if images.uniform else geometry
    return images


def _as_is(batch: Any) -> Any:
    """A set puts out whole batches."""
    return batch


class ReadsShards(Protocol):
    """Rows of one split, piece by piece: an entry of the store, or rows that are in memory."""

    @property
    def shards(self) -> list[range]: ...
    def read(self, shard: range) -> NDArray[np.float32]: ...


class StoredRows(pl.LightningDataModule):
    """Rows out of the store, a shard at a time, with today's labels.

    Args:
        entries: rows by split name, in the order of the loaders.
        labels: (N,) int64 of each split.
    """

    def __init__(self, entries: Mapping[str, ReadsShards], labels: Mapping[str, Tensor]) -> None:
        super().__init__()
        self._sets = [_Shards(entry, labels[split]) for split, entry in entries.items()]

    def predict_dataloader(self) -> list[DataLoader[Rows]]:
        return [DataLoader(shards, batch_size=None, collate_fn=_as_is) for shards in self._sets]  # type: ignore[arg-type]


class _Shards:
    def __init__(self, entry: ReadsShards, labels: Tensor) -> None:
        self._entry = entry
        self._shards = entry.shards  # listed once, not for every shard
        self._labels = labels

    def __len__(self) -> int:
        return len(self._shards)

    def __getitem__(self, number: int) -> Rows:
        shard = self._shards[number]
        rows = torch.from_numpy(self._entry.read(shard))
        return Rows(torch.arange(shard.start, shard.stop), self._labels[shard.start : shard.stop], [rows])
