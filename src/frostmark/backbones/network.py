"""A backbone with its weights.

network = Network.loaded(TorchvisionBackbone("resnet18", "untrained"), seed=0)
network.model, network.weights
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from torch import nn

from frostmark.backbones.backbone import Backbone
from frostmark.backbones.extractor import Tap, tensors_used
from frostmark.backbones.loading import WeightsRead, reading_of
from frostmark.backbones.taps import Survey
from frostmark.backbones.weights import weights_digest
from frostmark.errors import DataError


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
    def reading(self) -> WeightsRead:
        """What became of the user's weights file on its way into the network."""
        return reading_of(self.model)

    def gives(self, tap: Tap) -> bool:
        """Whether every tensor that a layer needs has values."""
        lacking = self.reading.lacking
        return not lacking or lacking.keys().isdisjoint(tensors_used(self.model, [tap]))

    def require(self, tap: Tap, survey: Survey, word: str) -> None:
        """Refuse a layer that needs what the weights file does not have.

        Args:
            word: the layer as it was asked for.

        Raises:
            DataError: naming the tensor, and the last layer that can be read.
        """
        if self.gives(tap):
            return
        lacking = self.reading.lacking
        name = next(name for name in lacking if name in tensors_used(self.model, [tap]))
        raise DataError(
            f"layer={word} needs {name}, and {self.reading.origin} does not have it: it {lacking[name]}",
            fix=f"{self._nearest(survey, word)}, or a file with the whole network",
        )

    def _nearest(self, survey: Survey, word: str) -> str:
        """The layer that can be read in the place of another one: the last, or where only the final norm is missing
        the tokens before it."""
        for tap in reversed(survey.taps):
            if self.gives(survey.tap(tap)):
                return f"layer={tap}"
        for tap in (word, survey.last_block):
            if survey.is_of_blocks(tap) and self.gives(survey.tap(tap, norm="none")):
                return f"layer={tap} layer.norm=none"
        return "layer=<a layer before the head>"

    @property
    def parameters(self) -> int:
        """Number of parameters of the whole network, its head included."""
        return sum(p.numel() for p in self.model.parameters())
