"""Runs of the program that several tests read, and MLflow read back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

TINY = (
    "backbone=squeezenet1_0", "backbone.weights=untrained", "dataset=synthetic", "dataset.size=16",
    "dataset.train=90", "dataset.test=61", "dataset.num_classes=4", "preprocess.size=32", "reducer=pca",
    "uncertainty.resamples=100", "uncertainty.permutations=19", "controls=[]",
)  # fmt: skip
"""A benchmark of seconds: everything in it is real but small."""


class Tracked:
    """The MLflow store of a folder, read back."""

    def __init__(self, root: Path) -> None:
        from mlflow import MlflowClient

        self.client = MlflowClient(tracking_uri=f"sqlite:///{root / 'mlruns' / 'mlflow.db'}")

    def runs(self) -> list[Any]:
        """All runs, oldest first."""
        (experiment,) = [e for e in self.client.search_experiments() if e.name == "frostmark"]
        return list(self.client.search_runs([experiment.experiment_id], order_by=["attributes.start_time ASC"]))

    def only(self) -> Any:
        (run,) = self.runs()
        return run

    def artifacts(self, run: Any) -> dict[str, Path]:
        """Where each file is, by its place in the run; MLflow's own folder of images left out."""
        folder = Path(run.info.artifact_uri.removeprefix("file://"))
        return {a: folder / a for a in self._below(run.info.run_id, "") if not a.startswith("images/")}

    def _below(self, run_id: str, folder: str) -> Iterator[str]:
        for artifact in self.client.list_artifacts(run_id, folder or None):
            yield from self._below(run_id, artifact.path) if artifact.is_dir else [artifact.path]


def metrics_of(root: Path) -> dict[str, Any]:
    """``metrics.json`` of the only run under ``root``."""
    (file,) = root.glob("mlruns/_hydra/runs/*/raw/metrics.json")
    found: dict[str, Any] = json.loads(file.read_text())
    return found


def rows_in(root: Path) -> dict[str, bytes]:
    """Every shard by entry and name."""
    folder = root / "mlruns" / "features"
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.glob("*/rows-*.safetensors"))}
