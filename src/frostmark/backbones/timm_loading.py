"""Weights into a network of timm: as they are, or brought into its layout by timm's own code for it.

    model = loaded_network(build, read_checkpoint(path), origin=str(path), survey=survey)

Position embeddings of another size and layouts of the projects that weights come from are converted by timm. What a
conversion leaves without a value is refused: nothing is ever filled up at random.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from torch import nn
from torch.nn.modules.module import _IncompatibleKeys, register_module_module_registration_hook
from torch.utils.hooks import RemovableHandle

from frostmark.backbones.checkpoint import Checkpoint, Suited
from frostmark.backbones.loading import HEADS, WeightsRead, body_tensors, load_weights, noted
from frostmark.backbones.taps import Survey
from frostmark.errors import DataError


class Build(Protocol):
    """Makes the network; what is more goes to ``timm.create_model``."""

    def __call__(self, **more: object) -> nn.Module: ...


def loaded_network(
    build: Build, checkpoint: Checkpoint, origin: str, survey: Callable[[], Survey] | None = None
) -> nn.Module:
    """The network with the weights of a file.

    Args:
        survey: gives its layers, for a file whose head may be another one, or none; without it every tensor must be
            there.

    Raises:
        DataError: if the weights are of another architecture.
    """
    model = build()
    suited = checkpoint.suited(model.state_dict())
    try:
        load_weights(model, suited, origin)
        return model
    except DataError as misfit:
        converted = _converted(build, suited)
        if converted is not None:
            vars(converted)["pretrained_cfg"].pop("state_dict")  # a copy of all weights
            return noted(converted, WeightsRead(origin, suited.words))
        if survey is None:
            raise
        return _without_head(build, suited, origin, survey, misfit)


def _without_head(
    build: Build, suited: Suited, origin: str, survey: Callable[[], Survey], misfit: DataError
) -> nn.Module:
    model = build()
    try:
        load_weights(model, suited, origin, body=lambda: body_tensors(survey(), model))
        return model
    except DataError:
        headless = _converted(build, suited, num_classes=0)
        if headless is None:
            raise misfit from None
    whole = build()
    state = Suited(headless.state_dict(), suited.words)
    load_weights(whole, state, origin, body=lambda: body_tensors(survey(), whole))
    return whole


def _converted(build: Build, suited: Suited, **more: object) -> nn.Module | None:
    """The network with weights that timm's own code for it brings into its layout and size; None if it cannot."""
    try:
        with _told_keys() as told:
            overlay = {"state_dict": dict(suited.state)}
            model = build(pretrained=True, pretrained_cfg_overlay=overlay, **more)
    except Exception:  # it was written for certain files, and may stumble over others anywhere
        return None
    return None if told.missing or any(key.partition(".")[0] not in HEADS for key in told.unexpected) else model


@dataclass
class _Told:
    """Names that did not fit while a network was loaded."""

    missing: set[str] = field(default_factory=set)
    unexpected: set[str] = field(default_factory=set)


@contextmanager
def _told_keys() -> Iterator[_Told]:
    """Of some networks timm loads what there is and goes on: what a network built inside was not given, or not used."""
    told = _Told()
    handles: list[RemovableHandle] = []

    def note(module: nn.Module, keys: _IncompatibleKeys) -> None:
        told.missing.update(keys.missing_keys)
        told.unexpected.update(keys.unexpected_keys)

    def listen(parent: nn.Module, name: str, module: nn.Module | None) -> None:
        if module is not None:  # what is missing anywhere in a network is told to all of its modules
            handles.append(module.register_load_state_dict_post_hook(note))  # type: ignore[no-untyped-call]

    handles.append(register_module_module_registration_hook(listen))
    try:
        yield told
    finally:
        for handle in handles:
            handle.remove()
