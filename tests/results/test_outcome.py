"""What a sweep leaves: how its jobs ended, and when the same words may go on with it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from frostmark.results import lease
from frostmark.results.lease import LEASE_S, Lease, seconds_since_sign_of_life
from frostmark.results.outcome import Outcome, SweepRecord, last_unfinished, new_remarks, outcomes, time_left
from frostmark.tracking.machine import another_alive, machine, this_process
from support.environment import REPOSITORY, environment

WORDS = ["layer=stage0,stage1,stage2"]


def unfinished(sweeps: Path, words: list[str]) -> SweepRecord | None:
    """What the next sweep of these words goes on with."""
    found = last_unfinished(sweeps, words)
    return None if found is None or found.under_way(another_alive) else found


def sweep(
    sweeps: Path, name: str, codes: list[int | None], jobs: int | None = 3, process: str | None = None
) -> SweepRecord:
    folder = sweeps / name
    for number, code in enumerate(codes):
        (folder / str(number)).mkdir(parents=True)
        Outcome(f"layer=stage{number}", "", code, folder=str(folder / str(number))).write(folder / str(number))
    folder.mkdir(exist_ok=True)
    SweepRecord.begin(folder, WORDS, jobs, "run", process or this_process())
    found = SweepRecord.read(folder)
    assert found is not None
    return found


def dead_process() -> str:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        pass
    return f"{machine()} {process.pid} {time.time():.2f}"


def test_outcomes_come_in_the_order_of_their_jobs(tmp_path: Path) -> None:
    sweep(tmp_path, "a", [0] * 12)
    assert [o.job for o in outcomes(tmp_path / "a")] == [f"layer=stage{n}" for n in range(12)]


def test_a_sweep_that_lacks_a_result_is_gone_on_with(tmp_path: Path) -> None:
    words = ["layer=stage0,stage1,stage2"]
    sweep(tmp_path, "1", [0, 137, 0], process=dead_process())
    found = unfinished(tmp_path, words)
    assert found is not None
    assert (found.folder.name, found.run_id) == ("1", "run")
    assert unfinished(tmp_path, ["layer=stage0"]) is None
    sweep(tmp_path, "2", [0, 0, 0], process=dead_process())  # the last one of these words has everything
    assert unfinished(tmp_path, words) is None


def test_jobs_that_were_never_begun_are_lacking_too(tmp_path: Path) -> None:
    sweep(tmp_path, "1", [0, 0], process=dead_process())
    assert unfinished(tmp_path, ["layer=stage0,stage1,stage2"]) is not None
    assert unfinished(tmp_path / "nowhere", ["x"]) is None


def test_a_sweep_that_somebody_is_at_is_left_to_them(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as alive:
        assert sweep(tmp_path, "1", [0, None], process=process_tag(alive.pid)).under_way(another_alive)
        assert unfinished(tmp_path, ["layer=stage0,stage1,stage2"]) is None
        alive.communicate(b"\n")
    assert unfinished(tmp_path, WORDS) is not None


def process_tag(pid: int) -> str:
    return f"{machine()} {pid} {psutil.Process(pid).create_time():.2f}"


def test_a_process_that_was_given_the_number_of_one_that_died_is_not_it(tmp_path: Path) -> None:
    """This test's own process has had its number for a while; the sweep's had it ten minutes before."""
    pid = os.getpid()
    earlier = f"{machine()} {pid} {psutil.Process(pid).create_time() - 600:.2f}"
    sweep(tmp_path, "1", [0, None], process=earlier)
    Lease(tmp_path / "1").take()  # a fresh sign of life says nothing of a process that is known to be gone
    assert unfinished(tmp_path, WORDS) is not None


def test_of_another_machine_the_signs_of_life_tell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "BEAT_S", 0.05)
    elsewhere = f"another-host/1 {os.getpid()} 1.00"
    record = sweep(tmp_path, "1", [0, None], process=elsewhere)
    assert not record.under_way(another_alive)  # nobody ever gave one
    held = Lease(record.folder)
    held.take()
    old = time.time() - 2 * LEASE_S
    os.utime(record.folder / "lease", (old, old))
    deadline = time.monotonic() + 20
    while not record.under_way(another_alive):  # the thread touches it again
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert unfinished(tmp_path, WORDS) is None
    held.give_back()
    assert unfinished(tmp_path, WORDS) is not None


def test_signs_of_life_end_with_the_process(tmp_path: Path) -> None:
    """A process that is killed gives nothing back."""
    code = f"from pathlib import Path; from frostmark.results.lease import Lease; Lease(Path({str(tmp_path)!r})).take()"
    kill = "; import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    subprocess.run(
        [sys.executable, "-c", code + kill],
        check=False,
        timeout=60,
        env=environment(PYTHONPATH=str(REPOSITORY / "src")),
    )
    since = seconds_since_sign_of_life(tmp_path)
    assert since is not None
    old = time.time() - LEASE_S
    os.utime(tmp_path / "lease", (old, old))
    record = sweep(tmp_path, "1", [0, None], process="another-host/1 1 1.00")
    (tmp_path / "lease").rename(record.folder / "lease")
    assert unfinished(tmp_path, WORDS) is not None
    assert [path.name for path in record.folder.glob(".lease*")] == []


def test_a_sweep_of_before_there_were_leases_is_gone_on_with(tmp_path: Path) -> None:
    sweep(tmp_path, "1", [0, None])
    kept = f'{{"choices": ["{WORDS[0]}"], "jobs": 3, "run_id": null, "pid": {os.getpid()}, "host": "x"}}'
    (tmp_path / "1" / "sweep.json").write_text(kept)
    assert unfinished(tmp_path, WORDS) is not None


def test_a_record_that_cannot_be_read_is_none(tmp_path: Path) -> None:
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "sweep.json").write_text("{")
    assert SweepRecord.read(tmp_path / "1") is None
    assert unfinished(tmp_path, []) is None


@pytest.mark.timeout(20)
@pytest.mark.parametrize("name", ["sweep.json", "0/outcome.json"])
def test_pipes_links_and_endless_files_in_a_sweep_are_not_read(name: str, tmp_path: Path) -> None:
    for number, lay in enumerate((os.mkfifo, lambda path: path.symlink_to("/dev/zero"), sparse)):
        record = sweep(tmp_path, str(number), [0, None])
        path = record.folder / name
        path.unlink()
        lay(path)
        start = time.monotonic()
        assert len(outcomes(record.folder)) == 2
        assert (SweepRecord.read(record.folder) is None) is (name == "sweep.json")
        assert next(o.problem for o in outcomes(record.folder)) == (
            "how it ended cannot be read" if "/" in name else ""
        )
        assert time.monotonic() - start < 2


def sparse(path: Path) -> None:
    path.touch()
    os.truncate(path, 3 << 30)


WRITTEN: dict[str, object] = {"job": "a", "title": "b", "code": 0, "remarks": ["c"]}


@pytest.mark.parametrize(
    ("part", "value"),
    [("job", 1), ("title", None), ("code", "0"), ("remarks", 5), ("remarks", [5]), ("folder", 3), ("run_id", []),
     ("accuracy", "high"), ("accuracy", float("nan")),
     ("accuracy", True), ("code", 10**40), ("code", True), ("pid", "x"), ("problem", {}), ("metric", 0)],
)  # fmt: skip
def test_an_outcome_of_other_parts_is_one_that_cannot_be_read(part: str, value: object, tmp_path: Path) -> None:
    (tmp_path / "0").mkdir()
    (tmp_path / "0" / "outcome.json").write_text(json.dumps(WRITTEN))
    assert Outcome.read(tmp_path / "0") is not None
    (tmp_path / "0" / "outcome.json").write_text(json.dumps(WRITTEN | {part: value}))
    assert Outcome.read(tmp_path / "0") is None
    assert new_remarks(tmp_path, "a") == []


@pytest.mark.parametrize(
    ("part", "value"),
    [("jobs", "x"), ("jobs", -1), ("jobs", 10**40), ("jobs", True), ("run_id", 3), ("continues", 1), ("choices", 4)],
)
def test_a_record_of_other_parts_is_none(part: str, value: object, tmp_path: Path) -> None:
    folder = sweep(tmp_path, "1", [0]).folder
    kept = json.loads((folder / "sweep.json").read_text())
    (folder / "sweep.json").write_text(json.dumps(kept | {part: value}))
    assert SweepRecord.read(folder) is None
    assert unfinished(tmp_path, WORDS) is None


def test_an_outcome_is_not_written_through_a_link(tmp_path: Path) -> None:
    victim = tmp_path / "somebody's"
    victim.write_text("mine")
    folder = tmp_path / "0"
    folder.mkdir()
    (folder / f".outcome.json.{os.getpid()}").symlink_to(victim)
    (folder / "outcome.json").symlink_to(victim)
    Outcome("a", "", None).write(folder)
    assert victim.read_text() == "mine"
    read = Outcome.read(folder)
    assert read is not None
    assert (read.job, read.code) == ("a", None)


def test_a_sweep_that_began_tomorrow_says_nothing_strange_of_the_time_left(tmp_path: Path) -> None:
    record = sweep(tmp_path, "1", [0, None])
    tomorrow = time.time() + 86_400
    os.utime(record.folder / "sweep.json", (tomorrow, tomorrow))
    assert "-" not in time_left(record.folder)
