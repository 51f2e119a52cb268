"""MLflow behind the port: SQLite inside ``mlruns/``, or a server.

    store = MlflowStore.local(Path("mlruns"), experiment="frostmark")
    store.connect()                                    # before any long work: is it there at all?
    with store.run("resnet18 · last_conv · digits", parent=None) as tracker:
        tracker.log_metrics({"test/variance/intra": 21.5})

The run is ours, not MLflow's fluent one, whose exit hook marks crashing runs FINISHED.
"""

from __future__ import annotations

import json
import logging
import os
import re
import shlex
import socket
import sqlite3
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from threading import Thread
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote, urlsplit
from urllib.request import url2pathname

import numpy as np
import psutil
from filelock import FileLock
from numpy.typing import NDArray

from frostmark.errors import ConfigError, TrackingError, nearest
from frostmark.faults import point
from frostmark.names import storable
from frostmark.tracking.tracker import status_of, without_secrets

if TYPE_CHECKING:
    from mlflow import MlflowClient

VALUE_MOST = {"params": 6000, "tags": 8000, "name": 250}
"""Characters that a value may have, or the name of a run or data set; MLflow cuts or refuses longer ones."""

WORKFLOW = "workflowType=machine_learning"
"""Asks MLflow's pages for their side of runs and charts; unasked they open on that of language models."""

PARENT_TAG = "mlflow.parentRunId"

DESCRIPTION = """Frozen vision backbones, benchmarked by Frostmark without training anything.

A run is one layer of one network on one data set; a sweep is a parent run, whose description is the comparison of its
children. To see maps side by side: select runs, **Compare**, then *Artifacts*, `map.png` or `map.html`. In *Charts*
the section `map` shows the maps as a grid. `<split>/neighbours` and `<split>/separability` compare networks,
`<split>/variance` and `<split>/map/variance_…` do not: they grow with the features and with the map.
"""
"""Of an experiment, in MLflow's pages."""

_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    # A server that is down or hangs should be known within ten seconds: by default it is asked for minutes.
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "4",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    # It would print where a run is as a client sees it: with the password of the address, and the name as it is.
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}

_IN_HURRY = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "1", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
"""For the last word to a server that was lost: it may be back, but nobody waits for it twice."""

PROCESS_TAG = "process"
"""On which machine and by which process a run is worked on, so that the next start can tell whether it was left."""


