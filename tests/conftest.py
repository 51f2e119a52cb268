"""What several tests need: the shared real images and weights, and the program run as a program."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from forked import Forkserver
from harness import SHARED, environment

Program = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    folder = SHARED / "data"
    if not (folder / "FashionMNIST").is_dir():
        pytest.skip("the shared folder with real FashionMNIST images is not beside this checkout")
    return folder


@pytest.fixture(scope="session")
def shared_weights() -> Path:
    file = SHARED / "weights" / "squeezenet1_0-imagenet.pth"
    if not file.is_file():
        pytest.skip("the shared folder with real SqueezeNet weights is not beside this checkout")
    return file


@pytest.fixture(scope="session")
def forkserver() -> Iterator[Forkserver]:
    with Forkserver() as server:
        yield server


@pytest.fixture(scope="session")
def program(forkserver: Forkserver) -> Program:
    """Runs ``run.py`` with the words given, in the folder ``cwd``."""
    return forkserver.run


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real MLflow server."""
    folder = tmp_path_factory.mktemp("server")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
        "--backend-store-uri", f"sqlite:///{folder}/server.db", "--artifacts-destination", str(folder / "kept"),
    ]  # fmt: skip
    with subprocess.Popen(
        command,
        env=environment(MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false"),
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        address = f"http://127.0.0.1:{port}"
        for _ in range(240):
            try:
                urllib.request.urlopen(f"{address}/health", timeout=1).close()
                break
            except OSError:
                time.sleep(0.5)
        yield address
        process.terminate()
