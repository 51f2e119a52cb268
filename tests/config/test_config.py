"""Configuration: what does not fit is refused in words that help, and nothing foreign is ever called."""

from __future__ import annotations

from pathlib import Path

import pytest

from frostmark.config.build import build
from frostmark.config.checks import check
from frostmark.config.compose import compose
from frostmark.config.schema import Config, Decide, Layer, Tracking, TrainerChoice, Uncertainty
from frostmark.errors import ConfigError
from support.environment import REPOSITORY

CONF = REPOSITORY / "conf"


@pytest.mark.parametrize(
    "target",
    [
        "os.system",
        "builtins.eval",
        "subprocess.Popen",
        "torch.load",
        "hydra.utils.instantiate",
        "frostmark.cli.main",
        "frostmark.data.folder.hashlib.new",
        "frostmark.data.source.Path",
        "frostmark.data.source.Image.open",
        "frostmark.data.digits.torch.load",
        "frostmark.backbones.checkpoint.torch.load",
        "frostmark.backbones.checkpoint.read_checkpoint",
        "frostmark.data.folder.hashlib",
        "frostmark.data.nothing.Here",
        "frostmark.data.",
        "",
        None,
        7,
        ["os.system"],
    ],
)
def test_foreign_targets_are_refused(target: object) -> None:
    with pytest.raises(ConfigError, match="not allowed"):
        build({"_target_": target, "command": "true"}, "dataset", object)


def test_nested_targets_are_refused_too() -> None:
    with pytest.raises(ConfigError, match=r"_target_=os\.system is not allowed"):
        build(
            {"_target_": "frostmark.data.digits.Digits", "limit": {"_target_": "os.system", "command": "true"}},
            "dataset",
            object,
        )


def test_an_unknown_key_is_answered_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"there is no key 'reducer\.perplexty'") as told:
        build({"_target_": "frostmark.reducers.tsne.TSNE", "perplexty": 5}, "reducer", object)
    assert told.value.fix.startswith("one of reducer.: perplexity")


@pytest.mark.parametrize(
    ("node", "problem"),
    [
        ({"_target_": "frostmark.data.source.Limits", "train": "many"}, "group.train=many is of a wrong kind"),
        ({"_target_": "frostmark.data.preprocess.Resize", "size": 22.5}, "group.size=22.5 is of a wrong kind"),
        (
            {"_target_": "frostmark.backbones.load.TorchvisionBackbone", "name": "vgg16", "weights": None},
            "weights=null",
        ),
        ({"_target_": "frostmark.metrics.neighbours.Neighbours", "k": 0}, "k=0"),
        ({"_target_": "frostmark.metrics.neighbours.Neighbours", "k": True}, "group.k=True is of a wrong kind"),
        ({"_target_": "frostmark.metrics.neighbours.Neighbours", "temperature": 0}, "temperature=0"),
        ({"_target_": "frostmark.metrics.neighbours.Neighbours", "metric": "l2"}, "group.metric=l2 is of a wrong kind"),
        ({"_target_": "frostmark.reducers.tsne.TSNE", "perplexity": -1}, "perplexity=-1"),
        ({"_target_": "frostmark.reducers.tsne.TSNE", "fit_on": "both"}, "group.fit_on=both is of a wrong kind"),
        ({"_target_": "frostmark.reducers.umap.UMAP", "n_neighbors": 1}, "n_neighbors=1"),
        ({"_target_": "frostmark.reducers.tsne_sklearn.SklearnTSNE", "max_iter": 10}, "max_iter=10"),
        ({"_target_": "frostmark.data.folder.ImageFolder", "root": "x", "split_seed": -1}, "split_seed=-1"),
    ],
)
def test_values_of_a_wrong_kind_are_refused_before_anything_starts(node: dict[str, object], problem: str) -> None:
    with pytest.raises(ConfigError) as told:
        build(node, "group", object)
    assert problem in told.value.problem
    assert told.value.fix


def test_whole_numbers_are_numbers() -> None:
    assert build({"_target_": "frostmark.reducers.tsne.TSNE", "perplexity": 12}, "reducer", object).perplexity == 12


