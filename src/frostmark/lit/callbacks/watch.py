"""How the pass goes: progress while it runs, its cost when it is over.

Watch({"train": 8000, "test": 4000}, progress)
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import pytorch_lightning as pl

from frostmark.lit.callbacks.each_batch import EachBatch
from frostmark.lit.module import Rows
from frostmark.names import span

WARM_UP_BATCHES = 2


class Watch(EachBatch):
    """Counts images and seconds.

    Args:
        sizes: images of each split, in the order of the loaders.
        progress: told after every batch.

    Attributes:
        images: forwarded, by all processes together.
        seconds: from the first batch to the end of the last.
    """

    def __init__(self, sizes: Mapping[str, int], progress: Callable[[str], None]) -> None:
        self.images = 0
        self.seconds = 0.0
        self._sizes = dict(sizes)
        self._progress = progress
        self._done: dict[str, int] = {}
        self._start = 0.0
        self._warm: tuple[int, float] = (0, 0.0)

    @property
    def images_per_second(self) -> float:
        """Rate after the first batches, which pay for what is allocated once."""
        images, seconds = self._warm
        left, time_left = self.images - images, self.seconds - seconds
        return left / time_left if left and time_left > 0 else self.images / max(self.seconds, 1e-9)

    def on_predict_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._start = time.perf_counter()

    def take(self, trainer: pl.Trainer, batch_rows: Rows, split: int, batch: int) -> None:
        taken = len(batch_rows.indices) * trainer.world_size  # other processes are as far as this one, give or take
        name, size = list(self._sizes.items())[split]
        self._done[name] = min(self._done.get(name, 0) + taken, size)
        self.images += taken
        self.seconds = time.perf_counter() - self._start
        if split == 0 and batch == WARM_UP_BATCHES - 1:
            self._warm = (self.images, self.seconds)
        total = sum(self._sizes.values())
        left = max(0, total - self.images) / max(self.images_per_second, 1e-9)
        self._progress(
            f"extracting {name}: {self._done[name]:,} of {size:,} images · {self.images_per_second:.0f} images/s · "
            f"{span(left)} left"
        )
