"""How the memory of the metrics grows with the rows: the peak of every family beyond the rows themselves.

    python scripts/bench_memory.py --rows 25000 50000 100000 200000 --width 2048

Gaussian classes in float32. Every line is a process of its own, in which one family meets all rows; the peak is the
kernel's (VmHWM) after the rows are there and before and after the family. Fewer resamples and permutations than in a
run, unless told otherwise: 256 resamples are a whole block of draws, of which more need no more memory.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from frostmark.metrics.geometry import Geometry
from frostmark.metrics.graphs import Search
from frostmark.metrics.linear import Linear
from frostmark.metrics.metric import Split, make_splits
from frostmark.metrics.neighbours import Neighbours
from frostmark.metrics.separability import Separability
from frostmark.metrics.transfer import Transfer
from frostmark.metrics.variance import Variance
from frostmark.stats.moments import ClassMoments
from frostmark.stats.neighbours import KEPT

FAMILIES = {
    "linear": Linear(),
    "neighbours": Neighbours(),
    "separability": Separability(),
    "transfer": Transfer(),
    "geometry": Geometry(),
    "variance": Variance(),
}
WORK = ("graph", *FAMILIES)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[12_500, 25_000, 50_000])
    parser.add_argument("--width", type=int, default=2048)
    parser.add_argument("--classes", type=int, default=10)
    parser.add_argument("--resamples", type=int, default=256)
    parser.add_argument("--permutations", type=int, default=19)
    parser.add_argument("--exact-up-to", type=int, default=200_000, help="as neighbours.exact_up_to")
    parser.add_argument("--work", nargs="+", choices=WORK, default=list(WORK))
    parser.add_argument("--alone", choices=WORK, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.alone:
        print(json.dumps(measured(options)))
        return
    table = Table(title=f"MB of memory beyond the rows, and seconds; {options.width:,} features")
    for column in ("rows", "rows MB", *(f"{work} {unit}" for work in options.work for unit in ("MB", "s"))):
        table.add_column(column, justify="right")
    for count in options.rows:
        cells = [f"{count:,}", f"{count * options.width * 4 / 1e6:,.0f}"]
        for work in options.work:
            found = alone(work, count)
            share = found["mb"] * 1e6 / (count * options.width * 4)
            print(f"{count:,} {work}: {found['mb']:,.0f} MB ({share:.2f} × the rows), {found['s']:.0f} s", flush=True)
            cells += [f"{found['mb']:,.0f}", f"{found['s']:.0f}"]
        table.add_row(*cells)
    Console(width=160).print(table)


def alone(work: str, rows: int) -> dict[str, float]:
    """Measured in a process of its own."""
    done = subprocess.run(
        [sys.executable, __file__, *sys.argv[1:], "--alone", work, "--rows", str(rows)],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def measured(options: argparse.Namespace) -> dict[str, float]:
    both = splits(options)
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins here
    before, start = status("VmRSS"), time.perf_counter()
    if options.alone == "graph":
        for split in both.values():
            split.nearest(KEPT)
    else:
        FAMILIES[options.alone](both)
    return {"mb": (status("VmHWM") - before) / 1e3, "s": time.perf_counter() - start}


def splits(options: argparse.Namespace) -> dict[str, Split]:
    """Rows made a thousand at a time: what makes them leaves no peak."""
    rng = np.random.default_rng(0)
    means = rng.standard_normal((options.classes, options.width), dtype=np.float32)
    turn = rng.standard_normal((64, options.width), dtype=np.float32)
    rows, labels, moments = {}, {}, {}
    for name, count in (("train", options.rows[0]), ("test", 2000)):
        labels[name] = np.arange(count) % options.classes
        rows[name] = np.empty((count, options.width), np.float32)
        moments[name] = ClassMoments.empty(options.classes, options.width)
        for start in range(0, count, 1000):
            part = slice(start, min(start + 1000, count))
            size = part.stop - part.start
            rows[name][part] = means[labels[name][part]] + rng.standard_normal((size, 64), dtype=np.float32) @ turn / 4
            rows[name][part] += rng.standard_normal((size, options.width), dtype=np.float32) * np.float32(0.3)
            moments[name].update(rows[name][part], labels[name][part])  # streamed, as in a run
    return make_splits(
        rows,
        labels,
        tuple(f"class {c}" for c in range(options.classes)),
        moments=moments,
        resamples=options.resamples,
        permutations=options.permutations,
        search=Search(options.exact_up_to),
    )


def status(key: str) -> float:
    """kB of this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return float(next(line.split()[1] for line in lines if line.startswith(key)))


if __name__ == "__main__":
    main()
