"""What several tests need: the shared real images and weights, and the program run as a program."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from harness import REPOSITORY, SHARED, environment

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
def program() -> Program:
    """Runs ``run.py`` with the words given, in the folder ``cwd``."""

    def run(*words: str, cwd: Path, timeout: float = 240, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, str(REPOSITORY / "run.py"), *words],
            cwd=cwd,
            env=environment(**more),
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    return run
