"""``embedding``, ``tokens`` and blocks behind the final norm are what timm hands out."""

from __future__ import annotations

import copy
import functools
import re

import pytest
import torch
from torch import Tensor, nn

timm = pytest.importorskip("timm", reason="pip install 'frostmark[timm]'")

from frostmark.backbones.extractor import Extractor, Tap  # noqa: E402
from frostmark.backbones.module import ModuleBackbone  # noqa: E402
from frostmark.backbones.taps import Survey  # noqa: E402
from frostmark.backbones.timm_models import TimmBackbone  # noqa: E402
from frostmark.config.compose import compose  # noqa: E402
from frostmark.config.words import conf_dir  # noqa: E402
from support.environment import REPOSITORY  # noqa: E402
from support.taps import distance, images, lived_in  # noqa: E402

KINDS = {
    "vit_tiny_patch16_224": 64,
    "deit_tiny_patch16_224": 64,
    "deit_tiny_distilled_patch16_224": 64,
    "deit3_small_patch16_224": 64,
    "beit_base_patch16_224": 64,
    "eva02_tiny_patch14_224": 56,
    "vit_small_patch14_dinov2": 56,
    "vit_small_patch14_reg4_dinov2": 56,
    "vit_base_patch32_clip_224": 64,
    "vit_base_patch32_siglip_256": 64,
    "vit_base_patch32_siglip_gap_256": 64,
    "swin_tiny_patch4_window7_224": 64,
    "convnext_atto": 64,
    "test_maxvit": 64,
    "test_resnet": 64,
    "test_efficientnet": 64,
    "vgg11": 64,
    "mixer_s32_224": 64,
    "cait_xxs24_224": 64,
    "crossvit_tiny_240": 240,
    "levit_128s": 64,
    "repvit_m0_9": 64,
    "volo_d1_224": 64,
    "hiera_tiny_224": 64,
    "naflexvit_base_patch16_gap": 64,
}
"""Network → size of the images. Some pool a token, some the patches, before the norm or behind it, or by attention."""


SLOW = {
    "deit3_small_patch16_224",
    "cait_xxs24_224",
    "crossvit_tiny_240",
    "volo_d1_224",
    "hiera_tiny_224",
    "repvit_m0_9",
}
SLOW_BLOCKS = {
    "deit_tiny_patch16_224",
    "deit3_small_patch16_224",
    "vit_small_patch14_dinov2",
    "vit_base_patch32_siglip_256",
}


def some_slow(names: dict[str, int], slow: set[str]) -> list[object]:
    return [pytest.param(name, marks=pytest.mark.slow) if name in slow else name for name in names]


@functools.cache
def network(name: str, size: int) -> tuple[nn.Module, Survey]:
    backbone = TimmBackbone(name, "untrained", size)
    return lived_in(backbone.load(0)), backbone.survey()


def rows(model: nn.Module, taps: list[Tap], size: int) -> list[Tensor]:
    with torch.inference_mode():
        found: list[Tensor] = Extractor(model, taps)(images(size))
    return found


def pre_logits(model: nn.Module, size: int, kind: torch.dtype = torch.float32) -> Tensor:
    seen = images(size).to(kind)
    with torch.inference_mode():
        found = model.forward_head(model.forward_features(seen), pre_logits=True)  # type: ignore[operator]
    return found.flatten(1)


def right(tap: Tap, expected: Tensor, model: nn.Module, size: int) -> bool:
    """Whether the rows are those expected; in float64 where the random weights make much of a rounding (Visformer's:
    weights that change by 6e-8 change its rows by 1e-4)."""
    (found,) = rows(model, [tap], size)
    if found.shape != expected.shape or distance(found, expected) <= 1e-5:
        return found.shape == expected.shape
    precise = copy.deepcopy(model).double()
    exact = pre_logits(precise, size, torch.float64)
    with torch.inference_mode():
        (found,) = Extractor(precise, [tap])(images(size).double())
    return distance(found.double(), exact) < 1e-5


@pytest.mark.parametrize("name", some_slow(KINDS, SLOW))
def test_the_embedding_is_timms(name: str) -> None:
    size = KINDS[name]
    model, survey = network(name, size)
    expected = pre_logits(model, size)
    (found,) = rows(model, [survey.tap("embedding")], size)
    assert distance(found, expected) < 1e-5
    # The same network, handed over as a module: nothing is known of it but what it computes.
    handed = ModuleBackbone(model, size=size)
    (found,) = rows(handed.load(0), [handed.survey().tap("embedding")], size)
    assert distance(found, expected) < 1e-5


@pytest.mark.parametrize("name", ["vit_small_patch16_dinov3", "vit_tiny_patch16_dinov3_qkvb"])
def test_the_embedding_of_a_network_taught_without_labels_is_its_class_token(name: str) -> None:
    model, survey = network(name, 64)
    with torch.inference_mode():
        tokens = model.forward_features(images(64))  # type: ignore[operator]
    embedding, mean = rows(model, [survey.tap("embedding"), survey.tap("tokens", "mean")], 64)
    assert distance(embedding, tokens[:, 0]) < 1e-5
    assert distance(mean, pre_logits(model, 64)) < 1e-5  # timm's own choice


TRANSFORMERS = {name: size for name, size in KINDS.items() if name.startswith(("vit_", "deit", "beit", "eva"))}
TRANSFORMERS |= {"vit_small_patch16_dinov3": 64, "naflexvit_base_patch16_gap": 64}


