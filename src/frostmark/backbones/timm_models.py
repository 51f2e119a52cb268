"""A backbone of timm by name and weights.

    backbone = TimmBackbone("vit_small_patch14_dinov2.lvd142m", size=224)    # pip install 'frostmark[timm]'
    backbone.survey().taps                   # block1 … block12, penultimate: no weights needed
    backbone.provenance                      # the licence of the weights, and where they are from
    model = backbone.load(seed=0)            # eval mode, float32, on the CPU
    TimmBackbone("hf-hub:org/model@v2")      # a repository of anybody's, in the layout of timm

Published weights come from the hub that timm names, once, into its cache. They and files of the user's own are read by
the same safe reader as torchvision's; what does not fit as it is (position embeddings of another size, layouts of other
projects) is handed to timm, which knows how to convert it.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import torch
from torch import nn

from frostmark.backbones.backbone import UNTRAINED, Preset, weights_file
from frostmark.backbones.checkpoint import read_checkpoint
from frostmark.backbones.drawing import on_meta
from frostmark.backbones.hub import FILES, address
from frostmark.backbones.overwriting import without_inplace
from frostmark.backbones.taps import Survey, survey_at
from frostmark.backbones.timm_described import IN_FOLDER, ON_HUB, Described, check_name, described
from frostmark.backbones.timm_loading import loaded_network
from frostmark.download import UnreachableError
from frostmark.errors import ConfigError, DataError, MissingExtraError
from frostmark.names import WEIGHT_FILES

PUBLISHED = "DEFAULT"
"""The word for the weights that timm publishes under the tag of the name, or under the network's first tag."""


