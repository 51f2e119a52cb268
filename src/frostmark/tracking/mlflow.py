"""MLflow behind the port: SQLite inside ``mlruns/``, or a server.

    store = MlflowStore.local(Path("mlruns"), experiment="frostmark")
    store.connect()                                    # before any long work: is it there at all?
    with store.run("resnet18 · last_conv · digits", parent=None) as tracker:
        tracker.log_metrics({"test/variance/intra": 21.5})

The run is ours, not MLflow's fluent one, whose exit hook marks crashing runs FINISHED.
"""

from __future__ import annotations

import json
import os
import shlex
import sqlite3
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from threading import Thread
from types import TracebackType
from typing import TYPE_CHECKING, Self
from urllib.parse import quote, urlsplit
from urllib.request import url2pathname

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from frostmark.errors import TrackingError
from frostmark.tracking.client import (
    ENVIRONMENT,
    IN_HURRY,
    benchmarks_of,
    client_of,
    deleted,
    environment,
    explained,
    fetched,
    fitting,
    refuse_stranger,
    require_kept,
    run_of,
)
from frostmark.tracking.machine import PROCESS_TAG, close_left, this_process, watch_machine
from frostmark.tracking.patience import in_hurry
from frostmark.tracking.serving import address_of
from frostmark.tracking.tracker import status_of
from frostmark.tracking.view import DESCRIPTION, VIEW_TAG, WORKFLOW, first_page

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Param, RunTag
    from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

PARENT_TAG = "mlflow.parentRunId"


