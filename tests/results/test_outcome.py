"""What a sweep leaves: how its jobs ended, and when the same words may go on with it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from frostmark.results.outcome import Outcome, SweepRecord, outcomes, unfinished


def sweep(
    sweeps: Path, name: str, codes: list[int | None], jobs: int | None = 3, pid: int | None = None
) -> SweepRecord:
    folder = sweeps / name
    for number, code in enumerate(codes):
        (folder / str(number)).mkdir(parents=True)
        Outcome(f"layer=stage{number}", "", code, folder=str(folder / str(number))).write(folder / str(number))
    folder.mkdir(exist_ok=True)
    record = SweepRecord.begin(folder, ["layer=stage0,stage1,stage2"], jobs, "run")
    if pid is not None:
        text = (folder / "sweep.json").read_text().replace(f'"pid": {record.pid}', f'"pid": {pid}')
        (folder / "sweep.json").write_text(text)
    found = SweepRecord.read(folder)
    assert found is not None
    return found


def dead_process() -> int:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        pass
    return process.pid


def test_outcomes_come_in_the_order_of_their_jobs(tmp_path: Path) -> None:
    sweep(tmp_path, "a", [0] * 12)
    assert [o.job for o in outcomes(tmp_path / "a")] == [f"layer=stage{n}" for n in range(12)]


def test_a_sweep_that_lacks_a_result_is_gone_on_with(tmp_path: Path) -> None:
    words = ["layer=stage0,stage1,stage2"]
    sweep(tmp_path, "1", [0, 137, 0], pid=dead_process())
    found = unfinished(tmp_path, words)
    assert found is not None
    assert (found.folder.name, found.run_id) == ("1", "run")
    assert unfinished(tmp_path, ["layer=stage0"]) is None
    sweep(tmp_path, "2", [0, 0, 0], pid=dead_process())  # the last one of these words has everything
    assert unfinished(tmp_path, words) is None


def test_jobs_that_were_never_begun_are_lacking_too(tmp_path: Path) -> None:
    sweep(tmp_path, "1", [0, 0], pid=dead_process())
    assert unfinished(tmp_path, ["layer=stage0,stage1,stage2"]) is not None
    assert unfinished(tmp_path / "nowhere", ["x"]) is None


def test_a_sweep_that_somebody_is_at_is_left_to_them(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as alive:
        assert sweep(tmp_path, "1", [0, None], pid=alive.pid).under_way
        assert unfinished(tmp_path, ["layer=stage0,stage1,stage2"]) is None
        alive.communicate(b"\n")
    assert unfinished(tmp_path, ["layer=stage0,stage1,stage2"]) is not None


def test_a_record_that_cannot_be_read_is_none(tmp_path: Path) -> None:
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "sweep.json").write_text("{")
    assert SweepRecord.read(tmp_path / "1") is None
    assert unfinished(tmp_path, []) is None
