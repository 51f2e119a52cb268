"""NC1: against the pseudo-inverse, and by the shorter way that permuted labels take."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from frostmark.metrics.collapse import nc1, nc1_of_noise, triangular_root
from frostmark.stats.permutation import Permutations, permuted_summaries
from frostmark.stats.scatter import total_scatter
from support.separability_cases import SHAPES, blobs, nc1_of, scatters, summary_of

Array = np.ndarray[Any, Any]


@pytest.mark.parametrize(("n", "d", "classes"), [*SHAPES, (300, 4, 9)])  # rank of the means: C − 1, or D
@pytest.mark.parametrize("apart", [0.0, 1.0, 30.0])
def test_nc1_against_the_pseudo_inverse(n: int, d: int, classes: int, apart: float) -> None:
    rows, labels = blobs(n, d, classes, apart=apart)
    within, _ = scatters(rows, labels)
    means = np.stack([rows[labels == c].mean(0) for c in range(classes)])
    centred = means - means.mean(0)
    inverse = np.linalg.pinv(centred.T @ centred / classes, rcond=1e-12, hermitian=True)
    expected = np.trace(within / n @ inverse) / classes
    # Eigenvalues of the means lie within 1e4 of each other, and S_W is the difference of S_T and S_B.
    assert nc1_of(rows, labels) == pytest.approx(expected, rel=1e-9)


def test_nc1_of_means_on_a_line_counts_that_line_alone() -> None:
    # Three means on one axis: the second eigenvalue is rounding, and its inverse would be everything.
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], 20)
    noise = rng.standard_normal((60, 6))
    for c in range(3):
        noise[labels == c] -= noise[labels == c].mean(0)
    direction = rng.standard_normal(6) / 3
    rows = noise + np.array([0.1, 1.7, 2.9])[labels, None] * direction
    within, _ = scatters(rows, labels)
    t = np.array([0.1, 1.7, 2.9]) - np.mean([0.1, 1.7, 2.9])
    along = direction @ within @ direction / 60 / (direction @ direction) ** 2 / (t @ t / 3)
    assert nc1_of(rows, labels) == pytest.approx(along / 3, rel=1e-10)


@pytest.mark.parametrize(
    ("n", "d", "classes", "decay", "rel"),
    [
        (600, 80, 20, 0, 1e-5),  # fewer classes than features: in float32
        (600, 80, 20, 3, 1e-9),  # of very different sizes: in float64
        (600, 80, 78, 3, 1e-6),  # hardly fewer: in float64
        (600, 80, 120, 1, 1e-9),  # more classes than features
        (60, 80, 20, 0, 1e-5),  # more features than rows
        (600, 80, 81, 3, 1e-9),  # means that hardly span some directions: by eigenvectors
    ],
)
def test_nc1_of_permuted_labels_needs_no_eigenvectors(n: int, d: int, classes: int, decay: float, rel: float) -> None:
    rows, labels = blobs(n, d, classes, apart=0)
    rows = ((rows - rows.mean(0)) * 10 ** (-decay * np.arange(d) / d)).astype(np.float32)
    scatter = total_scatter(rows)
    for summary in permuted_summaries(rows, Permutations(labels, 3, ("a",)), observed=True):
        found = nc1_of_noise(summary.mean, scatter, triangular_root(scatter), summary.count)
        assert found == pytest.approx(nc1(summary.mean, scatter, summary.count), rel=rel)


def test_nc1_of_means_that_span_less_than_they_could() -> None:
    rows, labels = blobs(60, 6, 4)
    rows[:, 2:] = 1  # constant features: the scatter has no Cholesky factor but for its ridge
    scatter, means = total_scatter(rows), summary_of(rows, labels).mean
    count = np.bincount(labels)
    expected = nc1(means, scatter, count)
    assert nc1_of_noise(means, scatter, triangular_root(scatter), count) == pytest.approx(expected, rel=1e-9)
