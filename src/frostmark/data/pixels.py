"""Images as they are: their pixels as features, and small pictures for a person.

rows = pixel_rows({"train": images, "test": others})["train"]        # (N, 784) float32 of 28 × 28 grey images
rows = unpacked_rows({"train": stored, "test": others})["train"]     # of what packed() made while they were decoded
thumbnails(images, [3, 14])                                          # (2, H, W, 3) uint8

Pixels as features are those of the files: no preprocessing has been at them, and a folder of lossless files gives, to
the bit, what arrays of the same images give.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as F
from torchvision.transforms.v2 import functional as V2

from frostmark.data.decode import Decoded
from frostmark.data.source import ImageSet
from frostmark.data.threads import each

EDGE = 32
"""Larger images are reduced to so many pixels a side before their pixels are features."""

PACKED_WIDTH = 3 + 3 * EDGE * EDGE
"""Numbers of :func:`packed`."""

_AT_ONCE = 256


def pixel_rows(splits: Mapping[str, ImageSet]) -> dict[str, Tensor]:
    """Split → (N, C·H·W) float32, the pixels of every image, 0 … 255; what any network must beat.

    Images of one size of at most :data:`EDGE` pixels a side are their pixels. All others are brought to a square once
    (bilinear, antialiased, as ``preprocess=resize`` does): of ``EDGE`` pixels, or of the longest side where none is
    larger. One channel is kept where every image of both splits is grey, else three.
    """
    return _rows({split: list(_reduced_images(images)) for split, images in splits.items()})


def packed(picture: Decoded, fitted: Tensor | None = None) -> Tensor:
    """What :func:`pixel_rows` needs of one picture, as (:data:`PACKED_WIDTH`,) float32, to be kept.

    How the network gets the image (``fitted``) changes nothing.
    """
    small = _reduced_near(picture.pixels) if picture.near else _reduced(picture.pixels)
    row = torch.zeros(PACKED_WIDTH)
    row[:3] = torch.tensor([len(small.pixels), *small.size])
    row[3 : 3 + small.pixels.numel()] = small.pixels.flatten()
    return row


def unpacked_rows(splits: Mapping[str, NDArray[np.float32]]) -> dict[str, Tensor]:
    """Those of :func:`pixel_rows`, of what :func:`packed` made of every image: (N, :data:`PACKED_WIDTH`) a split."""
    return _rows({split: [_unpacked(row) for row in torch.from_numpy(rows)] for split, rows in splits.items()})


def a_pixel(image: Tensor, *, near: bool = False) -> Tensor:
    """A corner (C, 1, 1) of an image: for whoever wants only what :func:`packed` makes of it."""
    return image[..., :1, :1]


def _rows(splits: Mapping[str, Sequence[_Reduced]]) -> dict[str, Tensor]:
    layout = _Layout.of([image for images in splits.values() for image in images])
    return {split: torch.stack([layout.row(image) for image in images]) for split, images in splits.items()}


def _unpacked(row: Tensor) -> _Reduced:
    channels, height, width = map(int, row[:3])
    side = (height, width) if max(height, width) <= EDGE else (EDGE, EDGE)
    shape = (channels, *side)
    return _Reduced((height, width), row[3 : 3 + math.prod(shape)].reshape(shape))


@dataclass(frozen=True)
class _Reduced:
    """An image of at most :data:`EDGE` pixels a side.

    Attributes:
        size: height and width that it had.
        pixels: (1 or 3, h, w) float32; one channel of a grey image.
    """

    size: tuple[int, int]
    pixels: Tensor


@dataclass(frozen=True)
class _Layout:
    """What all rows have in common, so that a feature is one place of the image in one channel."""

    channels: int
    size: tuple[int, int]

    @classmethod
    def of(cls, images: Sequence[_Reduced]) -> _Layout:
        sizes = {image.size for image in images}
        longest = max(max(size) for size in sizes)
        as_they_are = len(sizes) == 1 and longest <= EDGE
        square = (min(EDGE, longest),) * 2
        return cls(max(len(image.pixels) for image in images), images[0].size if as_they_are else square)

    def row(self, image: _Reduced) -> Tensor:
        return _resized(image.pixels, self.size).expand(self.channels, -1, -1).flatten()


def _reduced_images(images: ImageSet) -> Iterator[_Reduced]:
    """In their order, reduced one by one whether they come one by one or not: the same images give the same bits."""
    return (_reduced(image) for batch in each_batch(images) for image in batch)


def each_batch(images: ImageSet) -> Iterator[Tensor]:
    """All images as they are, (n, C, H, W), in their order: some at a time, or one at a time where sizes differ."""
    if images.uniform:
        yield from (
            images.__getitems__(range(i, min(i + _AT_ONCE, len(images)))).images
            for i in range(0, len(images), _AT_ONCE)
        )
        return
    raw = copy(images)
    raw.geometry = _unchanged
    yield from each(lambda position: raw.__getitems__([position]).images, range(len(raw)))


def _unchanged(image: Tensor, *, near: bool = False) -> Tensor:
    return image


def _reduced(image: Tensor) -> _Reduced:
    height, width = image.shape[-2:]
    pixels = _one_if_grey(image).to(torch.float32)
    return _Reduced((height, width), _resized(pixels, (EDGE, EDGE)) if max(height, width) > EDGE else pixels)


def _reduced_near(image: Tensor) -> _Reduced:
    """Of an image that was not decoded whole, and has more than :data:`EDGE` pixels a side."""
    height, width = image.shape[-2:]
    small = eight_bits_resized(image, [EDGE, EDGE])
    return _Reduced((height, width), _one_if_grey(small).to(torch.float32))


def _one_if_grey(image: Tensor) -> Tensor:
    """One channel of an image of equal ones, as a file of grey pixels is decoded."""
    return image[:1] if all(bool((channel == image[0]).all()) for channel in image[1:]) else image


def eight_bits_resized(
    images: Tensor, size: list[int], interpolation: InterpolationMode = InterpolationMode.BILINEAR
) -> Tensor:
    """(…, C, H, W) uint8, resized (antialiased) with eight bits in between, too: four times as fast as in float32."""
    resized: Tensor = V2.resize(images, size, interpolation=interpolation, antialias=True)
    return resized


def _resized(pixels: Tensor, size: tuple[int, int]) -> Tensor:
    if pixels.shape[-2:] == size:
        return pixels
    resized: Tensor = F.resize(pixels.contiguous(), list(size), antialias=True)
    return resized


def thumbnails(images: ImageSet, positions: Sequence[int], edge: int | None = None) -> Tensor:
    """The images at ``positions``, of which there is one at least, as (n, H, W, 3) uint8.

    Args:
        edge: pixels of the longer side at most; larger images are reduced.
    """
    parts = (positions[i : i + _AT_ONCE] for i in range(0, len(positions), _AT_ONCE))
    return torch.cat([_pictures(images.__getitems__(part).images, edge) for part in parts])


def small_picture(picture: Decoded, fitted: Tensor, edge: int) -> Tensor:
    """The image as the network gets it, (3, S, S), with ``edge`` pixels a side at most, as a picture: (D,) uint8."""
    return _pictures(fitted[None], edge).flatten()


def reduced(pictures: NDArray[np.uint8], edge: int | None) -> NDArray[np.uint8]:
    """Pictures (n, H, W, 3), their longer side at most ``edge``."""
    images = torch.from_numpy(np.ascontiguousarray(pictures)).permute(0, 3, 1, 2)
    return np.asarray(_pictures(images, edge).numpy())


def _pictures(images: Tensor, edge: int | None) -> Tensor:
    longer = max(images.shape[-2:])
    if edge is not None and longer > edge:
        size = [max(1, round(side * edge / longer)) for side in images.shape[-2:]]
        images = F.resize(images.to(torch.float32), size, antialias=True)
    coloured = images.expand(-1, 3, -1, -1).clamp(0, 255).round().to(torch.uint8)
    return coloured.permute(0, 2, 3, 1)
