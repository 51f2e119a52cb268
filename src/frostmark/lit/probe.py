"""Short measurements: which batch size is fastest here, how far the rows are from float32's, how much memory it took.

images.batch_size = fastest_batch(trainer, module, images, memo, "resnet18 at 224")
errors = precision_errors(trainer, module, images)
peak_memory_mb()
"""

from __future__ import annotations

import sys
import time

import pytorch_lightning as pl
import torch
from torch import Tensor

from frostmark.features.memo import Memo
from frostmark.lit.datamodule import DEFAULT_BATCH, ImageModule
from frostmark.lit.module import FeatureModule

SIZES = {"cpu": (16, 32, 64), "cuda": (64, 128, 256)}
"""Batch sizes tried, smallest first; a shard is the largest."""

SHARE = 50
"""The probe forwards at most one in so many of the images that the pass will."""

WORTHWHILE = 1.05
"""A larger batch must be faster by this factor: it costs memory."""


def fastest_batch(trainer: pl.Trainer, module: FeatureModule, images: ImageModule, memo: Memo, name: str) -> int:
    """The batch size with the highest rate in a short probe.

    The last digit of a row may depend on the size of its batch. In float32 on the CPU it is therefore always 32, which
    no other size beat by more than the noise: the same command gives the same numbers, whatever a stopwatch says. It is
    32, too, where there are too few images for a probe to pay, or several processes that would have to agree. What a
    probe found is remembered: an extraction that goes on after it was cut short does so in the same batches.

    Args:
        memo: what is remembered.
        name: of the network and the settings that the answer holds for.
    """
    total = sum(len(split) for split in images.splits.values())
    device = trainer.strategy.root_device
    sizes = SIZES.get(device.type, ())
    best, best_rate = DEFAULT_BATCH, 0.0
    budget = total // SHARE
    exact = device.type == "cpu" and trainer.precision == "32-true"
    if exact or trainer.world_size > 1 or 2 * sum(sizes[:2]) > budget or not sizes:
        return best
    name = f"{name} on {device.type}, {torch.get_num_threads()} threads"
    known = memo.get(name)
    if known is not None and known in sizes:
        return known
    for size in sizes:
        budget -= 2 * size
        if budget < 0 or module.at_once is not None:
            break
        rate = _rate(trainer, module, images.first_images(size).to(device))
        if rate > best_rate * WORTHWHILE:
            best, best_rate = size, rate
    memo.put(name, best)
    return best


def _rate(trainer: pl.Trainer, module: FeatureModule, images: Tensor) -> float:
    """Images a second, the first pass of this size left out."""
    rows_of(trainer, module, images)
    start = time.perf_counter()
    rows_of(trainer, module, images)
    return len(images) / (time.perf_counter() - start)


def precision_errors(trainer: pl.Trainer, module: FeatureModule, images: ImageModule) -> list[float]:
    """‖rows − rows in float32‖ / ‖rows in float32‖ of every tap, over the first images."""
    probe = images.first_images(DEFAULT_BATCH).to(trainer.strategy.root_device)
    fast = rows_of(trainer, module, probe)
    module.to(trainer.strategy.root_device)
    with torch.inference_mode():
        exact = module.rows(probe)
    return [float((f - e).norm() / e.norm().clamp(min=1e-30)) for f, e in zip(fast, exact, strict=True)]


def rows_of(trainer: pl.Trainer, module: FeatureModule, images: Tensor) -> list[Tensor]:
    """Rows of every tap, computed as the pass will, and waited for."""
    module.to(trainer.strategy.root_device)
    with torch.inference_mode(), trainer.precision_plugin.predict_step_context():
        rows = module.rows(images)
    if images.device.type == "cuda":
        torch.cuda.synchronize(images.device)
    return rows


def peak_memory_mb() -> float:
    """The most memory that this process has held so far, in MB: on the graphics processor if it used one, else RAM."""
    if torch.cuda.is_available() and (held := torch.cuda.max_memory_allocated()):
        return held / 1e6
    if sys.platform == "win32":
        return 0.0
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / 1e6 if sys.platform == "darwin" else most / 1e3  # bytes there, kilobytes here
