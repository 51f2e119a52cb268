"""How an image becomes the network's input.

    preprocess = Resize()                         # as in the report: straight to a square
    pipeline = preprocess.pipeline(preset)        # with the weights' own mean and std
    pipeline(images)                              # (N, 1 or 3, H, W) uint8 → (N, 3, 224, 224) float32

The plain resize is computed in float32 and not rounded back to 256 grey levels, as PIL does twice on the way: rounding
is texture that was not in the image, and features vary a per cent more by it. The official transforms round, as they do
in torchvision. All of it runs on whatever device the images are on.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as F

from frostmark.data.pixels import EDGE, eight_bits_resized
from frostmark.errors import ConfigError

MAX_ASPECT = 16
"""Of pictures that are longer, in relation to their shorter side, the middle is taken before they are resized to be
cropped: else a line of 4,000 pixels would become a picture of a million."""


class WeightsTransforms(Protocol):
    """The transforms that published weights come with (torchvision's ``ImageClassification``)."""

    crop_size: list[int]
    resize_size: list[int]
    mean: list[float]
    std: list[float]
    interpolation: InterpolationMode
    antialias: bool | None


@dataclass(frozen=True)
class Pipeline:
    """Geometry, then normalisation.

    Attributes:
        resize_to: (height, width), or the shorter edge alone.
        crop: edge of the square cut from the centre, or None.
        mean, std: of each channel, for values in [0, 1].
        rounded: whether the resized image is rounded to uint8 again.
        exact_decode: whether every pixel of a JPEG is decoded, however much larger it is.
    """

    resize_to: tuple[int, ...]
    crop: int | None
    mean: tuple[float, ...]
    std: tuple[float, ...]
    interpolation: InterpolationMode = InterpolationMode.BILINEAR
    rounded: bool = False
    exact_decode: bool = field(default=False, repr=False)  # of files alone: stored rows are found by the rest

    @property
    def least(self) -> int | None:
        """Pixels of both sides that suffice when an image file is decoded; None for all that there are."""
        return None if self.exact_decode else 2 * max(*self.resize_to, EDGE)

    @property
    def size(self) -> int:
        """Edge in pixels of the square that the network sees."""
        return self.crop or self.resize_to[0]

    def geometry(self, images: Tensor, *, near: bool = False) -> Tensor:
        """(…, C, H, W) uint8 → (…, C, S, S) in 0 … 255: uint8 if rounded or near, else float32.

        Args:
            near: whether the images are near those of their files only, because they were not decoded whole. They are
                resized in eight bits then, as fine as they are known, in a quarter of the time.
        """
        if len(self.resize_to) == 1:
            images = _middle(images)
        if near:
            resized = eight_bits_resized(images, list(self.resize_to), self.interpolation)
        else:
            images = images if self.rounded else images.to(torch.float32)
            resized = F.resize(images, list(self.resize_to), interpolation=self.interpolation, antialias=True)
        return resized if self.crop is None else F.center_crop(resized, [self.crop])

    def normalise(self, images: Tensor) -> Tensor:
        """(N, 1 or 3, S, S) in 0 … 255 → (N, 3, S, S) float32; one grey channel becomes three equal ones."""
        if images.shape[1] == 1:
            images = images.expand(-1, 3, -1, -1)
        unit = images / 255 if images.is_floating_point() else F.convert_image_dtype(images, torch.float32)
        normalised: Tensor = F.normalize(unit, list(self.mean), list(self.std))
        return normalised

    def __call__(self, images: Tensor) -> Tensor:
        """(N, 1 or 3, H, W) uint8 → (N, 3, S, S) float32."""
        return self.normalise(self.geometry(images))


class Preprocess(Protocol):
    """A choice of ``preprocess=``."""

    size: int | None

    def pipeline(self, preset: WeightsTransforms) -> Pipeline:
        """The pipeline for weights with this preset."""
        ...


@dataclass(frozen=True)
class Resize:
    """Straight to a square (bilinear, antialiased), as in the report.

    Args:
        size: edge in pixels; None for the network's own.
        exact_decode: decode every pixel of a JPEG, not only twice as many as are needed a side.
    """

    size: int | None = None
    exact_decode: bool = False

    def __post_init__(self) -> None:
        _check_size(self.size)

    def pipeline(self, preset: WeightsTransforms) -> Pipeline:
        size = self.size or getattr(preset, "plain_size", None) or preset.crop_size[0]
        return Pipeline((size, size), None, tuple(preset.mean), tuple(preset.std), exact_decode=self.exact_decode)


@dataclass(frozen=True)
class Official:
    """The weights' own transforms, crop included.

    Args:
        size: edge of the crop in pixels; None for the weights' own. Another size scales the resize with it.
        exact_decode: decode every pixel of a JPEG, not only twice as many as are needed a side.
    """

    size: int | None = None
    exact_decode: bool = False

    def __post_init__(self) -> None:
        _check_size(self.size)

    def pipeline(self, preset: WeightsTransforms) -> Pipeline:
        crop = preset.crop_size[0]
        size = self.size or crop
        edges = tuple(round(edge * size / crop) for edge in preset.resize_size)  # two where the image is squashed
        channels = tuple(preset.mean), tuple(preset.std)
        return Pipeline(edges, size, *channels, preset.interpolation, True, self.exact_decode)


def _middle(images: Tensor) -> Tensor:
    """(…, H, W) → the same, or so much of the middle that the longer side is :data:`MAX_ASPECT` times the shorter."""
    height, width = images.shape[-2:]
    most = MAX_ASPECT * min(height, width)
    return F.center_crop(images, [min(height, most), min(width, most)]) if max(height, width) > most else images


def _check_size(size: int | None) -> None:
    if size is not None and size < 8:
        raise ConfigError(f"preprocess.size={size} is too small for any network", fix="preprocess.size=224")