@pytest.mark.parametrize(
    ("overrides", "problem", "fix"),
    [
        (["backbone=resnt18"], "no backbone 'resnt18'", "backbone=resnet"),
        (["dataset=fashionmnist"], "no dataset 'fashionmnist'", "dataset=fashion_mnist"),
        (["layer=last"], "no layer 'last'", "layer=last_conv"),
        (["metrics=[varianc]"], "no metrics 'varianc'", "metrics=variance"),
        (["backbone.weight=x"], "Nearest: backbone.weights", "backbone.weights=x"),
        (["sed=1"], "there is no key 'sed'. Nearest: seed", "seed=1"),
        (
            ["metrics=[variance]", "metrics.neighbours.k=3"],
            "metrics.neighbours.k is a key of metrics=neighbours",
            "neigh",
        ),
        (["reducer=pca", "reducer.perplexity=9"], "is a key of reducer=tsne, ", "reducer=tsne reducer.perplexity="),
        (["dataset=digits", "dataset.root=x"], "is a key of dataset=folder, ", "dataset=folder dataset.root="),
        (["seed=x"], "seed=x is not a whole number", "seed=0"),
        (["trainer.batch_size=many"], "batch_size=many", "or auto"),
        (["layer=node"], "needs the name of the node", "layers"),
        (["layer.node=layer4"], "goes with layer=node", "layer=node"),
        (["trainer.precision=bf16"], "precision=bf16 is unknown", "bf16-mixed"),
        (["trainer.batch_size=0"], "batch_size=0", "batch_size=32"),
        (["trainer.num_workers=-1"], "num_workers=-1", "num_workers=0"),
        (["tracking.experiment=''"], "experiment has no name", "experiment=frostmark"),
        (["tracking=server"], "needs its address", "tracking.uri="),
        (["seed=-1"], "seed=-1", "seed=0"),
        (["backbone=resnet18,vgg16"], "resnet18,vgg16", "one call for each value"),
        (["controls=[nonsense]"], "there is no control 'nonsense'", "(valid: untrained, pixels)"),
        (["controls=[pixels,untraind]"], "no control 'untraind'", "controls=[untrained]"),
        (["controls=pixels"], "controls=pixels is not a list", "controls=[pixels]"),
        (["uncertainty.resamples=-1"], "uncertainty.resamples=-1", "uncertainty.resamples=1000, or 0"),
        (["uncertainty.permutations=-1"], "uncertainty.permutations=-1", "uncertainty.permutations=1000, or 0"),
        (["uncertainty.resamples=39"], "out of range (40 to 100,000)", "uncertainty.resamples=1000, or 0"),
        (["uncertainty.permutations=18"], "out of range (19 to 100,000)", "uncertainty.permutations=1000, or 0"),
        (["controls=[pixels,untrained]", "trainer=ddp"], "in several", "trainer=auto"),
        (["uncertainty.resamples=100001"], "uncertainty.resamples=100001", "uncertainty.resamples=1000, or 0"),
        (["neighbours.exact_up_to=999"], "neighbours.exact_up_to=999 is out of range", "neighbours.exact_up_to=200000"),
        (["uncertainty.resamples=few"], "uncertainty.resamples=few is not a whole", "uncertainty.resamples=1000"),
        (["uncertainty.resample=10"], "Nearest: uncertainty.resamples", "uncertainty.resamples=10"),
    ],
)
def test_wrong_words_are_answered_with_right_ones(overrides: list[str], problem: str, fix: str) -> None:
    with pytest.raises(ConfigError) as told:
        compose(CONF, overrides)
    assert problem in told.value.problem
    assert fix in told.value.fix
    assert told.value.code == 2


def test_checks_across_groups() -> None:
    def config(**changed: object) -> Config:
        return Config(backbone={}, preprocess={}, dataset={}, **{"layer": Layer(tap="last_conv"), **changed})  # type: ignore[arg-type]

    check(config())
    check(config(tracking=Tracking("server", uri="http://x")))
    check(config(controls=["untrained", "pixels"], uncertainty=Uncertainty(0, 0)))
    for wrong in (
        {"layer": Layer()},
        {"trainer": TrainerChoice(precision="8")},
        {"seed": 2**32},
        {"controls": ["pixels", ""]},
        {"uncertainty": Uncertainty(resamples=-1)},
    ):
        with pytest.raises(ConfigError):
            check(config(**wrong))


def test_uncertainty_and_controls_are_what_was_asked_for() -> None:
    assert (compose(CONF, []).controls, compose(CONF, []).uncertainty) == (["pixels"], Uncertainty(1000, 100))
    asked = compose(CONF, ["controls=[pixels,untrained]", "uncertainty.resamples=0", "uncertainty.permutations=19"])
    assert (asked.controls, asked.uncertainty) == (["pixels", "untrained"], Uncertainty(0, 19))


def test_mlruns_is_under_the_root(tmp_path: Path) -> None:
    assert compose(CONF, [f"paths.root={tmp_path}"]).mlruns == tmp_path / "mlruns"


def test_what_decides_is_chosen_by_a_word() -> None:
    assert compose(CONF, []).decide == Decide("linear", "auto")
    assert compose(CONF, ["decide=knn", "decide.balanced=true"]).decide == Decide("knn", True)


@pytest.mark.parametrize(
    ("word", "told", "fix"),
    [
        ("decide=svm", "svm", "linear"),
        ("decide.family=lineer", "decide=lineer: no family of this name can decide", "decide=linear"),
        ("decide.balanced=maybe", "decide.balanced=maybe is unknown", "decide.balanced="),
        ("decide.balance=true", "balance", "balanced"),
    ],
)
def test_what_cannot_decide_is_refused_with_what_can(word: str, told: str, fix: str) -> None:
    with pytest.raises(ConfigError) as refused:
        compose(CONF, [word])
    assert told in refused.value.problem
    assert fix in refused.value.problem + refused.value.fix
