"""Images with a known answer: Gaussian classes in pixel space, with a dial for how far apart they are.

    Synthetic(separation=2.0).split("train")

The class means stand at equal distances of ``separation`` noise standard deviations, in the directions of orthonormal
smooth patterns; the noise is white. In pixels, two classes are therefore told apart by the nearest mean with accuracy
Φ(separation / 2), and no classifier does better.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from statistics import NormalDist

import torch
from torch import Tensor

from frostmark.data.source import Limits, SplitName, TensorImages
from frostmark.errors import ConfigError

NOISE = 16.0
"""Standard deviation of a pixel in grey levels: mid-grey ± 8 of them before anything is clipped."""

_FLOATS = 1 << 22
"""Pixels that are drawn at once, 16 MiB in float32."""


@dataclass(frozen=True)
class Synthetic:
    """White noise around smooth class patterns, colour, square.

    Args:
        separation: distance between any two class means in standard deviations of the noise; 0 for none.
        num_classes: number of classes, at most ``3 · (size / 4)²``.
        size: edge in pixels, a multiple of 4.
        train, test: images of each split, the classes taking turns.
        seed: of the patterns and the noise.
        limit: how many images of each split to use.

    Raises:
        ConfigError: if the numbers do not fit each other.
    """

    separation: float = 4.0
    num_classes: int = 10
    size: int = 32
    train: int = 2000
    test: int = 1000
    seed: int = 0
    limit: Limits = field(default_factory=Limits)
    name: str = "synthetic"

    def __post_init__(self) -> None:
        if self.size % 4 or self.size < 4:
            raise ConfigError(f"dataset.size={self.size} is not a multiple of 4", fix="dataset.size=32")
        most = 3 * (self.size // 4) ** 2
        if not 1 <= self.num_classes <= most:
            raise ConfigError(
                f"dataset.num_classes={self.num_classes} does not fit images of {self.size} pixels",
                fix=f"dataset.num_classes=10 (1 to {most})",
            )
        if self.separation < 0 or min(self.train, self.test) < 1:
            raise ConfigError(
                f"dataset.separation={self.separation} and {self.train}/{self.test} images make no data set",
                fix="dataset.separation=4 dataset.train=2000 dataset.test=1000",
            )

    @property
    def pairwise_accuracy(self) -> float:
        """The best accuracy between two classes, from pixels: Φ(separation / 2)."""
        return NormalDist().cdf(self.separation / 2)

    def classes(self) -> tuple[str, ...]:
        return tuple(f"class {c}" for c in range(self.num_classes))

    def split(self, split: SplitName) -> TensorImages:
        count = self.train if split == "train" else self.test
        labels = torch.arange(count) % self.num_classes
        generator = torch.Generator().manual_seed(3 * self.seed + (1 if split == "train" else 2))
        images, means = torch.empty(count, 3, self.size, self.size, dtype=torch.uint8), self._means()
        # An image has a multiple of the 16 numbers that torch draws at once: blocks draw what one call would.
        step = max(_FLOATS // images[0].numel(), 1)
        for start in range(0, count, step):
            part = slice(start, start + step)
            noise = torch.randn(images[part].shape, generator=generator)
            images[part] = (128 + NOISE * (means[labels[part]] + noise)).round().clamp(0, 255)
        return TensorImages(images, labels)

    def _means(self) -> Tensor:
        """(classes, 3, S, S) in standard deviations: orthogonal blocky patterns of equal norm separation/√2."""
        cells = self.size // 4
        generator = torch.Generator().manual_seed(3 * self.seed)
        basis, _ = torch.linalg.qr(torch.randn(3 * cells * cells, self.num_classes, generator=generator))
        coarse = basis.T.reshape(self.num_classes, 3, cells, cells)
        # Each cell becomes 4 × 4 equal pixels, which multiplies the norm by 4.
        patterns = coarse.repeat_interleave(4, 2).repeat_interleave(4, 3) / 4
        scaled: Tensor = patterns * (self.separation / math.sqrt(2))
        return scaled
