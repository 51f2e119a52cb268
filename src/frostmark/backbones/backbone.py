"""What every source of backbones offers, and what it is made of.

backbone: Backbone = TimmBackbone("resnet18")        # or TorchvisionBackbone, ModuleBackbone
survey = backbone.survey(size=224)                   # taps and nodes, before any download
model = backbone.load(seed=0)                        # with its weights, frozen by who extracts
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self

from torch import nn
from torchvision.transforms import InterpolationMode

from frostmark.backbones.taps import Survey
from frostmark.names import WEIGHT_FILES

UNTRAINED = "untrained"
"""The word for seeded initial weights: the control."""


@dataclass
class Preset:
    """The transforms that weights were evaluated with, in the words of torchvision's presets.

    Attributes:
        crop_size: edge in pixels of the square that the network sees.
        resize_size: of the shorter edge before the crop; of both edges where the image is squashed to a square.
        mean, std: of each channel, for values in [0, 1].
        interpolation: of the resize.
        plain_size: edge in pixels where images are resized straight to a square; that of the crop if None.
    """

    crop_size: list[int]
    resize_size: list[int]
    mean: list[float]
    std: list[float]
    interpolation: InterpolationMode = InterpolationMode.BILINEAR
    antialias: bool | None = True
    plain_size: int | None = None


class Backbone(Protocol):
    """A network by name and weights: nothing is downloaded or computed before it is asked for."""

    @property
    def name(self) -> str:
        """What runs and titles call it."""
        ...

    @property
    def weights_name(self) -> str:
        """What runs are labelled with; :data:`UNTRAINED` for the control."""
        ...

    @property
    def architecture_name(self) -> str:
        """What identifies the network without its weights, in the key of stored rows."""
        ...

    @property
    def library(self) -> str:
        """The library that the network comes from, with its version."""
        ...

    @property
    def family(self) -> str:
        """The kind of network: ``resnet``, ``vision_transformer`` …"""
        ...

    @property
    def provenance(self) -> Mapping[str, str]:
        """Tags of published weights, as far as they are known.

        ``weights_source``, ``weights_license``, and ``imagenet_top1``: accuracy on ImageNet-1k in percent.
        """
        ...

    @property
    def preset(self) -> Any:
        """The weights' own transforms: a :class:`Preset`, or torchvision's equal of it."""
        ...

    def missing_weights(self) -> str | None:
        """What would have to be downloaded, and where to put it by hand; None if nothing is missing."""
        ...

    def survey(self, size: int | None = None) -> Survey:
        """Nodes and taps for square images of ``size`` pixels (None: the weights' own size), without weights."""
        ...

    def architecture(self) -> nn.Module:
        """The network on the meta device: shapes without memory."""
        ...

    def check_layer(self, tap: str) -> None:
        """Raise ConfigError for taps that these weights leave meaningless."""
        ...

    def load(self, seed: int) -> nn.Module:
        """The network with its weights, in eval mode, float32, on the CPU; ``seed`` is of untrained ones.

        Tensors of a head that the user's file does not have are on the meta device: they have no values.
        """
        ...

    def untrained(self) -> Self:
        """The same network with seeded initial weights; ConfigError where it cannot be built anew."""
        ...


def weights_file(weights: str) -> Path | None:
    """The user's own file, if that is what ``weights`` names."""
    path = Path(weights).expanduser()
    return path if path.name.lower().endswith(WEIGHT_FILES) else None
