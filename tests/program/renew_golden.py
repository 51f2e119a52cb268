"""Renew named numbers of golden.json, and no others.

python tests/program/renew_golden.py 'test/transfer/*'                       # in both runs
python tests/program/renew_golden.py --run digits test/neighbours/knn_accuracy
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(REPOSITORY / "src"), str(REPOSITORY / "tests")]

from test_golden import GOLDEN, RUNS, kept  # noqa: E402

from support.environment import environment  # noqa: E402
from support.runs import metrics_of  # noqa: E402


def measured(words: Sequence[str]) -> dict[str, float]:
    """The numbers that the program gives now."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, str(REPOSITORY / "run.py"), *words, "tracking=none"]
        subprocess.run(command, cwd=folder, env=environment(), check=True, stdout=subprocess.DEVNULL)
        return kept(metrics_of(Path(folder)))


def renewed(old: Mapping[str, float], new: Mapping[str, float], keys: Sequence[str]) -> dict[str, float]:
    """``old``, in which the keys that are named have their new values, or are gone."""
    named = {key for key in {**old, **new} if any(fnmatch(key, pattern) for pattern in keys)}
    values = {k: v for k, v in old.items() if k not in named} | {k: v for k, v in new.items() if k in named}
    return dict(sorted(values.items()))


def main(words: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description="Renew named numbers of golden.json, and no others.")
    parser.add_argument("keys", nargs="+", metavar="KEY", help="to renew (* allowed)")
    parser.add_argument("--run", choices=RUNS, help="of this run alone")
    chosen = parser.parse_args(words)
    golden = json.loads(GOLDEN.read_text()) if GOLDEN.exists() else {}
    for run in [chosen.run] if chosen.run else RUNS:
        old = golden.get(run, {})
        golden[run] = renewed(old, measured(RUNS[run]), chosen.keys)
        for key in sorted({**old, **golden[run]}):
            if old.get(key) != golden[run].get(key):
                print(f"{run}, {key}: {old.get(key)} → {golden[run].get(key)}")
    GOLDEN.write_text(json.dumps(golden, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
