"""Weights that are drawn from the global generators follow from the seed, and leave the generators as they were.

with drawing(seed=0):
    network = nn.Linear(8, 2)    # torch.nn draws from torch's global generator, other code from NumPy's or Python's
on_meta(lambda: nn.Linear(8, 2))                # shapes without weights: nothing is drawn
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn


@contextmanager
def drawing(seed: int) -> Iterator[None]:
    """Seed the global generators of torch, NumPy and Python; afterwards they are as they were before."""
    python, numpy = random.getstate(), np.random.get_state()
    devices = list(range(torch.cuda.device_count())) if torch.cuda.is_initialized() else []  # type: ignore[no-untyped-call]
    with torch.random.fork_rng(devices=devices):
        torch.default_generator.manual_seed(seed)
        if devices:
            torch.cuda.manual_seed_all(seed)
        random.seed(seed)
        np.random.seed(seed)
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)


def on_meta(build: Callable[[], nn.Module]) -> nn.Module:
    """What ``build`` makes, on the meta device: shapes without memory."""
    try:
        with torch.device("meta"):
            return build()
    except (NotImplementedError, RuntimeError):  # some compute with tensors while they are built
        with torch.random.fork_rng(devices=[]):
            return build().to("meta")
