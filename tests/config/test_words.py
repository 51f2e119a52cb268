"""The layers that come from code are words like those that are files."""

from __future__ import annotations

import hydra
import pytest
from hydra._internal.core_plugins.bash_completion import BashCompletion
from hydra.core.global_hydra import GlobalHydra

from frostmark.api import _layer_words
from frostmark.config.compose import compose
from frostmark.config.register import register
from frostmark.config.words import BLOCKS, STAGES, conf_dir, known_words, layer_words, shortened
from frostmark.errors import ConfigError


@pytest.mark.parametrize(("word", "pool"), [("stage1", "gap"), (f"stage{STAGES}", "gap"), (f"block{BLOCKS}", "cls")])
def test_a_counted_layer_composes_with_the_pool_of_its_kind(word: str, pool: str) -> None:
    layer = compose(conf_dir(), [f"layer={word}"]).layer
    assert (layer.tap, layer.node, layer.pool) == (word, None, pool)
    assert compose(conf_dir(), [f"layer={word}", "layer.pool=max"]).layer.pool == "max"


def test_counted_layers_and_files_are_one_list() -> None:
    assert len(layer_words()) == STAGES + BLOCKS
    files = {"embedding", "tokens", "last_conv", "logits", "node", "penultimate", "projection"}
    assert set(known_words("layer")) == {*layer_words(), *files}
    assert "stage3" not in known_words("backbone")


def test_a_wrong_layer_is_answered_with_the_nearest() -> None:
    with pytest.raises(ConfigError) as told:
        compose(conf_dir(), ["layer=blok33"])
    assert "Nearest: block" in told.value.problem
    with pytest.raises(ConfigError, match="no layer 'stage10'"):
        compose(conf_dir(), ["layer=stage10"])


def test_the_shell_completes_them() -> None:
    register()
    with hydra.initialize_config_dir(str(conf_dir()), version_base="1.3"):
        completion = BashCompletion(GlobalHydra.instance().config_loader())
        assert set(completion._query("config", "layer=sta")) == {f"layer=stage{n}" for n in range(1, STAGES + 1)}


def test_python_takes_words_for_taps_and_other_names_for_nodes() -> None:
    assert _layer_words("block33") == ["layer=block33"]
    assert _layer_words("layer4.1.relu") == ["layer=node", "layer.node='layer4.1.relu'"]


def test_ranges_are_written_once() -> None:
    assert shortened(known_words("layer"))[:3] == ["stage1 … stage9", "block1 … block64", "embedding"]
    assert shortened(["stage2", "stage1"]) == ["stage1", "stage2"]
