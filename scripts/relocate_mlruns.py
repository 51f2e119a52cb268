"""Tell mlruns/mlflow.db where it is now, after mlruns/ was moved.

    mv old/mlruns new/mlruns
    python scripts/relocate_mlruns.py new --dry-run     # what would change
    python scripts/relocate_mlruns.py new               # a backup of the database first, then the change

MLflow writes absolute places into its database when an experiment is created, and every run inherits them. What was
logged as it was typed (params, tags) stays as it is and is only counted. Running it twice changes nothing more.
"""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from frostmark.errors import ConfigError, DataError, FrostmarkError, TrackingError

DATABASE = "mlflow.db"

PLACES = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
    ("trace_tags", "value"),
    ("datasets", "dataset_source"),
    ("workspaces", "default_artifact_root"),
    ("workspaces", "trace_archival_location"),
)
"""Tables and columns in which MLflow 3 keeps places; those that a database lacks are passed over."""


def local_path(place: str) -> Path | None:
    """The path that a place in the database means, plain or as a ``file:`` address; None for any other."""
    if place.startswith("file:"):
        address = urlsplit(place)
        return Path(url2pathname(address.path)) if address.netloc in ("", "localhost") else None
    return Path(place) if os.path.isabs(place) else None  # noqa: PTH117 - a word like "runs:/x" is no relative path


@dataclass(frozen=True)
class Move:
    """From one ``mlruns/`` to another."""

    old: Path
    new: Path

    def place(self, place: str) -> str:
        """A place at or below the old folder as the same one below the new, in its own form; others as they are."""
        path = local_path(place)
        if path is None or not path.is_relative_to(self.old):
            return place
        moved = self.new / path.relative_to(self.old)
        return moved.as_uri() if place.startswith("file:") else str(moved)

    def value(self, value: str | None) -> str | None:
        """A column's value: a place, or JSON with places in it."""
        if value is None or not value.startswith("{"):
            return value and self.place(value)
        try:
            told = json.loads(value)
        except ValueError:
            return value
        moved = self._within(told)
        return value if moved == told else json.dumps(moved)

    def _within(self, node: Any) -> Any:
        if isinstance(node, dict):
            return {key: self._within(item) for key, item in node.items()}
        if isinstance(node, list):
            return [self._within(item) for item in node]
        return self.place(node) if isinstance(node, str) else node


def former_places(database: sqlite3.Connection, mlruns: Path) -> list[Path]:
    """The folders, other than ``mlruns`` itself, that experiments of this program name as their ``mlruns/``."""
    rows = database.execute("SELECT DISTINCT artifact_location FROM experiments")
    paths = [local_path(location) for (location,) in rows if location]
    found = {p.parent for p in paths if p is not None and p.name == "artifacts" and p.parent.name == "mlruns"}
    return sorted(place for place in found if not _same(place, mlruns))


def _same(one: Path, other: Path) -> bool:
    return one == other or (_there(one) and one.samefile(other))


def _there(path: Path) -> bool:
    try:
        path.stat()
    except OSError:  # not there, or not for us: the folder of another user
        return False
    return True


