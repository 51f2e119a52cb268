"""Backbones that can be named, and what is known of each before anything is downloaded.

offers = [*torchvision_offers("*resnet*"), *timm_offers("*dinov2*")]     # names alone: no network is built
facts = facts_of(offers[0].backbone())                                  # one network, on the meta device
facts.gmacs, facts.width, facts.licence
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

import torchvision
from torchvision.models import get_model_weights, list_models

from frostmark.backbones.backbone import UNTRAINED, Backbone
from frostmark.backbones.clip_models import OpenClipBackbone
from frostmark.backbones.load import TorchvisionBackbone
from frostmark.backbones.timm_models import TimmBackbone
from frostmark.errors import ConfigError


@dataclass(frozen=True)
class Offer:
    """A backbone that can be named.

    Attributes:
        name, weights: as they are typed; no weights where the name tells them.
        backbone: makes it.
    """

    name: str
    weights: str
    backbone: Callable[[], Backbone]


@dataclass(frozen=True)
class Facts:
    """What is known of a backbone; None where it is not known, or there is none.

    Attributes:
        here: whether its weights are on this machine.
        licence: of the weights.
        top1: accuracy on ImageNet-1k in percent, as published.
        megabytes: of the download, about.
        parameters, gmacs: of the whole network, for one image of its own size.
        width: features of the last layer before its classifier.
    """

    here: bool | None
    licence: str | None
    top1: float | None
    megabytes: float | None = None
    parameters: int | None = None
    gmacs: float | None = None
    width: int | None = None


def matching(pattern: str, name: str) -> bool:
    """Whether a name has the pattern (``*resnet*``, or any part of a name) in it, in small or capital letters."""
    asked = pattern.lower() if set(pattern) & set("*?[") else f"*{pattern.lower()}*"
    return fnmatchcase(name.lower(), asked)


def torchvision_offers(pattern: str) -> list[Offer]:
    """torchvision's classification networks with each of their weights."""
    names = [name for name in list_models(module=torchvision.models) if not name.startswith("quantized_")]
    return [
        Offer(name, weights.name, lambda name=name, weights=weights: TorchvisionBackbone(name, weights.name))  # type: ignore[misc]
        for name in names
        if matching(pattern, name)
        for weights in get_model_weights(name)
    ]


def timm_offers(pattern: str) -> list[Offer]:
    """timm's published weights; nothing where timm is not installed."""
    if importlib.util.find_spec("timm") is None:
        return []
    import timm

    names = [name for name in timm.list_models(pretrained=True) if matching(pattern, name)]
    return [Offer(name, "", lambda name=name: TimmBackbone(name)) for name in names]  # type: ignore[misc]


def open_clip_offers(pattern: str) -> list[Offer]:
    """open_clip's image towers with each of their tags; nothing where it is not installed."""
    if importlib.util.find_spec("open_clip") is None:
        return []
    import open_clip

    pairs = [(name, tag) for name, tag in open_clip.list_pretrained() if matching(pattern, f"{name} {tag}")]
    return [Offer(name, tag, lambda name=name, tag=tag: OpenClipBackbone(name, tag)) for name, tag in pairs]  # type: ignore[misc]


def facts_of(backbone: Backbone, like: Facts | None = None, built: bool = True) -> Facts:
    """What is known of a backbone.

    Args:
        like: of the same network with other weights: it is not built again.
        built: build it on the meta device, which takes up to some seconds; otherwise its metadata alone.
    """
    provenance = backbone.provenance
    top1 = provenance.get("imagenet_top1")
    known = Facts(
        here=None if backbone.weights_name == UNTRAINED else _is_here(backbone),
        licence=provenance.get("weights_license"),
        top1=float(top1) if top1 else None,
    )
    if like is not None:
        known = replace(known, parameters=like.parameters, gmacs=like.gmacs, width=like.width)
    elif built:
        known = _measured(backbone, known)
    return replace(known, megabytes=_megabytes(backbone, known.parameters))


def network_of(backbone: Backbone) -> tuple[object, ...]:
    """What two backbones have in common whose networks cost the same."""
    return backbone.architecture_name, *backbone.preset.crop_size


def _is_here(backbone: Backbone) -> bool:
    return (
        backbone.here if isinstance(backbone, TimmBackbone | OpenClipBackbone) else backbone.missing_weights() is None
    )


def _measured(backbone: Backbone, known: Facts) -> Facts:
    parameters = sum(p.numel() for p in backbone.architecture().parameters())
    try:
        survey = backbone.survey()
    except ConfigError:  # its forward pass cannot be traced
        return replace(known, parameters=parameters)
    layer = next((tap for tap in ("embedding", "penultimate", *reversed(survey.taps)) if tap in survey.taps), None)
    width = survey.resolve(layer).channels if layer else None
    return replace(known, parameters=parameters, gmacs=survey.flops / 2e9, width=width)


def _megabytes(backbone: Backbone, parameters: int | None) -> float | None:
    """Of published weights: as torchvision says, else four bytes a parameter."""
    if "weights_source" not in backbone.provenance:
        return None
    if isinstance(backbone, TorchvisionBackbone) and (size := backbone.enum.meta.get("_file_size")):
        return float(size)
    return None if parameters is None else 4e-6 * parameters
