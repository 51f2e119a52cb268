"""A real MLflow server: a run logged through its address, artifacts proxied."""

from __future__ import annotations

from pathlib import Path

from mlflow import MlflowClient

from conftest import Program
from support.runs import TINY


def test_a_run_goes_to_the_server(server: str, program: Program, tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    done = program(*TINY, "metrics=[neighbours]", "tracking=server", f"tracking.uri={server}", cwd=work)
    assert done.returncode == 0, done.stderr
    client = MlflowClient(tracking_uri=server)
    experiment = client.get_experiment_by_name("frostmark")
    assert experiment is not None
    run = client.search_runs([experiment.experiment_id])[0]  # the latest
    assert run.info.status == "FINISHED"
    assert run.data.metrics["cost/images_forwarded"] == 151
    assert {"map.png", "summary.md", "images"} <= {a.path for a in client.list_artifacts(run.info.run_id)}
    assert f"{server}/#/experiments/{experiment.experiment_id}/runs/{run.info.run_id}" in done.stdout
    assert not (work / "mlruns" / "mlflow.db").exists()
