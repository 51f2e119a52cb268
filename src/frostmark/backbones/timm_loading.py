"""Weights into a network of timm: as they are, or brought into its layout by timm's own code for it.

    model = loaded_network(build, read_checkpoint(path), origin=str(path), survey=survey)

Position embeddings of another size and layouts of the projects that weights come from are converted by timm. What a
conversion leaves without a value is refused: nothing is ever filled up at random.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator, Set
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Protocol

import torch
from torch import nn
from torch.nn.modules.module import _IncompatibleKeys, register_module_module_registration_hook
from torch.utils.hooks import RemovableHandle

from frostmark.backbones.checkpoint import Checkpoint, State, Suited
from frostmark.backbones.loading import HEADS, WeightsRead, body_tensors, load_weights, misfits, noted
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
        converted, told = _converted(build, suited.state)
        if converted is not None and not told.missing and told.of_heads:
            return noted(converted, WeightsRead(origin, suited.words))
        if survey is None:
            raise
        return _without_head(build, suited, origin, survey, misfit)


def _without_head(
    build: Build, suited: Suited, origin: str, survey: Callable[[], Survey], misfit: DataError
) -> nn.Module:
    model = build()
    body = cache(lambda: body_tensors(survey(), model))
    try:
        load_weights(model, suited, origin, body)
        return model
    except DataError:
        state = _in_its_layout(build, suited.state, body)
    if state is None:  # in another layout, with a head that the network does not have
        headless, told = _converted(build, suited.state, num_classes=0)
        if headless is None or told.missing or not told.of_heads:
            raise misfit from None
        state = headless.state_dict()
    whole = build()
    load_weights(whole, Suited(state, suited.words), origin, body)
    return whole


def _in_its_layout(build: Build, state: State, body: Callable[[], Set[str]]) -> State | None:
    """The tensors of a file in layout and size of the network: as they are where timm does not know how to bring them.

    What is missing in the file is missing here, and what has another shape than the network's has it here, too; None
    if timm cannot convert the others.
    """
    expected = build().state_dict()
    strange = {name for name in misfits(state, expected) if name not in body()}
    while True:
        converted, told = _converted(build, {name: of for name, of in state.items() if name not in strange})
        if converted is not None:
            given = {name: of for name, of in converted.state_dict().items() if name not in told.missing}
            beside = {*told.unexpected, *strange}
            if given.keys() <= state.keys():  # nothing was renamed: what is in neither was dropped
                beside |= {name for name in state.keys() - expected.keys() if name.partition(".")[0] in HEADS}
            ordered = [*(name for name in state if name in beside), *(beside - state.keys())]
            return {**given, **{name: state.get(name, torch.empty(0)) for name in ordered}}
        if not (more := (told.mismatched & state.keys()) - strange):
            return None
        strange |= more


def _converted(build: Build, state: State, **more: object) -> tuple[nn.Module | None, _Told]:
    """The network with weights that timm's own code for it brings into its layout and size; None if it cannot."""
    with _told_keys() as told, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of how timm resamples: nothing that a user could mend
        try:
            model = build(pretrained=True, pretrained_cfg_overlay={"state_dict": dict(state)}, **more)
        except Exception as problem:  # it was written for certain files, and may stumble over others anywhere
            told.mismatched.update(re.findall(r"size mismatch for (\S+):", str(problem)))
            return None, told
    vars(model)["pretrained_cfg"].pop("state_dict", None)  # a copy of all weights
    return model, told


@dataclass
class _Told:
    """Names that did not fit while a network was loaded.

    Attributes:
        missing, unexpected: of the network and of the file, in their order.
        mismatched: of tensors that have another shape than the network's.
    """

    missing: dict[str, None] = field(default_factory=dict)
    unexpected: dict[str, None] = field(default_factory=dict)
    mismatched: set[str] = field(default_factory=set)

    @property
    def of_heads(self) -> bool:
        """Whether all that the file has beside the network belongs to heads."""
        return all(key.partition(".")[0] in HEADS for key in self.unexpected)


@contextmanager
def _told_keys() -> Iterator[_Told]:
    """What a network that is built inside was not given, or not used: told here, and neither raised nor logged."""
    told = _Told()
    handles: list[RemovableHandle] = []

    def note(module: nn.Module, keys: _IncompatibleKeys) -> None:
        told.missing |= dict.fromkeys(keys.missing_keys)
        told.unexpected |= dict.fromkeys(keys.unexpected_keys)
        keys.missing_keys.clear()
        keys.unexpected_keys.clear()

    def listen(parent: nn.Module, name: str, module: nn.Module | None) -> None:
        if module is not None:  # what is missing anywhere in a network is told to all of its modules
            handles.append(module.register_load_state_dict_post_hook(note))  # type: ignore[no-untyped-call]

    handles.append(register_module_module_registration_hook(listen))
    try:
        yield told
    finally:
        for handle in handles:
            handle.remove()
