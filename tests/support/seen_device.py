"""The work of a job that writes down what its process sees; here, so that a process that is started anew finds it."""

from __future__ import annotations

import os
from pathlib import Path

from omegaconf import DictConfig

from frostmark.cli.devices import VARIABLE


def write_down(config: DictConfig, folder: Path, choices: str) -> None:
    """GPUs and cores of this process, into ``folder``."""
    cores = sorted(os.sched_getaffinity(0))
    (folder / "seen").write_text(f"{os.environ.get(VARIABLE)} {cores}")
