"""A real MLflow server: a run logged through its address, artifacts proxied."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient

from conftest import Program
from harness import environment
from reading import TINY


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
        "--backend-store-uri", f"sqlite:///{tmp_path}/server.db", "--artifacts-destination", str(tmp_path / "kept"),
    ]  # fmt: skip
    with subprocess.Popen(
        command, env=environment(), cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
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


def test_a_run_goes_to_the_server(server: str, program: Program, tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    done = program(*TINY, "metrics=[neighbours]", "tracking=server", f"tracking.uri={server}", cwd=work)
    assert done.returncode == 0, done.stderr
    client = MlflowClient(tracking_uri=server)
    experiment = client.get_experiment_by_name("frostmark")
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.status == "FINISHED"
    assert run.data.metrics["cost/images_forwarded"] == 151
    assert {"map.png", "summary.md", "images"} <= {a.path for a in client.list_artifacts(run.info.run_id)}
    assert f"{server}/#/experiments/{experiment.experiment_id}/runs/{run.info.run_id}" in done.stdout
    assert not (work / "mlruns" / "mlflow.db").exists()
