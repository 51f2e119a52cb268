"""What is kept of an image to know it again: a small grey picture of all of it, and a digest of its content.

sketch(image)                                       # (1025,) uint8 of (C, H, W) uint8
known = recognised(images)                          # of images in memory, one by one
known.sketches, known.digests                       # (N, 1025) and N digests

See :mod:`frostmark.stats.copies` for what is done with them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate

from frostmark.data.decode import Decoded, digest_of
from frostmark.data.pixels import each_batch
from frostmark.data.source import ImageSet

EDGE = 32
"""Pixels a side; as :mod:`frostmark.stats.copies` expects them."""

_GREY = torch.tensor([0.299, 0.587, 0.114])
"""The weights of red, green and blue in what the eye calls brightness (ITU-R BT.601)."""


@dataclass(frozen=True)
class Recognised:
    """What images are known again by.

    Attributes:
        digests: of the content of every image.
        sketches: (N, :data:`frostmark.stats.copies.SKETCH_WIDTH`) uint8; None where they are not known.
    """

    digests: list[bytes]
    sketches: NDArray[np.uint8] | None


def sketch(image: Tensor) -> Tensor:
    """The sketch of one image (1 or 3, H, W) uint8."""
    return _sketches(image[None])[0]


def sketch_of(picture: Decoded, fitted: Tensor) -> Tensor:
    """The same of a picture that was decoded; how the network gets it (``fitted``) changes nothing."""
    return sketch(picture.pixels)


def recognised(images: ImageSet) -> Recognised:
    """Of images that are in memory, or that their set makes of something else than files."""
    digests: list[bytes] = []
    sketches: list[Tensor] = []
    for batch in each_batch(images):
        digests += [digest_of(_shape(image) + image.contiguous().numpy().tobytes()) for image in batch]
        sketches.append(_sketches(batch))
    return Recognised(digests, torch.cat(sketches).numpy())


def _sketches(images: Tensor) -> Tensor:
    """(N, 1025) of images (N, 1 or 3, H, W) of one size."""
    # As uint8, which takes half the time.
    small = interpolate(images, size=(EDGE, EDGE), mode="bilinear", antialias=True).to(torch.float32)
    grey = small[:, 0] if small.shape[1] == 1 else torch.tensordot(small, _GREY, dims=([1], [0]))
    side = torch.full((len(images), 1), float(min(255, *images.shape[-2:])))
    return torch.cat([grey.flatten(1), side], dim=1).round().clamp(0, 255).to(torch.uint8)


def _shape(image: Tensor) -> bytes:
    return f"{tuple(image.shape)} {image.dtype}".encode()
