"""backbone=rows on the command line: which words become which."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from frostmark.cli.rows import with_layers
from frostmark.config.compose import compose
from frostmark.config.words import conf_dir
from frostmark.errors import ConfigError, DataError
from frostmark.names import quoted

LABELS = {"train_labels": np.arange(4) % 2, "test_labels": np.arange(4) % 2}
ROWS = "backbone=rows"


def file(path: Path, *layers: str) -> str:
    """The word that names a file with some layers."""
    rows = {f"{layer}/{split}".lstrip("/"): np.ones((4, 2)) for layer in layers for split in ("train", "test")}
    np.savez(path, **LABELS, **rows)
    return f"backbone.file={path}"


def test_the_name_of_a_layer_becomes_an_exact_node() -> None:
    words = [ROWS, "backbone.file=a.npz", "layer=fc,conv.2", "seed=1"]
    assert with_layers(words) == [ROWS, "backbone.file=a.npz", "layer=node", "layer.node=fc,conv.2", "seed=1"]


def test_a_file_of_one_layer_is_one_benchmark_and_one_of_several_a_sweep(tmp_path: Path) -> None:
    one, two = file(tmp_path / "one.npz", ""), file(tmp_path / "two.npz", "fc", "it's a, b\\")
    assert with_layers([ROWS, one])[2:] == ["layer=node", "layer.node='rows'"]
    assert with_layers([ROWS, two])[2:] == ["layer=node", r"layer.node='fc','it\'s a, b\\'", "-m"]
    assert with_layers(["-m", ROWS, two]).count("-m") == 1


def test_of_several_files_the_layers_that_all_have_are_run(tmp_path: Path) -> None:
    first, second = file(tmp_path / "a.npz", "fc", "conv"), file(tmp_path / "b.npz", "conv", "tokens")
    both = f"{first},{second.partition('=')[2]}"
    assert with_layers(["-m", ROWS, both])[3:] == ["layer=node", "layer.node='conv'"]
    third = file(tmp_path / "c.npz", "")
    with pytest.raises(ConfigError, match=r"no layer is in all of these files: .*a\.npz: fc, conv; .*c\.npz: rows"):
        with_layers(["-m", ROWS, f"{first},{third.partition('=')[2]}"])


@pytest.mark.parametrize("more", ["--help", "layer.node=fc", "layer=node"])
def test_words_that_need_no_file_are_left_alone(more: str) -> None:
    words = [ROWS, "backbone.file=none.npz", more]
    assert with_layers(words) == words


def test_a_missing_file_and_a_data_set_beside_it_are_told_of() -> None:
    with pytest.raises(DataError, match=r"there is no file none\.npz"):
        with_layers([ROWS, "backbone.file=none.npz"])
    for word in ("dataset=cifar10", "dataset.limit.train=9", "preprocess.size=64", "+dataset.x=1"):
        with pytest.raises(ConfigError, match="has no effect beside backbone=rows"):
            with_layers([ROWS, "layer=fc", word])
    assert with_layers([ROWS]) == [ROWS]  # the benchmark says what is missing


@pytest.mark.parametrize("text", ["a", "b c", "it's", "a\\", "a\\'b", "a\\b", "\\\\'x\\\\", "a,b", "{x}", "[1]", "a=é"])
def test_any_text_can_be_a_value(text: str) -> None:
    assert compose(conf_dir(), ["layer=node", f"layer.node={quoted(text)}"]).layer.node == text
