"""The working folder goes away in the middle of a run: results elsewhere are finished, and else one message says so."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import pytest

from support.forkserver import Forkserver, Started
from support.runs import TINY

WORDS = (
    *(word for word in TINY if not word.startswith("dataset.train")),
    "dataset.train=2000", "metrics=[neighbours]", "layer=last_conv",
)  # fmt: skip


def extracting(program: Started) -> None:
    deadline = time.monotonic() + 120
    while "extracting" not in program.stderr:
        assert program.poll() is None, program.stderr
        assert time.monotonic() < deadline, program.stderr
        time.sleep(0.02)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("more", [("tracking=local",), ("-m", "tracking=none", "seed=0,1")], ids=str)
def test_a_run_whose_results_are_elsewhere_goes_on(
    more: tuple[str, ...], forkserver: Forkserver, tmp_path: Path
) -> None:
    gone, root = tmp_path / "gone", tmp_path / "elsewhere"
    gone.mkdir()
    program = forkserver.start(*WORDS, *more, f"paths.root={root}", cwd=gone)
    extracting(program)
    shutil.rmtree(gone)
    assert program.wait(240) == 0, program.stderr
    assert "Traceback" not in program.stderr
    files = sorted(root.glob("mlruns/_hydra/*/*/raw/metrics.json")) + sorted(
        root.glob("mlruns/_hydra/*/*/*/raw/metrics.json")
    )
    assert len(files) == (2 if "-m" in more else 1)
    assert all(json.loads(file.read_text())["values"]["test/neighbours/knn_accuracy"] > 0 for file in files)
    assert not gone.exists()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("tracking", ["none", "local"])
def test_a_run_whose_results_went_with_it_says_so_once(tracking: str, forkserver: Forkserver, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    program = forkserver.start(*WORDS, f"tracking={tracking}", cwd=gone)
    extracting(program)
    shutil.rmtree(gone, ignore_errors=True)  # shards come while it goes
    shutil.rmtree(gone, ignore_errors=True)
    code = program.wait(240)
    assert code == 3, program.stderr
    assert "Traceback" not in program.stderr
    assert "a bug in" not in program.stderr
    assert program.stderr.count("Error: the folder that this was started in was removed meanwhile") == 1
    assert program.stderr.count("\nFix: ") == 1
