"""Installed packages add words and classes, and `plugins` says what is wrong with each."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from frostmark.api import benchmark
from frostmark.cli.commands.plugins import run
from frostmark.config.compose import compose
from frostmark.config.plugins import plugins
from frostmark.config.words import conf_dir
from frostmark.errors import ConfigError
from support.environment import REPOSITORY, environment
from support.fixtures import SeePlugins
from support.plugin import DEMO, dist_info, installed

WORDS = (
    "backbone=demo_cnn", "dataset=stripes", "metrics=[neighbours,spread]", "reducer=two_features", "preprocess.size=32",
    "layer=stage1", "uncertainty.resamples=0", "uncertainty.permutations=0", "tracking=none",
)  # fmt: skip


@pytest.fixture
def demo(tmp_path: Path, see_plugins: SeePlugins) -> str:
    """The plugin of this repository, as if pip had installed it; what belongs on PYTHONPATH."""
    dist_info(tmp_path / "site", "frostmark-demo", "frostmark_demo")
    for folder in (DEMO / "src", tmp_path / "site"):
        see_plugins(folder)
    return os.pathsep.join([str(tmp_path / "site"), str(DEMO / "src")])


def run_py(*words: str, cwd: Path, path: str, python: str = sys.executable) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [python, str(REPOSITORY / "run.py"), *words], cwd=cwd, env=environment(PYTHONPATH=path), capture_output=True,
        text=True, check=False,
    )  # fmt: skip


def test_without_a_plugin_it_says_so(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("frostmark.cli.commands.plugins.plugins", lambda: ())
    assert run([]) == 0
    assert "No plugin is installed." in capsys.readouterr().out


def test_a_plugin_is_found_without_being_imported(demo: str) -> None:
    (plugin,) = plugins()
    assert (plugin.name, plugin.package) == ("frostmark-demo", "frostmark_demo")
    assert (plugin.distribution, plugin.version, plugin.problem) == ("frostmark-demo", "0.1.0", "")
    assert plugin.conf == DEMO / "src" / "frostmark_demo" / "conf"
    assert compose(conf_dir(), ["dataset=stripes"]).dataset["_target_"] == "frostmark_demo.dataset.Stripes"
    assert "frostmark_demo" not in sys.modules


def test_its_words_are_listed(demo: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([]) == 0
    listed = capsys.readouterr().out
    assert "frostmark-demo: frostmark_demo (frostmark-demo 0.1.0)\n" in listed
    for word in ("backbone=demo_cnn", "dataset=stripes", "metrics=spread", "reducer=two_features"):
        assert f"  {word}\n" in listed
    assert "Problem" not in listed


def test_a_wrong_word_is_answered_with_one_of_a_plugin(demo: str) -> None:
    with pytest.raises(ConfigError, match="Nearest: stripes"):
        compose(conf_dir(), ["dataset=strips"])


def test_it_is_benchmarked_from_python(demo: str, tmp_path: Path) -> None:
    words = [*WORDS[2:5], *WORDS[6:8]]
    (result,) = benchmark("demo_cnn", "stripes", "stage1", overrides=words, root=tmp_path, tracking="none")
    assert result.title == "demo_cnn · stage1 · stripes"
    assert result.values["test/spread/norm"] > 0


def test_it_is_benchmarked_from_the_command_line(demo: str, tmp_path: Path) -> None:
    done = run_py(*WORDS, cwd=tmp_path, path=demo)
    assert done.returncode == 0, done.stderr
    assert_benchmarked(tmp_path)
    shown = run_py("--help", cwd=tmp_path, path=demo)
    assert "demo_cnn" in shown.stdout
    assert "stripes" in shown.stdout


def assert_benchmarked(root: Path) -> None:
    (file,) = root.glob("mlruns/_hydra/*s/**/raw/metrics.json")
    values = json.loads(file.read_text())["values"]
    assert {"train/spread/norm", "test/spread/norm", "test/map/trustworthiness"} <= set(values)
    assert values["test/neighbours/knn_accuracy"] > 0.25


@pytest.mark.slow
def test_jobs_of_other_processes_see_it_too(demo: str, tmp_path: Path) -> None:
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher", reason="that extra is not installed")
    words = [*(word for word in WORDS if not word.startswith("layer")), "layer=stage1,stage2", "hydra/launcher=joblib"]
    done = run_py("-m", *words, cwd=tmp_path, path=demo)
    assert done.returncode == 0, done.stderr
    assert len(list(tmp_path.glob("mlruns/_hydra/sweeps/*/*/raw/metrics.json"))) == 2


BROKEN = {
    "dataset/lacking": "_target_: plugin_of_problems.made.Lacking\n",
    "dataset/asking": "_target_: plugin_of_problems.made.Asking\nroot: ???\n",
    "dataset/needing": "_target_: plugin_of_problems.made.Needing\nroot: ???\n",
    "dataset/misspelt": "_target_: plugin_of_problems.made.Lacking\nrot: x\n",
    "dataset/foreign": "_target_: os.system\n",
    "reducer/unmade": "_target_: plugin_of_problems.made.Lacking\n",
    "backbone/resnet18": "_target_: os.system\n",
    "layer/stage3": "tap: stage2\n",
    "layer/middle": "tap: stage2\npool: max\n",
}

CODE = """
from frostmark.data.source import Limits

