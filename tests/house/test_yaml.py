"""What every YAML promises: its keys bind, every choice composes, and the default is the report."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path

import pytest
import yaml

from frostmark.backbones.backbone import Backbone
from frostmark.config.build import allowed, build
from frostmark.config.compose import compose
from frostmark.data.preprocess import Preprocess
from house.source import CONF

OURS = [path for path in sorted(CONF.rglob("*.yaml")) if path.parent.name != "launcher"]


@pytest.mark.parametrize("path", sorted(CONF.glob("hydra/launcher/*.yaml")), ids=lambda p: p.stem)
def test_every_launcher_takes_the_keys_of_its_yaml(path: Path) -> None:
    node = yaml.safe_load(path.read_text())
    plugin = pytest.importorskip(node["_target_"].rpartition(".")[0], reason="that extra is not installed")
    launcher = getattr(plugin, node["_target_"].rpartition(".")[2])
    configs = importlib.import_module(f"{node['_target_'].split('.')[0]}.{node['_target_'].split('.')[1]}.config")
    known = {name for of in vars(configs).values() for name in getattr(of, "__dataclass_fields__", {})}
    assert {key for key in node if key != "_target_"} <= known | set(inspect.signature(launcher).parameters)


@pytest.mark.parametrize("path", OURS, ids=lambda p: str(p.relative_to(CONF)))
def test_every_target_binds_the_keys_of_its_yaml(path: Path) -> None:
    def check(node: object) -> None:
        if isinstance(node, dict):
            if "_target_" in node and not str(node["_target_"]).startswith("frostmark.cli."):
                keys = {k for k in node if k != "_target_"}
                parameters = set(inspect.signature(allowed(node["_target_"])).parameters)
                assert keys <= parameters, f"{keys - parameters} unknown to {node['_target_']}"
                # What a person may sweep is written down, not hidden in the code.
                assert parameters - keys <= {"name"}, f"{parameters - keys} missing in {path}"
            for value in node.values():
                check(value)

    check(yaml.safe_load(path.read_text()))


GROUPS = [
    f"{path.parent.name}={path.stem}"
    for path in sorted(CONF.glob("*/*.yaml"))
    if path.parent.name not in ("experiment", "metrics", "candidates")  # tests/config/test_candidates.py has the last
]


@pytest.mark.parametrize("choice", GROUPS)
def test_every_choice_composes(choice: str) -> None:
    more = {"layer=node": ["layer.node=x"], "tracking=server": ["tracking.uri=http://localhost:1"]}.get(choice, [])
    compose(CONF, [choice, *more])


def test_every_metric_alone_and_every_experiment_composes() -> None:
    for path in CONF.glob("metrics/*.yaml"):
        assert list(compose(CONF, [f"metrics=[{path.stem}]"]).metrics) == [path.stem]
    for path in CONF.glob("experiment/*.yaml"):
        compose(CONF, [f"experiment={path.stem}"])


def test_the_default_is_the_report() -> None:
    config = compose(CONF, [])
    assert (config.backbone["name"], config.backbone["weights"]) == ("resnet18", "IMAGENET1K_V1")
    assert (config.layer.tap, config.layer.pool, config.dataset["name"]) == ("last_conv", "gap", "fashion_mnist")
    assert config.reducer is not None
    assert config.reducer["_target_"].endswith("TSNE")
    resize = build(config.preprocess, "preprocess", Preprocess)
    assert resize.pipeline(build(config.backbone, "backbone", Backbone).preset).size == 224
