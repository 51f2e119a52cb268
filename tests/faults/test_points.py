"""Every named fault point of the store and the tracker × everything that can happen there, in the real program.

A cell of the table has survived if its exit code and its MLflow run are as they should be, the store is clean, nothing
was lost, the words have a way out, and the same command then gives the rows and numbers of an undisturbed run.
"""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import sqlite3
from dataclasses import dataclass
from pathlib import Path

import pytest

from faults.tally import tally
from frostmark.features.store import FeatureStore
from support.environment import REPOSITORY
from support.forkserver import Forkserver
from support.runs import TINY, rows_in

STORE = [f"{kind}.{step}" for kind in ("rows", "manifest", "derived") for step in ("begun", "written", "synced", "renamed", "done")]  # fmt: skip # noqa: E501
STORE += ["store.locked", "store.marked"]
TRACKER = [f"tracker.{step}" for step in ("connect", "start", "params", "tags", "metrics", "file", "image", "dataset", "finish")]  # fmt: skip # noqa: E501
POINTS = [*STORE, *TRACKER]
ACTIONS = ("SIGKILL", "SIGTERM", "SIGINT", "EIO", "ENOSPC", "MemoryError")

IMAGES = 300 + 61
WORDS = (
    *(word for word in TINY if not word.startswith(("reducer", "dataset.train"))), "dataset.train=300", "reducer=none",
    "metrics=[geometry,variance]", "dataset.num_classes=2", "uncertainty.resamples=40", "uncertainty.permutations=19",
)  # fmt: skip


@dataclass(frozen=True)
class Undisturbed:
    """A folder with a tracking database and what an undisturbed run in it gave."""

    folder: Path
    template: Path
    rows: dict[str, bytes]
    values: dict[str, float]

    def restore(self) -> Path:
        """The folder as it was before the run, at the same place: the database knows where it is."""
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.copytree(self.template, self.folder)
        return self.folder


def numbers_in(root: Path, position: int = -1) -> dict[str, float]:
    """What a run of ``root`` found, the cost apart: its time is its own."""
    file = sorted(root.glob("mlruns/_hydra/runs/*/raw/metrics.json"))[position]
    values = json.loads(file.read_text(encoding="utf-8"))["values"]
    return {key: value for key, value in values.items() if not key.startswith("cost/")}


def statuses_in(root: Path) -> list[str]:
    """Of the runs in the database, oldest first; read by itself, for MLflow keeps hold of a file that was replaced."""
    with contextlib.closing(sqlite3.connect(root / "mlruns" / "mlflow.db")) as database:
        return [status for (status,) in database.execute("SELECT status FROM runs ORDER BY start_time")]