@dataclass(frozen=True)
class MlflowStore:
    """A tracking store and one experiment in it.

    Attributes:
        uri: of the store.
        experiment: its name; created where it does not exist.
        folder: ``mlruns/`` for the local store, None for a server.
        machine: whether a run keeps how busy the machine was: on MLflow's compare page that stands before the results.
    """

    uri: str
    experiment: str
    folder: Path | None = None
    machine: bool = False

    @classmethod
    def local(cls, folder: Path, experiment: str) -> MlflowStore:
        """The SQLite database inside ``mlruns/``, artifacts beside it."""
        folder = folder.absolute()
        return cls(address_of(folder), experiment, folder)

    def connect(self) -> None:
        """Create the database and the experiment if need be, and see that they answer.

        Raises:
            TrackingError: if they do not.
        """
        for name, value in ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        with self._explained("connect"):
            if self.folder is not None:
                self.folder.mkdir(parents=True, exist_ok=True)
                # Processes that create the database at once would run its migrations against each other.
                with FileLock(self.folder / "mlflow.db.lock"):
                    fresh = not (self.folder / "mlflow.db").exists()
                    self._refuse_moved(self.experiment_id)
                    if fresh:
                        self._write_ahead()
            close_left(self._client(), self.experiment_id)

    def _refuse_moved(self, experiment_id: str) -> None:
        """Of an ``mlruns/`` that was moved the database names the old place, and files would go there."""
        assert self.folder is not None
        location = self._client().get_experiment(experiment_id).artifact_location
        there = Path(url2pathname(urlsplit(location).path)).parent
        if there.name != "mlruns" or there == self.folder or (there.exists() and there.samefile(self.folder)):
            return
        raise TrackingError(
            f"{self.folder} was moved or copied: its database names {there}, and files would go there",
            fix=f"python scripts/relocate_mlruns.py {shlex.quote(str(self.folder.parent))} (in the repository)",
        )

    @cached_property
    def experiment_id(self) -> str:
        """The experiment's identifier in the store; asked for once."""
        from mlflow.exceptions import MlflowException

        client = self._client()
        experiment = client.get_experiment_by_name(self.experiment)
        if experiment is not None:
            refuse_stranger(self.uri, experiment.experiment_id)
            if experiment.lifecycle_stage == "deleted":
                raise deleted(self.experiment, experiment.experiment_id, self.uri)
            return str(experiment.experiment_id)
        location = None if self.folder is None else (self.folder / "artifacts").as_uri()
        try:
            created = client.create_experiment(self.experiment, artifact_location=location)
        except MlflowException as problem:
            if problem.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            return self.experiment_id  # another was faster, or the server made it and its answer came too late
        refuse_stranger(self.uri, str(created or ""))
        client.set_experiment_tag(created, "mlflow.experimentKind", "custom_model_development")
        client.set_experiment_tag(created, "mlflow.note.content", DESCRIPTION)
        client.set_experiment_tag(created, *VIEW_TAG)
        return str(created)

    def run(self, name: str, parent: str | None) -> MlflowTracker:
        """A new run, opened when it is entered; ``parent`` is the run of the sweep it belongs to."""
        return MlflowTracker(self, name, parent)

    def start(self, name: str, tags: Mapping[str, str]) -> str:
        """Create a run, RUNNING, and return its identifier; source and git commit are tagged as MLflow does."""
        from mlflow.tracking.context.registry import resolve_tags

        with self._explained("start"):
            resolved = {**resolve_tags(dict(tags)), PROCESS_TAG: this_process()}
            run = self._client().create_run(self.experiment_id, run_name=fitting(name, "name"), tags=resolved)
            refuse_stranger(self.uri, run.info.run_id)
        return str(run.info.run_id)

    def add_files(self, run_id: str, files: Sequence[Path], folder: str = "") -> None:
        """Keep files of a run that was started here or by another process: at its root, or in a ``folder`` of it."""
        with self._explained():
            for path in files:
                self._client().log_artifact(run_id, str(path), folder or None)

    def add_metrics(self, run_id: str, points: Sequence[tuple[str, float, int]]) -> None:
        """Write (key, value, step) into a run that was started here or by another process."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        with self._explained():
            self._client().log_batch(run_id, metrics=[Metric(key, value, now, step) for key, value, step in points])

    def reopen(self, run_id: str) -> bool:
        """Mark a run as RUNNING again; False if the store does not have it any more."""
        from mlflow.exceptions import MlflowException

        with self._explained():
            client = self._client()
            try:
                if client.get_run(run_id).info.lifecycle_stage != "active":
                    return False
            except MlflowException:
                return False
            client.set_tag(run_id, PROCESS_TAG, this_process())
            client.update_run(run_id, status="RUNNING")
        return True

    def finished(self, name: str) -> tuple[list[str], str | None]:
        """The finished benchmarks that a name stands for, oldest first, and the run that is their parent.

        Args:
            name: of an experiment, or the identifier of a parent run or of a benchmark.

        Raises:
            ConfigError: if there is nothing of that name.
        """
        with self._explained():
            client = self._client()
            experiment = client.get_experiment_by_name(name)
            if experiment is not None:
                return benchmarks_of(client, experiment.experiment_id), None
            run = run_of(client, name, self.uri)
            if "backbone" in run.data.tags:
                return [name], None
            within = f"tags.`{PARENT_TAG}` = '{name}'"
            return benchmarks_of(client, run.info.experiment_id, within), name

    def fetch(self, run_id: str, names: Sequence[str], into: Path) -> Path:
        """A folder below ``into`` with the artifacts ``names`` of a run, as far as the run has them.

        Args:
            names: at the root of the run, or in one of its folders: ``maps/thumbnails.npz``.
        """
        with self._explained():
            return fetched(self._client(), run_id, names, into / run_id)

    def compare_link(self, run_ids: Sequence[str]) -> str:
        """The place in MLflow's pages where the runs are side by side."""
        with self._explained():
            runs, experiments = (quote(json.dumps(list(ids))) for ids in (run_ids, [self.experiment_id]))
        return f"#/compare-runs?runs={runs}&experiments={experiments}&{WORKFLOW}"

    def finish(self, run_id: str, status: str, tags: Mapping[str, str]) -> None:
        """Close a run that was started here or by another process."""
        with self._explained("finish"):
            self._client().set_terminated(run_id, status)  # first: whatever happens to the tags, the run has ended
        self.add_tags(run_id, tags)

    def give_up(self, run_id: str) -> None:
        """Mark a run as FAILED by one request, where closing it asks the store twice."""
        with self._explained("finish"):
            self._client().update_run(run_id, status="FAILED")

    @property
    def address(self) -> str:
        """The place in MLflow's pages to begin at."""
        with self._explained():
            return first_page(self._client(), self.experiment_id)

    def add_tags(self, run_id: str, tags: Mapping[str, str]) -> None:
        """Write tags of a run that was started here or by another process."""
        with self._explained():
            for key, value in tags.items():
                self._client().set_tag(run_id, key, fitting(value, "tags"))

    def link(self, run_id: str) -> str:
        """The run's place in MLflow's pages, behind the server's address."""
        with self._explained():
            return f"#/experiments/{self.experiment_id}/runs/{run_id}?{WORKFLOW}"

    def _client(self) -> MlflowClient:
        return client_of(self.uri)

    def _write_ahead(self) -> None:
        assert self.folder is not None
        with sqlite3.connect(self.folder / "mlflow.db") as database:
            database.execute("PRAGMA journal_mode=WAL")  # readers do not block writers: sweeps, and the UI beside them
        database.close()

    def _explained(self, step: str = "asked") -> AbstractContextManager[None]:
        return explained(self.uri, self.folder, step)


