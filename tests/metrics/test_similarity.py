"""Unbiased CKA: the published numbers, the formula written out, and what must not change it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frostmark.metrics import similarity
from frostmark.metrics.similarity import cka, cka_matrix, hsic


def plain_hsic(x: np.ndarray, y: np.ndarray) -> float:
    """Song et al. (2012), eq. 5, with matrices of N×N."""
    n = len(x)
    k, l = x @ x.T, y @ y.T  # noqa: E741
    np.fill_diagonal(k, 0)
    np.fill_diagonal(l, 0)
    mixed = k.sum() * l.sum() / ((n - 1) * (n - 2)) - 2 / (n - 2) * (k @ l).sum()
    return float((np.trace(k @ l) + mixed) / (n * (n - 3)))


def biased_cka(x: np.ndarray, y: np.ndarray) -> float:
    x, y = x - x.mean(0), y - y.mean(0)
    return float(np.linalg.norm(x.T @ y) ** 2 / (np.linalg.norm(x.T @ x) * np.linalg.norm(y.T @ y)))


def pair(n: int, dx: int, dy: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    shared = rng.standard_normal((n, 3))
    return tuple(shared @ rng.standard_normal((3, d)) + rng.standard_normal((n, d)) for d in (dx, dy))  # type: ignore[return-value]


def test_the_demo_of_google_researchs_representation_similarity() -> None:
    np.random.seed(1337)
    x = np.random.randn(100, 10)
    y = np.random.randn(100, 10) + x
    assert biased_cka(x, y) == pytest.approx(0.55761, abs=5e-6)
    assert cka(x, y) == pytest.approx(0.51346, abs=5e-6)


@pytest.mark.parametrize(("n", "dx", "dy"), [(50, 6, 9), (40, 30, 60), (20, 200, 300), (4, 1, 2), (900, 3, 5)])
@pytest.mark.parametrize("offset", [0.0, 10.0])
def test_against_the_formula_written_out(
    n: int, dx: int, dy: int, offset: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(similarity, "_CELLS", 1)  # several blocks
    x, y = pair(n, dx, dy)
    # The plain one loses digits to the offset: its terms are then 1e4 times their sum.
    expected = plain_hsic(x + offset, y - offset)
    assert hsic(x + offset, y - offset) == pytest.approx(expected, rel=1e-7, abs=1e-9)
    assert hsic(x, y) == pytest.approx(hsic(y, x), rel=1e-12)


def test_by_features_and_by_rows_are_the_same() -> None:
    x, y = pair(60, 50, 70)
    for a, b in zip(similarity._by_features(x, y), similarity._by_rows(x, y), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


def test_independent_noise_is_not_similar_though_the_biased_cka_says_so() -> None:
    biased, unbiased = [], []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        x, y = rng.standard_normal((200, 2048)), rng.standard_normal((200, 2048))
        biased.append(biased_cka(x, y))
        unbiased.append(cka(x, y))
    assert np.mean(biased) == pytest.approx(0.911, abs=0.001)
    # Under independence, the standard deviation of one is about √2/N = 0.007.
    assert abs(np.mean(unbiased)) < 3 * np.sqrt(2) / 200 / np.sqrt(6)


@settings(max_examples=30, deadline=None)
@given(st.integers(20, 60), st.integers(2, 40), st.integers(2, 40), st.integers(0, 2**31), st.floats(1e-3, 1e3))
def test_rotation_scale_shift_and_common_order_change_nothing(
    n: int, dx: int, dy: int, seed: int, scale: float
) -> None:
    x, y = pair(n, dx, dy, seed)
    rng = np.random.default_rng(seed)
    rotation, _ = np.linalg.qr(rng.standard_normal((dx, dx)))
    order = rng.permutation(n)
    moved = (scale * (x @ rotation + rng.standard_normal(dx)))[order]
    assert cka(moved, y[order]) == pytest.approx(cka(x, y), abs=1e-9)
    assert cka(y[order], moved) == pytest.approx(cka(x, y), abs=1e-9)
    assert cka(x, x) == pytest.approx(1, abs=1e-12)
    assert cka(x, moved[np.argsort(order)]) == pytest.approx(1, abs=1e-9)
    assert cka(x, y) <= 1 + 1e-12


def test_one_order_alone_breaks_the_pairs() -> None:
    x, y = pair(500, 10, 12)
    assert cka(x, y) > 0.5
    assert abs(cka(x, np.random.default_rng(1).permutation(y))) < 0.05


def test_float32_rows_far_from_zero_keep_their_digits() -> None:
    x, y = pair(300, 8, 8)
    x, y = (x + 1000).astype(np.float32), y.astype(np.float32)
    assert cka(x, y) == pytest.approx(cka((x - 1000).astype(float), y.astype(float)), rel=1e-10)


def test_what_cannot_be_compared() -> None:
    x, y = pair(20, 3, 4)
    for a, b in ((x, y[:10]), (x[:3], y[:3]), (x[0], y[0])):
        with pytest.raises(ValueError, match="two matrices of the same 4 or more images"):
            cka(a, b)
    with pytest.raises(ZeroDivisionError, match="HSIC of y with itself is 0, not positive"):
        cka(x, np.full((20, 4), 0.1))
    # Every row its own direction: all that the rows have in common is that they differ.
    with pytest.raises(ZeroDivisionError, match="HSIC of x with itself"):
        cka(np.eye(20) * np.linspace(1, 1.001, 20)[:, None], y)


def test_the_matrix_holds_every_pair_and_leaves_out_what_is_not_at_hand() -> None:
    x, y = pair(60, 5, 9)
    matrix = cka_matrix([x, None, y, x * 3 + 1])
    assert np.isnan(matrix[1]).all()
    assert np.isnan(matrix[:, 1]).all()
    assert matrix[0, 2] == matrix[2, 0] == pytest.approx(cka(x, y))
    assert matrix[0, 3] == pytest.approx(1)
    assert (np.diag(matrix)[[0, 2, 3]] == 1).all()
    constant = cka_matrix([x, np.ones((60, 4))])
    assert np.isnan(constant[1, 0])