@dataclass(frozen=True)
class TimmBackbone:
    """A network of timm, the PyTorch Image Models of Ross Wightman and many others.

    Args:
        name: its name in timm, with or without the tag that names its weights: ``resnet50``, ``resnet50.a1_in1k``; or
            ``hf-hub:owner/model[@revision]``, or ``local-dir:folder``: anybody's, if its config.json is one of timm's.
        weights: ``DEFAULT`` (published under the tag, or beside the config.json), ``untrained`` (seeded initialisation:
            the control), or a file of the user's (:data:`WEIGHT_FILES`).
        size: edge in pixels of the images; networks of a fixed size are built for it. None for the weights' own.

    Raises:
        ConfigError: if timm is not installed, or has no such network or weights.
    """

    name: str
    weights: str = PUBLISHED
    size: int | None = None

    def __post_init__(self) -> None:
        if importlib.util.find_spec("timm") is None:
            raise MissingExtraError("backbone=timm", "the package timm", "timm")
        check_name(self.name)
        self._check_weights()

    def _check_weights(self) -> None:
        registered = not self.name.startswith((ON_HUB, IN_FOLDER))
        if registered and self.weights == PUBLISHED and not self._described.cfg.has_weights:
            raise ConfigError(
                f"timm knows {self.name} but publishes no weights of it",
                fix=f"backbone.weights={UNTRAINED}, backbone.weights=<file>, or another backbone.name",
            )
        if self.weights not in (PUBLISHED, UNTRAINED) and self.file is None:
            tagged = f"{self.name.partition('.')[0]}.<tag>" if registered else self.name
            raise ConfigError(
                f"backbone.weights={self.weights} is not one of {PUBLISHED}, {UNTRAINED}, a file ending in "
                f"{', '.join(WEIGHT_FILES)}; timm's published weights are chosen by the tag of the name",
                fix=f"backbone.weights={PUBLISHED} backbone.name={tagged}",
            )

    @cached_property
    def _described(self) -> Described:
        """The network as timm builds it; of a repository its configuration is downloaded when it is first asked for."""
        return described(self.name)

    @property
    def file(self) -> Path | None:
        """The user's own weights file, if that is what ``weights`` names."""
        return weights_file(self.weights)

    @property
    def weights_name(self) -> str:
        """What runs are labelled with: tag or commit of published weights, ``untrained``, or the file's name."""
        if self.weights == PUBLISHED:
            return self._described.label
        return self.weights if self.file is None else self.file.name

    @property
    def architecture_name(self) -> str:
        """Library and name of the network, without the tag of its weights; of a repository with its commit."""
        return self._described.key

    @property
    def library(self) -> str:
        """The library that the network comes from, with its version."""
        import timm

        return f"timm {timm.__version__}"

    @property
    def family(self) -> str:
        """The module of timm that the network stands in: ``resnet``, ``vision_transformer`` …"""
        from timm.models import model_entrypoint

        return str(model_entrypoint(self._described.architecture).__module__).rpartition(".")[2]

    @property
    def provenance(self) -> Mapping[str, str]:
        """Source and licence of published weights, as timm or their repository states them; no accuracy is known."""
        return self._described.provenance if self.weights == PUBLISHED else {}

    @cached_property
    def preset(self) -> Preset:
        """The transforms that timm evaluates the weights with."""
        return self._described.preset

    @property
    def native_size(self) -> int:
        """Edge in pixels of the images that the weights were evaluated with."""
        return self.preset.crop_size[0]

    def survey(self, size: int | None = None) -> Survey:
        """Nodes and taps, without weights; ``size`` gives shapes and costs at another size than ``self.size``.

        Raises:
            ConfigError: if the network cannot be traced, or cannot take images of that size.
        """
        native = self._on_meta({})
        network = self.architecture() if self._img_size else native
        return survey_at(native, self.native_size, network, size or self.size or self.native_size)

    def architecture(self) -> nn.Module:
        """The network on the meta device: shapes without memory."""
        return self._on_meta(self._img_size)

    def _on_meta(self, img_size: Mapping[str, int]) -> nn.Module:
        return on_meta(lambda: self._made(img_size))

    @property
    def _img_size(self) -> dict[str, int]:
        """What timm must be told to build a network of a fixed size for another one."""
        elsewhere = self._described.cfg.fixed_input_size and self.size not in (None, self.native_size)
        return {"img_size": self.size} if elsewhere and self.size else {}

    def _build(self, **more: object) -> nn.Module:
        """The network as timm makes it, for images of ``self.size`` where that must be decided."""
        return self._made(self._img_size, **more)

    def _made(self, img_size: Mapping[str, int], **more: object) -> nn.Module:
        import timm

        network = self._described
        try:
            arguments = {**network.arguments, **img_size, **more}
            model = timm.create_model(network.architecture, pretrained_cfg=network.cfg, **arguments)
        except (ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError) as problem:
            if img_size:
                raise ConfigError(
                    f"timm cannot build {self.name} for images of {self.size} pixels: {problem}",
                    fix=f"preprocess.size={self.native_size}, the size that its weights were made for",
                ) from problem
            if network.arguments:
                raise DataError(
                    f"timm {timm.__version__} cannot build {self.name} as its config.json asks: {problem}",
                    fix="pip install -U timm, or another backbone.name",
                ) from problem
            raise
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
                file = _fetched(self.name, self._described, self._missing)
                model = loaded_network(self._build, read_checkpoint(file), self._described.origin)
        return model.float()

    def untrained(self) -> TimmBackbone:
        """The same network with seeded initial weights: the control."""
        return replace(self, weights=UNTRAINED)

    def missing_weights(self) -> str | None:
        """Name and size of published weights that would have to be downloaded; None if none are."""
        return None if self.here else self._missing

    @property
    def here(self) -> bool:
        """Whether nothing would have to be downloaded."""
        return self.weights != PUBLISHED or self._described.there()

    @property
    def _missing(self) -> str:
        megabytes = sum(p.numel() for p in self.architecture().parameters()) * 4e-6
        return f"{self._described.origin}, about {megabytes:,.0f} MB"


def _fetched(name: str, network: Described, missing: str) -> Path:
    """The file of the published weights, from the hub or its cache.

    Args:
        missing: the weights' address and size, for the error.

    Raises:
        DataError: if they are not on this machine and cannot be downloaded.
    """
    try:
        return network.fetch()
    except UnreachableError as problem:
        hub_id = network.origin.removeprefix(ON_HUB)
        where = f"{FILES[0]} elsewhere from {address(hub_id)}" if hub_id != network.origin else f"{hub_id} elsewhere"
        raise DataError(
            f"the weights of {name} are not on this machine and cannot be downloaded ({problem}). Missing: {missing}",
            fix=f"download {where} and name the file: backbone.weights=<file>; or backbone.weights={UNTRAINED}; "
            "`python run.py experiment=quickstart` needs no download",
        ) from problem
