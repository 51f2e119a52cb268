"""Signs of life where somebody laid links, pipes and times that cannot be."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from frostmark.results import lease
from frostmark.results.lease import LEASE_S, Lease, seconds_since_sign_of_life
from frostmark.results.outcome import SweepRecord


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "sweep").mkdir()
    return tmp_path / "sweep"


def test_nothing_is_made_at_the_other_end_of_a_link(folder: Path, tmp_path: Path) -> None:
    (folder / "lease").symlink_to(tmp_path / "outside")
    held = Lease(folder)
    held.take()
    assert not (tmp_path / "outside").exists()
    assert seconds_since_sign_of_life(folder) is None
    held.give_back()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["sweep"]


def test_a_file_that_a_link_leads_to_keeps_its_time(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "BEAT_S", 0.02)
    victim = tmp_path / "somebody's"
    victim.write_text("mine")
    os.utime(victim, (1, 1))
    (folder / "lease").symlink_to(victim)
    held = Lease(folder)
    held.take()
    time.sleep(0.3)
    assert victim.stat().st_mtime == 1
    held.give_back()
    assert victim.read_text() == "mine"


def test_whoever_asks_writes_through_no_link(folder: Path, tmp_path: Path) -> None:
    Lease(folder).take()
    (folder / f".lease.{os.getpid()}").symlink_to(tmp_path / "outside")
    since = seconds_since_sign_of_life(folder)
    assert since is not None
    assert abs(since) < LEASE_S
    assert not (tmp_path / "outside").exists()


@pytest.mark.timeout(20)
def test_a_pipe_is_no_sign_of_life(folder: Path) -> None:
    os.mkfifo(folder / "lease")
    Lease(folder).take()
    assert seconds_since_sign_of_life(folder) is None


@pytest.mark.parametrize(("off", "there"), [(-10.0, True), (10.0, True), (-2 * LEASE_S, False), (4e8, False)])
def test_a_sign_of_life_from_far_in_the_future_holds_no_sweep(folder: Path, off: float, there: bool) -> None:
    Lease(folder).take()
    at = time.time() + off
    os.utime(folder / "lease", (at, at))
    assert SweepRecord(folder, (), 1, None, "another-host/1 1 1.00").under_way(lambda _: None) is there