@dataclass(frozen=True)
class MlflowStore:
    """A tracking store and one experiment in it.

    Attributes:
        uri: of the store.
        experiment: its name; created where it does not exist.
        folder: ``mlruns/`` for the local store, None for a server.
    """

    uri: str
    experiment: str
    folder: Path | None = None

    @classmethod
    def local(cls, folder: Path, experiment: str) -> MlflowStore:
        """The SQLite database inside ``mlruns/``, artifacts beside it."""
        folder = folder.absolute()
        return cls(f"sqlite:///{folder / 'mlflow.db'}", experiment, folder)

    def connect(self) -> None:
        """Create the database and the experiment if need be, and see that they answer.

        Raises:
            TrackingError: if they do not.
        """
        for name, value in _ENVIRONMENT.items():
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
            self._close_left()

    def _close_left(self) -> None:
        """Mark as KILLED what processes of this machine left open that are gone."""
        client = self._client()
        mine = f"attributes.status = 'RUNNING' and tags.{PROCESS_TAG} LIKE '{_machine()} %'"
        for run in client.search_runs([self.experiment_id], mine, max_results=1000):
            if not _is_alive(run.data.tags[PROCESS_TAG]):
                client.set_terminated(run.info.run_id, "KILLED")
                client.set_tag(run.info.run_id, "error", "its process ended without a word")

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
        found = client.get_experiment_by_name(self.experiment)
        if found is not None:
            if found.lifecycle_stage == "deleted":
                client.restore_experiment(found.experiment_id)
            return str(found.experiment_id)
        location = None if self.folder is None else (self.folder / "artifacts").as_uri()
        try:
            created = client.create_experiment(self.experiment, artifact_location=location)
        except MlflowException as problem:
            if problem.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            return self.experiment_id  # another was faster, or the server made it and its answer came too late
        client.set_experiment_tag(created, "mlflow.experimentKind", "custom_model_development")
        client.set_experiment_tag(created, "mlflow.note.content", DESCRIPTION)
        return str(created)

    def run(self, name: str, parent: str | None) -> MlflowTracker:
        """A new run, opened when it is entered; ``parent`` is the run of the sweep it belongs to."""
        return MlflowTracker(self, name, parent)

    def start(self, name: str, tags: Mapping[str, str]) -> str:
        """Create a run, RUNNING, and return its identifier; source and git commit are tagged as MLflow does."""
        from mlflow.tracking.context.registry import resolve_tags

        with self._explained("start"):
            resolved = {**resolve_tags(dict(tags)), PROCESS_TAG: _this_process()}
            run = self._client().create_run(self.experiment_id, run_name=_fitting(name, "name"), tags=resolved)
        return str(run.info.run_id)

    def add_files(self, run_id: str, files: Sequence[Path]) -> None:
        """Keep files at the root of a run that was started here or by another process."""
        with self._explained():
            for path in files:
                self._client().log_artifact(run_id, str(path))

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
            client.set_tag(run_id, PROCESS_TAG, _this_process())
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
                return self._benchmarks(experiment.experiment_id, ""), None
            run = self._run(name)
            if "backbone" in run.data.tags:
                return [name], None
            within = f"tags.`{PARENT_TAG}` = '{name}'"
            return self._benchmarks(run.info.experiment_id, within), name

    def _run(self, run_id: str) -> Any:
        from mlflow.exceptions import MlflowException

        client = self._client()
        try:
            if re.fullmatch("[0-9a-f]{32}", run_id):
                return client.get_run(run_id)
        except MlflowException:
            pass  # the store answers: it does not know the run
        experiments = [e.name for e in client.search_experiments()]
        raise ConfigError(
            f"there is no run and no experiment '{run_id}' in {without_secrets(self.uri)}",
            fix="the identifier of a run or sweep, as its last line tells, or an experiment: "
            f"{nearest(run_id, experiments)}",
        )

    def _benchmarks(self, experiment_id: str, within: str) -> list[str]:
        """Finished runs of one layer each; a later one of the same configuration comes after."""
        client, found, token = self._client(), [], None
        condition = " and ".join(filter(None, ["attributes.status = 'FINISHED'", within]))
        while True:
            page = client.search_runs(
                [experiment_id], condition, max_results=1000, order_by=["attributes.start_time ASC"], page_token=token
            )
            found += [run.info.run_id for run in page if "backbone" in run.data.tags]
            token = page.token
            if not token:
                return found

    def fetch(self, run_id: str, names: Sequence[str], into: Path) -> Path:
        """A folder below ``into`` with the artifacts ``names`` of a run, as far as the run has them.

        Args:
            names: at the root of the run, or in one of its folders: ``maps/thumbnails.npz``.
        """
        with self._explained():
            client = self._client()
            there = {artifact.path for artifact in client.list_artifacts(run_id)}
            for within in {name.rpartition("/")[0] for name in names} & there:
                there |= {artifact.path for artifact in client.list_artifacts(run_id, within)}
            folder = into / run_id
            folder.mkdir(parents=True, exist_ok=True)
            for name in names:
                if name in there:
                    target = folder / name
                    target.parent.mkdir(exist_ok=True)
                    got = Path(client.download_artifacts(run_id, name, str(target.parent)))
                    got.replace(target)  # some stores repeat the folder of the run below the one that they are given
        return folder

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

    def add_tags(self, run_id: str, tags: Mapping[str, str]) -> None:
        """Write tags of a run that was started here or by another process."""
        with self._explained():
            for key, value in tags.items():
                self._client().set_tag(run_id, key, _fitting(value, "tags"))

    def link(self, run_id: str) -> str:
        """The run's place in MLflow's pages, behind the server's address."""
        with self._explained():
            return f"#/experiments/{self.experiment_id}/runs/{run_id}?{WORKFLOW}"

    def _client(self) -> MlflowClient:
        return _client_of(self.uri)

    def _write_ahead(self) -> None:
        assert self.folder is not None
        with sqlite3.connect(self.folder / "mlflow.db") as database:
            database.execute("PRAGMA journal_mode=WAL")  # readers do not block writers: sweeps, and the UI beside them
        database.close()

    @contextmanager
    def _explained(self, step: str = "asked") -> Iterator[None]:
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError

        try:
            point(f"tracker.{step}")
            yield
        except (MlflowException, SQLAlchemyError, OSError, sqlite3.Error) as problem:
            text = str(problem).replace(self.uri, without_secrets(self.uri))
            if self.folder is not None and "database is locked" in text:
                raise TrackingError(
                    f"{self.folder / 'mlflow.db'} is locked by another program",
                    fix="end the program that holds it (a database browser, a copy in the making), or tracking=none",
                ) from problem
            if "401" in text:
                raise TrackingError(
                    f"the tracking store {without_secrets(self.uri)} wants to know who asks",
                    fix="export MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD of an account there",
                ) from problem
            raise TrackingError(
                f"the tracking store {without_secrets(self.uri)} does not answer: {_told(text)}",
                fix="start it, or correct tracking.uri; tracking=local needs no server, tracking=none no store",
            ) from problem


def _told(text: str) -> str:
    """What a store's error says, without SQLAlchemy's words about sessions."""
    lines = [line for line in text.splitlines() if line and not line.startswith("(raised as a result")]
    return (lines or ["it said nothing"])[0][:300]


