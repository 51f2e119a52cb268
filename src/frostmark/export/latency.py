"""How long an exported model takes for one image.

    of = latency(Path("out/model.onnx"), size=224)
    of.p50, of.p95                              # milliseconds

Of onnxruntime on the processor, with as many threads as it takes by itself, and an image of the size that the network
sees: what a photo of another size costs more is its resize.
"""

from __future__ import annotations

import os
import platform
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

MAX_SECONDS = 5.0
MAX_TIMES = 100
MIN_TIMES = 10
WARM_UP = 3


@dataclass(frozen=True)
class Latency:
    """Milliseconds of one image, batch 1.

    Attributes:
        p50, p95: quantiles.
        times: how often it was measured.
        machine: where.
    """

    p50: float
    p95: float
    times: int
    machine: str


def latency(model: Path, size: int) -> Latency:
    """Measure it: :data:`MAX_TIMES` times, or as often as :data:`MAX_SECONDS` allow.

    Args:
        model: a file of ONNX.
        size: pixels a side.
    """
    import onnxruntime

    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    image = np.random.default_rng(0).integers(0, 256, (1, 3, size, size), np.uint8)
    for _ in range(WARM_UP):
        session.run(None, {"image": image})
    seconds: list[float] = []
    while len(seconds) < MIN_TIMES or (len(seconds) < MAX_TIMES and sum(seconds) < MAX_SECONDS):
        start = time.perf_counter()
        session.run(None, {"image": image})
        seconds.append(time.perf_counter() - start)
    low, high = 1e3 * np.quantile(seconds, (0.5, 0.95))
    return Latency(float(low), float(high), len(seconds), f"{platform.machine()}, {os.cpu_count()} cores")
