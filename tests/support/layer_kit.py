"""The kit that checks what the word of a layer means: a tap of some network, with a pool that fits it.

assert problems(Layer(tap="last_conv", pool="max")) == []
"""

from __future__ import annotations

from functools import cache

from frostmark.backbones.load import TorchvisionBackbone
from frostmark.backbones.taps import Survey
from frostmark.config.schema import Layer
from frostmark.errors import FrostmarkError

NETWORKS = ("resnet18", "vit_b_16")
"""A network with stages, and one with blocks."""


@cache
def survey(name: str) -> Survey:
    """The taps of a network without weights."""
    return TorchvisionBackbone(name, "untrained").survey()


def problems(layer: Layer) -> list[str]:
    """Why no network has the layer; empty if one has."""
    told = []
    for name in NETWORKS:
        try:
            survey(name).tap(layer.word, layer.pool, layer.norm)
        except FrostmarkError as problem:
            told.append(f"{name}: {problem.problem}")
        else:
            return []
    return told
