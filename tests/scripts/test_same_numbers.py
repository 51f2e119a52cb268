"""The script that compares two commits: what it finds between two folders."""

from __future__ import annotations

import importlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow
import pytest
from pyarrow import parquet

from support.environment import REPOSITORY

Compare = Callable[..., tuple[int, str]]
"""Exit code and table of the script for two folders."""


def ran(root: Path, moved: str = ".") -> Path:
    """A folder as the program leaves it: a run of a sweep and its comparison."""
    sweep = root / "sweep" / "mlruns" / "_hydra" / "sweeps" / "2026-01-01"
    files = sweep / "0" / moved
    files.mkdir(parents=True)
    values = {"test/variance/intra": 21.5, "cost/map_seconds": np.random.default_rng().random()}
    content = {"values": values, "chance": {"test/variance/intra": 0.1}, "undefined": {"test/transfer/x": "too few"}}
    (sweep / "0" / "metrics.json").write_text(json.dumps(content))
    np.savez(files / "draws.npz", draws=np.arange(5.0))
    parquet.write_table(pyarrow.table({"x": [0.0, np.nan], "class": ["a", "b"]}), files / "embedding.parquet")
    (files / "shots.csv").write_text("shots,accuracy\n1,0.25\n")
    (sweep / "comparison.csv").write_text("network,layer,run_id,test/a\nresnet18,stage2,abc,0.5\n")
    (sweep / "comparison.md").write_text("# digits\n\n**resnet18 is better.**\n\n| a |\n")
    entry = root / "sweep" / "mlruns" / "features" / "0123"
    entry.mkdir(parents=True)
    (entry / "rows-000000-abcd.safetensors").write_bytes(b"abcdefgh")
    return root


def plant(root: Path, where: str) -> None:
    """The smallest difference there is."""
    (sweep,) = root.glob("sweep/mlruns/_hydra/sweeps/*")
    if where == "metrics.json":
        path = sweep / "0" / "metrics.json"
        path.write_text(path.read_text().replace("21.5", repr(float(np.nextafter(21.5, 22)))))
    elif where == "draws.npz":
        np.savez(sweep / "0" / "draws.npz", draws=np.nextafter(np.arange(5.0), [0, 1, 9, 3, 4]))
    elif where == "embedding.parquet":
        table = pyarrow.table({"x": [-0.0, np.nan], "class": ["a", "b"]})
        parquet.write_table(table, sweep / "0" / "embedding.parquet")
    elif where == "undefined":
        path = sweep / "0" / "metrics.json"
        path.write_text(path.read_text().replace("test/transfer/x", "test/transfer/y"))
    elif where == "tables":
        (sweep / "0" / "shots.csv").write_text("shots,accuracy\n1,0.26\n")
    elif where == "comparison.csv":
        (sweep / "comparison.csv").write_text("network,layer,run_id,test/a\nresnet18,stage2,abc,0.6\n")
    elif where == "verdict":
        (sweep / "comparison.md").write_text("**resnet18 is not better.**\n")
    else:
        (root / "sweep" / "mlruns" / "features" / "0123" / "rows-000000-abcd.safetensors").write_bytes(b"abcdefgi")


@pytest.fixture
def compare(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Compare:
    monkeypatch.syspath_prepend(str(REPOSITORY / "scripts"))
    script = importlib.import_module("same_numbers")

    def compare(old: Path, new: Path, *words: str) -> tuple[int, str]:
        return script.main([str(old), str(new), "--folders", *words]), capsys.readouterr().out

    return compare


def test_the_same_numbers_are_the_same_wherever_their_files_lie(compare: Compare, tmp_path: Path) -> None:
    code, said = compare(ran(tmp_path / "old"), ran(tmp_path / "new", moved="maps"))
    assert code == 0, said
    assert "All numbers are the same" in said
    assert "Left out: cost/*seconds*" in said


PLANTED = {
    "metrics.json": ("test/variance/intra: 21.5 → 21.500000000000004", "test/variance/*"),
    "undefined": ("undefined test/transfer/x: only in the old commit", "undefined test/transfer/*"),
    "draws.npz": ("draws: 2.0 → 2.0000000000000004 (element 2)", "draws"),
    "embedding.parquet": ("x: 0.0 → -0.0 (element 0)", "x"),
    "tables": ("accuracy (shots.csv, line 1): 0.25 → 0.26", "accuracy"),
    "comparison.csv": ("test/a (resnet18 · stage2): 0.5 → 0.6", "test/a"),
    "verdict": ("verdict: resnet18 is better. → resnet18 is not better.", "verdict"),
    "stored rows": ("0123/rows-000000: 104 → 105 (element 7)", "0123/*"),
}


@pytest.mark.parametrize("where", PLANTED)
def test_a_planted_difference_is_found_and_may_be_expected(compare: Compare, tmp_path: Path, where: str) -> None:
    old = ran(tmp_path / "old")
    new = Path(shutil.copytree(old, tmp_path / "new"))
    plant(new, where)
    first, key = PLANTED[where]
    code, said = compare(old, new)
    assert code == 1, said
    assert first in said
    assert compare(old, new, "--expect-changed", key)[0] == 0
    assert compare(old, new, "--keys", key)[0] == 1
    assert compare(old, new, "--keys", "another")[0] == 0


def test_what_one_side_lacks_differs(compare: Compare, tmp_path: Path) -> None:
    old, new = ran(tmp_path / "old"), ran(tmp_path / "new")
    shutil.rmtree(new / "sweep" / "mlruns" / "features")
    code, said = compare(old, new)
    assert code == 1
    assert "0123/rows-000000: only in the old commit" in said


def test_a_commit_that_is_not_there_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(str(REPOSITORY / "scripts"))
    script = importlib.import_module("same_numbers")
    with pytest.raises(SystemExit) as stop:
        script.main(["no-such-commit"])
    assert stop.value.code == 2
    assert "no commit 'no-such-commit'" in capsys.readouterr().err
