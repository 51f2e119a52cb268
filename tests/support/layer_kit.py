"""The kit that checks what the word of a layer means: a tap of some network, with a pool that fits it.

assert problems(Layer(tap="last_conv", pool="max")) == []
"""

from __future__ import annotations

import importlib.util
from functools import cache

from frostmark.backbones.clip_models import OpenClipBackbone
from frostmark.backbones.load import TorchvisionBackbone
from frostmark.backbones.taps import Survey
from frostmark.config.schema import Layer
from frostmark.errors import FrostmarkError

NETWORKS = ("resnet18", "vit_b_16", "clip")
"""A network with stages, one with blocks, and one with a projection, where open_clip is installed."""


@cache
def survey(name: str) -> Survey:
    """The taps of a network without weights."""
    if name == "clip":
        return OpenClipBackbone("ViT-S-32-alt", weights="untrained").survey()
    return TorchvisionBackbone(name, "untrained").survey()


def problems(layer: Layer) -> list[str]:
    """Why no network has the layer; empty if one has."""
    told = []
    installed = importlib.util.find_spec("open_clip") is not None
    if layer.tap == "projection" and not installed:
        return []
    for name in NETWORKS if installed else NETWORKS[:-1]:
        try:
            survey(name).tap(layer.word, layer.pool, layer.norm)
        except FrostmarkError as problem:
            told.append(f"{name}: {problem.problem}")
        else:
            return []
    return told
