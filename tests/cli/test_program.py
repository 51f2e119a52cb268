"""How the program is started, and what it says of itself."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import time
from pathlib import Path

import pytest

from conftest import Program
from frostmark import __version__
from frostmark.cli.entry import through_hydra
from frostmark.cli.problems import exit_code, tell
from frostmark.cli.program import FOLDER, commands, program
from support.environment import REPOSITORY, environment
from support.forkserver import Forkserver
from support.runs import TINY


def ran(*words: str, cwd: Path, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words], cwd=cwd, env=environment(**more), capture_output=True, text=True, check=False
    )


def test_help_lists_every_command(tmp_path: Path) -> None:
    done = ran(str(REPOSITORY / "run.py"), "--help", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert {"cache", "compare", "layers", "plugins", "ui"} <= set(commands())
    assert sorted(commands()) == sorted(path.stem for path in FOLDER.glob("[a-z]*.py"))
    shown = " ".join(done.stdout.split())
    for word, about in commands().items():
        assert f" python run.py {word} {about} " in shown
    layers = "embedding, last_conv, logits, node, penultimate, projection, tokens"
    assert f"layer: stage1 … stage9, block1 … block64, {layers} " in shown
    assert "block17" not in done.stdout
    assert "hydra/launcher: basic, gpus, joblib, submitit_local, submitit_slurm (docs/clusters.md) " in shown


@pytest.mark.parametrize("word", commands())
def test_every_command_has_help_of_its_own(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    command = importlib.import_module(f"frostmark.cli.commands.{word}")
    with pytest.raises(SystemExit) as end:
        command.run(["--help"])
    assert not end.value.code
    assert commands()[word].rstrip(".") in " ".join(capsys.readouterr().out.split())


def test_the_module_is_the_same_program(tmp_path: Path) -> None:
    done = ran("-m", "frostmark", "--version", cwd=tmp_path, PYTHONPATH=str(REPOSITORY / "src"))
    assert (done.returncode, done.stdout) == (0, f"frostmark {__version__}\n")
    wrong = ran("-m", "frostmark", "layer=lastconv", cwd=tmp_path, PYTHONPATH=str(REPOSITORY / "src"))
    assert wrong.returncode == 2
    assert "`python -m frostmark layers backbone=…` lists" in wrong.stderr


def test_a_program_is_called_as_it_was_started(monkeypatch: pytest.MonkeyPatch) -> None:
    names = {
        "/bin/frostmark": "frostmark",
        "src/frostmark/__main__.py": "python -m frostmark",
        "run.py": "python run.py",
    }
    for file, name in names.items():
        monkeypatch.setattr(sys, "argv", [file])
        assert program() == name


@pytest.mark.parametrize("words", [["experiment=quickstart"], ["layers"], ["ui"], ["--help"]])
def test_without_its_dependencies_it_says_what_installs_them(words: list[str], tmp_path: Path) -> None:
    done = ran("-I", "-S", str(REPOSITORY / "run.py"), *words, cwd=tmp_path)
    assert done.returncode == 2
    assert "which is not installed" in done.stderr
    assert f"-m pip install {REPOSITORY}" in done.stderr
    assert "Traceback" not in done.stderr
    version = ran("-I", "-S", str(REPOSITORY / "run.py"), "--version", cwd=tmp_path)
    assert (version.returncode, version.stdout) == (0, f"frostmark {__version__}\n")


def test_what_a_plugin_lacks_is_told_of_the_plugin(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plugin = tmp_path / "theirs.py"
    plugin.write_text("import quux.bar\n")
    spec = importlib.util.spec_from_file_location("theirs", plugin)
    assert spec is not None
    assert spec.loader is not None
    with pytest.raises(ModuleNotFoundError) as absent:
        spec.loader.exec_module(importlib.util.module_from_spec(spec))
    assert tell(absent.value).code == 2
    said = capsys.readouterr().err
    assert f"{plugin} needs the Python package 'quux'" in said
    assert "-m pip install quux\n" in said


@pytest.mark.parametrize("words", [["-m", "--cfg", "job"], ["--cfg=job", "--multirun"], ["-r", "-i", "all"]])
def test_two_modes_are_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(lambda: through_hydra([*words, "layer=stage1"])) == 2
    assert "cannot be used together" in capsys.readouterr().err


SECRET = ("tracking.uri='http://me:hunter2@127.0.0.1:9'", "tracking=none", "reducer=none", "metrics=[geometry]")


def holding_the_secret(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file() and b"hunter2" in path.read_bytes()]


def test_no_file_of_a_run_or_a_sweep_holds_a_secret(program: Program, tmp_path: Path) -> None:
    single = program(*TINY, *SECRET, cwd=tmp_path)
    assert single.returncode == 0, single.stderr
    sweep = program("-m", *TINY, *SECRET, "layer=stage2,last_conv", cwd=tmp_path)
    assert sweep.returncode == 0, sweep.stderr
    (kept,) = tmp_path.glob("mlruns/_hydra/sweeps/*/multirun.yaml")
    assert "127.0.0.1:9" in kept.read_text()
    assert holding_the_secret(tmp_path) == []


def test_no_file_of_a_sweep_that_was_shot_holds_a_secret(forkserver: Forkserver, tmp_path: Path) -> None:
    started = forkserver.start("-m", *TINY, *SECRET, "layer=stage2,last_conv", cwd=tmp_path)
    for _ in range(1200):
        if "▸" in started.stderr:
            break
        time.sleep(0.05)
    started.kill()
    started.wait(60)
    assert list(tmp_path.glob("mlruns/_hydra/sweeps/*/multirun.yaml"))
    assert holding_the_secret(tmp_path) == []
