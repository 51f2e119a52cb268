"""A backbone of somebody else's hands over what it promises: everything that it gives is checked when it is asked.

backbone = checked_backbone(made)       # ours as they are; others behind a CheckedBackbone
backbone.load(seed=0)                   # ConfigError that names the class if that is not a network with weights
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Self

import torch
from torch import nn

from frostmark.backbones.backbone import Backbone, Preset
from frostmark.backbones.drawing import drawing
from frostmark.backbones.loading import reading_of
from frostmark.backbones.taps import Survey
from frostmark.errors import FrostmarkError, breach, foreign, is_foreign

GROUP = "backbone"


def checked_backbone(backbone: Backbone) -> Backbone:
    """The same backbone; one whose class is not ours is checked from now on."""
    return CheckedBackbone(backbone) if is_foreign(backbone) else backbone


class CheckedBackbone:
    """A backbone whose class is not ours.

    Raises:
        ConfigError: by every member, if the class raises something or gives what it must not; it names the class.
    """

    def __init__(self, backbone: Backbone) -> None:
        self._backbone = backbone

    @property
    def name(self) -> str:
        return self._text("name")

    @property
    def weights_name(self) -> str:
        return self._text("weights_name")

    @property
    def architecture_name(self) -> str:
        return self._text("architecture_name")

    @property
    def library(self) -> str:
        return self._text("library")

    @property
    def family(self) -> str:
        return self._text("family")

    @property
    def provenance(self) -> Mapping[str, str]:
        with self._calling("provenance"):
            provenance = self._backbone.provenance
        texts = isinstance(provenance, Mapping) and all(
            isinstance(text, str) for item in provenance.items() for text in item
        )
        if not texts:
            raise self._breach(f"gave provenance={provenance!r}", "give a dictionary of texts, {} for nothing")
        return provenance

    @property
    def preset(self) -> Preset:
        with self._calling("preset"):
            preset: Preset = self._backbone.preset
        if problem := preset_problem(preset):
            raise self._breach(f"gave a preset {problem}", "give a frostmark.backbones.backbone.Preset")
        return preset

    def missing_weights(self) -> str | None:
        with self._calling("missing_weights()"):
            missing = self._backbone.missing_weights()
        if missing is not None and not isinstance(missing, str):
            raise self._breach(f"gave missing_weights()={missing!r}", "give a text, or None if nothing is missing")
        return missing

    def survey(self, size: int | None = None) -> Survey:
        with self._calling("survey()"):
            survey = self._backbone.survey(size)
        if not isinstance(survey, Survey):
            raise self._breach(f"gave a {type(survey).__name__} as survey()", "give what survey_at() makes")
        return survey

    def architecture(self) -> nn.Module:
        with self._calling("architecture()"):
            network = self._backbone.architecture()
        if not isinstance(network, nn.Module):
            raise self._breach(f"gave a {type(network).__name__} as architecture()", "give a torch.nn.Module")
        return network

    def check_layer(self, tap: str) -> None:
        with self._calling("check_layer()"):
            self._backbone.check_layer(tap)

    def load(self, seed: int) -> nn.Module:
        with self._calling("load()"), drawing(seed):
            model = self._backbone.load(seed)
        if problem := model_problem(model):
            raise self._breach(f"gave {problem} as load()", "give a torch.nn.Module with float32 weights on the CPU")
        return model

    def untrained(self) -> Self:
        with self._calling("untrained()"):
            return type(self)(self._backbone.untrained())

    def unsteady(self) -> FrostmarkError:
        """What is raised where the class gives other weights the second time."""
        return self._breach(
            "gives other weights each time it is made with one seed",
            "draw them from the global generator of torch, NumPy or Python, which the key `seed` seeds, or from the "
            "argument of load(seed)",
        )

    def _calling(self, call: str) -> AbstractContextManager[None]:
        return foreign(self._backbone, GROUP, call)

    def _breach(self, gave: str, must: str) -> FrostmarkError:
        return breach(self._backbone, GROUP, gave, must)

    def _text(self, member: str) -> str:
        with self._calling(member):
            text = getattr(self._backbone, member)
        if not isinstance(text, str) or not text:
            raise self._breach(f"gave {member}={text!r}", "give a text that is not empty")
        return text


def preset_problem(preset: object) -> str:
    """What is wrong with a preset, as the end of "a preset …"; empty if nothing is."""
    for name, lengths in (("crop_size", (1, 2)), ("resize_size", (1, 2)), ("mean", (3,)), ("std", (3,))):
        numbers = getattr(preset, name, None)
        if not isinstance(numbers, list | tuple) or len(numbers) not in lengths:
            return f"of type {type(preset).__name__} with {name}={numbers!r}"
        if not all(isinstance(number, int | float) for number in numbers):
            return f"with {name}={numbers!r}, which are not numbers"
    if min(preset.std) <= 0 or min(preset.crop_size) < 1 or min(preset.resize_size) < 1:  # type: ignore[attr-defined]
        return "with a std or a size of 0 or less"
    return "" if hasattr(preset, "interpolation") else "without interpolation"


def model_problem(model: object) -> str:
    """What is wrong with a loaded network, as a noun; empty if nothing is."""
    if not isinstance(model, nn.Module):
        return f"a {type(model).__name__}"
    lacking = reading_of(model).lacking  # of a file without the network's head
    for name, tensor in model.state_dict().items():
        if not isinstance(tensor, torch.Tensor) or (tensor.is_meta and name not in lacking):
            return f"a network whose {name} has no values"
        if tensor.device.type not in ("cpu", "meta"):
            return f"a network whose {name} is on {tensor.device}"
        if tensor.is_floating_point() and tensor.dtype != torch.float32:
            return f"a network whose {name} is {tensor.dtype}"
    return ""
