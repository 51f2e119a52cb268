"""Tracking in a real MLflow store: what goes in comes out, and a run ends as it ended."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from frostmark.errors import ConfigError, Terminated, TrackingError
from frostmark.tracking.machine import PROCESS_TAG
from frostmark.tracking.memory import MemoryTracker
from frostmark.tracking.mlflow import MlflowStore
from frostmark.tracking.tracker import without_secrets
from support.environment import environment
from support.laid import LAID


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> MlflowStore:
    found = MlflowStore.local(tmp_path_factory.mktemp("tracked") / "mlruns", "frostmark")
    found.connect()
    return found


def test_what_goes_in_comes_out(store: MlflowStore, tmp_path: Path) -> None:
    (tmp_path / "summary.md").write_text("# é犬")
    metrics = {f"test/intra_variance/{i}_é犬 {i}": float(i) for i in range(1200)}  # more than one call takes
    with store.run("resnet18 · last_conv · digits", parent=None) as tracker:
        tracker.log_params({"backbone.name": "resnet18", "long": "x" * 9000})
        tracker.set_tags({"layer": "last_conv", "undefined.test/x/y": "one class only"})
        tracker.log_metrics(metrics)
        tracker.log_file(tmp_path / "summary.md")
        tracker.log_image("map/test", np.zeros((20, 30, 3), np.uint8))
    client = store._client()
    run = client.get_run(str(tracker.run_id))
    assert run.info.status == "FINISHED"
    assert run.info.run_name == "resnet18 · last_conv · digits"
    assert run.data.metrics == metrics
    assert run.data.params["backbone.name"] == "resnet18"
    assert run.data.tags["layer"] == "last_conv"
    assert run.data.tags["mlflow.source.name"]
    assert {a.path for a in client.list_artifacts(str(tracker.run_id))} == {"summary.md", "images"}
    assert str(run.info.artifact_uri).startswith((store.folder / "artifacts").as_uri())  # type: ignore[operator]


def test_files_are_kept_in_folders_and_fetched_from_them(store: MlflowStore, tmp_path: Path) -> None:
    for name in ("metrics.json", "thumbnails.npz"):
        (tmp_path / name).write_text(name)
    with store.run("x", parent=None) as tracker:
        tracker.log_file(tmp_path / "metrics.json")
        tracker.log_file(tmp_path / "thumbnails.npz", "maps")
    wanted = ("metrics.json", "draws.npz", "maps/thumbnails.npz", "maps/other.npz", "elsewhere/x.npz")
    fetched = store.fetch(str(tracker.run_id), wanted, tmp_path / "into")
    there = {str(path.relative_to(fetched)): path.read_text() for path in fetched.rglob("*") if path.is_file()}
    assert there == {"metrics.json": "metrics.json", "maps/thumbnails.npz": "thumbnails.npz"}


@pytest.mark.parametrize(
    ("error", "status"),
    [(None, "FINISHED"), (ValueError("x"), "FAILED"), (KeyboardInterrupt(), "KILLED"), (Terminated(), "KILLED")],
)
def test_the_status_is_how_it_ended(store: MlflowStore, error: BaseException | None, status: str) -> None:
    memory = MemoryTracker()
    tracker = store.run("x", parent=None)
    for each in (memory, tracker):
        try:
            with each:
                if error is not None:
                    raise error
        except type(error) as raised:  # type: ignore[misc]
            assert raised is error  # noqa: PT017
    assert memory.status == status
    run = store._client().get_run(str(tracker.run_id))
    assert run.info.status == status
    assert run.info.end_time
    assert ("error" in run.data.tags) == (error is not None)


def test_a_child_knows_its_parent(store: MlflowStore) -> None:
    parent = store.start("sweep", {"sweep": "a=1,2"})
    with store.run("child", parent=parent) as child:
        pass
    store.finish(parent, "FINISHED", {"mlflow.note.content": "done"})
    client = store._client()
    assert client.get_run(str(child.run_id)).data.tags["mlflow.parentRunId"] == parent
    assert client.get_run(parent).info.status == "FINISHED"
    assert parent in store.link(parent)


def test_a_server_that_is_not_there_is_said_in_seconds_without_its_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", raising=False)
    store = MlflowStore("http://user:hunter2@127.0.0.1:9", "frostmark")
    with pytest.raises(TrackingError, match=r"http://127\.0\.0\.1:9 does not answer") as told:
        store.connect()
    assert "hunter2" not in str(told.value)
    assert told.value.code == 4


def test_a_damaged_database_is_a_tracking_error(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_bytes(b"no database at all" * 100)
    with pytest.raises(TrackingError, match="does not answer"):
        MlflowStore.local(tmp_path, "frostmark").connect()


def test_addresses_lose_their_secrets_and_nothing_else() -> None:
    assert without_secrets("https://user:token@host:5000/path?x=1") == "https://host:5000/path?x=1"
    assert without_secrets("a=http://me:x@h b=https://t@g/p") == "a=http://h b=https://g/p"
    assert without_secrets("sqlite:////a/b@c/mlflow.db") == "sqlite:////a/b@c/mlflow.db"


def test_runs_that_were_left_open_are_closed_by_the_next_start(tmp_path: Path) -> None:
    """Those of processes of this machine that are gone; not those of a living one, nor of another machine."""
    store = MlflowStore.local(tmp_path / "mlruns", "frostmark")
    store.connect()
    left, mine, elsewhere, recycled = (store.start(name, {}) for name in ("left", "mine", "elsewhere", "recycled"))
    client = store._client()
    tag = client.get_run(mine).data.tags[PROCESS_TAG]
    machine, pid, created = tag.rsplit(" ", 2)
    with subprocess.Popen([sys.executable, "-c", "pass"]) as gone:
        pass
    client.set_tag(left, PROCESS_TAG, f"{machine} {gone.pid} {created}")
    client.set_tag(elsewhere, PROCESS_TAG, f"another/1 {gone.pid} {created}")
    client.set_tag(recycled, PROCESS_TAG, f"{machine} {pid} {float(created) - 1000}")
    store.connect()
    found = {name: client.get_run(run).info.status for name, run in
             {"left": left, "mine": mine, "elsewhere": elsewhere, "recycled": recycled}.items()}  # fmt: skip
    assert found == {"left": "KILLED", "mine": "RUNNING", "elsewhere": "RUNNING", "recycled": "KILLED"}


def test_an_experiment_that_was_deleted_stays_deleted(tmp_path: Path) -> None:
    store = MlflowStore.local(tmp_path / "mlruns", "frostmark")
    store.connect()
    run_id = store.start("x", {})
    store._client().delete_experiment(store.experiment_id)
    for again in (MlflowStore.local(tmp_path / "mlruns", "frostmark"), MlflowStore(store.uri, "frostmark")):
        with pytest.raises(ConfigError, match="'frostmark' was deleted") as told:
            again.connect()
    assert store._client().get_run(run_id).info.lifecycle_stage == "deleted"
    command = "mlflow experiments restore" + told.value.fix.rpartition("mlflow experiments restore")[2]
    subprocess.run([sys.executable, "-m", *command.split()], check=True, env=environment(MLFLOW_TRACKING_URI=store.uri))
    MlflowStore.local(tmp_path / "mlruns", "frostmark").connect()


@pytest.mark.parametrize(
    ("revision", "version", "fix"),
    [
        ("0584bdc529eb", "an earlier", "mlflow db upgrade sqlite:///"),
        ("f00dfeed2027", "a later", "pip install --upgrade"),
    ],
)
def test_a_database_of_another_version_comes_with_the_way_out(
    revision: str, version: str, fix: str, tmp_path: Path
) -> None:
    MlflowStore.local(tmp_path / "mlruns", "frostmark").connect()
    moved = tmp_path / "moved" / "mlruns"  # another address, for which this process has no client yet
    moved.parent.mkdir()
    (tmp_path / "mlruns").rename(moved)
    with sqlite3.connect(moved / "mlflow.db") as database:
        database.execute("UPDATE alembic_version SET version_num = ?", [revision])
    database.close()
    with pytest.raises(TrackingError, match=f"a database of {version} version of MLflow") as told:
        MlflowStore.local(moved, "frostmark").connect()
    assert told.value.fix.startswith(fix)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", ["mlflow.db", "mlflow.db-wal", "mlflow.db.lock"])
@pytest.mark.parametrize("lay", [of for what, of in LAID.items() if "GiB" not in what])
def test_a_database_that_is_not_a_file_is_refused_at_once(
    lay: Callable[[Path], None], name: str, tmp_path: Path
) -> None:
    (tmp_path / "mlruns").mkdir()
    lay(tmp_path / "mlruns" / name)
    with pytest.raises(TrackingError, match=f"{name} is not a file") as refused:
        MlflowStore.local(tmp_path / "mlruns", "frostmark").connect()
    assert refused.value.fix is not None
    assert refused.value.fix.startswith(f"mv {tmp_path}/mlruns/{name} ")


@pytest.mark.timeout(60)
@pytest.mark.parametrize("lay", LAID.values(), ids=LAID)
def test_artifacts_that_are_not_files_are_not_fetched(
    lay: Callable[[Path], None], store: MlflowStore, tmp_path: Path
) -> None:
    (tmp_path / "metrics.json").write_text("{}")
    (tmp_path / "draws.npz").write_text("x")
    with store.run("x", parent=None) as tracker:
        tracker.log_file(tmp_path / "metrics.json")
        tracker.log_file(tmp_path / "draws.npz")
    assert store.folder is not None
    kept = store.folder / "artifacts" / str(tracker.run_id) / "artifacts" / "draws.npz"
    kept.unlink()
    lay(kept)
    fetched = store.fetch(str(tracker.run_id), ["metrics.json", "draws.npz"], tmp_path / "into")
    assert [path.name for path in fetched.iterdir()] == ["metrics.json"]
