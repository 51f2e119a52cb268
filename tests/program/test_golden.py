"""The numbers of two small runs, as they were when they were last renewed on purpose.

    python tests/program/renew_golden.py 'test/transfer/*'     # after a change of these numbers, and of no others
    python tests/program/renew_golden.py --run digits 'test/neighbours/knn_*'

A change that moves code changes none of them. A change that corrects a formula renews the keys that it corrects, by
name, so that the change of every other number is noticed. The first golden is of the commit 2f7d4eb.

Why 1e-5, relative: rows are float32 (six to seven digits), and the order in which a convolution adds depends on the
processor and on the number of threads. Measured on one machine with one or two threads and with the instruction sets
SSE 4.1, AVX2 and AVX-512, what is compared differs by 6.6e-6 at most; numbers next to zero by 2e-7 absolute, which is
allowed beside it. Bit for bit, on one machine: `scripts/same_numbers.py`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from fnmatch import fnmatch
from math import isclose
from pathlib import Path
from typing import Any

import pytest

from conftest import Program
from support.runs import TINY, metrics_of

GOLDEN = Path(__file__).with_name("golden.json")

TOLERANCE, NEAR_ZERO = 1e-5, 2e-7
"""Relative and absolute; the larger counts."""

COUNTED = ("*/linear/shots_*", "*/map/trustworthiness", "*/map/continuity", "*/map/knn_*")
ONE_MORE = 2e-3
"""What counts decisions that rounding can turn (an image between two classes, a point between two neighbours on a map),
and by how much, absolute: between two processors, means of 20 draws of 150 images differed by 3.3e-4, ranks on a map of
150 points by 1.0e-4."""

RUNS = {
    "synthetic": (*TINY, "layer=stage3"),
    "digits": (
        "experiment=quickstart", "dataset.limit.train=300", "dataset.limit.test=150", "reducer=pca",
        "uncertainty.resamples=100", "uncertainty.permutations=19",
    ),
}  # fmt: skip
"""Deterministic runs of seconds. Their maps are PCA's: a t-SNE map is chaotic, its last digits grow to whole points."""

LEFT_OUT = (
    # Of this machine, now.
    "cost/*seconds", "cost/images_per_second", "cost/peak_memory*",
    # Not steady within 1e-5 between processors: a value less the mean of almost equal ones (z), ratios of the distances
    # to the two nearest neighbours, ranks of distances between points.
    "*_z", "*/intrinsic_dimension*", "*/map/distance_correlation",
)  # fmt: skip
"""Keys that are not a property of the code alone."""


def kept(metrics: Mapping[str, Any]) -> dict[str, float]:
    """The numbers of a ``metrics.json`` that are compared: values, and what chance gives."""
    values = dict(metrics["values"]) | {f"chance of {key}": value for key, value in metrics["chance"].items()}
    return {k: v for k, v in sorted(values.items()) if not any(fnmatch(k, pattern) for pattern in LEFT_OUT)}


def same(key: str, old: float | None, new: float | None) -> bool:
    """Whether a number is what it was, as far as machines agree on it."""
    near = ONE_MORE if any(fnmatch(key, pattern) for pattern in COUNTED) else NEAR_ZERO
    return old is not None and new is not None and isclose(old, new, rel_tol=TOLERANCE, abs_tol=near)


@pytest.mark.parametrize("run", RUNS)
def test_no_number_changed_that_was_not_renewed(program: Program, tmp_path: Path, run: str) -> None:
    done = program(*RUNS[run], "tracking=none", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    new, old = kept(metrics_of(tmp_path)), json.loads(GOLDEN.read_text())[run]
    changed = {key: (old.get(key), new.get(key)) for key in {**old, **new} if not same(key, old.get(key), new.get(key))}
    renew = " ".join(f"'{key}'" for key in changed)
    assert not changed, f"if they should: python tests/program/renew_golden.py --run {run} {renew}"
