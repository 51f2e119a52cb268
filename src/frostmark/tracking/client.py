"""What is asked of an MLflow store, and what its errors mean.

client = client_of("sqlite:///mlruns/mlflow.db")
with explained(uri, folder, "asked"):               # errors come as a TrackingError that says what to do
    run = run_of(client, run_id, uri)
"""

from __future__ import annotations

import errno
import logging
import os
import re
import shlex
import shutil
import sqlite3
import stat
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import url2pathname

from frostmark.errors import ConfigError, FrostmarkError, TrackingError, nearest
from frostmark.faults import point
from frostmark.names import storable
from frostmark.regular import read_regular
from frostmark.tracking.patience import limit
from frostmark.tracking.tracker import without_secrets

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

MAX_PAGES = 100
"""Pages of a thousand runs that are asked for; a store that has ever another one would be asked for ever."""

MAX_CHARACTERS = {"params": 6000, "tags": 8000, "name": 250}
"""Characters that a value may have, or the name of a run or data set; MLflow cuts or refuses longer ones."""

ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    # A server that is down or hangs should be known within ten seconds: by default it is asked for minutes.
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "4",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    # Another page may answer in the server's place, and what is sent to it is lost.
    "MLFLOW_ALLOW_HTTP_REDIRECTS": "false",
    # It would print where a run is as a client sees it: with the password of the address, and the name as it is.
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",  # of files of some kilobytes
}

_FULL = ("database or disk is full", os.strerror(errno.ENOSPC), os.strerror(errno.EDQUOT))
"""What SQLite and the system say of a disk without room."""

IN_HURRY = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "1", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
"""For the last word to a server that was lost: it may be back, but nobody waits for it twice."""


@cache
def client_of(uri: str) -> MlflowClient:
    """One client a store and process: each looks at the database's schema first, which takes a third of a second."""
    # Alembic tells of every migration it runs, MLflow of every database error, with a traceback, before it raises it.
    logging.getLogger("alembic").setLevel(logging.WARNING)
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
    from mlflow import MlflowClient

    limit()
    return MlflowClient(tracking_uri=uri)


@contextmanager
def explained(uri: str, folder: Path | None, step: str) -> Iterator[None]:
    """What goes wrong with a store while it is asked, in words.

    Args:
        uri: of the store.
        folder: ``mlruns/`` for the local store.
        step: what is asked for; a point at which tests make the store fail.

    Raises:
        TrackingError: in place of what MLflow, its database and the network raise.
    """
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    if folder is not None:
        _refuse_other_than_files(folder)
    try:
        point(f"tracker.{step}")
        yield
    except (MlflowException, SQLAlchemyError, OSError, sqlite3.Error) as problem:
        text = str(problem).replace(uri, without_secrets(uri))
        raise _as_told(text, without_secrets(uri), folder) from problem
    except Exception as problem:
        if isinstance(problem, FrostmarkError) or not uri.startswith("http"):
            raise
        raise _stranger(uri) from problem  # MLflow's client trips over what it cannot read


def _refuse_other_than_files(folder: Path) -> None:
    """SQLite would wait for a pipe, and write where a link leads to."""
    for path in folder.glob("mlflow.db*"):
        with suppress(FileNotFoundError):  # its journal comes and goes
            if not stat.S_ISREG(path.lstat().st_mode):
                raise TrackingError(
                    f"{path} is not a file, and the local tracking store is kept in files alone",
                    fix=f"mv {shlex.quote(str(path))} {shlex.quote(f'{path}.aside')}; or tracking=none",
                )


def _as_told(text: str, store: str, folder: Path | None) -> TrackingError:
    """What a store says of itself, with what mends it.

    Args:
        store: its address.
        folder: ``mlruns/`` for the local store.
    """
    if folder is not None and "database is locked" in text:
        return TrackingError(
            f"{folder / 'mlflow.db'} is locked by another program",
            fix="end the program that holds it (a database browser, a copy in the making), or tracking=none",
        )
    if folder is not None and any(word in text for word in _FULL):
        free = f": {shutil.disk_usage(folder).free:,} bytes are free" if folder.is_dir() else ""
        return TrackingError(
            f"the disk of {folder} is too full for the tracking store{free}",
            fix="make room, or paths.root=<a folder on a larger disk>",
        )
    if "out-of-date database schema" in text or "Can't locate revision" in text:
        return _of_another_version(text, store)
    if "401" in text:
        return TrackingError(
            f"the tracking store {store} requires a login",
            fix="export MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD of an account there",
        )
    if "Permission denied" in text and folder is None:
        return TrackingError(
            f"the tracking store {store} does not let this account write there: {told(text)}",
            fix="tracking.experiment=<a name of your own>, or ask its owner for the permission EDIT",
        )
    return TrackingError(
        f"the tracking store {store} does not answer: {told(text)}",
        fix="start it, or correct tracking.uri; tracking=local needs no server, tracking=none no store",
    )


def _of_another_version(text: str, store: str) -> TrackingError:
    """What mends a database whose schema is not that of the MLflow installed here; an earlier one can be upgraded.

    Args:
        text: what MLflow says, with the revision that the database has.
        store: its address.
    """
    found = re.search(r"found version (\w+)", text)
    if found and _has_revision(found.group(1)):
        # MLflow's migrations are not undone: whoever still has the older version cannot read the database afterwards.
        return TrackingError(
            f"the tracking store {store} is a database of an earlier version of MLflow: {told(text)}",
            fix=f"mlflow db upgrade {shlex.quote(store)}; copy it first: the earlier version cannot read it then",
        )
    return TrackingError(
        f"the tracking store {store} is a database of a later version of MLflow than the one installed here: "
        f"{told(text)}",
        fix="pip install --upgrade mlflow, or tracking=none",
    )


