"""A moved mlruns/: the script tells the database where it is now, and everything in it is found again."""

from __future__ import annotations

import importlib
import json
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from types import ModuleType

import pytest

from conftest import Program
from support.environment import REPOSITORY, environment
from support.runs import TINY, Tracked

QUICK = (
    *(word for word in TINY if not word.startswith("reducer")),
    "reducer=none",
    "metrics=[variance]",
    "uncertainty.resamples=0",
    "uncertainty.permutations=0",
)


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(REPOSITORY / "scripts"))
    return importlib.import_module("relocate_mlruns")


def relocate(*words: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(REPOSITORY / "scripts" / "relocate_mlruns.py"), *map(str, words)]
    return subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)


def database(root: Path, *locations: str) -> Path:
    """A database with what the script reads of MLflow's: experiments at ``locations``, and a run in each."""
    path = root / "mlruns" / "mlflow.db"
    path.parent.mkdir(parents=True)
    with closing(sqlite3.connect(path)) as store, store:
        store.execute("CREATE TABLE experiments (artifact_location VARCHAR(256))")
        store.execute("CREATE TABLE runs (artifact_uri VARCHAR(200))")
        store.execute("CREATE TABLE params (value VARCHAR(8000))")
        store.executemany("INSERT INTO experiments VALUES (?)", [(place,) for place in locations])
        store.executemany("INSERT INTO runs VALUES (?)", [(f"{place}/run/artifacts",) for place in locations])
        store.executemany("INSERT INTO params VALUES (?)", [(place,) for place in locations])
    return path


def column(path: Path, table: str) -> list[str]:
    with closing(sqlite3.connect(path)) as store:
        return [value for (value,) in store.execute(f"SELECT * FROM {table}")]


@pytest.mark.slow
def test_after_a_move_artifacts_are_found_and_the_program_goes_on(program: Program, tmp_path: Path) -> None:
    before, after = tmp_path / "vorher é 100% 1", tmp_path / "nachher ü #2"
    before.mkdir()
    after.mkdir()
    assert program(*QUICK, cwd=before).returncode == 0
    _add_what_frostmark_does_not_log(before)
    (summary,) = before.glob("mlruns/artifacts/*/artifacts/summary.md")
    (before / "mlruns").rename(after / "mlruns")

    seen = relocate(after, "--dry-run")
    assert seen.returncode == 0, seen.stderr
    assert Tracked(after).only().info.artifact_uri.startswith(before.as_uri())
    assert not list(after.rglob("*.backup"))

    done = relocate(after)
    assert done.returncode == 0, done.stderr
    for name in ("experiments.artifact_location", "runs.artifact_uri", "logged_models.artifact_location",
                 "model_versions.source", "trace_tags.value", "datasets.dataset_source"):  # fmt: skip
        assert f"  {name}: " in seen.stdout
        assert f"  {name}: " in done.stdout
    tracked = Tracked(after)
    run = tracked.only()
    assert {"summary.md", "config.yaml", "class_variance.csv"} <= set(tracked.artifacts(run))
    fetched = tracked.client.download_artifacts(run.info.run_id, "summary.md", str(tmp_path))
    assert Path(fetched).read_text() == (after / summary.relative_to(before)).read_text()
    (trace,) = column_of(after / "mlruns" / "mlflow.db", "trace_tags", "value")
    for place in (trace, *_places_of_what_was_added(tracked)):
        assert place.startswith((after.as_uri(), str(after))), place

    again = relocate(after)
    assert (again.returncode, "Nothing to do" in again.stdout) == (0, True)
    (backup,) = after.glob("mlruns/*.backup")
    assert any(place.startswith(before.as_uri()) for place in column_of(backup, "runs", "artifact_uri"))

    later = program(*QUICK, cwd=after)
    assert later.returncode == 0, later.stderr
    new = tracked.runs()[-1]
    assert new.info.artifact_uri.startswith(after.as_uri())
    assert new.data.metrics["cost/images_forwarded"] == 0  # the rows came along
    assert "summary.md" in tracked.artifacts(new)
    assert not (before / "mlruns").exists()


def column_of(path: Path, table: str, name: str) -> list[str]:
    with closing(sqlite3.connect(path)) as store:
        return [value for (value,) in store.execute(f"SELECT {name} FROM {table}")]


