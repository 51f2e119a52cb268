"""The trainer, quiet and without a logger: tracking is ours.

predict(make_trainer(callbacks, accelerator="auto", precision="bf16-mixed"), FeatureModule(...), images)
predict(make_trainer(callbacks), ReplayModule(), stored_rows)
"""

from __future__ import annotations

import ctypes
import logging
import signal
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from types import FrameType
from typing import Any

import pytorch_lightning as pl
import torch
from lightning_fabric.utilities.exceptions import MisconfigurationException
from pytorch_lightning.trainer.states import TrainerStatus
from pytorch_lightning.utilities import rank_zero_only

from frostmark.errors import ConfigError, Terminated

Callback = pl.Callback
"""Lightning's, for those who hand callbacks on and do not know Lightning."""


def has_gpu() -> bool:
    """Whether CUDA can be used on this machine."""
    return bool(torch.cuda.is_available())


def gpu_count() -> int:
    """How many GPUs a process of this machine sees; none of them is set up by asking."""
    return torch.cuda.device_count()


def is_rank_zero() -> bool:
    """Whether this process is the one that analyses and writes; the others only extract."""
    return getattr(rank_zero_only, "rank", 0) == 0


def make_trainer(
    callbacks: list[pl.Callback],
    *,
    accelerator: str = "cpu",
    devices: Any = 1,
    strategy: str = "auto",
    precision: str = "32-true",
) -> pl.Trainer:
    """A trainer that only predicts.

    Raises:
        ConfigError: if there is no such device here.
    """
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    keep_freed_memory()
    torch.backends.cudnn.allow_tf32 = False  # convolutions would keep ten bits by default: 32-true means float32
    try:
        with _quiet():
            return pl.Trainer(
                accelerator=accelerator,
                devices=devices,
                strategy=strategy,
                precision=precision,  # type: ignore[arg-type]
                callbacks=callbacks,
                default_root_dir=tempfile.gettempdir(),  # not the working folder, which may be gone; nothing is written
                logger=False,
                enable_checkpointing=False,
                enable_progress_bar=False,
                enable_model_summary=False,
                use_distributed_sampler=False,  # the data module deals out whole shards
            )
    except (MisconfigurationException, ValueError, RuntimeError) as problem:
        asked = {"accelerator": accelerator, "devices": devices, "strategy": strategy}
        raise ConfigError(
            f"no trainer for accelerator={accelerator}, devices={devices}, strategy={strategy}: {problem}",
            fix="trainer=auto, or trainer=cpu",
            wrong=[f"trainer.{key}={of}" for key, of in asked.items()],
        ) from problem


def predict(trainer: pl.Trainer, module: pl.LightningModule, data: pl.LightningDataModule) -> None:
    """One pass over all splits; what comes of it is in the callbacks.

    Raises:
        KeyboardInterrupt: on Ctrl-C, with signal handling as it was before.
    """
    interrupt = signal.getsignal(signal.SIGINT)
    with _quiet():
        try:
            with nullcontext() if _of_several(trainer) else _second_interrupt_heard():
                trainer.predict(module, datamodule=data, return_predictions=False)
        except SystemExit as stopped:
            # Lightning turns Ctrl-C into exit code 1 and leaves the signal ignored.
            if stopped.code == 1 and trainer.state.status == TrainerStatus.INTERRUPTED:
                signal.signal(signal.SIGINT, interrupt)
                raise KeyboardInterrupt from None
            raise


class _Interrupted(Terminated):
    """Ctrl-C, by a name that Lightning does not know; where the interpreter ignores it, it is raised again."""

    def __init__(self) -> None:
        super().__init__()
        self.code = 130


def _of_several(trainer: pl.Trainer) -> bool:
    """Whether there are processes beside this one, which Lightning ends when it hears of Ctrl-C."""
    return trainer.strategy.launcher is not None


@contextmanager
def _second_interrupt_heard() -> Iterator[None]:
    """Lightning ignores Ctrl-C while it closes what it opened after the first one."""
    interrupt = signal.getsignal(signal.SIGINT)
    if not callable(interrupt) or threading.current_thread() is not threading.main_thread():
        yield
        return

    def handler(signum: int, frame: FrameType | None) -> None:
        try:
            interrupt(signum, frame)
        except KeyboardInterrupt:
            raise _Interrupted from None

    signal.signal(signal.SIGINT, handler)
    try:
        yield
    except _Interrupted:
        raise KeyboardInterrupt from None
    finally:
        if signal.getsignal(signal.SIGINT) is handler:
            signal.signal(signal.SIGINT, interrupt)


_EXPECTED = (
    ".*GPU available but not used.*",  # stored rows need none
    ".*`srun` command is available.*",  # a cluster's node, and one process is what is meant
    ".*does not have many workers.*",  # images in memory are indexed faster than workers could hand them over
    "Total length of `.*` across ranks is zero.*",  # a split whose rows are all stored has nothing to forward
    ".*LeafSpec.*deprecated.*",  # Lightning's own, on newer torch
)
"""Warnings of Lightning's that tell of what is meant here."""


@contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        for message in _EXPECTED:
            warnings.filterwarnings("ignore", message=message)
        yield


def keep_freed_memory() -> None:
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
