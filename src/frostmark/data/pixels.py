"""Images as they are: their pixels as features, and small pictures for a person.

rows = pixel_rows(images)                        # (N, 784) float32 of 28 × 28 grey images
thumbnails(images, [3, 14])                      # (2, H, W, 3) uint8
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as F

from frostmark.data.source import ImageSet

EDGE = 32
"""Larger images are reduced to so many pixels a side before their pixels are features."""

_AT_ONCE = 256


def pixel_rows(images: ImageSet) -> Tensor:
    """(N, C·H·W) float32, the pixels of every image, 0 … 255; what any network must beat."""
    batches = (range(i, min(i + _AT_ONCE, len(images))) for i in range(0, len(images), _AT_ONCE))
    return torch.cat([_small(images.__getitems__(batch).images).flatten(1) for batch in batches])


def _small(images: Tensor) -> Tensor:
    smaller = images.to(torch.float32)
    if max(images.shape[-2:]) > EDGE:
        smaller = F.resize(smaller, [EDGE, EDGE], antialias=True)
    return smaller


def thumbnails(images: ImageSet, positions: Sequence[int], edge: int | None = None) -> Tensor:
    """The images at ``positions``, of which there is one at least, as (n, H, W, 3) uint8.

    Args:
        edge: pixels of the longer side at most; larger images are reduced.
    """
    parts = (positions[i : i + _AT_ONCE] for i in range(0, len(positions), _AT_ONCE))
    return torch.cat([_pictures(images.__getitems__(part).images, edge) for part in parts])


def _pictures(images: Tensor, edge: int | None) -> Tensor:
    longer = max(images.shape[-2:])
    if edge is not None and longer > edge:
        size = [max(1, round(side * edge / longer)) for side in images.shape[-2:]]
        images = F.resize(images.to(torch.float32), size, antialias=True)
    coloured = images.expand(-1, 3, -1, -1).clamp(0, 255).round().to(torch.uint8)
    return coloured.permute(0, 2, 3, 1)
