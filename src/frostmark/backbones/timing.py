"""How long a network takes for one image on this machine, without its weights: zeros take as long.

seconds = seconds_to_forward(backbone.architecture(), tap, size=224, device="cpu")
"""

from __future__ import annotations

import time

import torch
from torch import nn

from frostmark.backbones.extractor import Extractor, Tap

WORK = 1.5e10
"""Multiply-accumulates of the images that are forwarded together."""

AT_ONCE = 128
"""Of these images at most: few at a time take longer each, where other programs are at work."""

SECONDS = 1.5
"""After which they are forwarded twice instead of three times."""


def seconds_to_forward(model: nn.Module, tap: Tap, size: int, device: str) -> float:
    """Of one image, the fastest of two or three times: the first time memory is asked for.

    Args:
        model: on the meta device; it is moved to ``device``, a kind of device such as ``cpu``.
        size: pixels a side.
    """
    model = model.to_empty(device=device).eval()
    with torch.inference_mode():
        for tensor in [*model.parameters(), *model.buffers()]:
            tensor.zero_()
        extractor = Extractor(model, [tap]).to(device)
        count = max(1, min(AT_ONCE, int(2 * WORK / max(tap.node.flops, 1))))
        images = torch.zeros((count, 3, size, size), device=device)
        took: list[float] = []
        while len(took) < 2 or (len(took) < 3 and sum(took) < SECONDS):
            start = time.perf_counter()
            torch.cat([rows.flatten() for rows in extractor(images)]).cpu()  # which waits for an accelerator
            took.append(time.perf_counter() - start)
    return min(took) / count
