"""A backbone of timm by name and weights.

    backbone = TimmBackbone("vit_small_patch14_dinov2.lvd142m", size=224)    # pip install 'frostmark[timm]'
    backbone.survey().taps                   # block1 … block12, penultimate: no weights needed
    backbone.provenance                      # the licence of the weights, and where they are from
    model = backbone.load(seed=0)            # eval mode, float32, on the CPU

Published weights come from the hub that timm names, once, into its cache. They and files of the user's own are read by
the same safe reader as torchvision's; what does not fit as it is (position embeddings of another size, layouts of other
projects) is handed to timm, which knows how to convert it.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn
from torchvision.transforms import InterpolationMode

from frostmark.backbones.backbone import UNTRAINED, WEIGHT_FILES, Preset, weights_file
from frostmark.backbones.checkpoint import read_checkpoint
from frostmark.backbones.hub import FILES, address, cached, fetched
from frostmark.backbones.taps import Survey, survey_at
from frostmark.backbones.timm_loading import loaded_network
from frostmark.backbones.tracing import without_inplace
from frostmark.download import UnreachableError
from frostmark.errors import ConfigError, DataError, nearest

if TYPE_CHECKING:
    from timm.models import PretrainedCfg

PUBLISHED = "DEFAULT"
"""The word for the weights that timm publishes under the tag of the name, or under the network's first tag."""

_HUB_FILES = ("model.safetensors", "pytorch_model.bin")
"""What timm calls its files on the hub, the first there is being the one to read."""


@dataclass(frozen=True)
class TimmBackbone:
    """A network of timm, the PyTorch Image Models of Ross Wightman and many others.

    Args:
        name: its name in timm, with or without the tag that names its weights: ``resnet50``, ``resnet50.a1_in1k``.
        weights: ``DEFAULT`` (published under the tag), ``untrained`` (seeded initialisation: the control), or a file
            of the user's (:data:`WEIGHT_FILES`).
        size: edge in pixels of the images; networks of a fixed size are built for it. None for the weights' own.

    Raises:
        ConfigError: if timm is not installed, or has no such network or weights.
    """

    name: str
    weights: str = PUBLISHED
    size: int | None = None

    def __post_init__(self) -> None:
        if importlib.util.find_spec("timm") is None:
            raise ConfigError("backbone=timm needs the package timm", fix="pip install 'frostmark[timm]'")
        _refuse_unknown(self.name)
        self._check_weights()

    def _check_weights(self) -> None:
        if self.weights == PUBLISHED and not self._cfg.has_weights:
            raise ConfigError(
                f"timm knows {self.name} but publishes no weights of it",
                fix=f"backbone.weights={UNTRAINED}, backbone.weights=<file>, or another backbone.name",
            )
        if self.weights not in (PUBLISHED, UNTRAINED) and self.file is None:
            raise ConfigError(
                f"backbone.weights={self.weights} is none of {PUBLISHED}, {UNTRAINED}, a file ending in "
                f"{', '.join(WEIGHT_FILES)}; timm's published weights are chosen by the tag of the name",
                fix=f"backbone.weights={PUBLISHED} backbone.name={self._architecture}.<tag>",
            )

    @property
    def _architecture(self) -> str:
        return self.name.partition(".")[0]

    @cached_property
    def _cfg(self) -> PretrainedCfg:
        """What timm knows of the weights: where they are, and what images they were made for."""
        from timm.models import PretrainedCfg, get_pretrained_cfg

        # A network of which no weights were ever published has none.
        return get_pretrained_cfg(self.name) or PretrainedCfg()

    @property
    def file(self) -> Path | None:
        """The user's own weights file, if that is what ``weights`` names."""
        return weights_file(self.weights)

    @property
    def weights_name(self) -> str:
        """What runs are labelled with: the tag of published weights, ``untrained``, or the file's name."""
        if self.weights == PUBLISHED:
            return self._cfg.tag or PUBLISHED
        return self.weights if self.file is None else self.file.name

    @property
    def architecture_name(self) -> str:
        """Library and name of the network, without the tag of its weights."""
        return f"timm/{self._architecture}"

    @property
    def library(self) -> str:
        """The library that the network comes from, with its version."""
        import timm

        return f"timm {timm.__version__}"

    @property
    def family(self) -> str:
        """The module of timm that the network stands in: ``resnet``, ``vision_transformer`` …"""
        from timm.models import model_entrypoint

        return str(model_entrypoint(self._architecture).__module__).rpartition(".")[2]

    @property
    def provenance(self) -> Mapping[str, str]:
        """Source and licence of published weights, as timm states them; it ships no accuracies."""
        if self.weights != PUBLISHED:
            return {}
        origin = f" ({self._cfg.origin_url})" if self._cfg.origin_url else ""
        tags = {"weights_source": f"{self._published}{origin}", "weights_license": self._cfg.license or ""}
        return {key: value for key, value in tags.items() if value}

    @property
    def _published(self) -> str:
        return f"hf-hub:{self._cfg.hf_hub_id}" if self._cfg.hf_hub_id else str(self._cfg.url)

    @cached_property
    def preset(self) -> Preset:
        """The transforms that timm evaluates the weights with (``resolve_model_data_config``)."""
        from timm.data import resolve_data_config

        config = resolve_data_config({}, pretrained_cfg=self._cfg.to_dict())
        size = int(config["input_size"][-1])
        resized = math.floor(size / config["crop_pct"])
        edges = 2 if config["crop_mode"] == "squash" else 1
        how = InterpolationMode(config["interpolation"])
        return Preset([size], [resized] * edges, list(config["mean"]), list(config["std"]), how)

    @property
    def native_size(self) -> int:
        """Edge in pixels of the images that the weights were evaluated with."""
        return self.preset.crop_size[0]

    def survey(self, size: int | None = None) -> Survey:
        """Nodes and taps, without weights; ``size`` gives shapes and costs at another size than ``self.size``.

        Raises:
            ConfigError: if the network cannot be traced, or cannot take images of that size.
        """
        native = replace(self, size=None).architecture()
        network = self.architecture() if self._img_size else native
        return survey_at(native, self.native_size, network, size or self.size or self.native_size)

    def architecture(self) -> nn.Module:
        """The network on the meta device: shapes without memory."""
        try:
            with torch.device("meta"):
                return self._build()
        except (NotImplementedError, RuntimeError):  # some compute with tensors while they are built
            with torch.random.fork_rng(devices=[]):
                return self._build().to("meta")

    @property
    def _img_size(self) -> dict[str, int]:
        """What timm must be told to build a network of a fixed size for another one."""
        elsewhere = self._cfg.fixed_input_size and self.size not in (None, self.native_size)
        return {"img_size": self.size} if elsewhere and self.size else {}

    def _build(self, **more: object) -> nn.Module:
        """The network as timm makes it, for images of ``self.size`` where that must be decided."""
        import timm

        try:
            model = timm.create_model(self.name, **self._img_size, **more)
        except (AssertionError, ValueError, ZeroDivisionError) as problem:
            if not self._img_size:
                raise
            raise ConfigError(
                f"timm cannot build {self.name} for images of {self.size} pixels: {problem}",
                fix=f"preprocess.size={self.native_size}, the size that its weights were made for",
            ) from problem
        return without_inplace(model).eval()

    def check_layer(self, tap: str) -> None:
        """Every tap that the network has means something: where there is no classifier, there is no ``logits``."""

    def load(self, seed: int) -> nn.Module:
        """The network with its weights, in eval mode, float32, on the CPU.

        Args:
            seed: of the initialisation, for ``untrained``; the global generator is left as it was.

        Raises:
            DataError: if the weights are missing, damaged, or of another architecture.
        """
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            # Not on the meta device: tables that no weights file holds are computed while the network is built.
            if self.weights == UNTRAINED:
                return self._build().float()
            if self.file is not None:
                model = loaded_network(self._build, read_checkpoint(self.file), str(self.file), self.survey)
            else:
                file = _fetched(self.name, self._cfg, self._described())
                model = loaded_network(self._build, read_checkpoint(file), self._published)
        return model.float()

    def untrained(self) -> TimmBackbone:
        """The same network with seeded initial weights: the control."""
        return replace(self, weights=UNTRAINED)

    def missing_weights(self) -> str | None:
        """Name and size of published weights that would have to be downloaded; None if none are."""
        hub_id = self._cfg.hf_hub_id
        there = self.weights != PUBLISHED or (hub_id is not None and cached(hub_id) is not None)
        return None if there else self._described()

    def _described(self) -> str:
        megabytes = sum(p.numel() for p in self.architecture().parameters()) * 4e-6
        return f"{self._published}, about {megabytes:,.0f} MB"


