"""The trainer, quiet and without a logger: tracking is ours.

predict(FeatureModule(...), images, callbacks, accelerator="auto", devices=1, strategy="auto", precision="32-true")
"""

from __future__ import annotations

import ctypes
import logging
import signal
import sys
import warnings
from typing import Any

import pytorch_lightning as pl
from lightning_fabric.utilities.exceptions import MisconfigurationException
from pytorch_lightning.trainer.states import TrainerStatus
from pytorch_lightning.utilities import rank_zero_only

from frostmark.errors import ConfigError
from frostmark.lit.datamodule import ImageModule
from frostmark.lit.module import FeatureModule


def is_rank_zero() -> bool:
    """Whether this process is the one that analyses and writes; the others only extract."""
    return getattr(rank_zero_only, "rank", 0) == 0


def predict(
    module: FeatureModule,
    images: ImageModule,
    callbacks: list[pl.Callback],
    *,
    accelerator: str,
    devices: Any,
    strategy: str,
    precision: str,
) -> str:
    """One pass over all splits; what comes of it is in the callbacks.

    Returns:
        the kind of device it ran on: ``cpu``, ``cuda`` …

    Raises:
        ConfigError: if there is no such device here.
        KeyboardInterrupt: on Ctrl-C, with signal handling as it was before.
    """
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    _keep_freed_memory()
    with warnings.catch_warnings():
        # In-memory images are indexed faster than workers could hand them over.
        warnings.filterwarnings("ignore", message=".*does not have many workers.*")
        warnings.filterwarnings("ignore", message=".*LeafSpec.*deprecated.*")  # Lightning's own, on newer torch
        try:
            trainer = pl.Trainer(
                accelerator=accelerator,
                devices=devices,
                strategy=strategy,
                precision=precision,  # type: ignore[arg-type]
                callbacks=callbacks,
                logger=False,
                enable_checkpointing=False,
                enable_progress_bar=False,
                enable_model_summary=False,
            )
        except (MisconfigurationException, ValueError, RuntimeError) as problem:
            raise ConfigError(
                f"no trainer for accelerator={accelerator}, devices={devices}, strategy={strategy}: {problem}",
                fix="trainer=auto, or trainer=cpu",
            ) from problem
        interrupt = signal.getsignal(signal.SIGINT)
        try:
            trainer.predict(module, datamodule=images, return_predictions=False)
        except SystemExit as stopped:
            # Lightning turns Ctrl-C into exit code 1 and leaves the signal ignored.
            if stopped.code == 1 and trainer.state.status == TrainerStatus.INTERRUPTED:
                signal.signal(signal.SIGINT, interrupt)
                raise KeyboardInterrupt from None
            raise
    return trainer.strategy.root_device.type


def _keep_freed_memory() -> None:
    """Let glibc keep large blocks instead of handing each activation back to the kernel and asking for it again.

    The page faults of that are a quarter to a third of the time of a forward pass on the CPU. Elsewhere than on Linux
    with glibc nothing happens.
    """
    if not sys.platform.startswith("linux"):
        return
    mmap_max, trim_threshold = -4, -1  # M_MMAP_MAX, M_TRIM_THRESHOLD of malloc.h
    try:
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(mmap_max, 0)
        libc.mallopt(trim_threshold, 2**31 - 1)
    except (OSError, AttributeError):  # another C library
        return
