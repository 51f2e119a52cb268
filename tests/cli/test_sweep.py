"""What a sweep announces to its jobs, as Hydra would make them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import hydra
import pytest
from hydra.core.plugins import Plugins
from omegaconf import DictConfig, OmegaConf

from frostmark.cli.announced import LAYERS, announce_layers, jobs_of, layers_of_sweep
from frostmark.cli.sweeper import BASIC, put_in_order
from frostmark.cli.under_way import VARIABLE, call_through_hydra
from frostmark.config.compose import compose
from frostmark.config.register import register
from support.environment import REPOSITORY
from support.laid import LAID


def jobs(task: list[str], params: dict[str, str] | None = None) -> list[list[str]]:
    target = "hydra._internal.core_plugins.basic_sweeper.BasicSweeper"
    config = {"hydra": {"sweeper": {"_target_": target, "params": params}, "overrides": {"task": task}}}
    made = OmegaConf.create(config)
    assert isinstance(made, DictConfig)
    register()
    with hydra.initialize_config_dir(str(REPOSITORY / "conf"), version_base="1.3"):
        return jobs_of(made)


def test_every_combination_is_a_job() -> None:
    assert jobs(["layer=stage1,stage2", "seed=0,1"]) == [
        ["layer=stage1", "seed=0"], ["layer=stage1", "seed=1"], ["layer=stage2", "seed=0"], ["layer=stage2", "seed=1"],
    ]  # fmt: skip


def test_globs_are_expanded() -> None:
    assert jobs(["layer=glob(last*)"]) == [["layer=last_conv"]]


def test_what_is_typed_counts_more_than_what_an_experiment_sweeps() -> None:
    made = jobs(["backbone=squeezenet1_0"], {"backbone": "resnet18,vgg16"})
    assert [job[-1] for job in made] == ["backbone=squeezenet1_0"]


@pytest.mark.parametrize("target", ["hydra_plugins.hydra_optuna_sweeper.OptunaSweeper"])
def test_of_sweepers_that_choose_as_they_go_nothing_is_known(target: str) -> None:
    assert jobs_of(OmegaConf.create({"hydra": {"sweeper": {"_target_": target}}})) == []  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("order", "begun"),
    [
        (None, ["a", "b", "c"]),
        ([0, 2, 1], ["a", "c", "b"]),
        ([0, 2, 3, 1], ["a", "b", "c"]),  # of a sweep in batches, of which this is one
    ],
)
def test_jobs_begin_in_the_order_that_the_call_asks_for(order: list[int] | None, begun: list[str]) -> None:
    put_in_order()
    sweeper = Plugins.instance().class_name_to_class[BASIC](max_batch_size=None)  # type: ignore[call-arg]
    sweeper.overrides = [[["a"], ["b"], ["c"]]]  # type: ignore[attr-defined]
    with call_through_hydra() as call:
        call.order = order
        assert [job for (job,) in sweeper.get_job_batch()] == begun  # type: ignore[attr-defined]


FORGED = [
    "{",
    "[]",
    "7",
    '{"%s": 5}',
    '{"%s": [{"tap": 5}]}',
    '{"%s": [{"tap": "x", "y": 1}]}',
    '{"%s": [{"tap": []}]}',
]


@pytest.mark.timeout(20)
@pytest.mark.parametrize("lay", [None, *LAID.values(), *FORGED])
def test_layers_of_other_jobs_that_cannot_be_read_are_none(
    lay: Callable[[Path], object] | str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = compose(REPOSITORY / "conf", ["layer=stage2"])
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    announce_layers(tmp_path, [OmegaConf.structured(job)])
    written = json.loads((tmp_path / LAYERS).read_text())
    assert [layer.word for layer in layers_of_sweep(job)] == ["stage2"]
    if lay is None:
        return
    (tmp_path / LAYERS).unlink()
    if isinstance(lay, str):
        (tmp_path / LAYERS).write_text(lay.replace("%s", next(iter(written)).replace('"', '\\"')))
    else:
        lay(tmp_path / LAYERS)
    assert layers_of_sweep(job) == []