@pytest.mark.parametrize("name", some_slow(TRANSFORMERS, SLOW_BLOCKS))
def test_blocks_are_behind_the_final_norm(name: str) -> None:
    size = TRANSFORMERS[name]
    model, survey = network(name, size)
    has_class = survey.resolve("block4").has_class_token
    normed, raw = (intermediates(model, size, norm) for norm in (True, False))
    # BEiT and EVA-02 norm what was pooled, and no tokens.
    after = model.fc_norm if survey.norm is not None and survey.norm.pooled else nn.Identity()
    with torch.inference_mode():
        expected = {
            ("mean", "final"): [after(patches.mean(1)) for patches, _ in normed],  # type: ignore[operator]
            ("mean", "none"): [patches.mean(1) for patches, _ in raw],
        }
        if has_class:
            expected |= {
                ("cls", "final"): [after(before[:, 0]) for _, before in normed],  # type: ignore[operator]
                ("cls", "none"): [before[:, 0] for _, before in raw],
            }
            halves = zip(expected["cls", "final"], expected["mean", "final"], strict=True)
            expected["cls_mean", "final"] = [torch.cat(both, 1) for both in halves]
    asked = [(block, *how) for how in expected for block in ("block4", "block12")]
    found = rows(model, [survey.tap(block, pool, norm) for block, pool, norm in asked], size)
    for which, row, wanted in zip(asked, found, [row for of in expected.values() for row in of], strict=True):
        assert distance(row, wanted) < 1e-5, which
    assert distance(expected["mean", "final"][1], expected["mean", "none"][1]) > 0.1  # two things


def intermediates(model: nn.Module, size: int, norm: bool) -> list[tuple[Tensor, Tensor]]:
    """Patches, and the tokens before them, of blocks 4 and 12."""
    asked = {"indices": [3, 11], "output_fmt": "NLC", "intermediates_only": True}
    with torch.inference_mode():
        found = model.forward_intermediates(images(size), norm=norm, return_prefix_tokens=True, **asked)  # type: ignore[operator]
    return [of if isinstance(of, tuple) else (of, of[:, :0]) for of in found]


@pytest.mark.parametrize("name", ["vit_tiny_patch16_224", "vit_small_patch14_reg4_dinov2", "mixer_s32_224"])
def test_tokens_are_all_features(name: str) -> None:
    model, survey = network(name, KINDS[name])
    with torch.inference_mode():
        expected = model.forward_features(images(KINDS[name])).flatten(1)  # type: ignore[operator]
    (found,) = rows(model, [survey.tap("tokens", "flatten")], KINDS[name])
    assert distance(found, expected) < 1e-5


PAGE = (REPOSITORY / "docs" / "timm.md").read_text(encoding="utf-8")


def test_the_example_of_dinov2_reads_what_dinov2_publishes() -> None:
    """Every command of the page that names it, at 56 pixels and with weights drawn anew."""
    found = re.findall(r"^python run\.py (?:-m )?(backbone=timm .*dinov2[^#\n]*)", PAGE, re.MULTILINE)
    model, survey = network("vit_small_patch14_dinov2", 56)
    with torch.inference_mode():
        tokens = model.forward_features(images(56))  # type: ignore[operator]
    expected = {
        ("embedding", None): tokens[:, 0],  # x_norm_clstoken
        ("block12", "cls"): tokens[:, 0],
        ("tokens", "cls_mean"): torch.cat([tokens[:, 0], tokens[:, 1:].mean(1)], 1),  # and x_norm_patchtokens
    }
    read = set()
    for command in found:
        words = [word for word in command.split() if "," not in word]  # of a sweep, what its jobs share
        layer = compose(conf_dir(), [*words, "backbone.name=vit_small_patch14_dinov2"]).layer
        if layer.tap == "last_conv":  # the sweep over layers
            continue
        read.add((layer.tap, layer.pool))
        (rows_of,) = rows(model, [survey.tap(layer.word, layer.pool, layer.norm)], 56)
        assert distance(rows_of, expected[layer.word, layer.pool]) < 1e-5, command
    assert read == set(expected)


MAX_PARAMETERS = 200_000_000
"""Of a network that a test draws at random."""


OF_A_LONG_HEAD = ("caformer_s18",)
"""Whose head has two weight layers: the embedding is what the last reads, as VGG's is; timm hands out what the first
does. docs/timm.md says so."""


@pytest.mark.slow  # one network of each of timm's modules: minutes
@pytest.mark.timeout(3600)
def test_the_embedding_of_every_kind_is_timms() -> None:
    failed, compared = [], 0
    for module in timm.list_modules():
        for name in sorted(timm.list_models(module=module), key=_seems_small)[:1]:
            backbone = TimmBackbone(name, "untrained")
            if sum(p.numel() for p in backbone.architecture().parameters()) > MAX_PARAMETERS:
                continue
            if name.startswith("gemma4"):  # whose forward cannot be traced
                continue
            model, survey = lived_in(backbone.load(0)), backbone.survey()
            expected = pre_logits(model, survey.size)
            compared += 1
            if not right(survey.tap("embedding"), expected, model, survey.size):
                failed.append(name)
    assert failed == list(OF_A_LONG_HEAD)
    assert compared > 90


def _seems_small(name: str) -> tuple[bool, str]:
    small = ("tiny", "small", "nano", "pico", "atto", "femto", "_xxs", "_b0", "_m0", "_t0", "_050", "18", "test_")
    return not any(word in name for word in small), name