def _has_revision(revision: str) -> bool:
    """Whether the MLflow installed here knows a schema: its migrations are files that begin with the revision."""
    import mlflow

    migrations = Path(mlflow.__file__).parent / "store" / "db_migrations" / "versions"
    return any(migrations.glob(f"{revision}_*.py"))


def deleted(experiment: str, identifier: str, uri: str) -> ConfigError:
    """Restoring an experiment restores all of its runs, which nobody asked for."""
    store = shlex.quote(without_secrets(uri))
    return ConfigError(
        f"the experiment '{experiment}' was deleted in {without_secrets(uri)}",
        fix=f"tracking.experiment=<another name>, or, to have all of its runs again, "
        f"MLFLOW_TRACKING_URI={store} mlflow experiments restore --experiment-id {identifier}",
    )


def _stranger(uri: str) -> TrackingError:
    return TrackingError(
        f"the server at {without_secrets(uri)} is not an MLflow server",
        fix="correct tracking.uri; tracking=local needs no server, tracking=none no store",
    )


def refuse_stranger(uri: str, identifier: str) -> None:
    """Many servers answer ``{}`` to everything, and MLflow's client takes that for an answer.

    Args:
        identifier: of the experiment or run that the server says it has.

    Raises:
        TrackingError: if it is none of MLflow's.
    """
    if not identifier:
        raise _stranger(uri)


def require_kept(client: MlflowClient, uri: str, run_id: str, metrics: Collection[str]) -> None:
    """See that a server has what it was sent: a page that came in its place meanwhile answers every request.

    Raises:
        TrackingError: if it lacks the run or one of the ``metrics``.
    """
    run = client.get_run(run_id)
    refuse_stranger(uri, run.info.run_id)
    lacking = sorted(set(metrics) - run.data.metrics.keys())
    if lacking:
        raise TrackingError(
            f"{without_secrets(uri)} did not keep {len(lacking)} of {len(metrics)} metrics, such as {lacking[0]}",
            fix="check the proxies between this machine and the server; tracking=local needs no server",
        )


def told(text: str) -> str:
    """What a store's error says, without SQLAlchemy's words about sessions."""
    lines = [line for line in text.splitlines() if line and not line.startswith("(raised as a result")]
    return (lines or ["it said nothing"])[0][:300]


def run_of(client: MlflowClient, run_id: str, uri: str) -> Run:
    """The run of that identifier.

    Raises:
        ConfigError: if the store knows none.
    """
    from mlflow.exceptions import MlflowException

    try:
        if re.fullmatch("[0-9a-f]{32}", run_id):
            return client.get_run(run_id)
    except MlflowException:
        pass  # the store answers: it does not know the run
    experiments = [e.name for e in client.search_experiments()]
    raise ConfigError(
        f"there is no run and no experiment '{run_id}' in {without_secrets(uri)}",
        fix="the identifier of a run or sweep, as its last line tells, or an experiment: "
        f"{nearest(run_id, experiments)}",
    )


def benchmarks_of(client: MlflowClient, experiment_id: str, within: str = "") -> list[str]:
    """Finished runs of one layer each; a later one of the same configuration comes after.

    Raises:
        OSError: if there are more than :data:`MAX_PAGES` pages of them.
    """
    identifiers: list[str] = []
    token = None
    condition = " and ".join(filter(None, ["attributes.status = 'FINISHED'", within]))
    for _ in range(MAX_PAGES):
        page = client.search_runs(
            [experiment_id], condition, max_results=1000, order_by=["attributes.start_time ASC"], page_token=token
        )
        identifiers += [run.info.run_id for run in page if "backbone" in run.data.tags]
        token = page.token
        if not token:
            return identifiers
    raise OSError(f"it lists more than {MAX_PAGES:,} pages of runs")


def fitting(value: str, what: str) -> str:
    """A value that the store takes: no longer than it may be, of characters that a database holds.

    A text of several lines ends with a whole one: half a line of Markdown may be read as something else.
    """
    value, most = storable(value), MAX_CHARACTERS[what]
    if len(value) <= most:
        return value
    whole, line, _ = value[: most - 1].rpartition("\n")
    return f"{whole}{line}…" if line else value[:most]


@contextmanager
def environment(values: Mapping[str, str]) -> Iterator[None]:
    """Variables of the environment that hold inside."""
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


def _here(uri: str) -> Path | None:
    """The folder that holds a run's artifacts; None where a server does."""
    return Path(url2pathname(urlsplit(uri).path)) if uri.startswith("file:") else None


def fetched(client: MlflowClient, run_id: str, names: Sequence[str], folder: Path) -> Path:
    """``folder`` with the artifacts ``names`` of a run, as far as the run has them."""
    folder.mkdir(parents=True, exist_ok=True)
    here = _here(str(client.get_run(run_id).info.artifact_uri))
    there = _listed(client, run_id, names) if here is None else frozenset(names)
    for name in names:
        if name not in there:
            continue
        target = folder / name
        target.parent.mkdir(exist_ok=True)
        if here is None:
            got = Path(client.download_artifacts(run_id, name, str(target.parent)))
            got.replace(target)  # some stores repeat the folder of the run below the one that they are given
            continue
        try:
            content = read_regular(here / name)  # MLflow would copy a device, and what a link leads to
        except OSError:
            continue
        target.write_bytes(content)
    return folder


def _listed(client: MlflowClient, run_id: str, names: Sequence[str]) -> frozenset[str]:
    """What a server has of a run: at its root, and in the folders of ``names``."""
    there = {artifact.path for artifact in client.list_artifacts(run_id)}
    for within in {name.rpartition("/")[0] for name in names} & there:
        there |= {artifact.path for artifact in client.list_artifacts(run_id, within)}
    return frozenset(there)
