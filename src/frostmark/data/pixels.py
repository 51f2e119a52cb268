"""Images as they are: their pixels as features, and small pictures for a person.

rows = pixel_rows(images)                        # (N, 784) float32 of 28 × 28 grey images
thumbnails(images, [3, 14])                      # two (H, W, 3) uint8 arrays
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchvision.transforms.v2 import functional as F

from frostmark.data.source import ImageSet

EDGE = 32
"""Larger images are reduced to so many pixels a side before their pixels are features."""

_AT_ONCE = 256


def pixel_rows(images: ImageSet) -> NDArray[np.float32]:
    """(N, C·H·W) the pixels of every image, 0 … 255; what any network must beat."""
    batches = (range(i, min(i + _AT_ONCE, len(images))) for i in range(0, len(images), _AT_ONCE))
    return np.concatenate([_small(images.__getitems__(batch).images).flatten(1).numpy() for batch in batches])


def _small(images: Tensor) -> Tensor:
    smaller = images.to(torch.float32)
    if max(images.shape[-2:]) > EDGE:
        smaller = F.resize(smaller, [EDGE, EDGE], antialias=True)
    return smaller


def thumbnails(images: ImageSet, positions: Sequence[int]) -> list[NDArray[np.uint8]]:
    """The images at ``positions`` as (H, W, 3)."""
    if not positions:
        return []
    found = images.__getitems__(positions).images
    coloured = found.expand(-1, 3, -1, -1).clamp(0, 255).round().to(torch.uint8)
    return list(coloured.permute(0, 2, 3, 1).numpy())
