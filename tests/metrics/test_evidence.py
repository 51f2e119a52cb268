"""LogME: against the dense evidence, by hand, and where copied code goes wrong."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from frostmark.metrics.evidence import Evidence, logme
from frostmark.metrics.spectrum import Spectrum
from support.transfer_cases import blobs

Array = np.ndarray[Any, Any]
LN_2PI = np.log(2 * np.pi)


def dense_evidence(log_precisions: Array, x: Array, y: Array) -> float:
    """ln p(y | X, α, β) of Bishop (3.86), with the D×D matrix A and its determinant."""
    alpha, beta = np.exp(log_precisions)
    n, d = x.shape
    a = alpha * np.eye(d) + beta * x.T @ x
    m = beta * np.linalg.solve(a, x.T @ y)
    fit = beta / 2 * ((y - x @ m) ** 2).sum() + alpha / 2 * m @ m
    return float(d / 2 * np.log(alpha) + n / 2 * np.log(beta) - fit - np.linalg.slogdet(a)[1] / 2 - n / 2 * LN_2PI)


def dense_logme(rows: Array, labels: Array) -> float:
    x = rows - rows.mean(0)
    best = []
    for c in np.unique(labels):
        y = (labels == c).astype(float)
        starts = [(-4.0, 1.0), (0.0, 2.0), (4.0, 3.0)]  # of ln α, ln β
        found = [minimize(lambda t, y=y: -dense_evidence(t, x, y), s, method="Nelder-Mead", tol=1e-9) for s in starts]
        best.append(-min(f.fun for f in found) / len(x))
    return float(np.mean(best))


@pytest.mark.parametrize(("n", "d"), [(60, 7), (30, 45), (24, 23), (25, 23)])
def test_logme_is_the_maximum_over_both_precisions_of_the_dense_evidence(n: int, d: int) -> None:
    rows, labels = blobs(n, d, 3, apart=2)
    # Nelder–Mead stops within 1e-9 of the maximum; the determinants of D = 45 lose no more.
    assert logme(Spectrum.of(rows), labels) == pytest.approx(dense_logme(rows, labels), abs=1e-8)


@given(st.integers(0, 10_000), st.integers(3, 60), st.integers(1, 80), st.sampled_from([0.0, 0.3, 3.0, 100.0]))
@settings(max_examples=40, deadline=None)
def test_logme_is_nowhere_below_the_evidence(seed: int, n: int, d: int, apart: float) -> None:
    rows, labels = blobs(n, d, 2, apart=apart, seed=seed)
    x, found = rows - rows.mean(0), logme(Spectrum.of(rows), labels)
    for alpha, beta in np.random.default_rng(seed).uniform(-12, 12, (8, 2)):
        dense = [dense_evidence(np.array([alpha, beta]), x, (labels == c).astype(float)) for c in (0, 1)]
        assert np.mean(dense) / n <= found + 1e-9


def test_logme_by_hand_of_one_feature() -> None:
    # x = ±1 by class: s = N, z² = N/4, ‖y‖² = N/2. With g = s/(λ + s), f′ = 0 is solved by g = (N − 2)/(N − 1).
    n = 10
    rows, labels = np.repeat([[-1.0], [1.0]], n // 2, axis=0), np.repeat([0, 1], n // 2)
    residual = 1 / 2 - (n - 2) / (n - 1) / 4  # R/N
    expected = -np.log(n - 1) / 2 / n - (np.log(residual) + 1 + LN_2PI) / 2
    assert logme(Spectrum.of(rows), labels) == pytest.approx(expected, abs=1e-13)


@pytest.mark.parametrize("weight", [1e-2, 0.5])
def test_logme_by_hand_of_a_weak_feature(weight: float) -> None:
    # As above with any z²: g = (N z² − ‖y‖²)/(z² (N − 1)), here small, that is, λ far above the eigenvalue.
    n = 10
    labels, length = np.repeat([0, 1], n // 2), n / 2
    square = length / (n - weight * (n - 1))
    told, other = (labels - 1 / 2) * 2 / np.sqrt(n), np.tile([1.0, -1, 0, 0, 0], 2) / 2
    share = square / (n / 4)  # of the part of y that a centred feature can explain
    x = np.sqrt(share) * told + np.sqrt(1 - share) * other
    residual = length - square * weight
    expected = np.log(1 - weight) / 2 - n / 2 * (np.log(residual / n) + 1 + LN_2PI)
    zero_weights = -n / 2 * (np.log(length / n) + 1 + LN_2PI)
    assert expected > zero_weights + 1e-6
    assert logme(Spectrum.of(x[:, None]), labels) == pytest.approx(expected / n, abs=1e-13)


def test_evidence_is_finite_where_rounding_lets_the_rows_explain_everything() -> None:
    n, length = 50, np.array([1.0])
    found = Evidence(np.array([3.0]), n).maximum(length[:, None], length)  # z² = ‖y‖²: no centred row can
    assert found[0] <= n / 2 * (np.log(n**2) - 1 - LN_2PI)


@pytest.mark.parametrize(("classes", "level"), [(2, -1.07), (100, 0.88)])
def test_logme_without_any_signal_is_the_evidence_of_zero_weights(classes: int, level: float) -> None:
    rows = np.tile(np.random.default_rng(0).standard_normal((4, 6)), (classes, 1))  # every class has the same rows
    found = logme(Spectrum.of(rows), np.repeat(np.arange(classes), 4))
    assert found == pytest.approx((np.log(classes) - 1 - LN_2PI) / 2, abs=1e-12)
    assert found == pytest.approx(level, abs=0.005)  # what docs call its chance level


def copied_logme(rows: Array, labels: Array) -> float:
    """The fixed point of the code that is widely copied: ln|A| taken over the singular values alone."""
    x = rows - rows.mean(0)
    n, d = x.shape
    u, s, vt = np.linalg.svd(x, full_matrices=False)
    sigma, values = s**2, []
    for c in np.unique(labels):
        y, alpha, beta = (labels == c).astype(float), 1.0, 1.0
        for _ in range(11):
            m = vt.T @ (s / (sigma + alpha / beta) * (u.T @ y))
            gamma, miss = (sigma / (sigma + alpha / beta)).sum(), ((y - x @ m) ** 2).sum()
            alpha, beta = gamma / (m @ m + 1e-5), (n - gamma) / (miss + 1e-5)
        log_a = np.log(alpha + beta * sigma).sum()  # and (D − k) ln α is missing
        fit = beta / 2 * miss + alpha / 2 * m @ m
        values.append((d * np.log(alpha) + n * np.log(beta) - log_a - n * LN_2PI) / 2 - fit)
    return float(np.mean(values)) / n


def test_the_term_that_copied_code_drops_is_there() -> None:
    rng = np.random.default_rng(0)
    rows, labels = rng.standard_normal((60, 400)), np.arange(60) % 4
    found = logme(Spectrum.of(rows), labels)
    assert copied_logme(rows, labels) > 10
    # Noise tells nothing of the labels: zero weights are as good as any.
    assert found == pytest.approx((np.log(4) - 1 - LN_2PI) / 2, abs=0.01)
    # With more rows than features there is nothing to drop, and a fixed point in the interior is the maximum.
    rows, labels = blobs(200, 5, 3, apart=2)
    assert logme(Spectrum.of(rows), labels) == pytest.approx(copied_logme(rows, labels), abs=1e-3)
