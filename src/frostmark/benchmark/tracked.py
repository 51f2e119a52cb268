"""The tracking store that a configuration asks for.

store = open_store(config.tracking, config.mlruns)      # None for tracking=none
"""

from __future__ import annotations

from pathlib import Path

from frostmark.config import Tracking
from frostmark.tracking.mlflow import MlflowStore


def open_store(tracking: Tracking, mlruns: Path) -> MlflowStore | None:
    """The store; None for ``tracking=none``. Nothing is asked of it yet."""
    if tracking.kind == "none":
        return None
    if tracking.uri:
        return MlflowStore(tracking.uri, tracking.experiment)
    return MlflowStore.local(mlruns, tracking.experiment)
