"""Where things are, and the surroundings of a program under test."""

from __future__ import annotations

import os
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
SHARED = REPOSITORY.parent / "shared"


def environment(**more: str) -> dict[str, str]:
    """The environment of a program under test: no caller's settings, two threads."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("FROSTMARK", "HYDRA", "MLFLOW"))}
    return kept | {"OMP_NUM_THREADS": "2", "MLFLOW_DISABLE_TELEMETRY": "true"} | more
