"""The house itself: who may import whom, what every YAML promises, what the start costs."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from frostmark.config.build import allowed
from frostmark.config.compose import compose
from harness import REPOSITORY, environment

SOURCE = REPOSITORY / "src" / "frostmark"
CONF = REPOSITORY / "conf"

FOUNDATIONS = {"errors", "faults", "download", "names", "__init__"}
"""Modules at the top that every room may import: errors are raised, names shown, and fault points lie, everywhere."""

ROOMS = {
    # room: (third party it may import, rooms it may import)
    "stats": ({"numpy", "scipy", "sklearn", "faiss", "threadpoolctl"}, set()),
    "metrics": ({"numpy", "scipy", "sklearn", "faiss"}, {"stats"}),
    "features": ({"numpy", "safetensors", "filelock"}, set()),
    "reducers": (
        {"numpy", "scipy", "sklearn", "openTSNE", "umap", "numba", "pacmap", "torchdr", "torch"},
        {"stats"},
    ),
    "figures": ({"numpy", "matplotlib", "bokeh", "jinja2", "rich"}, {"stats"}),
    "comparison": (
        {"numpy", "matplotlib", "bokeh", "jinja2", "rich", "pyarrow"},
        # outcome: how the jobs of a sweep ended, to be read in the sweep's folder.
        {"stats", "metrics", "figures", "features", "report", "tracking.tracker", "outcome"},
    ),
    "report": ({"numpy", "matplotlib", "bokeh", "jinja2", "rich", "pyarrow"}, {"stats"}),
    "backbones": (
        {"torch", "torchvision", "timm", "huggingface_hub", "PIL", "safetensors", "filelock"},
        set(),
    ),
    "data": ({"torch", "torchvision", "timm", "PIL", "sklearn"}, set()),
    "lit": (
        {"pytorch_lightning", "lightning_fabric", "torch", "numpy", "matplotlib"},
        {"stats", "metrics", "features", "reducers", "figures", "report", "backbones", "data", "tracking.tracker"},
    ),
    "tracking": ({"numpy", "filelock", "psutil", "sqlalchemy"}, set()),
    "config": ({"hydra", "omegaconf"}, {"tracking.tracker"}),
    "cli": ({"hydra", "omegaconf", "rich"}, {"*"}),
    "": ({"hydra", "omegaconf", "rich", "frostmark"}, {"*"}),
}

HEAVY = {
    "torch",
    "torchvision",
    "mlflow",
    "umap",
    "openTSNE",
    "sklearn",
    "matplotlib",
    "pytorch_lightning",
    "scipy",
    "numpy",
}


def modules() -> list[Path]:
    return sorted(SOURCE.rglob("*.py"))


def imports(path: Path) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found += (
                [f"{node.module}.{a.name}" for a in node.names] if node.module == "frostmark" else [str(node.module)]
            )
    return found


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(SOURCE)))
def test_a_room_imports_only_what_the_table_allows(path: Path) -> None:
    parts = path.relative_to(SOURCE).with_suffix("").parts
    room = parts[0] if len(parts) > 1 else ""
    third_party, rooms = ROOMS[room]
    for name in imports(path):
        top, _, rest = name.partition(".")
        if top == "frostmark" and rest:
            target = rest.split(".")[0]
            allowed = target in FOUNDATIONS or target == room or "*" in rooms
            assert allowed or target in rooms or any(rest.startswith(r) for r in rooms if "." in r), f"{path}: {name}"
        elif top not in sys.stdlib_module_names:
            mlflow_alone = top == "mlflow" and path == SOURCE / "tracking" / "mlflow.py"
            assert top in third_party or mlflow_alone, f"{path.relative_to(SOURCE)} must not import {name}"


def test_frameworks_touch_the_code_in_one_place() -> None:
    users = {
        top: {str(p.relative_to(SOURCE).parts[0]) for p in modules() for n in imports(p) if n.split(".")[0] == top}
        for top in ("pytorch_lightning", "mlflow")
    }
    assert users == {"pytorch_lightning": {"lit"}, "mlflow": {"tracking"}}


OURS = [path for path in sorted(CONF.rglob("*.yaml")) if path.parent.name != "launcher"]


@pytest.mark.parametrize("path", sorted(CONF.glob("hydra/launcher/*.yaml")), ids=lambda p: p.stem)
def test_every_launcher_takes_the_keys_of_its_yaml(path: Path) -> None:
    import importlib

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
            if "_target_" in node and not str(node["_target_"]).startswith("frostmark.cli.sweep"):
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
    if path.parent.name not in ("experiment", "metrics")
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
    assert config.preprocess["size"] == 224


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv = ['run.py', '--help']\n"
        "from frostmark.cli import main\n"
        "try: main()\nexcept SystemExit as stop: assert not stop.code, stop.code\n"
        "print('LOADED', ' '.join(sorted(m for m in sys.modules if '.' not in m)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=REPOSITORY,
        env=environment(PYTHONPATH=str(REPOSITORY / "src")),
    )
    assert "experiment=quickstart" in done.stdout
    loaded = set(done.stdout.rpartition("LOADED")[2].split())
    assert not loaded & HEAVY