@pytest.fixture(scope="module")
def undisturbed(forkserver: Forkserver, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    folder, template = (tmp_path_factory.mktemp("points") / name for name in ("place", "template"))
    folder.mkdir()
    done = forkserver.run(*WORDS, cwd=folder)
    assert done.returncode == 0, done.stderr
    rows, values = rows_in(folder), numbers_in(folder)
    shutil.rmtree(folder / "mlruns" / "features")
    shutil.rmtree(folder / "mlruns" / "_hydra")
    shutil.move(folder, template)
    return Undisturbed(folder, template, rows, values)


def expected(point: str, action: str) -> tuple[int, str | None]:
    """(exit code, status of the run) of a cell; no status where no run was begun yet."""
    begun = point not in ("tracker.connect", "tracker.start")
    ended = point == "tracker.finish"  # the last word to the store: what goes wrong there leaves the run open
    stops = {"SIGKILL": -9, "SIGTERM": 143, "SIGINT": 130}
    if action in stops:
        status = "RUNNING" if action == "SIGKILL" or ended else "KILLED"
        return stops[action], status if begun else None
    if action != "MemoryError" and point.startswith("derived"):
        return 0, "FINISHED"  # what follows from the rows is not kept, and computed again another time
    code = 4 if point.startswith("tracker") and action != "MemoryError" else 3
    return code, ("RUNNING" if ended else "FAILED") if begun else None


def survives(forkserver: Forkserver, undisturbed: Undisturbed, point: str, action: str) -> list[str]:
    """What was not as it should be in one cell."""
    root = undisturbed.restore()
    code, status = expected(point, action)
    before = len(statuses_in(root))
    words = (*WORDS, "reducer=pca") if point == "tracker.image" else WORDS  # maps alone are shown in a grid
    done = forkserver.run(*words, cwd=root, armed={"point": point, "action": action}, timeout=120)
    wrong: list[str] = []

    def check(what: str, holds: bool) -> None:
        if not holds:
            wrong.append(f"{point} × {action}: {what}")

    check(f"exit code {done.returncode} instead of {code}: {done.stderr[-300:]}", done.returncode == code)
    check("a traceback", "Traceback" not in done.stderr)
    check("no way out is named", code in (-9, 0) or "\nFix: " in done.stderr)
    found = (*statuses_in(root)[before:], None)[0]
    check(f"the run is {found} instead of {status}", found == status)
    check("the store is not clean", not _problems(root))
    if point.startswith("tracker") and code == 4 and status is not None:
        check("results were lost", numbers_in(root).items() >= undisturbed.values.items())
        check("a forward pass was lost", rows_in(root) == undisturbed.rows)
    again = forkserver.run(*words, cwd=root, timeout=120)
    check(f"the second run ended with {again.returncode}: {again.stderr[-300:]}", again.returncode == 0)
    check("other rows", rows_in(root) == undisturbed.rows)
    check("other numbers", again.returncode == 0 and numbers_in(root).items() >= undisturbed.values.items())
    check("the store is not clean in the end", not _problems(root))
    statuses = statuses_in(root)
    check(f"a run was left open: {statuses}", "RUNNING" not in statuses and statuses[-1] == "FINISHED")
    check("a stopped run is not KILLED", status != "RUNNING" or statuses[-2] == "KILLED")
    return wrong


def _problems(root: Path) -> list[str]:
    told: list[str] = []
    store = FeatureStore(root / "mlruns" / "features", told.append)
    return [problem for _, problems in store.verify() for problem in problems]


@pytest.mark.parametrize(
    ("point", "action"),
    [("rows.synced", "SIGKILL"), ("manifest.renamed", "SIGTERM"), ("rows.written", "ENOSPC"), ("tracker.tags", "EIO")],
)
def test_a_fault_is_survived(point: str, action: str, forkserver: Forkserver, undisturbed: Undisturbed) -> None:
    assert survives(forkserver, undisturbed, point, action) == []


@pytest.mark.faults
@pytest.mark.timeout(900)
@pytest.mark.parametrize("point", POINTS)
def test_every_fault_is_survived(point: str, forkserver: Forkserver, undisturbed: Undisturbed) -> None:
    wrong = [(action, survives(forkserver, undisturbed, point, action)) for action in ACTIONS]
    bad = [line for _, lines in wrong for line in lines]
    tally("fault point × action cells as specified", len(wrong), sum(not lines for _, lines in wrong), "\n".join(bad))


def test_every_point_is_in_the_code_and_every_one_in_the_code_is_tried() -> None:
    """Points that a renaming left behind would be survived by whatever."""
    code = "".join(path.read_text() for path in (REPOSITORY / "src").rglob("*.py"))
    kinds, log = ("rows", "manifest", "derived"), ("params", "tags", "metrics")
    said = set(re.findall(r'^ +point\("([a-z.]+)"\)', code, re.MULTILINE))
    said |= {f"{kind}.{step}" for step in re.findall(r'point\(f"\{kind\}\.([a-z]+)"\)', code) for kind in kinds}
    said |= {f"tracker.{step}" for step in (*re.findall(r'_explained\("([a-z]+)"\)', code), *log)}
    assert said == {*POINTS, "reading.semaphore"}  # of processes that read, tried in tests/data/test_reading.py
