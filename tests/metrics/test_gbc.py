"""GBC: against full Gaussians, and by hand."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np
import pytest

from frostmark.metrics.gbc import gbc, spherical
from frostmark.metrics.spectrum import Spectrum
from support.transfer_cases import blobs, four

Array = np.ndarray[Any, Any]
LN_2PI = np.log(2 * np.pi)


def full_gbc(points: Array, labels: Array) -> float:
    """Full covariances σ²I, determinants and all, pair by pair."""
    d, total = points.shape[1], 0.0
    classes = [points[labels == c] for c in np.unique(labels)]
    for a, b in permutations(classes, 2):
        first, second = (np.eye(d) * np.trace(np.cov(x.T, bias=True).reshape(d, d)) / d for x in (a, b))
        middle, apart = (first + second) / 2, a.mean(0) - b.mean(0)
        logs = [np.linalg.slogdet(m)[1] for m in (middle, first, second)]
        total -= np.exp(-apart @ np.linalg.solve(middle, apart) / 8 - (logs[0] - (logs[1] + logs[2]) / 2) / 2)
    return total


@pytest.mark.parametrize(("n", "d"), [(90, 12), (400, 100), (50, 200)])
def test_gbc_against_full_gaussians_on_principal_components(n: int, d: int) -> None:
    rows, labels = blobs(n, d, 4, apart=0.3)
    centred = rows - rows.mean(0)
    u, s, _ = np.linalg.svd(centred, full_matrices=False)
    kept = min(64, d, n - 1)
    expected = full_gbc((u * s)[:, :kept], labels)
    assert expected < -1e-8  # not lost in a tolerance
    found = Spectrum.of(rows).coordinates(64)
    assert found.shape == (n, kept)
    # The exponent is of order 1e1, so its rounding and that of the axes show at 1e-12 or so.
    assert gbc(*spherical(found, labels)) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("apart", [0.0, 1.0, 6.0])
def test_gbc_of_two_equal_gaussians(apart: float) -> None:
    # Four points around each centre: σ² = 1/2 a dimension.
    cross = np.array([[1.0, 0], [-1, 0], [0, 1], [0, -1]])
    rows, labels = np.vstack([cross, cross + np.array([apart, 0])]), np.repeat([0, 1], 4)
    assert four(rows, labels)[3] == pytest.approx(-2 * np.exp(-(apart**2) / (8 * 0.5)), rel=1e-12)


@pytest.mark.parametrize("d", [2, 4, 10])
def test_the_logarithm_of_gbc_counts_every_dimension(d: int) -> None:
    # One centre, deviations 1 and 2: σ̄²/(σ_i σ_j) = (1 + 4)/2/2 = 1.25, in each of d dimensions.
    star = np.vstack([np.eye(d), -np.eye(d)])
    found = four(np.vstack([star, 2 * star]), np.repeat([0, 1], 2 * d))[3]
    assert found == pytest.approx(-2 * 0.8 ** (d / 2), rel=1e-12)
    assert abs(found - -2 * 0.8 ** (1 / 2)) > 0.1  # the released code, whatever d
