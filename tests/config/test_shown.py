"""What a run keeps of its configuration: YAML and params of one making, without secrets."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from omegaconf import OmegaConf

from frostmark.config.compose import compose, typed
from frostmark.config.schema import Config
from frostmark.config.shown import leaves, shown
from frostmark.config.words import conf_dir


def test_params_are_the_leaves_of_the_yaml() -> None:
    kept = shown(compose(conf_dir(), ["dataset=synthetic", "dataset.limit.train=5", "controls=[pixels]"]))
    assert kept.params == {key: str(value) for key, value in leaves(yaml.safe_load(kept.yaml))}
    chosen = {"seed": "0", "dataset.limit.train": "5", "dataset.limit.test": "None", "controls": "['pixels']"}
    assert chosen.items() <= kept.params.items()
    assert shown(compose(conf_dir(), ["reducer=none"])).params["reducer"] == "None"


def test_secrets_stay_in_the_configuration() -> None:
    config = compose(conf_dir(), ["tracking=server", "tracking.uri=http://me:hunter2@host"])
    kept = shown(config)
    assert kept.params["tracking.uri"] == "http://host"
    assert "hunter2" not in kept.yaml
    assert config.tracking.uri == "http://me:hunter2@host"


@pytest.mark.parametrize("words", [[], ["layer=block7"], ["reducer=none"], ["dataset=folder", "dataset.root='a ü b'"]])
def test_what_was_kept_is_read_again(words: list[str], tmp_path: Path) -> None:
    config = compose(conf_dir(), words)
    (tmp_path / "config.yaml").write_text(shown(config).yaml, encoding="utf-8")
    again = OmegaConf.merge(OmegaConf.structured(Config), OmegaConf.load(tmp_path / "config.yaml"))
    assert typed(again) == config  # type: ignore[arg-type]


def test_what_looks_like_an_interpolation_is_text() -> None:
    config = compose(conf_dir(), [])
    config.dataset["root"] = r"a${b}\${c}"
    kept = shown(config)
    assert yaml.safe_load(kept.yaml)["dataset"]["root"] == kept.params["dataset.root"] == r"a${b}\${c}"


def test_what_was_handed_over_stands_instead_of_its_group() -> None:
    kept = shown(compose(conf_dir(), []), {"backbone": {"given": "mine"}})
    assert yaml.safe_load(kept.yaml)["backbone"] == {"given": "mine"}
    assert [key for key in kept.params if key.startswith("backbone")] == ["backbone.given"]
