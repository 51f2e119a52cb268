"""How long the metrics take, with their intervals and nulls.

    python scripts/bench_metrics.py              # 8,000 × 512 rows, 10 classes; the graph of 60,000 × 512
    python scripts/bench_metrics.py --large      # and 50,000 × 2,048 rows of 1,000 classes (minutes, 8 GB)

Rows are Gaussian classes; every family runs with 1,000 resamples and 100 permutations, as it does in a run, and in a
process that keeps freed memory, as one that has extracted features does.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable

import numpy as np

from frostmark.lit.trainer import keep_freed_memory
from frostmark.metrics.geometry import Geometry
from frostmark.metrics.graphs import Arrays
from frostmark.metrics.linear import Linear
from frostmark.metrics.metric import Split, Undefined, make_splits
from frostmark.metrics.neighbours import Neighbours
from frostmark.metrics.separability import Separability
from frostmark.metrics.transfer import Transfer
from frostmark.metrics.variance import Variance
from frostmark.stats.neighbours import KEPT, Graph

FAMILIES = {
    "linear": Linear(),
    "neighbours": Neighbours(),
    "separability": Separability(),
    "transfer": Transfer(),
    "geometry": Geometry(),
    "variance": Variance(),
}


def blobs(count: int, width: int, classes: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Gaussian classes that overlap."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    means = np.random.default_rng(1).standard_normal((classes, width)).astype(np.float32)
    return rng.standard_normal((count, width), dtype=np.float32) * 2 + means[labels], labels


def timed(name: str, work: Callable[[], object], target: str = "") -> float:
    start = time.perf_counter()
    work()
    seconds = time.perf_counter() - start
    print(f"  {name:<58} {seconds:8.1f} s   {target}", flush=True)
    return seconds


def reported(split: str, bank: str, name: str, compute: Callable[[], Arrays]) -> Arrays:
    """Computes what a run keeps beside its rows, and says how long it took."""
    start = time.perf_counter()
    found = compute()
    print(f"    of that, {name.rsplit('-', 1)[0]:<47} {time.perf_counter() - start:8.1f} s", flush=True)
    return found


def splits(train: int, test: int, width: int, classes: int) -> dict[str, Split]:
    rows, labels = zip(blobs(train, width, classes), blobs(test, width, classes, 1), strict=True)
    names = tuple(f"class {c}" for c in range(classes))
    return make_splits(
        dict(zip(("train", "test"), rows, strict=True)),
        dict(zip(("train", "test"), labels, strict=True)),
        names,
        keep=reported,
    )


def measure(train: int, test: int, width: int, classes: int, target: str) -> None:
    print(f"{train:,} train and {test:,} test rows of {width:,} features, {classes:,} classes")
    both = splits(train, test, width, classes)
    for split in both.values():
        timed(f"neighbour graph of {split.name}", lambda split=split: split.nearest(KEPT))
    timed("neighbour graph of test among itself", lambda: both["test"].own(KEPT))
    total, scalars = 0.0, 0
    for name, family in FAMILIES.items():
        found = []
        total += timed(name, lambda family=family, found=found: found.append(family(both)))
        scalars += sum(not isinstance(value, Undefined) for value in found[0].values.values())
    print(f"  all families beyond the graphs: {total:.1f} s   {target}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"  {scalars} scalars; peak memory so far {peak:.1f} GiB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--large", action="store_true", help="1,000 classes as well")
    arguments = parser.parse_args()
    keep_freed_memory()
    # One split of 8,000 rows carries the target; the test split is kept small so that it is not counted twice.
    measure(8_000, 1_000, 512, 10, "target: 15 s")
    rows, _ = blobs(60_000, 512, 10)
    print("60,000 rows of 512 features")
    timed("neighbour graph", lambda: Graph.of(rows, rows, KEPT, exclude_self=True), "target: 30 s")
    if arguments.large:
        del rows
        measure(50_000, 10_000, 2_048, 1_000, "target: 300 s in all, 8 GiB, 300 scalars")


if __name__ == "__main__":
    main()
