"""The tracking store that a configuration asks for.

store = open_store(config.tracking, config.mlruns)      # None for tracking=none
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from frostmark.config.schema import Tracking
from frostmark.errors import ConfigError
from frostmark.tracking.mlflow import MlflowStore


def open_store(tracking: Tracking, mlruns: Path) -> MlflowStore | None:
    """The store; None for ``tracking=none``. Nothing is asked of it yet."""
    if tracking.kind == "none":
        return None
    if tracking.uri:
        return MlflowStore(tracking.uri, tracking.experiment, machine=tracking.machine)
    return replace(MlflowStore.local(mlruns, tracking.experiment), machine=tracking.machine)


def open_existing_store(tracking: Tracking, mlruns: Path) -> MlflowStore:
    """The tracking store with the runs that are there, connected.

    Raises:
        ConfigError: if there is no store: nothing was tracked below ``mlruns``.
        TrackingError: if it does not answer.
    """
    if not tracking.uri and not (mlruns / "mlflow.db").is_file():
        raise ConfigError(
            f"there are no tracked runs in {mlruns}",
            fix="paths.root=<folder that holds mlruns/>, tracking.uri=<server>, the folder of a sweep, or run the "
            "command in the folder in which the runs were made",
        )
    store = open_store(tracking, mlruns)
    assert store is not None
    store.connect()
    return store