def _refuse_unknown(name: str) -> None:
    """Raise ConfigError where timm has no such network, or no such weights of it."""
    import timm

    architecture, _, tag = name.partition(".")
    known = timm.list_models()
    if architecture not in known:
        close = nearest(architecture, known)
        raise ConfigError(f"timm has no network '{name}'. Nearest: {close}", fix=f"backbone.name={_first(close)}")
    tagged = timm.list_models(architecture, include_tags=True)
    if tag and name not in tagged:
        raise ConfigError(
            f"timm has no weights '{tag}' of {architecture}. Published: {', '.join(tagged)}",
            fix=f"backbone.name={_first(nearest(name, tagged))}",
        )


def _fetched(name: str, cfg: PretrainedCfg, described: str) -> Path:
    """The file of the published weights, from the hub or its cache.

    Args:
        described: the weights' address and size, for the error.

    Raises:
        DataError: if they are not on this machine and cannot be downloaded.
    """
    hub_id = cfg.hf_hub_id
    try:
        if hub_id is None:
            raise UnreachableError("timm has them at an address of their own, not on the hub")
        return fetched(hub_id)
    except UnreachableError as problem:
        where = f"{FILES[0]} elsewhere from {address(hub_id)}" if hub_id else f"{cfg.url} elsewhere"
        raise DataError(
            f"the weights of {name} are not on this machine and cannot be downloaded ({problem}). Missing: {described}",
            fix=f"download {where} and name the file: backbone.weights=<file>; or backbone.weights={UNTRAINED}; "
            "`python run.py experiment=quickstart` needs no download",
        ) from problem


def _first(words: str) -> str:
    return words.split(",")[0].split(" ")[0]
