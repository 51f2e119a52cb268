"""Where things are, and the surroundings of a program under test."""

from __future__ import annotations

import os
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
SHARED = REPOSITORY.parent / "shared"


THREADS = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1" if "PYTEST_XDIST_WORKER" in os.environ else "2"
)
"""Threads of a test and of its programs: where two tests run at a time, those of one would wait for the other's."""


def environment(**more: str) -> dict[str, str]:
    """The environment of a program under test: no caller's settings."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("FROSTMARK", "HYDRA", "MLFLOW"))}
    return kept | THREADS | {"MLFLOW_DISABLE_TELEMETRY": "true"} | more


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextmanager
def serving(command: Sequence[str], port: int, folder: Path) -> Iterator[str]:
    """The address of a server that answers, started by ``command`` in ``folder``."""
    address, quiet = f"http://127.0.0.1:{port}", subprocess.DEVNULL
    variables = environment(MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false")
    with subprocess.Popen(command, env=variables, cwd=folder, stdout=quiet, stderr=quiet) as process:
        try:
            for _ in range(240):
                try:
                    urllib.request.urlopen(f"{address}/health", timeout=1).close()
                    break
                except OSError:
                    time.sleep(0.5)
            yield address
        finally:
            process.terminate()
