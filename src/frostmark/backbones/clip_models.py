"""The image tower of a CLIP model of open_clip, by name and tag.

    backbone = OpenClipBackbone("ViT-B-32", tag="laion2b_s34b_b79k")     # pip install 'frostmark[clip]'
    backbone.survey().taps                   # block1 … block12, embedding, projection
    model = backbone.load(seed=0)            # eval mode, float32, on the CPU

``projection`` is what ``encode_image`` gives, ``embedding`` what it projects. The weights come from the hub that
open_clip names, once, and are read by the same safe reader as any others.
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
from frostmark.backbones.checkpoint import Suited, read_checkpoint
from frostmark.backbones.clip_described import ClipModel, tags_of
from frostmark.backbones.clip_towers import build_tower, projection_of, resize_tower, resized_positions
from frostmark.backbones.drawing import on_meta
from frostmark.backbones.embedding import EMBEDDING, PENULTIMATE
from frostmark.backbones.loading import body_tensors, load_weights
from frostmark.backbones.taps import LOGITS, PROJECTION, Survey, survey_at
from frostmark.backbones.unknown import unknown_name
from frostmark.download import UnreachableError
from frostmark.errors import ConfigError, DataError, MissingExtraError
from frostmark.names import WEIGHT_FILES

PUBLISHED = "DEFAULT"
"""The word for the weights of the tag."""

_ENDS = (EMBEDDING, PENULTIMATE, LOGITS, PROJECTION)


@dataclass(frozen=True)
class OpenClipBackbone:
    """The image tower of a model of open_clip.

    Args:
        name: its name in open_clip: ``ViT-B-32``, ``ViT-B-16-SigLIP``.
        tag: of its published weights: ``laion2b_s34b_b79k``; None for the first that open_clip lists.
        weights: ``DEFAULT`` (those of the tag), ``untrained`` (seeded initialisation: the control), or a file of the
            user's (:data:`WEIGHT_FILES`), with or without the text tower.
        size: edge in pixels of the images; the tower is built for it. None for its own.

    Raises:
        ConfigError: if open_clip is not installed, or has no such model or tag.
    """

    name: str
    tag: str | None = None
    weights: str = PUBLISHED
    size: int | None = None

    def __post_init__(self) -> None:
        if importlib.util.find_spec("open_clip") is None:
            raise MissingExtraError("backbone=open_clip", "the package open_clip", "clip")
        import open_clip

        if self.name not in (known := open_clip.list_models()):
            raise unknown_name(f"open_clip has no model '{self.name}'", self.name, known)
        tags = tags_of(self.name)
        asked = self.tag or (PUBLISHED if self.weights == PUBLISHED and not tags else "")
        if asked and asked not in tags:
            raise ConfigError(
                f"open_clip has no weights '{asked}' of {self.name}. Published: {', '.join(tags) or 'none'}",
                fix=f"backbone.tag={tags[0]}" if tags else f"backbone.weights={UNTRAINED}, or backbone.weights=<file>",
            )
        if self.weights not in (PUBLISHED, UNTRAINED) and self.file is None:
            raise ConfigError(
                f"backbone.weights={self.weights} is not one of {PUBLISHED}, {UNTRAINED}, a file ending in "
                f"{', '.join(WEIGHT_FILES)}",
                fix=f"backbone.weights={PUBLISHED}; published weights are chosen by backbone.tag",
            )

    @cached_property
    def _model(self) -> ClipModel:
        """The model, and the tag that decides its activation and its images, of an untrained one too."""
        return ClipModel(self.name, self.tag or next(iter(tags_of(self.name)), None))

    @property
    def file(self) -> Path | None:
        """The user's own weights file, if that is what ``weights`` names."""
        return weights_file(self.weights)

    @property
    def weights_name(self) -> str:
        """What runs are labelled with: the tag, ``untrained``, or the file's name."""
        if self.weights == PUBLISHED:
            return str(self._model.tag)
        return self.weights if self.file is None else self.file.name

    @property
    def architecture_name(self) -> str:
        """Library and name of the tower, and the activation that its weights were trained with."""
        return f"open_clip/{self.name}" + (" quick_gelu" if self._model.quick_gelu else "")

    @property
    def library(self) -> str:
        """The library that the network comes from, with its version."""
        import open_clip

        return f"open_clip {open_clip.__version__}"

    @property
    def family(self) -> str:
        """All of them are CLIP's."""
        return "clip"

    @property
    def provenance(self) -> Mapping[str, str]:
        """Repository, commit and licence of published weights."""
        return self._model.provenance if self.weights == PUBLISHED else {}

    @property
    def preset(self) -> Preset:
        """The transforms that open_clip evaluates the weights with."""
        return self._model.preset

    def survey(self, size: int | None = None) -> Survey:
        """Nodes and taps, without weights; ``size`` gives shapes and costs at another size than ``self.size``.

        Raises:
            ConfigError: if the tower cannot be traced, or cannot take images of that size.
        """
        native, native_size = replace(self, size=None).architecture(), self._model.native_size
        before, after = projection_of(native)
        vectors = {EMBEDDING: before, PROJECTION: after}
        survey = survey_at(native, native_size, self.architecture(), size or self.size or native_size, vectors)
        ends = {word: survey.taps[word] for word in vectors}
        taps = {tap: node for tap, node in self._taps(native, survey).items() if tap not in _ENDS}
        return replace(survey, taps={**taps, **ends})

    def _taps(self, native: nn.Module, survey: Survey) -> Mapping[str, str]:
        """Those of the tower; one of timm's is a module inside it, with taps of its own."""
        if "trunk" not in dict(native.named_children()):
            return survey.taps
        trunk, size = native.get_submodule("trunk"), self._model.native_size
        return {tap: f"trunk.{node}" for tap, node in survey_at(trunk, size, trunk, size).taps.items()}

    def architecture(self) -> nn.Module:
        """The tower on the meta device: shapes without memory."""
        return on_meta(lambda: self._sized(self._build()))

    def _build(self) -> nn.Module:
        return build_tower(self.name, self._model.quick_gelu, self._other_size)

    @property
    def _other_size(self) -> int | None:
        return self.size if self.size != self._model.native_size else None

    def _sized(self, tower: nn.Module) -> nn.Module:
        return tower if self._other_size is None else resize_tower(tower, self._other_size)

    def check_layer(self, tap: str) -> None:
        """Every tap that the tower has means something; it has no classifier."""

    def load(self, seed: int) -> nn.Module:
        """The tower with its weights, in eval mode, float32, on the CPU.

        Args:
            seed: of the initialisation, for ``untrained``; the global generator is left as it was.

        Raises:
            DataError: if the weights are missing, damaged, or of another model.
        """
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            tower = self._build()
        if self.weights != UNTRAINED:
            path = self.file or self._fetched()
            suited = read_checkpoint(path).suited(tower.state_dict())
            words = suited.words if self.file else ()  # published ones have a text tower and a prefix, all of them
            suited = Suited(resized_positions(suited.state, tower), words)
            load_weights(tower, suited, str(path), (lambda: body_tensors(self.survey(), tower)) if self.file else None)
        return self._sized(tower).float()

    def untrained(self) -> OpenClipBackbone:
        """The same tower with seeded initial weights: the control."""
        return replace(self, weights=UNTRAINED)

    @property
    def here(self) -> bool:
        """Whether nothing would have to be downloaded."""
        return self.weights != PUBLISHED or self._model.here is not None

    def missing_weights(self) -> str | None:
        """Name and size of published weights that would have to be downloaded; None if none are."""
        return None if self.here else self._missing

    @property
    def _missing(self) -> str:
        megabytes = sum(p.numel() for p in self.architecture().parameters()) * 4e-6
        return f"{self.provenance['weights_source']}, over {megabytes:,.0f} MB"  # with the text tower

    def _fetched(self) -> Path:
        try:
            return self._model.fetch()
        except UnreachableError as problem:
            raise DataError(
                f"the weights of {self.name} are not on this machine and cannot be downloaded ({problem}). "
                f"Missing: {self._missing}",
                fix=f"download {self._model.page} and name the file: backbone.weights=<file>; or "
                f"backbone.weights={UNTRAINED}",
            ) from problem
