"""A database of another version of MLflow: what the program says of it, and whether its Fix works when it is pasted.

The other version is the MLflow installed here with one migration more, as the next one may have.
"""

from __future__ import annotations

import shlex
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import mlflow
import pytest
from alembic import command
from alembic.script import ScriptDirectory
from mlflow.store.db.utils import _get_alembic_config

from conftest import Program
from support.environment import REPOSITORY, environment
from support.runs import TINY, Tracked

NEXT = "f00dfeed2027"
MIGRATION = """
import sqlalchemy as sa
from alembic import op

revision, down_revision, branch_labels, depends_on = {next!r}, {head!r}, None, None

def upgrade():
    with op.batch_alter_table("experiments") as batch_op:
        batch_op.add_column(sa.Column("mood", sa.String(32), nullable=True))
"""
BEFORE = "17e22815139b"
"""A revision of MLflow 3.14 or later after which tables were added."""


def database(root: Path) -> str:
    return f"sqlite:///{root / 'mlruns' / 'mlflow.db'}"


def revision(root: Path) -> str:
    with closing(sqlite3.connect(root / "mlruns" / "mlflow.db")) as opened:
        return str(opened.execute("SELECT version_num FROM alembic_version").fetchone()[0])


def head() -> str:
    return str(ScriptDirectory.from_config(_get_alembic_config("sqlite://")).get_current_head())


def next_mlflow(folder: Path) -> Path:
    """A folder for PYTHONPATH with links to MLflow's files, and one migration that adds a column."""
    inside, there = folder, Path(mlflow.__file__).parent.parent
    for name in ("mlflow", "store", "db_migrations", "versions"):
        inside, there = inside / name, there / name
        inside.mkdir(parents=True)
        for child in there.iterdir():
            if child.name != "__pycache__":
                (inside / child.name).symlink_to(child)
        following = {"mlflow": "store", "store": "db_migrations", "db_migrations": "versions"}.get(name)
        if following:
            (inside / following).unlink()
    (inside / f"{NEXT}_add_mood.py").write_text(MIGRATION.format(next=NEXT, head=head()))
    return folder


def started(words: Sequence[str], cwd: Path, mlflow_of: Path) -> subprocess.CompletedProcess[str]:
    variables = environment(PYTHONPATH=str(mlflow_of))
    return subprocess.run(
        [sys.executable, *words], cwd=cwd, env=variables, capture_output=True, text=True, timeout=240, check=False
    )


@pytest.mark.timeout(600)
def test_the_fix_of_an_older_database_works_and_a_newer_one_asks_for_its_mlflow(
    program: Program, tmp_path: Path
) -> None:
    run, other = [str(REPOSITORY / "run.py"), *TINY], next_mlflow(tmp_path / "next")
    assert program(*TINY, cwd=tmp_path).returncode == 0
    older = started(run, tmp_path, other)
    assert older.returncode == 4
    assert "is a database of an earlier version of MLflow" in older.stderr
    fix = older.stderr.partition("Fix: ")[2].partition(";")[0]
    assert fix.startswith("mlflow db upgrade ")
    pasted = started(["-m", *shlex.split(fix)], tmp_path, other)
    assert pasted.returncode == 0, pasted.stderr
    assert revision(tmp_path) == NEXT
    again = started(run, tmp_path, other)
    assert again.returncode == 0, again.stderr

    newer = program(*TINY, cwd=tmp_path)
    assert newer.returncode == 4
    assert "is a database of a later version of MLflow than the one installed here" in newer.stderr
    assert "Fix: pip install --upgrade mlflow" in newer.stderr
    assert "mlflow db upgrade" not in newer.stderr.partition("Fix: ")[2]
    assert revision(tmp_path) == NEXT  # untouched


def test_a_database_that_lacks_tables_is_brought_up_by_mlflow_itself(program: Program, tmp_path: Path) -> None:
    """MLflow asks nobody where a later version added tables: the runs that are there must stay."""
    assert program(*TINY, cwd=tmp_path).returncode == 0
    command.downgrade(_get_alembic_config(database(tmp_path)), BEFORE)
    assert revision(tmp_path) == BEFORE
    done = program(*TINY, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert revision(tmp_path) == head()
    assert [run.info.status for run in Tracked(tmp_path).runs()] == ["FINISHED", "FINISHED"]
