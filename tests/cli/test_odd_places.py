"""Where a program may find itself: no folder, no stream, another encoding, a port that is taken."""

from __future__ import annotations

import shlex
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import Program
from frostmark.cli.commands import ui
from frostmark.errors import ConfigError
from support.environment import REPOSITORY, environment
from support.runs import TINY, Tracked


def shell(line: str, cwd: Path, **more: str) -> subprocess.CompletedProcess[bytes]:
    """A line in a shell, in which ``$RUN`` is the program."""
    run = f"{shlex.quote(sys.executable)} {shlex.quote(str(REPOSITORY / 'run.py'))}"
    return subprocess.run(
        ["sh", "-c", line.replace("$RUN", run)], cwd=cwd, env=environment(**more), capture_output=True, check=False
    )


def test_a_working_folder_that_was_removed(tmp_path: Path) -> None:
    done = shell("mkdir gone; cd gone; rmdir ../gone; $RUN compare x", tmp_path)
    assert done.returncode == 2
    assert b"was removed\nFix: cd" in done.stderr


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_closed_streams(closed: str, tmp_path: Path) -> None:
    assert shell(f"$RUN compare x paths.root=nowhere {closed}", tmp_path).returncode == 2
    done = shell(f"$RUN --help {closed}", tmp_path)
    assert done.returncode == 0
    assert b"Traceback" not in done.stderr
    assert b"a bug in" not in done.stderr


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_what_an_encoding_lacks_is_written_as_escapes(encoding: str, tmp_path: Path) -> None:
    done = shell("$RUN --help", tmp_path, PYTHONIOENCODING=encoding)
    assert done.returncode == 0, done.stderr
    assert b"stage1 \\u2026 stage9" in done.stdout


@pytest.mark.parametrize("port", ["99999", "0", "-1", "x"])
def test_a_port_that_is_none(port: str) -> None:
    with pytest.raises(ConfigError):
        ui.run(["--port", port])


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"127.0.0.1:{port} cannot be served") as told:
            ui.run([f"paths.root={tmp_path}", "--port", str(port)])
    assert f"--port {port}" not in told.value.fix
    assert not (tmp_path / "mlruns").exists()


ODD = "a#b%20c?d=e&f[g]*$HOME it's\"h,i\nj:k@l\\m{n};ä"
"""What a folder may be called: every sign that means something to addresses, shells, globs or Hydra."""


def test_a_root_of_any_name_holds_everything(program: Program, tmp_path: Path) -> None:
    words = (*TINY, "reducer=none", "metrics=[geometry]", "dataset.train=20", "dataset.test=20")
    done = program(*words, f"paths.root={tmp_path / ODD}", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert [path.name for path in tmp_path.iterdir()] == [ODD]
    mlruns = tmp_path / ODD / "mlruns"
    assert {"mlflow.db", "features", "artifacts", "_hydra"} <= {path.name for path in mlruns.iterdir()}
    (run,) = (mlruns / "artifacts").iterdir()
    assert (run / "artifacts" / "summary.md").is_file()
    again = program(*words, f"paths.root={ODD}", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    verified = program("cache", "verify", f"paths.root={ODD}", cwd=tmp_path)
    assert verified.stdout.startswith("2 entries verified"), verified.stdout
    assert [path.name for path in tmp_path.iterdir()] == [ODD]


def test_a_root_whose_name_is_no_text_is_refused(tmp_path: Path) -> None:
    for command in ("cache ls", "dataset=digits backbone=squeezenet1_0"):
        done = shell(f'$RUN {command} "paths.root=$(printf "a\\377b")"', tmp_path)
        assert done.returncode == 2, done.stderr
        assert b"is not a name in UTF-8\nFix: " in done.stderr
        assert b"a\\xffb" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("words", ["backbones", "--cfg job", "experiment=quickstart seed=x"])
@pytest.mark.parametrize("stream", ["PYTHONIOENCODING=ascii", "PYTHONIOENCODING=latin-1"])
def test_no_encoding_is_an_error(words: str, stream: str, tmp_path: Path) -> None:
    done = shell(f"env {stream} $RUN {words}", tmp_path)
    assert b"Traceback" not in done.stderr
    assert b"a bug in" not in done.stderr
    assert done.returncode == (2 if "seed=x" in words else 0)
    done.stderr.decode("ascii" if "latin" not in stream else "latin-1")


@pytest.mark.parametrize("closed", [">&- 2>&-", "| true"])
def test_a_benchmark_with_closed_streams_keeps_its_results(closed: str, tmp_path: Path) -> None:
    words = " ".join((*TINY, "reducer=none", "'metrics=[geometry]'", "dataset.train=20", "dataset.test=20"))
    done = shell(f"$RUN {words} {closed}", tmp_path)
    assert b"leaked" not in done.stderr  # the process ends as any other
    assert Tracked(tmp_path).only().info.status == "FINISHED"
