"""A label of one's own for a network: what people read, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from frostmark.comparison.groups import network_names
from frostmark.comparison.runs import Run
from frostmark.config.compose import compose
from frostmark.config.labelled import label_of, without_label
from frostmark.config.words import conf_dir
from frostmark.errors import ConfigError
from support.leaky_images import run
from support.runs import TINY

LABELLED = {"plain": (), "named": ("backbone.label='our baseline'",)}


@pytest.mark.parametrize("label", ["our baseline", "it's 5 % (v2), new", "ResNet"])
def test_a_label_is_any_text_and_no_key_of_the_class(label: str) -> None:
    word = "backbone.label='" + label.replace("'", "\\'") + "'"
    config = compose(conf_dir(), ["backbone=resnet34", word])
    assert label_of(config) == label
    assert "label" not in without_label(config.backbone)
    assert label_of(compose(conf_dir(), ["backbone=resnet34"])) == ""


def test_rows_made_elsewhere_take_the_label_themselves() -> None:
    config = compose(conf_dir(), ["backbone=rows", "backbone.file=x.npz", "backbone.label=mine", "layer=stage1"])
    assert without_label(config.backbone)["label"] == "mine"
    assert label_of(config) == ""


@pytest.mark.parametrize("label", ["'  '", "'…'", 61 * "x"])
def test_what_is_not_a_name_is_refused(label: str) -> None:
    with pytest.raises(ConfigError, match="is not a name of 1 to 60 characters"):
        label_of(compose(conf_dir(), [f"backbone.label={label}"]))


def test_a_run_is_called_by_its_label_and_forwards_nothing_anew(tmp_path: Path) -> None:
    words = [*TINY, "reducer=none", "metrics=[linear]", "tracking=none", f"paths.root={tmp_path}"]
    plain, named = (run(tmp_path / name, *words, *more) for name, more in LABELLED.items())
    assert plain.values["cost/images_forwarded"] > 0
    assert named.values["cost/images_forwarded"] == 0
    assert named.title.startswith("our baseline · ")
    assert named.answer[0].startswith("Linear read-out of our baseline · ")
    names = network_names([Run.read(plain.folder), Run.read(named.folder)])
    assert names == ("squeezenet1_0", "our baseline")