def text_columns(database: sqlite3.Connection) -> Iterator[tuple[str, str]]:
    """Every (table, column) that holds text."""
    for (table,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
        for _, column, kind, *_ in database.execute(f'PRAGMA table_info("{table}")').fetchall():
            if "CHAR" in kind.upper() or "TEXT" in kind.upper():
                yield table, column


def rewrite(database: sqlite3.Connection, move: Move) -> dict[str, int]:
    """Rewrite every place inside the open transaction; how many values changed, by ``table.column``."""
    database.create_function("moved", 1, move.value, deterministic=True)
    there = set(text_columns(database))
    counts = {}
    for table, column in PLACES:
        if (table, column) in there:
            changed = database.execute(
                f'UPDATE "{table}" SET "{column}" = moved("{column}") WHERE "{column}" IS NOT moved("{column}")'
            )
            counts[f"{table}.{column}"] = changed.rowcount
    return {name: count for name, count in counts.items() if count}


def still_named(database: sqlite3.Connection, old: Path) -> dict[str, int]:
    """Where else the old folder is named, by ``table.column``."""
    counts = {}
    for table, column in text_columns(database):
        where = f'FROM "{table}" WHERE instr("{column}", ?) OR instr("{column}", ?)'
        (count,) = database.execute(f"SELECT count(*) {where}", (str(old), old.as_uri())).fetchone()
        if count:
            counts[f"{table}.{column}"] = count
    return counts


def back_up(mlruns: Path) -> Path:
    """A copy of the database beside it, whole even while others read and write."""
    path = mlruns / f"{DATABASE}.{time.strftime('%Y-%m-%d_%H-%M-%S')}.backup"
    with closing(sqlite3.connect(mlruns / DATABASE)) as database, closing(sqlite3.connect(path)) as copy:
        database.backup(copy)
    return path


def relocate(root: Path, *, copy: bool = False, dry_run: bool = False) -> list[str]:
    """Rewrite the database under ``root/mlruns``; what was done, line by line.

    Args:
        root: the folder that holds ``mlruns/``.
        copy: whether the old folder may still be there.
        dry_run: whether to change nothing.

    Raises:
        FrostmarkError: if there is no such database, it is in use, or the old folder is still there.
    """
    mlruns = Path(os.path.abspath(root.expanduser())) / "mlruns"  # noqa: PTH100 - links stay as they were given
    if not (mlruns / DATABASE).is_file():
        raise ConfigError(f"{mlruns / DATABASE} is not there", fix="name the folder that holds mlruns/ now")
    try:
        with closing(sqlite3.connect(mlruns / DATABASE, timeout=2, isolation_level=None)) as database:
            moves = [Move(old, mlruns) for old in former_places(database, mlruns)]
            for move in moves:
                if _there(move.old) and not copy:
                    raise _still_there(move)
            return _carried_out(database, moves, dry_run) if moves else [f"Nothing to do: {DATABASE} names {mlruns}"]
    except sqlite3.OperationalError as problem:
        raise TrackingError(
            f"{mlruns / DATABASE}: {problem}", fix="stop the program and its pages on this folder, and try again"
        ) from problem
    except sqlite3.DatabaseError as problem:
        raise DataError(f"{mlruns / DATABASE}: {problem}", fix="bring back the mlflow.db of a backup") from problem


def _still_there(move: Move) -> FrostmarkError:
    return ConfigError(
        f"{DATABASE} names {move.old}, and that folder is still there",
        fix=f"if {move.new} is a copy and both are to stay: --copy. If it was moved, runs were logged since then into "
        "the old place: move what is in its artifacts/ over here, and delete it",
    )


def _carried_out(database: sqlite3.Connection, moves: list[Move], dry_run: bool) -> list[str]:
    database.execute("BEGIN IMMEDIATE")  # nobody writes between the backup and the change
    told = [] if dry_run else [f"Backup: {back_up(moves[0].new)}"]
    for move in moves:
        told.append(f"{move.old} → {move.new}")
        told += [f"  {name}: {count}" for name, count in rewrite(database, move).items()]
        told += [f"  {name}: {count} left as written" for name, count in still_named(database, move.old).items()]
    database.execute("ROLLBACK" if dry_run else "COMMIT")
    return [*told, "Nothing was changed (--dry-run)."] if dry_run else told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", type=Path, help="the folder that holds mlruns/ now")
    parser.add_argument("--copy", action="store_true", help="mlruns/ was copied: the old folder is still there")
    parser.add_argument("--dry-run", action="store_true", help="say what would change, and change nothing")
    options = parser.parse_args()
    try:
        print("\n".join(relocate(options.root, copy=options.copy, dry_run=options.dry_run)))
    except FrostmarkError as problem:
        print(f"Error: {problem}", file=sys.stderr)
        sys.exit(problem.code)


if __name__ == "__main__":
    main()
