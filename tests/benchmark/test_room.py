"""Which rows are kept: those that were asked for, or those that the disk of the store has room for."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmark.test_extraction import IMAGES, forwarded, run
from frostmark.benchmark import room as module
from frostmark.benchmark.room import Room
from frostmark.config.schema import MAX_HELD, Features, Layer
from support.runs import rows_in

ROWS = 4 * 512 * IMAGES
"""Bytes of a layer of 512 features."""


def free(monkeypatch: pytest.MonkeyPatch, size: float) -> None:
    """Let the disk of the store have so many bytes free."""
    monkeypatch.setattr(module, "shutil", SimpleNamespace(disk_usage=lambda folder: SimpleNamespace(free=int(size))))


def kept(root: Path) -> int:
    """Layers that are in the store whole, both splits."""
    return len(list((root / "mlruns" / "features").glob("*/manifest.json"))) // 2


def test_a_number_is_the_limit_of_a_layer_and_auto_that_of_the_disk(tmp_path: Path) -> None:
    asked, auto = Room(100, 1_000, tmp_path), Room(None, 1_000, tmp_path)
    assert [asked.holds(size, there=0) for size in (100, 101)] == [True, False]
    assert [auto.holds(size, there=0) for size in (800, 801)] == [True, False]
    assert auto.holds(5_000, there=4_500)  # what is stored already takes no room
    assert Room.of("auto", tmp_path / "not" / "there").free == pytest.approx(shutil.disk_usage(tmp_path).free, rel=0.1)


def test_the_numbers_of_a_run_do_not_depend_on_the_disk() -> None:
    assert Features().held_bytes == MAX_HELD
    assert Features(max_bytes=1_000).held_bytes == 1_000


def test_rows_that_the_disk_cannot_hold_are_streamed_and_it_is_said_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    free(monkeypatch, 1.2 * ROWS)
    result = run(tmp_path)
    said = capfd.readouterr().err
    size = int(1.2 * ROWS)
    told = (
        f"he rows of squeezenet1_0 · last_conv are not kept: they take {ROWS:,} bytes ({IMAGES} images × 512 features "
        f"× 4 bytes), and the limit is 80% of the {size:,} bytes that are free in {tmp_path}/mlruns/features."
    )
    assert f"T{told}" in said
    assert said.index("are not kept") < said.index("extracting")
    assert f"features.max_bytes={ROWS}, or paths.root=" in said
    assert any(f"t{told}" in remark for remark in result.remarks)
    assert not rows_in(tmp_path)
    assert forwarded(run(tmp_path)) == IMAGES
    assert forwarded(run(tmp_path, f"features.max_bytes={ROWS}")) == IMAGES  # as it says
    assert kept(tmp_path) == 1


def test_what_is_stored_is_replayed_on_a_disk_that_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    run(tmp_path)
    free(monkeypatch, 0)
    assert forwarded(run(tmp_path)) == 0
    assert "not kept" not in capfd.readouterr().err


def test_a_sweep_keeps_what_fits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    layers = tuple(Layer("last_conv", pool=pool) for pool in ("gap", "max", "gem"))
    free(monkeypatch, 2.6 * ROWS)  # for two of three
    assert forwarded(run(tmp_path, layers=layers)) == IMAGES
    assert "no room for the rows of 1 of 3 layers of the sweep" in capfd.readouterr().err
    assert kept(tmp_path) == 2
    assert forwarded(run(tmp_path, "layer.pool=max", layers=layers)) == 0
    assert forwarded(run(tmp_path, "layer.pool=gem", layers=layers)) == IMAGES