def _add_what_frostmark_does_not_log(root: Path) -> None:
    """A logged model, a registered version, a data set, a trace's tag: what others leave in the same store."""
    from mlflow.entities import Dataset, DatasetInput

    tracked = Tracked(root)
    client, run = tracked.client, tracked.only()
    experiment = run.info.experiment_id
    client.create_logged_model(experiment, name="model", source_run_id=run.info.run_id)
    client.create_registered_model("model")
    client.create_model_version("model", source=f"{run.info.artifact_uri}/model", run_id=run.info.run_id)
    source = json.dumps({"uri": f"{root}/mlruns/artifacts/images"})
    client.log_inputs(run.info.run_id, [DatasetInput(Dataset("images", "d1", "local", source))])
    with closing(sqlite3.connect(root / "mlruns" / "mlflow.db")) as store, store:
        tag = ("mlflow.artifactLocation", f"{run.info.artifact_uri}/traces/1", "tr-1")
        store.execute("INSERT INTO trace_tags (key, value, request_id) VALUES (?, ?, ?)", tag)


def _places_of_what_was_added(tracked: Tracked) -> list[str]:
    client, run = tracked.client, tracked.runs()[0]
    (model,) = client.search_logged_models([run.info.experiment_id])
    (version,) = client.search_model_versions("name='model'")
    (data,) = [used for used in run.inputs.dataset_inputs if used.dataset.name == "images"]
    return [model.artifact_location, version.source, json.loads(data.dataset.source)["uri"]]


def test_a_folder_that_is_still_there_needs_copy(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    first = database(old, (old / "mlruns" / "artifacts").as_uri())
    shutil.copytree(old, new)
    refused = relocate(new)
    assert refused.returncode == 2
    assert f"names {old}/mlruns, and that folder is still there" in refused.stderr
    assert "\nFix: " in refused.stderr
    assert "--copy" in refused.stderr
    assert not list(new.rglob("*.backup"))
    assert relocate(new, "--copy").returncode == 0
    assert column(new / "mlruns" / "mlflow.db", "runs") == [f"{new.as_uri()}/mlruns/artifacts/run/artifacts"]
    assert column(first, "runs") == [f"{old.as_uri()}/mlruns/artifacts/run/artifacts"]


def test_every_former_place_is_rewritten_and_no_foreign_one(tmp_path: Path) -> None:
    here = tmp_path / "here"
    gone = ["file:///gone/once/mlruns/artifacts", "/gone/twice/mlruns/artifacts"]
    foreign = ["s3://bucket/mlruns/artifacts", "file:///gone/other", "mlflow-artifacts:/1", "/gone/once/mlruns2/x"]
    path = database(here, *gone, *foreign)
    done = relocate(here)
    assert done.returncode == 0, done.stderr
    mine = here / "mlruns" / "artifacts"
    assert column(path, "experiments") == [mine.as_uri(), str(mine), *foreign]
    assert column(path, "params") == [*gone, *foreign]  # what was typed
    assert "  params.value: 1 left as written" in done.stdout


def test_what_is_no_moved_folder_is_told(tmp_path: Path) -> None:
    nothing = relocate(tmp_path)
    assert nothing.returncode == 2
    assert "mlflow.db is not there" in nothing.stderr
    (tmp_path / "mlruns").mkdir()
    (tmp_path / "mlruns" / "mlflow.db").write_bytes(b"no database" * 500)
    damaged = relocate(tmp_path)
    assert damaged.returncode == 3
    assert "\nFix: " in damaged.stderr
    assert "Traceback" not in nothing.stderr + damaged.stderr


def test_a_database_in_use_is_left_alone(tmp_path: Path) -> None:
    path = database(tmp_path / "new", "file:///gone/mlruns/artifacts")
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        done = relocate(tmp_path / "new")
        writer.execute("ROLLBACK")
    assert done.returncode == 4, done.stdout
    assert "database is locked" in done.stderr
    assert not list(path.parent.glob("*.backup"))
    assert column(path, "experiments") == ["file:///gone/mlruns/artifacts"]


@pytest.mark.parametrize(
    ("place", "moved"),
    [
        ("file:///old/x%20%C3%A9", "file:///new%20place/x%20%C3%A9"),
        ("file:///old", "file:///new%20place"),
        ("file://localhost/old/x", "file:///new%20place/x"),
        ("/old/x é", "/new place/x é"),
        ("/older/x", "/older/x"),
        ("file:///older", "file:///older"),
        ("file://host/old/x", "file://host/old/x"),
        ("s3://old/x", "s3://old/x"),
        ("runs:/old/x", "runs:/old/x"),
        ("old/x", "old/x"),
        ('{"uri": "/old/x"}', '{"uri": "/new place/x"}'),
        ('{"uri":"/else"}', '{"uri":"/else"}'),
        ("{no json /old/x", "{no json /old/x"),
        ("", ""),
        (None, None),
    ],
)
def test_a_place_keeps_its_form(place: str | None, moved: str | None, script: ModuleType) -> None:
    assert script.Move(Path("/old"), Path("/new place")).value(place) == moved
