"""Inject every fault, and write what became of it: docs/reliability.md.

    python scripts/reliability.py                # runs tests/faults and `pytest -m faults`, 40 minutes on two cores
    python scripts/reliability.py --lines FILE   # writes the page of a run that was made before

The page is written only if every test passed.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "reliability.md"

TARGETS = {
    "kill -9 at random moments, resumed, bitwise equal": "300 of 300",
    "fault point × action cells as specified": "all, ≥ 120",
    "damaged store files detected and healed": "≥ 40,000, all",
    "crash states of the commit protocol recovered": "≥ 5,000, all",
    "races of 4 processes for one key: 1 pass, the right bytes": "200 rounds, all",
    "tracking server dying at a request: 0 results lost": "all, ≤ 10 s",
    "hostile checkpoints refused, nothing executed": "≥ 30, 0 executed",
    "hostile overrides refused, nothing executed": "≥ 100, 0 executed",
    "names × fields as text": "≥ 2,000, all",
    "errors with what, where, Fix, no traceback": "all",
    "mutants caught": "≥ 20, all",
}
"""What was promised, in the order of the table; figures without a promise follow."""

HEAD = """# Reliability

Every known fault of a benchmark was injected into Frostmark. *Ended well* means: the exit code and the state of the
MLflow run are as documented, `frostmark cache verify` finds no damage, no finished work is lost, and the message says
what is wrong, where, and what to do (`Fix:`). Repeating the command then gives the rows, to the bit, and the numbers of
an undisturbed run.

| what was tried | tried | ended well | asked for |
|---|--:|--:|---|
"""

FOOT = """
**Method.** `tests/faults/` runs the real program (a process that has imported everything forks itself for each run),
the real store, and real SQLite and MLflow servers. The ordinary test suite has a few faults of every kind;
`pytest -m faults` injects all of them. `python scripts/reliability.py` writes this page (in {minutes}
minutes on two cores).

- *Fault points* are named places in the store and the tracker (`frostmark/faults.py`); at each of them the process is
  killed, stopped (SIGTERM, Ctrl-C), or gets an I/O error, a full disk or no memory.
- *Damaged files*: every single bit flip and every truncation of two shards, of the files derived from them, and of the
  manifest.
- *Crash states*: the disk operations of an extraction are recorded; after every operation, all data that was not
  synced is lost, torn or kept, in every combination, also with two processes writing at once.
- *Mutants*: one guard at a time is removed from the program, and a test must fail.

**Stopping.** Ctrl-C and SIGTERM end a run within one second after the current batch or draw: the run does not wait for
threads and processes that read or fit, and long steps of libraries (searches, eigenvalues) run beside the main thread.
A second signal of either kind, at least 0.3 s after the first, ends the process at once; so does closing that takes
more than 5 s. A job in a process of its own (`hydra/launcher=joblib`) is stopped by its parent and ends with the
parent. The next start marks a run that was left open as KILLED.

**What is not covered**: a disk that returns other bytes than were synced to it while the program runs (bytes are
verified when an entry is opened, not at every read), and file systems whose rename is not atomic.
"""


def page(lines: list[dict[str, object]], minutes: int) -> str:
    """The page of what the tests wrote down."""
    sums: dict[str, tuple[int, int]] = {}
    notes: dict[str, list[str]] = {}
    for line in lines:
        figure = str(line["figure"])
        tried, well = sums.get(figure, (0, 0))
        sums[figure] = (tried + int(str(line["tried"])), well + int(str(line["well"])))
        notes.setdefault(figure, []).extend([str(line["note"])] if line["note"] else [])
    ordered = [f for f in TARGETS if f in sums] + sorted(f for f in sums if f not in TARGETS)
    rows = []
    for figure in ordered:
        tried, well = sums[figure]
        shown = figure + "".join(f"; {note}" for note in notes[figure])
        rows.append(f"| {shown} | {tried:,} | {well:,} | {TARGETS.get(figure, '')} |")
    return HEAD + "\n".join(rows) + "\n" + FOOT.format(minutes=minutes)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=Path, help="what a run of the tests with FROSTMARK_TALLY=FILE wrote down")
    parser.add_argument("--minutes", type=int, default=35, help="how long that run took")
    options = parser.parse_args()
    file, minutes = options.lines, options.minutes
    if file is None:
        file = Path(tempfile.mkdtemp()) / "tally.jsonl"
        start = time.monotonic()
        environment = {**os.environ, "FROSTMARK_TALLY": str(file)}
        # Some kinds are quick enough to be tried whole in the ordinary suite.
        for tests in (["tests/faults"], ["-m", "faults"]):
            command = [sys.executable, "-m", "pytest", "-q", *tests]
            failed = subprocess.run(command, cwd=ROOT, env=environment).returncode != 0
            if failed:
                break
        minutes = round((time.monotonic() - start) / 60)
        if failed:
            sys.exit(f"not every fault ended well: {PAGE} is left as it was; what was written down is in {file}")
    PAGE.write_text(page([json.loads(line) for line in file.read_text().splitlines()], minutes), encoding="utf-8")
    print(f"{PAGE} is written")


if __name__ == "__main__":
    main()
