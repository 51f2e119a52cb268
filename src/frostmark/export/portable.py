"""Everything between the pixels of an image and its class, as one module that torch.export records.

    portable = Portable(Extractor(model, [tap]), pipeline, affine)
    row, probabilities = portable(images)       # (N, 3, H, W) uint8, of any size

What :class:`frostmark.data.preprocess.Pipeline` does is written here once more with sizes that are not known while it
is recorded; tests hold both against each other.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from frostmark.backbones.extractor import Extractor
from frostmark.data.preprocess import MAX_ASPECT, Pipeline
from frostmark.errors import ConfigError
from frostmark.export.resizing import FILTERS, Size, resized
from frostmark.metrics.read_out import Affine
from frostmark.stats.moments import Float


class Portable(nn.Module):
    """Images in, rows and the probabilities of the classes out.

    Args:
        extractor: the network, cut behind the only layer that it reads.
        pipeline: what is done to the images first.
        affine: the read-out; None for rows alone.

    Raises:
        ConfigError: if the images are resized in a way that cannot be exported.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, extractor: Extractor, pipeline: Pipeline, affine: Affine | None) -> None:
        super().__init__()
        _require_exportable(pipeline)
        self.extractor = extractor.with_plain_convolutions()
        self.pipeline = pipeline
        self.head = None if affine is None else Head(affine)
        self.register_buffer("mean", torch.tensor(pipeline.mean).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(pipeline.std).view(1, 3, 1, 1))
        for tensor in (*self.parameters(), *self.buffers()):
            tensor.data = tensor.data.contiguous()  # torch.export.save takes others for parts of something larger

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """(N, 3, H, W) uint8 → rows (N, D) float32, and with a read-out the probabilities (N, C) of the classes."""
        unit = fitted(image, self.pipeline) / 255
        (row,) = self.extractor((unit - self.mean) / self.std)
        return (row,) if self.head is None else (row, self.head(row).softmax(1))


class Head(nn.Module):
    """The linear read-out: (N, D) → (N, C) scores.

    The centre is taken off in two parts, which together have the digits that float32 lacks.
    """

    center: Tensor
    rest: Tensor
    weights: Tensor
    intercepts: Tensor

    def __init__(self, affine: Affine) -> None:
        super().__init__()
        center = affine.center.astype(np.float32)
        self.register_buffer("center", torch.from_numpy(center))
        self.register_buffer("rest", _float32(affine.center - center))
        self.register_buffer("weights", _float32(affine.weights))
        self.register_buffer("intercepts", _float32(affine.intercepts))

    def forward(self, rows: Tensor) -> Tensor:
        """(N, D) float32 → (N, C)."""
        return (rows - self.center - self.rest) @ self.weights + self.intercepts


def _float32(values: Float) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, np.float32))


def _require_exportable(pipeline: Pipeline) -> None:
    how = pipeline.interpolation.value
    if how not in FILTERS:
        raise ConfigError(
            f"images that are resized by {how} interpolation cannot be exported",
            fix=f"run it with preprocess=resize (valid: {', '.join(FILTERS)}), and export that",
        )
    if pipeline.crop is not None and min(pipeline.resize_to) < pipeline.crop:
        told = f"images of {min(pipeline.resize_to)} pixels that are padded to {pipeline.crop} cannot be exported"
        raise ConfigError(told, fix="run it with preprocess=resize, and export that")


def fitted(image: Tensor, pipeline: Pipeline) -> Tensor:
    """(N, 3, H, W) uint8 → (N, 3, S, S) float32 in 0 … 255: the pipeline's geometry."""
    pixels = image.to(torch.float32)
    if len(pipeline.resize_to) == 1:
        pixels = _middle(pixels)
    height, width = _sizes(pixels, pipeline.resize_to)
    pixels = resized(pixels, height, width, pipeline.interpolation.value)
    if pipeline.rounded:
        pixels = pixels.round().clamp(0, 255)
    if pipeline.crop is None:
        return pixels
    edge = pipeline.crop
    return pixels.narrow(2, _begin(height - edge), edge).narrow(3, _begin(width - edge), edge)


def _sizes(pixels: Tensor, wanted: tuple[int, ...]) -> tuple[Size, Size]:
    """Height and width after the resize: both as they are wanted, or the shorter side alone."""
    if len(wanted) == 2:
        return wanted[0], wanted[1]
    height, width = pixels.shape[2:]
    shorter = torch.sym_min(height, width)
    return wanted[0] * height // shorter, wanted[0] * width // shorter


def _middle(pixels: Tensor) -> Tensor:
    """(N, C, H, W) → no longer than :data:`MAX_ASPECT` times the shorter side."""
    height, width = pixels.shape[2:]
    # Picked one by one: a slice would be recorded with a bound on the size of the image.
    for axis, size, most in ((2, height, MAX_ASPECT * width), (3, width, MAX_ASPECT * height)):
        kept = torch.sym_min(size, most)
        pixels = pixels.index_select(axis, torch.arange(kept, device=pixels.device) + _begin(size - kept))
    return pixels


def _begin(room: Size) -> Size:
    """Where the middle begins: half of what is left over, rounded to even as torchvision does."""
    return (room + room % 4 // 3) // 2
