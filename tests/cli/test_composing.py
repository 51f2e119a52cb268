"""The jobs of a sweep, put together of parts: what Hydra itself would make of each, in a few compositions."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from pathlib import Path

import hydra
import pytest
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from frostmark.cli import job
from frostmark.cli.composing import configs_of
from frostmark.cli.entry import through_hydra
from frostmark.config.guard import GuardedLoader
from frostmark.config.register import register
from frostmark.config.words import conf_dir

BACKBONES = "backbone=resnet18,resnet34,resnet50,vgg11,vgg16,vgg19,alexnet,densenet121,squeezenet1_0,mobilenet_v2"
STAGES = "layer=" + ",".join(f"block{n}" for n in range(1, 21))


@pytest.fixture(autouse=True)
def running() -> Iterator[None]:
    """A Hydra that composes, as there is one while a sweep begins."""
    register()
    with hydra.initialize_config_dir(str(conf_dir()), version_base="1.3"):
        yield


@pytest.fixture
def compositions(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """One item for each time that Hydra composed."""
    times: list[object] = []
    compose = GuardedLoader.load_configuration

    def counted(self: GuardedLoader, *args: object, **kwargs: object) -> DictConfig:
        times.append(args)
        return compose(self, *args, **kwargs)

    monkeypatch.setattr(GuardedLoader, "load_configuration", counted)
    return times


def loaded(words: list[str], mode: RunMode = RunMode.RUN) -> DictConfig:
    return GlobalHydra.instance().config_loader().load_configuration("config", words, mode)


def jobs_of(words: str) -> list[list[str]]:
    """``a=1,2 b=3`` → [[a=1, b=3], [a=2, b=3]]; a comma within brackets separates nothing."""
    columns = []
    for word in words.split():
        key, _, values = word.partition("=")
        columns.append([f"{key}={value}" for value in ([values] if "[" in values else values.split(","))])
    return [list(words) for words in product(*columns)]


SWEEPS = [
    "seed=0,1,2",
    "backbone=resnet18,vgg16 layer=stage1,stage2 seed=0,1",
    "backbone=timm backbone.name=a,b backbone.weights=untrained trainer=cpu,gpu trainer.batch_size=8,16",
    "dataset=digits,fashion_mnist dataset.limit.train=10,20 reducer=none,pca decide=knn,linear",
    "experiment=quickstart,report layer=stage1,stage2 seed=3,4",
    "experiment=quickstart backbone=resnet34,vgg16 preprocess.size=32,48",
    "metrics=[linear] controls=[pixels] uncertainty.resamples=0,40 +dataset.more=1,2 ~reducer=tsne",
    "reducer=tsne,umap reducer.max_points=null,50 paths.root=a,b",
    "dataset.limit={train:3,test:4} dataset.limit.train=1",
]


@pytest.mark.parametrize("words", SWEEPS)
def test_every_job_is_what_hydra_makes_of_its_words(words: str) -> None:
    jobs = jobs_of(words) if "{" not in words else [[*words.split()], ["dataset.limit={train:5}", words.split()[1]]]
    composed = configs_of(loaded([], RunMode.MULTIRUN), jobs)
    for mine, made in zip(jobs, composed, strict=True):
        alone = loaded(mine)
        OmegaConf.set_struct(alone, False)
        del alone["hydra"]
        assert made is not None
        assert OmegaConf.to_container(made) == OmegaConf.to_container(alone), mine
        assert OmegaConf.is_struct(made)


@pytest.mark.parametrize(
    ("words", "most"),
    [(f"{BACKBONES} {STAGES}", 30), (f"{BACKBONES} seed={','.join(map(str, range(20)))}", 11)],
    ids=["choices", "values"],
)
def test_two_hundred_jobs_are_composed_of_a_few(words: str, most: int, compositions: list[object]) -> None:
    jobs = jobs_of(words)
    assert len(jobs) == 200
    config = loaded([], RunMode.MULTIRUN)
    compositions.clear()
    assert None not in configs_of(config, jobs)
    assert len(compositions) <= most


def test_a_job_that_cannot_be_composed_is_known(compositions: list[object]) -> None:
    jobs = jobs_of("backbone=resnet18,resnet81 seed=0,1 uncertainty.resamples=40,many")
    known = [of is not None for of in configs_of(loaded([], RunMode.MULTIRUN), jobs)]
    assert known == [True, False] * 2 + [False] * 4
    assert len(compositions) < 5


def test_a_choice_that_asks_for_others_is_composed_as_a_whole(tmp_path: Path) -> None:
    """A YAML of one's own may change what another choice says."""
    GlobalHydra.instance().clear()
    (tmp_path / "layer").mkdir()
    (tmp_path / "layer" / "mine.yaml").write_text("# @package _global_\nlayer:\n  tap: stage2\nseed: 7\n")
    (tmp_path / "layer" / "other.yaml").write_text("defaults: [stage1]\npool: max\n")
    with hydra.initialize_config_dir(str(conf_dir()), version_base="1.3"):
        searched = f"hydra.searchpath=[file://{tmp_path}]"
        config = loaded([searched], RunMode.MULTIRUN)
        jobs = jobs_of("layer=mine,other,stage3 backbone=resnet18,vgg16")
        for mine, made in zip(jobs, configs_of(config, jobs), strict=True):
            alone = loaded([searched, *mine])
            assert made is not None
            assert OmegaConf.to_container(made) == {
                key: value
                for key, value in OmegaConf.to_container(alone).items()
                if key != "hydra"  # type: ignore[union-attr]
            }


class FirstJob(BaseException):
    """The first job of a sweep was begun."""


def test_before_the_first_of_two_hundred_jobs_hydra_composes_a_few(
    compositions: list[object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def first(config: DictConfig) -> None:
        raise FirstJob

    GlobalHydra.instance().clear()
    monkeypatch.setattr(job, "job_of_sweep", first)
    monkeypatch.setattr("sys.argv", ["run.py"])
    with pytest.raises(FirstJob):
        through_hydra(["-m", BACKBONES, STAGES, "tracking=none", f"paths.root={tmp_path}"])
    assert len(compositions) <= 33  # of the sweep itself, of its parts, and of the first job
