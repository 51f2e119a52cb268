"""A full disk that is not the one of the working folder: the message tells the free bytes of the right one."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from support.environment import REPOSITORY, environment
from support.mounts import private_mounts
from support.runs import TINY


@pytest.mark.skipif(not private_mounts(), reason="this machine lets nobody mount a small disk of his own")
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("size", "code", "told"),
    [
        ("64k", 4, r"the disk of {root}/mlruns is too full for the tracking store: ([\d,]+) bytes are free"),
        ("4m", 3, r"too full to write a file of this run; ([\d,]+) bytes are free in {root}/mlruns/_hydra/runs/\S+"),
    ],
)
def test_the_free_bytes_are_those_of_the_full_disk(size: str, code: int, told: str, tmp_path: Path) -> None:
    """The database has no room, or a file of the run; the disk of the working folder and of /tmp has gigabytes."""
    small, elsewhere = tmp_path / "small", tmp_path / "elsewhere"
    small.mkdir()
    elsewhere.mkdir()
    inside = f'mount -t tmpfs -o size={size} tmpfs {small} && cd {elsewhere} && exec "$@"'
    words = [sys.executable, str(REPOSITORY / "run.py"), *TINY, f"paths.root={small}"]
    command = ["unshare", "-rm", "sh", "-c", inside, "sh", *words]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == code, done.stderr
    error = done.stderr[done.stderr.rindex("Error: ") :]
    found = re.search(told.format(root=re.escape(str(small))), error)
    assert found is not None, error
    assert int(found.group(1).replace(",", "")) < 4 * 2**20  # of the small disk
    assert "Fix: make room, or paths.root=" in error
    assert not any(elsewhere.iterdir())