@cache
def _client_of(uri: str) -> MlflowClient:
    """One client a store and process: each looks at the database's schema first, which takes a third of a second."""
    # Alembic tells of every migration it runs, MLflow of every database error, with a traceback, before it raises it.
    logging.getLogger("alembic").setLevel(logging.WARNING)
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=uri)


class MlflowTracker:
    """One run in an MLflow store."""

    def __init__(self, store: MlflowStore, name: str, parent: str | None) -> None:
        self.run_id: str | None = None
        self._store = store
        self._name = name
        self._parent = parent
        self._client: Any = None
        self._monitor: Any = None

    def __enter__(self) -> Self:
        self.run_id = self._store.start(self._name, {} if self._parent is None else {PARENT_TAG: self._parent})
        self._client = self._store._client()
        self._monitor = _watch_machine(self.run_id, self._store.uri)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        tags = {} if error is None else {"error": f"{type(error).__name__}: {error}"}
        if isinstance(error, TrackingError):
            # Nobody waits for the monitor: it may be asking the lost store itself.
            Thread(target=self._monitor.finish, daemon=True).start()
            with _environment(_IN_HURRY), suppress(TrackingError):
                self._store.give_up(str(self.run_id))
            return
        self._monitor.finish()
        try:
            self._store.finish(str(self.run_id), status_of(kind), tags)
        except TrackingError:
            if error is None:  # else what went wrong first is what counts
                raise

    def log_params(self, params: Mapping[str, str]) -> None:
        from mlflow.entities import Param

        self._send("params", [Param(k, _fitting(v, "params")) for k, v in params.items()])

    def set_tags(self, tags: Mapping[str, str]) -> None:
        from mlflow.entities import RunTag

        self._send("tags", [RunTag(k, _fitting(v, "tags")) for k, v in tags.items()])

    def log_metrics(self, metrics: Mapping[str, float]) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        self._send("metrics", [Metric(k, v, now, 0) for k, v in metrics.items()])

    def _send(self, what: str, entities: list[Any]) -> None:
        with self._store._explained(what):
            self._client.log_batch(self.run_id, **{what: entities})  # MLflow's client cuts it into calls

    def log_file(self, path: Path, folder: str = "") -> None:
        with self._store._explained("file"):
            self._client.log_artifact(self.run_id, str(path), folder or None)

    def log_dataset(self, name: str, split: str, digest: str, images: int) -> None:
        from mlflow.entities import Dataset, DatasetInput, InputTag

        profile = json.dumps({"images": images})
        dataset = Dataset(f"{_fitting(name, 'name')} {split}", digest[:36], "local", "{}", profile=profile)
        with self._store._explained("dataset"):
            self._client.log_inputs(self.run_id, [DatasetInput(dataset, [InputTag("mlflow.data.context", split)])])

    def log_image(self, key: str, image: NDArray[np.uint8]) -> None:
        with self._store._explained("image"):
            self._client.log_image(self.run_id, image, key=key, step=0)


def _fitting(value: str, what: str) -> str:
    """A value that the store takes: no longer than it may be, of characters that a database holds."""
    return storable(value)[: VALUE_MOST[what]]


def _machine() -> str:
    """This machine, and on Linux the processes that see each other: containers may share the name of their host."""
    namespace = Path("/proc/self/ns/pid")
    return f"{socket.gethostname()}/{namespace.stat().st_ino if namespace.exists() else 0}"


def _this_process() -> str:
    process = psutil.Process()
    return f"{_machine()} {process.pid} {process.create_time():.2f}"


def _is_alive(tag: str) -> bool:
    """Whether a process of this machine is still there; another one that was given its number is not it."""
    try:
        _, pid, created = tag.rsplit(" ", 2)
        return bool(abs(psutil.Process(int(pid)).create_time() - float(created)) < 1)
    except (psutil.NoSuchProcess, ValueError):
        return False


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _watch_machine(run_id: str, uri: str) -> Any:
    """MLflow's own monitor of processor, memory, disk and GPU: a point a minute, hence none of short runs."""
    from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

    logging.getLogger("mlflow.system_metrics").setLevel(logging.ERROR)  # it tells of every start and end
    monitor: Any = SystemMetricsMonitor(  # type: ignore[no-untyped-call]
        run_id, sampling_interval=10, samples_before_logging=6, tracking_uri=uri
    )
    monitor.start()
    return monitor


def serve(folder: Path, host: str, port: int) -> list[str]:
    """The command that opens MLflow's pages on ``mlruns/``."""
    store = f"sqlite:///{folder.absolute() / 'mlflow.db'}"
    return [
        sys.executable, "-m", "mlflow", "ui", "--backend-store-uri", store, "--workers", "1",
        "--host", host, "--port", str(port),
    ]  # fmt: skip


def serving_environment() -> dict[str, str]:
    """What MLflow's server is started with: no telemetry, and no jobs run for whoever reaches the port."""
    return {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
