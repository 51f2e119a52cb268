"""The worst that arithmetic does: variances of streamed moments against exact fractions."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from faults.tally import tally
from frostmark.metrics.variance import inter_variance, intra_variance, total_variance
from frostmark.stats.moments import ClassMoments
from support.exact_variances import exact

MOST = {"intra": 1e-12, "total": 1e-12, "inter": 1e-11}
"""Relative error that is allowed where the mean is up to 10,000 times what scatters: rows, or means of classes.

Means are kept in double precision, whose step at 10,000 is 1.8e-12: what lies between them cannot be nearer.
"""


def errors(seed: int) -> dict[str, float]:
    """Of each variance, of one data set with classes, an offset and batches of its own."""
    rng = np.random.default_rng(seed)
    count, width, classes = int(rng.integers(20, 80)), int(rng.integers(1, 6)), int(rng.integers(2, 5))
    labels = np.arange(count) % classes
    offset = 10 ** rng.uniform(-2, 4)
    apart = 2 * rng.permuted(np.tile(np.arange(classes), (width, 1)), axis=1).T  # means as far apart as rows scatter
    noise = rng.standard_normal((count, width))
    rows = (noise + apart[labels] + offset * rng.choice([-1, 1], width)).astype(np.float32)
    moments = ClassMoments.empty(classes, width)
    for part in np.array_split(np.arange(count), int(rng.integers(1, 9))):
        moments.update(rows[part], labels[part])
    found = {"intra": intra_variance, "inter": inter_variance, "total": total_variance}
    right, _ = exact(rows, labels, classes)
    return {k: abs(float((Fraction(float(of(moments.summary))) - right[k]) / right[k])) for k, of in found.items()}


def test_variances_are_those_of_exact_arithmetic() -> None:
    for seed in range(10):
        for name, error in errors(seed).items():
            assert error <= MOST[name]


@pytest.mark.faults
def test_variances_of_many_data_sets_are_those_of_exact_arithmetic() -> None:
    found = [errors(seed) for seed in range(500)]
    for name, most in MOST.items():
        note = f"worst relative error {max(f[name] for f in found):.1e}"
        tally(
            f"{name} variance against exact fractions, mean ≤ 10,000 σ", 500, sum(f[name] <= most for f in found), note
        )
