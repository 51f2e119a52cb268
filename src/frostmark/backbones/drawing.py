"""Weights that are drawn from the global generators follow from the seed, and leave the generators as they were.

with drawing(seed=0):
    network = nn.Linear(8, 2)    # torch.nn draws from torch's global generator, other code from NumPy's or Python's
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


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
