"""A tracking server that dies at every request in turn, in every way: no result is lost, and nobody waits for long."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from faults.dying import WAYS, Dying
from faults.tally import tally
from support.forkserver import Forkserver
from support.runs import TINY

WORDS = (
    *(word for word in TINY if not word.startswith("reducer")), "reducer=none", "metrics=[geometry]",
    "uncertainty.resamples=40", "tracking=server",
)  # fmt: skip
PATIENCE_S = 12.0
"""Seconds that a dead server may cost: ten of waiting, and two for the work beside it on a busy machine."""


@dataclass(frozen=True)
class Undisturbed:
    """What a run with a server that lives gave, after how many requests and seconds."""

    values: dict[str, float]
    requests: int
    seconds: float


def values_in(root: Path) -> dict[str, float]:
    (file,) = root.glob("mlruns/_hydra/runs/*/raw/metrics.json")
    found = json.loads(file.read_text(encoding="utf-8"))["values"]
    return {key: value for key, value in found.items() if not key.startswith("cost/")}


@pytest.fixture(scope="module")
def undisturbed(server: str, forkserver: Forkserver, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    seconds = []
    for name in ("first", "second"):  # the first creates the experiment
        root = tmp_path_factory.mktemp(name)
        with Dying(server) as proxy:
            start = time.monotonic()
            done = forkserver.run(*WORDS, f"tracking.uri={proxy.address}", cwd=root)
            seconds.append(time.monotonic() - start)
        assert done.returncode == 0, done.stderr
    return Undisturbed(values_in(root), proxy.asked, max(seconds))


def survives(
    server: str, forkserver: Forkserver, undisturbed: Undisturbed, root: Path, after: int, how: str, again: bool
) -> list[str]:
    """What was not as it should be of a run whose server died at one request."""
    root.mkdir()
    with Dying(server, after, how) as proxy:
        start = time.monotonic()
        done = forkserver.run(*WORDS, f"tracking.uri={proxy.address}", cwd=root, timeout=120)
        seconds = time.monotonic() - start
    wrong = []
    if done.returncode != 4 or "\nFix: " not in done.stderr or "Traceback" in done.stderr:
        wrong.append(f"{how} at {after}: exit code {done.returncode}: {done.stderr[-400:]}")
    if "extracting" not in done.stderr:
        return wrong  # known before any extraction: nothing was done that could be lost
    if values_in(root) != undisturbed.values:
        wrong.append(f"{how} at {after}: results were lost")
    if seconds > undisturbed.seconds + PATIENCE_S:
        wrong.append(f"{how} at {after}: {seconds:.0f} s instead of {undisturbed.seconds:.0f}")
    if again:
        more = forkserver.run(*WORDS, f"tracking.uri={server}", cwd=root, timeout=120)
        numbers = [
            json.loads(f.read_text())["values"] for f in sorted(root.glob("mlruns/_hydra/runs/*/raw/metrics.json"))
        ]
        if more.returncode != 0 or numbers[-1]["cost/images_forwarded"] != 0:
            wrong.append(f"{how} at {after}: the same command did not log what was there: {more.stderr[-300:]}")
    return wrong


@pytest.mark.parametrize("how", ["refuse", "garbage", "drip body", "redirect", "stranger"])
def test_a_server_that_dies_costs_no_result(
    how: str, server: str, forkserver: Forkserver, undisturbed: Undisturbed, tmp_path: Path
) -> None:
    late = undisturbed.requests // 2
    assert survives(server, forkserver, undisturbed, tmp_path / "run", late, how, again=True) == []


@pytest.mark.faults
@pytest.mark.timeout(2400)
@pytest.mark.parametrize("how", WAYS)
def test_a_server_that_dies_at_any_request_costs_no_result(
    how: str, server: str, forkserver: Forkserver, undisturbed: Undisturbed, tmp_path: Path
) -> None:
    found = [
        survives(server, forkserver, undisturbed, tmp_path / str(after), after, how, again=after % 10 == 9)
        for after in range(1, undisturbed.requests + 1)
    ]
    bad = [line for lines in found for line in lines]
    tally("tracking server dying at a request: 0 results lost", len(found), sum(not w for w in found), "\n".join(bad))


@pytest.mark.faults
@pytest.mark.timeout(600)
@pytest.mark.parametrize("when", ["before", "in the middle"])
def test_a_locked_database_costs_no_result(when: str, forkserver: Forkserver, tmp_path: Path) -> None:
    """Somebody holds SQLite's lock and does not let go."""
    words = (*WORDS[:-1], "dataset.train=2000")
    first = forkserver.run(*words, "dataset.train=40", cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    with contextlib.closing(sqlite3.connect(tmp_path / "mlruns" / "mlflow.db", timeout=30)) as holder:
        if when == "before":
            holder.execute("BEGIN EXCLUSIVE")
        program = forkserver.start(*words, cwd=tmp_path)
        while when != "before" and "extracting" not in program.stderr:
            assert program.poll() is None, program.stderr
            time.sleep(0.02)
        if when != "before":
            holder.execute("BEGIN EXCLUSIVE")
        code = program.wait(240)
    again = forkserver.run(*words, cwd=tmp_path)
    found = [
        json.loads(f.read_text())["values"] for f in sorted(tmp_path.glob("mlruns/_hydra/runs/*/raw/metrics.json"))
    ]
    forwarded = [int(values["cost/images_forwarded"]) for values in found]
    expected = [101, 2000] if when == "before" else [101, 2000, 0]  # the test images are in the store
    checks = {
        "exit code 4": code == 4,
        "a Fix": "\nFix: " in program.stderr and "Traceback" not in program.stderr,
        "is locked by another program": "is locked by another program" in program.stderr,
        f"{expected} images forwarded": forwarded == expected,
        "the same command logs them": again.returncode == 0,
    }
    missing = [check for check, holds in checks.items() if not holds]
    note = f"{when}: not {missing}: {program.stderr} {again.stderr}" if missing else ""
    tally("database locked by somebody: 0 results lost", 1, int(not missing), note)
