"""A network that is built by code, as a backbone for the command line: one class and one YAML.

    @dataclass(frozen=True, kw_only=True)
    class TinyCNN(BuiltBackbone):
        channels: int = 8                           # fields are keys of the YAML: backbone.channels=16

        def build(self) -> nn.Module:
            return nn.Sequential(nn.Conv2d(3, self.channels, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())

Its keys are ``weights`` (``untrained``, or a file), ``mean``, ``std`` and ``size``, and the fields of the subclass.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import torch
from torch import nn

from frostmark.backbones.backbone import UNTRAINED, Preset, weights_file
from frostmark.backbones.drawing import drawing
from frostmark.backbones.loading import load_file
from frostmark.backbones.module import IMAGENET_MEAN, IMAGENET_STD, ModuleBackbone, loose_digest
from frostmark.backbones.taps import Survey
from frostmark.errors import ConfigError, breach, foreign
from frostmark.names import WEIGHT_FILES


@dataclass(frozen=True, kw_only=True)
class BuiltBackbone(ABC):
    """A network that :meth:`build` makes; it takes normalised images (N, 3, S, S).

    Args:
        weights: ``untrained`` (initial weights, drawn by the run's seed), or a file (.safetensors, .pth, .ckpt …).
        mean, std: of each channel, or one for all, for values in [0, 1]: what the network was trained with.
        size: edge in pixels of the images that it was trained with: what images are resized to unless
            ``preprocess.size`` is typed. None for 224, or for the one size that the network takes.

    Raises:
        ConfigError: if ``weights`` is neither; later, if what is built cannot be used.
    """

    weights: str = UNTRAINED
    mean: Sequence[float] = IMAGENET_MEAN
    std: Sequence[float] = IMAGENET_STD
    size: int | None = None

    def __post_init__(self) -> None:
        if self.weights != UNTRAINED and weights_file(self.weights) is None:
            raise ConfigError(
                f"{type(self).__name__} has no weights {self.weights!r}. Valid: {UNTRAINED}, or a file ending in "
                f"{', '.join(WEIGHT_FILES)}",
                fix=f"backbone.weights={UNTRAINED}",
            )

    @abstractmethod
    def build(self) -> nn.Module:
        """The network with initial weights, on the CPU; they are drawn as torch draws them, from its global state."""
        ...

    @property
    def name(self) -> str:
        """What runs call it: the class."""
        return type(self).__name__

    @property
    def weights_name(self) -> str:
        """``untrained``, or the name of the file."""
        file = weights_file(self.weights)
        return self.weights if file is None else file.name

    @property
    def architecture_name(self) -> str:
        """Class of the network, and a digest of what it computes."""
        return self._network.architecture_name

    @property
    def library(self) -> str:
        """Torch, with its version."""
        return self._network.library

    @property
    def family(self) -> str:
        """The class of what is built."""
        return self._network.family

    @property
    def provenance(self) -> Mapping[str, str]:
        """Nothing: only the user knows where a file is from."""
        return {}

    @property
    def preset(self) -> Preset:
        """The given mean, std and size."""
        return self._network.preset

    def missing_weights(self) -> str | None:
        """Nothing is downloaded."""
        return None

    def check_layer(self, tap: str) -> None:
        """Every tap that the network has means something."""
        return

    def survey(self, size: int | None = None) -> Survey:
        """Nodes and taps."""
        return self._network.survey(size)

    def architecture(self) -> nn.Module:
        """The network on the meta device."""
        return self._network.architecture()

    def load(self, seed: int) -> nn.Module:
        """The network with its weights, in eval mode, float32, on the CPU.

        Raises:
            ConfigError: if it holds random tensors that are neither parameters nor buffers of its state dict.
            DataError: if the file is missing, damaged, or of another network.
        """
        file = weights_file(self.weights)
        if file is not None:
            model = self._network.load(seed)
            load_file(model, file, self.survey)
            return model.eval()
        model = ModuleBackbone(self._built(seed), size=self.size).load(seed)
        if loose_digest(model) != loose_digest(self._network.load(seed)):
            raise breach(
                self,
                "backbone",
                "builds a network with random tensors outside its state dict",
                "register them: self.register_buffer(name, tensor)",
            )
        return model

    def untrained(self) -> Self:
        """The same network with initial weights."""
        return replace(self, weights=UNTRAINED)

    @cached_property
    def _network(self) -> ModuleBackbone:
        return ModuleBackbone(
            self._built(seed=0),
            name=self.name,
            mean=self.mean,
            std=self.std,
            size=self.size,
            sized_by="backbone.size={}",
        )

    def _built(self, seed: int) -> nn.Module:
        with foreign(self, "backbone", "build()"), drawing(seed), torch.device("cpu"):
            built = self.build()
        if not isinstance(built, nn.Module):
            raise breach(self, "backbone", f"gave a {type(built).__name__} as build()", "give a torch.nn.Module")
        return built
