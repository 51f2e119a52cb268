"""Files for networks of timm at sizes other than their own: read, and refused, in the words of the own size."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

pytest.importorskip("timm", reason="pip install 'frostmark[timm]'")

from frostmark.backbones.loading import reading_of
from frostmark.backbones.network import Network
from frostmark.backbones.timm_models import TimmBackbone
from frostmark.errors import DataError

State = dict[str, Tensor]

SMALL = {
    "num_classes": 1000,
    "model_args": {"depth": 2, "embed_dim": 24, "num_heads": 2, "img_size": 48},
    "pretrained_cfg": {
        "mean": [0.5] * 3, "std": [0.5] * 3, "input_size": [3, 48, 48], "crop_pct": 1.0, "interpolation": "bilinear",
        "fixed_input_size": True, "classifier": "head", "first_conv": "patch_embed.proj",
    },
}  # fmt: skip
NORMS = {"vit_tiny_patch16_224": "norm", "beit_base_patch16_224": "fc_norm"}


def without(*names: str) -> Callable[[State], State]:
    return lambda state: {key: of for key, of in state.items() if not key.startswith(names)}


def with_ten_classes(state: State) -> State:
    return {**state, "head.weight": torch.ones(10, 24), "head.bias": torch.ones(10)}


FILES: dict[str, Callable[[State], State]] = {
    "whole": lambda state: state,
    "no final norm": without("norm.", "fc_norm."),
    "no head": without("head."),
    "head of ten classes": with_ten_classes,
    "head of ten classes, no final norm": lambda state: with_ten_classes(without("norm.", "fc_norm.")(state)),
    "half precision": lambda state: {key: of.half() for key, of in with_ten_classes(state).items()},
    "mask token": lambda state: {**with_ten_classes(state), "mask_token": torch.ones(1)},
    "a part of a block missing": without("blocks.1.mlp.fc1"),
    "a part of a block and the head missing": without("blocks.1.mlp.fc1", "head."),
    "a block of another shape": lambda state: {**state, "blocks.1.mlp.fc1.bias": torch.ones(7)},
    "a block too many": lambda state: {**state, "blocks.7.norm1.weight": torch.ones(24)},
    "a head too many": lambda state: {**with_ten_classes(state), "neck.weight": torch.ones(24)},
}


@pytest.fixture(params=NORMS)
def backbone(request: pytest.FixtureRequest, tmp_path: Path) -> TimmBackbone:
    (tmp_path / "config.json").write_text(json.dumps({"architecture": request.param, **SMALL}))
    return TimmBackbone(f"local-dir:{tmp_path}", "untrained")


def saved(backbone: TimmBackbone, content: Callable[[State], State], folder: Path) -> Path:
    torch.save(content(dict(backbone.load(seed=3).state_dict())), folder / "w.pth")
    return folder / "w.pth"


def told(backbone: TimmBackbone) -> tuple[str, dict[str, str]]:
    """What is said of a file, and what it lacks."""
    try:
        reading = reading_of(backbone.load(0))
    except DataError as problem:
        return problem.problem, {}
    return reading.words, dict(reading.lacking)


@pytest.mark.parametrize("kind", FILES)
def test_a_file_is_read_or_refused_at_another_size_as_at_its_own(
    kind: str, backbone: TimmBackbone, tmp_path: Path
) -> None:
    file = saved(backbone, FILES[kind], tmp_path)
    own, other = (told(TimmBackbone(backbone.name, str(file), size)) for size in (None, 64))
    assert own == other
    assert "pos" not in other[0]


def test_what_a_file_lacks_is_refused_at_another_size_with_a_fix_that_reads(
    backbone: TimmBackbone, tmp_path: Path
) -> None:
    """The norm, where it alone is missing: blocks are read as they are."""
    file = saved(backbone, FILES["head of ten classes, no final norm"], tmp_path)
    for size in (None, 64):
        named = TimmBackbone(backbone.name, str(file), size)
        survey, network = named.survey(), Network.loaded(named, 0)
        for word, fix in (("block1", "block1"), ("embedding", "block2"), ("logits", "block2")):
            with pytest.raises(DataError, match=rf"layer={word} needs \w*norm\.") as refused:
                network.require(survey.tap(word), survey, word)
            assert refused.value.fix.startswith(f"layer={fix} layer.norm=none, or ")
        network.require(survey.tap("block2", norm="none"), survey, "block2")


def test_what_is_there_has_the_values_of_the_file(backbone: TimmBackbone, tmp_path: Path) -> None:
    file = saved(backbone, FILES["head of ten classes, no final norm"], tmp_path)
    whole = backbone.load(seed=3).state_dict()
    read = TimmBackbone(backbone.name, str(file), 64).load(0).state_dict()
    for name, tensor in read.items():
        assert tensor.is_meta == name.startswith(("norm.", "fc_norm.", "head."))
        if not tensor.is_meta and tensor.shape == whole[name].shape and "relative_position_index" not in name:
            assert torch.equal(tensor, whole[name]), name
