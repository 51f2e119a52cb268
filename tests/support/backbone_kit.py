"""The kit that checks what a backbone hands over; a plugin's own tests may use it.

    assert problems(MyBackbone()) == []

Nothing is downloaded: published weights that are not on this machine are looked at without being loaded.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

import numpy as np
import torch
from torch import nn

from frostmark.backbones.backbone import UNTRAINED, Backbone
from frostmark.backbones.contract import CheckedBackbone, model_problem, preset_problem
from frostmark.backbones.extractor import Extractor
from frostmark.backbones.weights import weights_digest

SEED = 3


def problems(backbone: Backbone, size: int | None = None) -> list[str]:
    """Everything in which a backbone is not what :class:`Backbone` asks for.

    Args:
        size: pixels of the images that it is tried with; None for its own.
    """
    checked = CheckedBackbone(backbone)  # raises what no list could hold: members that lack or raise
    told = [*_texts(checked), *_of_preset(checked)]
    if checked.missing_weights() is None:
        told += _of_weights(checked, size)
    if checked.weights_name != UNTRAINED:
        told += _of_untrained(checked)
    return told


def _texts(backbone: CheckedBackbone) -> Iterator[str]:
    for member in ("name", "weights_name", "architecture_name", "library", "family"):
        if getattr(backbone, member) != getattr(backbone, member):
            yield f"{member} changes from call to call"
    if not isinstance(backbone.provenance, dict):
        yield "provenance is not a dictionary"


def _of_preset(backbone: CheckedBackbone) -> Iterator[str]:
    if problem := preset_problem(backbone.preset):
        yield f"its preset is {problem}"


def _of_weights(backbone: CheckedBackbone, size: int | None) -> Iterator[str]:
    before = _states()
    model, again = backbone.load(SEED), backbone.load(SEED)
    if problem := model_problem(model):
        yield f"load() gives {problem}"
    if weights_digest(model) != weights_digest(again):
        yield "load() gives other weights each time"
    if _states() != before:
        yield "load() changes the state of a global generator"
    if not all(p.is_meta for p in backbone.architecture().parameters()):
        yield "architecture() is not on the meta device"
    yield from _of_taps(backbone, model, size)


def _of_taps(backbone: CheckedBackbone, model: nn.Module, size: int | None) -> Iterator[str]:
    survey = backbone.survey(size)
    if not survey.taps:
        yield "it has no tap"
        return
    taps = [survey.tap(word) for word in survey.taps]
    draw = torch.Generator().manual_seed(0)
    images = torch.randn((2, 3, survey.size, survey.size), generator=draw)
    with torch.inference_mode():
        for tap, rows in zip(taps, Extractor(model, taps)(images), strict=True):
            if tuple(rows.shape) != (2, tap.width) or not bool(rows.isfinite().all()):
                yield f"{tap.node.name} gives rows of shape {tuple(rows.shape)}, not finite (2, {tap.width})"


def _of_untrained(backbone: CheckedBackbone) -> Iterator[str]:
    control = backbone.untrained()
    if control.weights_name != UNTRAINED:
        yield f"untrained() has weights_name={control.weights_name!r}, not {UNTRAINED!r}"
    first, second = (weights_digest(control.load(seed)) for seed in (SEED, SEED + 1))
    if first == second:
        yield "untrained().load() gives the same weights for two seeds"
    if first != weights_digest(control.load(SEED)):
        yield "untrained().load() gives other weights each time"


def _states() -> tuple[object, ...]:
    numpy = np.random.get_state()
    return torch.random.get_rng_state().numpy().tobytes(), random.getstate(), str(numpy[1].tolist()), numpy[2]  # type: ignore[index, union-attr]
