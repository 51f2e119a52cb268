"""What a run says of its rows, and that rows that differ are stored apart."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torchvision.models.vision_transformer import VisionTransformer

from frostmark import benchmark
from frostmark.benchmark.run import run_benchmark
from frostmark.config.compose import compose
from frostmark.errors import ConfigError
from support.environment import REPOSITORY
from support.runs import TINY
from support.taps import lived_in

CONF = REPOSITORY / "conf"
QUICK = ["reducer=none", "metrics=[variance]", "uncertainty.resamples=0", "uncertainty.permutations=0"]


def transformer() -> nn.Module:
    torch.manual_seed(0)
    return lived_in(VisionTransformer(16, 8, 2, 2, 8, 16, num_classes=5))


def noise() -> dict[str, Any]:
    draw = np.random.default_rng(0)
    splits = {
        split: (draw.integers(0, 256, (12, 16, 16), dtype=np.uint8), np.arange(12) % 3) for split in ("train", "test")
    }
    return {**splits, "classes": ["a", "b", "c"]}


def tags_of(folder: Path) -> dict[str, str]:
    found: dict[str, str] = json.loads((folder / "raw" / "metrics.json").read_text())["tags"]
    return found


def test_a_transformer_handed_over(tmp_path: Path) -> None:
    def run(*words: str) -> dict[str, str]:
        (result,) = benchmark(
            transformer(), noise(), words[0], root=tmp_path, tracking="none", size=16,
            overrides=[*QUICK, "preprocess.size=16", *words[1:]],
        )  # fmt: skip
        return tags_of(result.folder)

    embedding, first, raw, both = (
        run("embedding"), run("block1"), run("block1", "layer.norm=none"), run("tokens", "layer.pool=cls_mean"),
    )  # fmt: skip
    assert embedding["row_recipe"] == "the class token after the final norm (encoder.ln)"
    assert (embedding["node"], embedding["pool"], embedding["norm"]) == ("encoder.ln", "cls", "final")
    assert (first["node"], first["norm"]) == ("encoder.layers.encoder_layer_0", "final")
    assert (raw["node"], raw["norm"]) == ("encoder.layers.encoder_layer_0", "none")
    assert both["features"] == "16"
    places = [tags["rows_test"] for tags in (embedding, first, raw, both)]
    assert len(set(places)) == 4
    assert run("block2")["rows_test"] == places[0]  # the same rows by another word


def test_a_pool_typed_for_a_vector_does_nothing_and_is_said_to(tmp_path: Path) -> None:
    def run(folder: str, *words: str) -> tuple[dict[str, str], list[str]]:
        (tmp_path / folder).mkdir()
        words = (*TINY[:2], *TINY[2:], *QUICK, "tracking=none", f"paths.root={tmp_path}", *words)
        result = run_benchmark(compose(CONF, list(words)), tmp_path / folder)
        assert result is not None
        of_layer = [remark for remark in result.remarks if not remark.startswith("the test split has 61 images")]
        return tags_of(tmp_path / folder), of_layer

    typed, told = run("typed", "layer=logits", "layer.pool=max", "layer.norm=none")
    plain, silent = run("plain", "layer=logits")
    assert "pool" not in typed
    assert "norm" not in typed
    assert typed["rows_test"] == plain["rows_test"]
    assert [line.split(":")[0] for line in told] == ["layer.pool=max has no effect", "layer.norm=none has no effect"]
    assert silent == []
    spatial, none_told = run("spatial", "layer=last_conv", "layer.pool=max")
    assert (spatial["pool"], none_told) == ("max", [])
    assert spatial["row_recipe"] == "maximum over the 1 × 1 cells of features.12"


@pytest.mark.parametrize(("word", "fix"), [("pool=median", "layer.pool=mean"), ("norm=last", "layer.norm=final")])
def test_unknown_words_of_a_layer_are_refused(word: str, fix: str) -> None:
    with pytest.raises(ConfigError, match="is unknown") as told:
        compose(CONF, ["layer=embedding", f"layer.{word}"])
    assert fix in told.value.fix
