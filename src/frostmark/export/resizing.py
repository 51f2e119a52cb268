"""Antialiased resizing as two matrix products: any runtime of ONNX has these, few resize as torch does.

    resized(pixels, 224, 224, "bilinear")           # (N, C, H, W) float32 → (N, C, 224, 224)

The weights are those of torch's ``interpolate(…, antialias=True)``, which are Pillow's, computed in torch's own order:
the result is within 0.0003 grey levels of torch's. ONNX's own Resize is within 0.003, where a runtime has it at all;
where the result is rounded, ten times as many pixels would then become another grey level than they are in torch.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Size = int | torch.SymInt
"""Pixels; a symbol while a network is recorded for images of any size."""


def resized(pixels: Tensor, height: Size, width: Size, interpolation: str) -> Tensor:
    """(N, C, H, W) float32 → (N, C, ``height``, ``width``); the sizes may be known when the module runs only.

    Args:
        interpolation: one of :data:`FILTERS`.
    """
    kernel = FILTERS[interpolation]
    across = pixels @ _weights(pixels.shape[3], width, kernel).T
    return _weights(pixels.shape[2], height, kernel) @ across


def _weights(given: Size, wanted: Size, kernel: Callable[[Tensor], Tensor]) -> Tensor:
    """(wanted, given): how much of every given pixel is in each wanted one."""
    scale = torch.full((1, 1), given, dtype=torch.float32) / torch.full((1, 1), wanted, dtype=torch.float32)
    centers = scale * (torch.arange(wanted, dtype=torch.float32)[:, None] + 0.5)
    apart = torch.arange(given, dtype=torch.float32)[None] - centers + 0.5
    weights = kernel((apart * (1 / scale.clamp(min=1))).abs())
    return weights / weights.sum(1, keepdim=True)


def _triangle(distance: Tensor) -> Tensor:
    return (1 - distance).clamp(min=0)


def _cubic(x: Tensor) -> Tensor:
    """Keys' kernel with a = −½."""
    near = (1.5 * x - 2.5) * x * x + 1
    far = (((x - 5) * x + 8) * x - 4) * -0.5
    return torch.where(x < 1, near, torch.where(x < 2, far, torch.zeros_like(x)))


FILTERS: dict[str, Callable[[Tensor], Tensor]] = {"bilinear": _triangle, "bicubic": _cubic}
"""By the names that torchvision has for them."""
