"""A benchmark that is stopped in the middle of its long parts: it ends at once, and its run says KILLED."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from support.forkserver import Forkserver, Started
from support.runs import Tracked

SOON_S = 1.0
"""Seconds from the signal to the end, beside the batch or draw that is being worked on."""

DRAW_S = 1.0
"""What a batch or draw of these tests takes at most, on a machine that does much else."""


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """So many rows that each family and the map take seconds."""
    generator = np.random.default_rng(0)
    centres = generator.normal(size=(20, 512)) * 0.3
    arrays = {}
    for split, count in (("train", 12_000), ("test", 2_000)):
        labels = np.arange(count) % 20
        arrays[split] = (centres[labels] + generator.normal(size=(count, 512))).astype(np.float32)
        arrays[f"{split}_labels"] = labels
    file = tmp_path_factory.mktemp("rows") / "rows.npz"
    np.savez(file, **arrays)
    return file


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images that take a third of a second each to decode."""
    root, generator = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    noise = Image.fromarray(generator.integers(0, 255, (300, 450, 3), dtype=np.uint8)).resize((4500, 3000))
    noise.save(root / "one.jpg", quality=85)
    content = (root / "one.jpg").read_bytes()
    for split, count in (("train", 40), ("test", 10)):
        for number in range(count):
            file = root / "set" / split / "ab"[number % 2] / f"{number}.jpg"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content + f"{split} {number}".encode())  # behind the end of the image: each is another
    return root / "set"


def stopped(program: Started, at: str, kind: signal.Signals) -> float:
    """Seconds that the program took to end once it had told of ``at`` and was asked to stop."""
    deadline = time.monotonic() + 120
    while at not in program.stderr:
        assert program.poll() is None, program.stderr
        assert time.monotonic() < deadline, program.stderr
        time.sleep(0.02)
    time.sleep(0.2)
    start = time.monotonic()
    program.kill(kind)
    try:
        code = program.wait(60)
    except subprocess.TimeoutExpired:
        program.kill()
        raise
    seconds = time.monotonic() - start
    assert code == 128 + kind, program.stderr
    assert "Stopped. Finished work is kept." in program.stderr
    assert "Traceback" not in program.stderr
    return seconds


def soonest(begin: Callable[[], Started], at: str, kind: signal.Signals) -> float:
    """Of two tries the quicker one, where the first took long: the machine may have been busy with something else."""
    seconds = stopped(begin(), at, kind)
    return seconds if seconds < SOON_S + DRAW_S else min(seconds, stopped(begin(), at, kind))


@pytest.mark.parametrize(
    ("at", "kind"),
    [
        ("metrics: linear", signal.SIGTERM), ("metrics: separability", signal.SIGINT), ("iteration 50", signal.SIGTERM),
    ],
)  # fmt: skip
def test_long_work_on_rows_ends_at_once(
    at: str, kind: signal.Signals, rows: Path, forkserver: Forkserver, tmp_path: Path
) -> None:
    family = at.removeprefix("metrics: ") if at.startswith("metrics") else "variance"
    words = ("backbone=rows", f"backbone.file={rows}", "layer=rows", f"metrics=[{family}]")
    assert soonest(lambda: forkserver.start(*words, cwd=tmp_path), at, kind) < SOON_S + DRAW_S
    assert {run.info.status for run in Tracked(tmp_path).runs()} == {"KILLED"}


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("kind", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("at", ["reading train", "extracting"])
def test_listing_and_decoding_end_at_once(
    at: str, kind: signal.Signals, workers: int, photos: Path, forkserver: Forkserver, tmp_path: Path
) -> None:
    words = (
        "backbone=squeezenet1_0", "backbone.weights=untrained", f"dataset={photos}", "preprocess.size=32",
        "reducer=none", f"trainer.num_workers={workers}", "tracking=none",
    )  # fmt: skip
    assert soonest(lambda: forkserver.start(*words, cwd=tmp_path), at, kind) < SOON_S + DRAW_S
