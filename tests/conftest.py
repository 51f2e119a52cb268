"""What several tests need: the shared real images and weights, and the program run as a program."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.environment import SHARED, THREADS, free_port, serving
from support.forkserver import Forkserver

# Before torch and NumPy are there, which read it once.
os.environ |= THREADS

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
    folder, port = tmp_path_factory.mktemp("server"), free_port()
    command = [
        sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
        "--backend-store-uri", f"sqlite:///{folder}/server.db", "--artifacts-destination", str(folder / "kept"),
    ]  # fmt: skip
    with serving(command, port, folder) as address:
        yield address