class MlflowTracker:
    """One run in an MLflow store."""

    def __init__(self, store: MlflowStore, name: str, parent: str | None) -> None:
        self.run_id: str | None = None
        self._store = store
        self._name = name
        self._parent = parent
        self._monitor: SystemMetricsMonitor | None = None
        self._sent: set[str] = set()

    def __enter__(self) -> Self:
        self.run_id = self._store.start(self._name, {} if self._parent is None else {PARENT_TAG: self._parent})
        self._monitor = watch_machine(self.run_id, self._store.uri) if self._store.machine else None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        tags = {} if error is None else {"error": f"{type(error).__name__}: {error}"}
        if isinstance(error, TrackingError):
            # Nobody waits for the monitor: it may be asking the lost store itself.
            Thread(target=self._close_monitor, daemon=True).start()
            with environment(IN_HURRY), in_hurry(), suppress(TrackingError):
                self._store.give_up(str(self.run_id))
            return
        status = status_of(kind)
        if status == "KILLED":  # whoever stops it waits
            Thread(target=self._close_monitor, daemon=True).start()
            with environment(IN_HURRY), in_hurry(), suppress(TrackingError):
                self._store.finish(str(self.run_id), status, tags)
            return
        self._close_monitor()
        try:
            self._store.finish(str(self.run_id), status, tags)
            if self._store.folder is None:
                self._require_kept()
        except TrackingError:
            if error is None:  # else what went wrong first is what counts
                raise

    def _require_kept(self) -> None:
        with self._store._explained():
            require_kept(self._store._client(), self._store.uri, str(self.run_id), self._sent)

    def _close_monitor(self) -> None:
        if self._monitor is not None:
            self._monitor.finish()  # type: ignore[no-untyped-call]

    def log_params(self, params: Mapping[str, str]) -> None:
        from mlflow.entities import Param

        self._send("params", params=[Param(k, fitting(v, "params")) for k, v in params.items()])

    def set_tags(self, tags: Mapping[str, str]) -> None:
        from mlflow.entities import RunTag

        self._send("tags", tags=[RunTag(k, fitting(v, "tags")) for k, v in tags.items()])

    def log_metrics(self, metrics: Mapping[str, float]) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        self._send("metrics", metrics=[Metric(k, v, now, 0) for k, v in metrics.items()])
        self._sent |= metrics.keys()

    def _send(
        self, what: str, *, metrics: Sequence[Metric] = (), params: Sequence[Param] = (), tags: Sequence[RunTag] = ()
    ) -> None:
        with self._store._explained(what):  # MLflow's client cuts it into calls
            self._store._client().log_batch(str(self.run_id), metrics=metrics, params=params, tags=tags)

    def log_file(self, path: Path, folder: str = "") -> None:
        with self._store._explained("file"):
            self._store._client().log_artifact(str(self.run_id), str(path), folder or None)

    def log_dataset(self, name: str, split: str, digest: str, images: int) -> None:
        from mlflow.entities import Dataset, DatasetInput, InputTag

        profile = json.dumps({"images": images})
        dataset = Dataset(f"{fitting(name, 'name')} {split}", digest[:36], "local", "{}", profile=profile)
        with self._store._explained("dataset"):
            self._store._client().log_inputs(
                str(self.run_id), [DatasetInput(dataset, [InputTag("mlflow.data.context", split)])]
            )

    def log_image(self, key: str, image: NDArray[np.uint8]) -> None:
        with self._store._explained("image"):
            self._store._client().log_image(str(self.run_id), image, key=key, step=0)
