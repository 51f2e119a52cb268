"""A backbone by name and weights.

backbone = TorchvisionBackbone("resnet18", weights="IMAGENET1K_V1")
backbone.survey().taps                   # no weights needed
model = backbone.load(seed=0)            # eval mode, float32, on the CPU
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import torch
import torchvision
from torch import nn
from torchvision.models import WeightsEnum, get_model, get_model_weights, list_models

from frostmark.backbones.backbone import UNTRAINED, Preset, weights_file
from frostmark.backbones.checkpoint import Checkpoint
from frostmark.backbones.drawing import on_meta
from frostmark.backbones.loading import load_file, load_weights
from frostmark.backbones.overwriting import without_inplace
from frostmark.backbones.taps import Survey, survey_at
from frostmark.backbones.unknown import unknown_name
from frostmark.backbones.weights import describe, fetch_weights, where_cached
from frostmark.errors import ConfigError, nearest
from frostmark.names import WEIGHT_FILES

PLAIN_SIZE = 224
"""Edge in pixels that images are resized to for a network of torchvision, as in the report."""

_OF_ONE_SIZE = ("vision_transformer",)
"""Families whose position embedding has the size of the weights, and no other."""

_NEED_CLASSIFIER = ("embedding", "penultimate", "logits")


@dataclass(frozen=True)
class TorchvisionBackbone:
    """A classification network of torchvision.

    Args:
        name: its name in torchvision, e.g. ``resnet18``.
        weights: a name of the network's weights enum (``IMAGENET1K_V1``, ``DEFAULT``), ``untrained`` (seeded
            initialisation: the control), or a file of the user's (:data:`WEIGHT_FILES`).

    Raises:
        ConfigError: if torchvision has no such network or the network no such weights.
    """

    name: str
    weights: str = "DEFAULT"

    def __post_init__(self) -> None:
        known = [n for n in list_models(module=torchvision.models) if not n.startswith("quantized_")]
        if self.name not in known:
            raise unknown_name(f"torchvision has no classification network '{self.name}'", self.name, known)
        if self.weights != UNTRAINED and self.file is None and self.weights not in self._enum_names():
            raise ConfigError(
                f"{self.name} has no weights '{self.weights}'. Valid: "
                f"{', '.join(self._enum_names())}, {UNTRAINED}, or a file ending in {', '.join(WEIGHT_FILES)}",
                fix=f"backbone.weights={nearest(self.weights, self._enum_names(), most=1).split(' ')[0]}",
            )

    def _enum_names(self) -> list[str]:
        return list(get_model_weights(self.name).__members__)

    @property
    def file(self) -> Path | None:
        """The user's own weights file, if that is what ``weights`` names."""
        return weights_file(self.weights)

    @property
    def weights_name(self) -> str:
        """What runs are labelled with: the enum's own name (never ``DEFAULT``), ``untrained``, or the file's name."""
        if self.weights in self._enum_names():
            return str(self.enum.name)
        return self.weights if self.file is None else self.file.name

    @property
    def architecture_name(self) -> str:
        """Library and name of the network, without weights."""
        return f"torchvision/{self.name}"

    @property
    def library(self) -> str:
        """The library that the network comes from, with its version."""
        return f"torchvision {torchvision.__version__.partition('+')[0]}"

    @property
    def provenance(self) -> Mapping[str, str]:
        """Where published weights come from, and their accuracy; torchvision does not say under which licence."""
        if self.weights not in self._enum_names():
            return {}
        top1 = self.enum.meta.get("_metrics", {}).get("ImageNet-1K", {}).get("acc@1", math.nan)
        known = {"imagenet_top1": f"{top1:g}"} if math.isfinite(top1) else {}  # none of VGG16's IMAGENET1K_FEATURES
        return {"weights_source": str(self.enum.url), **known}

    def missing_weights(self) -> str | None:
        """Name, size and place of published weights that would have to be downloaded; None if none are."""
        if self.weights not in self._enum_names() or where_cached(self.enum).is_file():
            return None
        return f"{describe(self.enum)}, to be put at {where_cached(self.enum)}"

    @property
    def family(self) -> str:
        """The module of torchvision that the network stands in: ``resnet``, ``vgg`` …"""
        module: str = torchvision.models.get_model_builder(self.name).__module__
        return module.rsplit(".", 1)[-1]

    @cached_property
    def enum(self) -> WeightsEnum:
        """The published weights; for a file or an untrained network those it is a drop-in for."""
        names = self._enum_names()
        published = "IMAGENET1K_V1" if "IMAGENET1K_V1" in names else "DEFAULT"
        return get_model_weights(self.name)[self.weights if self.weights in names else published]

    @cached_property
    def preset(self) -> Preset:
        """The transforms that the published weights were evaluated with; a plain resize is to 224 pixels."""
        of = self.enum.transforms()
        size = int(of.crop_size[0]) if self.family in _OF_ONE_SIZE else PLAIN_SIZE
        return Preset(of.crop_size, of.resize_size, of.mean, of.std, of.interpolation, of.antialias, size)

    @property
    def native_size(self) -> int:
        """Edge in pixels of the images that the weights were evaluated with."""
        return self.preset.crop_size[0]

    def survey(self, size: int | None = None) -> Survey:
        """Nodes and taps, without weights; ``size`` gives shapes and costs at another size than the native one."""
        network = self.architecture()
        return survey_at(network, self.native_size, network, size or self.native_size)

    def architecture(self) -> nn.Module:
        """The network on the meta device: shapes without memory."""
        return on_meta(self._build)

    def _build(self) -> nn.Module:
        # These two ask to be told what they do anyway, and warn otherwise.
        explicit: dict[str, object] = {"init_weights": True} if self.name in ("googlenet", "inception_v3") else {}
        if self.family == "vision_transformer":
            explicit["image_size"] = self.native_size  # its position embedding has one size, that of the weights
        model: nn.Module = get_model(self.name, weights=None, **explicit)
        if hasattr(model, "transform_input"):
            # GoogLeNet and Inception: their published weights expect it, and torchvision sets it with them.
            setattr(model, "transform_input", True)  # noqa: B010 (no attribute that nn.Module declares)
        return without_inplace(model).eval()

    def check_layer(self, tap: str) -> None:
        """Refuse taps that these weights leave meaningless.

        Raises:
            ConfigError: for the classifier of weights that were published without one.
        """
        headless = self.weights in self._enum_names() and self.enum.meta.get("categories") is None
        if tap in _NEED_CLASSIFIER and headless:
            raise ConfigError(
                f"layer={tap} needs a classifier, and {self.enum} has no valid one",
                fix="layer=last_conv, or weights with a classifier (backbone.weights=DEFAULT)",
            )

    def load(self, seed: int) -> nn.Module:
        """The network with its weights, in eval mode, float32, on the CPU.

        Args:
            seed: of the initialisation, for ``untrained``; the global generator is left as it was.

        Raises:
            DataError: if the weights are missing, damaged, or of another architecture.
        """
        if self.weights == UNTRAINED:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                return self._build()
        model = self.architecture()
        if self.file is None:
            published = Checkpoint(where_cached(self.enum), {"": fetch_weights(self.enum)})
            load_weights(model, published.suited(model.state_dict()), origin=str(self.enum))
        else:
            load_file(model, self.file, self.survey)
        return model.eval()

    def untrained(self) -> TorchvisionBackbone:
        """The same network with seeded initial weights: the control."""
        return replace(self, weights=UNTRAINED)