class Lacking:
    name = "x"
    def classes(self): ...
    def split(self, split): ...

class Asking(Lacking):
    limit = Limits()
    def __init__(self, root: str): ...

class Needing:
    def __init__(self, root: str): ...
"""


def test_everything_that_is_wrong_is_named(
    tmp_path: Path, see_plugins: SeePlugins, capsys: pytest.CaptureFixture[str]
) -> None:
    see_plugins(installed(tmp_path, "plugin_of_problems", {"made": CODE}, BROKEN))
    assert run([]) == 2
    listed = capsys.readouterr().out
    for problem in (
        "dataset=lacking: dataset: plugin_of_problems.made.Lacking lacks 'limit'",
        "dataset=needing: dataset: plugin_of_problems.made.Needing lacks 'classes', 'split'",
        "dataset=misspelt: there is no key 'dataset.rot'",
        "dataset=foreign: _target_=os.system is not allowed",
        "reducer=unmade: reducer: plugin_of_problems.made.Lacking is not a Reducer",
    ):
        assert f"  Problem: {problem}" in listed
    assert "Problem: dataset=asking" not in listed
    assert "  Note: backbone=resnet18 is a word of Frostmark, which is used instead." in listed
    assert "  Note: layer=stage3 is a word of Frostmark" in listed
    assert compose(conf_dir(), ["backbone=resnet18"]).backbone["name"] == "resnet18"
    assert compose(conf_dir(), ["layer=stage3"]).layer.tap == "stage3"
    assert compose(conf_dir(), ["layer=middle"]).layer.pool == "max"


@pytest.mark.parametrize(
    ("package", "code", "told"),
    [
        ("plugin_that_fails", "1 / 0", "plugin_that_fails cannot be imported: ZeroDivisionError"),
        ("os", None, "names os, which is not a package of its own"),
        ("frostmark.data", None, "which is not a package of its own"),
        ("nowhere_to_be_seen", None, "there is no package nowhere_to_be_seen"),
        ("a:b", None, "names 'a:b', which is not an importable package"),
    ],
)
def test_a_package_that_cannot_be_used_is_named(
    package: str,
    code: str | None,
    told: str,
    tmp_path: Path,
    see_plugins: SeePlugins,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if code is None:
        dist_info(tmp_path, "wrong", package)
    else:
        (installed(tmp_path, package) / package / "__init__.py").write_text(code)
    see_plugins(tmp_path)
    assert run([]) == 2
    assert told in capsys.readouterr().out
    compose(conf_dir(), [])  # everything else goes on


def test_no_word_on_a_command_line_adds_a_plugin(tmp_path: Path) -> None:
    for words in (
        ["+plugins=[evil]", "dataset._target_=evil.Data"],
        ["--config-dir", str(DEMO / "src" / "frostmark_demo" / "conf"), "dataset=stripes"],
        [f"hydra.searchpath=[file://{DEMO / 'src' / 'frostmark_demo' / 'conf'}]", "dataset=stripes"],
    ):
        done = run_py(*words, cwd=tmp_path, path=str(DEMO / "src"))  # importable, but not installed as a plugin
        assert done.returncode == 2, done.stderr


@pytest.mark.slow
def test_it_is_installed_by_pip(tmp_path: Path) -> None:
    home = tmp_path / "venv"
    venv.create(home, with_pip=False, system_site_packages=False)
    python = str(home / "bin" / "python")
    ours = os.pathsep.join(path for path in sys.path if path.endswith("site-packages"))
    done = subprocess.run(
        [sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-build-isolation", "--no-index",
         str(DEMO)],
        env=environment(PYTHONPATH=ours), cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    listed = run_py("plugins", cwd=tmp_path, path=ours, python=python)
    assert listed.returncode == 0, listed.stdout + listed.stderr
    assert "demo: frostmark_demo (frostmark-demo 0.1.0)" in listed.stdout
    benchmarked = run_py(*WORDS, cwd=tmp_path, path=ours, python=python)
    assert benchmarked.returncode == 0, benchmarked.stderr
    assert_benchmarked(tmp_path)
