"""Processes that are shot, and processes that want the same: the rows are those of one that was left alone."""

from __future__ import annotations

import contextlib
import json
import random
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from safetensors.numpy import load

from faults.tally import tally
from frostmark.features.store import FeatureStore
from support.environment import REPOSITORY, environment
from support.forkserver import Forkserver
from support.runs import TINY, rows_in

WORDS = (
    *(word for word in TINY if not word.startswith(("reducer", "dataset."))), "dataset.size=16", "dataset.train=700",
    "dataset.test=100", "reducer=none", "tracking=none", "metrics=[geometry]", "trainer.batch_size=16", "layer=stage2",
    "dataset=synthetic", "uncertainty.resamples=40",
)  # fmt: skip


def forwarded(root: Path) -> float:
    file = max(root.glob("mlruns/_hydra/runs/*/raw/metrics.json"))
    return float(json.loads(file.read_text())["values"]["cost/images_forwarded"])


@pytest.fixture(scope="module")
def undisturbed(forkserver: Forkserver, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, bytes], float]:
    """The rows of an extraction that was left alone, and the seconds it took."""
    root = tmp_path_factory.mktemp("undisturbed")
    start = time.monotonic()
    done = forkserver.run(*WORDS, cwd=root)
    assert done.returncode == 0, done.stderr
    return rows_in(root), time.monotonic() - start


def shot_again_and_again(
    forkserver: Forkserver, root: Path, expected: dict[str, bytes], most: float, generator: random.Random
) -> int:
    """Three shots at random moments, then to the end; how many of them hit, or −1 if anything was wrong."""
    hit, kept = 0, rows_in(root)
    for _ in range(3):
        program = forkserver.start(*WORDS, cwd=root)
        time.sleep(generator.uniform(0.1, most))
        program.kill()
        hit += program.wait(60) == -9
        found = rows_in(root)
        if not kept.items() <= found.items() or not found.items() <= expected.items():
            return -1
        kept = found
    last = forkserver.run(*WORDS, cwd=root)
    images = sum(len(load(content)["rows"]) for name, content in expected.items() if name not in kept)
    clean = all(not problems for _, problems in FeatureStore(root / "mlruns" / "features").verify())
    right = last.returncode == 0 and rows_in(root) == expected and clean and forwarded(root) == images
    return hit if right else -1


def test_shot_at_random_moments_an_extraction_ends_with_the_same_rows(
    forkserver: Forkserver, undisturbed: tuple[dict[str, bytes], float], tmp_path: Path
) -> None:
    expected, seconds = undisturbed
    assert shot_again_and_again(forkserver, tmp_path, expected, 0.6 * seconds, random.Random(0)) >= 1


@pytest.mark.faults
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("seed", [1, 2])
def test_shot_hundreds_of_times_an_extraction_ends_with_the_same_rows(seed: int, tmp_path: Path) -> None:
    rounds = [(int(line.split()[0]), line.split()[1] == "True") for line in extractions("shoot", tmp_path, 150, seed)]
    hits = sum(shots for shots, _ in rounds)
    tally("kill -9 at random moments, resumed, bitwise equal", hits, sum(shots for shots, well in rounds if well))
    assert all(well for _, well in rounds)


# ---------------------------------------------------------------- who wants the same


def extractions(what: str, folder: Path, count: int, number: int, *more: str) -> list[str]:
    """What racing.py prints, a line a round."""
    done = subprocess.run(
        [sys.executable, str(REPOSITORY / "tests/faults/racing.py"), what, str(folder), str(count), str(number), *more],
        capture_output=True, text=True, env=environment(), timeout=1200, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def races(folder: Path, rounds: int, processes: int, *more: str) -> list[tuple[int, str]]:
    """(passes, digest of the rows) of every round."""
    lines = extractions("race", folder, rounds, processes, *more)
    return [(int(line.split()[0]), line.split()[1]) for line in lines]


def test_of_several_processes_one_extracts(tmp_path: Path) -> None:
    found = races(tmp_path, 2, 3)
    assert len({rows for _, rows in found}) == 1
    assert [passes for passes, _ in found] == [1, 1]


@pytest.mark.faults
@pytest.mark.timeout(1500)
def test_races_end_with_the_same_bytes(tmp_path: Path) -> None:
    alone = races(tmp_path / "alone", 1, 1)[0][1]
    locked = races(tmp_path / "locked", 200, 4)
    tally("races of 4 processes for one key: 1 pass, the right bytes", 200, locked.count((1, alone)))
    many = [found for count in (2, 8) for found in races(tmp_path / str(count), 20, count)]
    tally("races of 2 and 8 processes: 1 pass, the right bytes", 40, many.count((1, alone)))
    loose = [found for count in (2, 4, 8) for found in races(tmp_path / f"loose{count}", 20, count, "without-locks")]
    tally("races without any lock: the right bytes", 60, sum(rows == alone for _, rows in loose))
    assert any(passes > 1 for passes, _ in loose), "the locks were not taken away"


# ---------------------------------------------------------------- eight at the database


def created_by_eight(forkserver: Forkserver, root: Path) -> bool:
    """Whether eight programs that start in an empty folder at once all end well, with one database."""
    root.mkdir(exist_ok=True)
    words = (*(word for word in WORDS if not word.startswith(("tracking", "dataset.t"))), "dataset.train=30", "dataset.test=20")  # fmt: skip # noqa: E501
    started = [forkserver.start(*words, f"seed={seed}", cwd=root) for seed in range(8)]
    codes = [program.wait(240) for program in started]
    with contextlib.closing(sqlite3.connect(root / "mlruns" / "mlflow.db")) as database:
        statuses = [status for (status,) in database.execute("SELECT status FROM runs")]
        (experiments,) = database.execute("SELECT count(*) FROM experiments WHERE name = 'frostmark'").fetchone()
        (journal,) = database.execute("PRAGMA journal_mode").fetchone()
    return codes == [0] * 8 and statuses == ["FINISHED"] * 8 and experiments == 1 and journal == "wal"


@pytest.mark.faults
@pytest.mark.timeout(1500)
def test_eight_programs_create_the_database_again_and_again(forkserver: Forkserver, tmp_path: Path) -> None:
    well = sum(created_by_eight(forkserver, tmp_path / str(i)) for i in range(5))
    tally("eight programs creating the database at once", 5, well)
