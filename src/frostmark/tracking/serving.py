"""The local store's address, and the command that opens MLflow's pages on it.

address_of(Path("/data/mlruns"))            # sqlite:////data/mlruns/mlflow.db
command = serve(Path("/data/mlruns"), "127.0.0.1", 5000)
"""

from __future__ import annotations

import sys
from pathlib import Path
from urllib.parse import quote


def address_of(folder: Path) -> str:
    """Of the database in ``mlruns/``: of what a folder may be called two signs mean something in an address.

    Where they stand in the path, slashes are escaped as well: MLflow creates the folder of the path as it is written.
    """
    path = str(folder / "mlflow.db")
    return f"sqlite:///{quote(path, safe='') if set('%?') & set(path) else path}"


def serve(folder: Path, host: str, port: int) -> list[str]:
    """The command that opens MLflow's pages on ``mlruns/``."""
    return [
        sys.executable, "-m", "mlflow", "ui", "--backend-store-uri", address_of(folder.absolute()), "--workers", "1",
        "--host", host, "--port", str(port),
    ]  # fmt: skip


def serving_environment() -> dict[str, str]:
    """What MLflow's server is started with: no telemetry, and no jobs run for whoever reaches the port."""
    return {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
