"""A backbone with its weights.

network = Network.loaded(TorchvisionBackbone("resnet18", "untrained"), seed=0)
network.model, network.weights
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from torch import nn

from frostmark.backbones.backbone import Backbone
from frostmark.backbones.weights import weights_digest


@dataclass(frozen=True)
class Network:
    """A backbone with its weights.

    Attributes:
        backbone: by name.
        model: frozen, on the CPU.
    """

    backbone: Backbone
    model: nn.Module

    @classmethod
    def loaded(cls, backbone: Backbone, seed: int) -> Network:
        """The network of a backbone; ``seed`` is of untrained weights."""
        return cls(backbone, backbone.load(seed))

    @cached_property
    def weights(self) -> str:
        """Digest of the tensors: half a second of hashing for a large network."""
        return weights_digest(self.model)

    @property
    def parameters(self) -> int:
        """Number of parameters of the whole network, its head included."""
        return sum(p.numel() for p in self.model.parameters())
