"""Where a program may find itself: no folder, no stream, another encoding, a port that is taken."""

from __future__ import annotations

import shlex
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from frostmark.cli.commands import ui
from frostmark.errors import ConfigError
from support.environment import REPOSITORY, environment


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
