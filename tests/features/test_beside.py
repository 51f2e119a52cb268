"""``cache verify`` beside ``cache prune``, each a real process: what goes meanwhile is named."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from features.test_store import KEY, ROWS, shard_files, stored
from frostmark.features.entry import MANIFEST, SHARD
from frostmark.features.store import FeatureStore
from support.environment import REPOSITORY, environment

ENTRIES = 60

SLOWLY = """
import sys, time
from frostmark.cli.main import main
from frostmark.features import store
real = store.problem_of
def slow(*arguments):
    print("verifying", file=sys.stderr, flush=True)
    time.sleep(0.1)  # as on a busy disk
    return real(*arguments)
store.problem_of = slow
sys.argv = ["run.py", "cache", "verify", "paths.root=."]
main()
"""


def many(root: Path) -> FeatureStore:
    """A store of entries of one shard."""
    store = FeatureStore(root / "mlruns" / "features")
    for number in range(ENTRIES):
        entry = store.entry(replace(KEY, count=SHARD, node=f"layer{number}"), ROWS.shape[1])
        entry.write(range(SHARD), ROWS[:SHARD])
        entry.commit({"backbone": "resnet18"})
    return store


def start(*words: str, cwd: Path) -> subprocess.Popen[str]:
    variables = environment(PYTHONPATH=str(REPOSITORY / "src"))
    return subprocess.Popen(
        [sys.executable, *words], cwd=cwd, env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize("damaged", [False, True])
def test_verify_beside_prune(damaged: bool, tmp_path: Path) -> None:
    store = many(tmp_path)
    if damaged:  # the last used: neither goes, and it is looked at when all others have gone
        kept = store.stored()[-1]
        next(kept.folder.glob("rows-*")).write_bytes(b"x")
    size = max(entry.size for entry in store.stored())
    with start("-c", SLOWLY, cwd=tmp_path) as verify:
        assert verify.stderr is not None
        assert verify.stderr.readline() == "verifying\n"  # everything is listed
        prune = ["cache", "prune", "--max-size", f"{size}B" if damaged else "0B", "paths.root=."]
        with start(str(REPOSITORY / "run.py"), *prune, cwd=tmp_path) as pruning:
            out, err = verify.communicate(timeout=60)
            pruned, told = pruning.communicate(timeout=60)
    assert "was removed or set aside while it was verified (resnet18" in err
    assert "Traceback" not in err + told
    assert pruning.returncode == 0
    assert pruned.count("removed:") == ENTRIES - damaged
    if damaged:
        assert verify.returncode == 3
        assert "1 of " in err
        assert "is damaged" in out
    else:
        assert verify.returncode == 0, err
        assert "none damaged" in out


def test_an_entry_that_goes_at_every_step_is_told_of_once(tmp_path: Path) -> None:
    """Its folder, its manifest, or one of its files after the listing."""
    for gone in ("folder", MANIFEST):
        told: list[str] = []
        store, entry = stored(tmp_path / gone, told)
        (listed,) = store.stored()
        shutil.rmtree(entry.folder) if gone == "folder" else (entry.folder / MANIFEST).unlink()
        shard_files(entry)[0].unlink() if gone != "folder" else None
        assert listed.problems()
        assert listed.has_gone()


def test_a_file_that_a_manifest_lists_is_missed_and_one_that_follows_is_not(tmp_path: Path) -> None:
    store, entry = stored(tmp_path)
    entry.derived("graph-20", lambda: {"index": np.arange(4)})
    (listed,) = store.stored()
    assert listed.problems() == []
    shard_files(entry)[0].unlink()
    assert [words.endswith("is missing") for _, problems in store.verify() for words in problems] == [True]
