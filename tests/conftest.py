"""What several tests need: the shared real images and weights, and the program run as a program."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from forked import Forkserver
from harness import SHARED

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
