"""Permuted labels: what they keep, that summaries of them are right, and that p-values mean what they say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from frostmark.metrics.class_ratios import class_spreads, eta_squared
from frostmark.stats.moments import ClassMoments
from frostmark.stats.permutation import Permutations, class_sums, p_value, permuted_summaries, z_score

Array = np.ndarray[Any, Any]
LABELS = np.random.default_rng(0).permutation(np.repeat([0, 2, 3, 7], [5, 17, 1, 40]))


# The orders


def test_every_order_has_the_same_labels() -> None:
    orders = list(Permutations(LABELS, 30, ("a",)))
    assert len(orders) == len(Permutations(LABELS, 30, ("a",))) == 30
    for labels in orders:
        assert (np.bincount(labels) == np.bincount(LABELS)).all()
    assert len({labels.tobytes() for labels in orders}) == 30
    assert all((labels != LABELS).any() for labels in orders)


def test_the_context_decides_and_nothing_else_does() -> None:
    permutations = Permutations(LABELS, 10, ("0", "abc", "test"))
    one = np.array(list(permutations))
    np.random.default_rng(5).random(3)
    assert np.array_equal(one, list(permutations))  # as often as one likes
    assert np.array_equal(one, list(Permutations(LABELS.copy(), 25, ("0", "abc", "test")))[:10])
    for other in (("1", "abc", "test"), ("0", "abd", "test"), ("0", "abc", "train")):
        assert not np.array_equal(one, list(Permutations(LABELS, 10, other)))
    assert list(Permutations(LABELS, 0, ("a",))) == []


def test_every_row_gets_every_label_in_its_share() -> None:
    orders = np.array(list(Permutations(LABELS, 4000, ("a",))))
    for c in np.unique(LABELS):
        share = np.mean(c == LABELS)
        error = np.sqrt(share * (1 - share) / 4000)
        assert np.abs((orders == c).mean(0) - share).max() < 4.5 * error  # the largest of 63
    together = np.mean((orders[:, 0] == 7) & (orders[:, 1] == 7))  # without replacement
    assert together == pytest.approx(40 / 63 * 39 / 62, abs=4 * 0.5 / np.sqrt(4000))


# Sums and summaries


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_class_sums_against_a_loop(dtype: type) -> None:
    rows = np.random.default_rng(1).integers(-99, 99, (len(LABELS), 4)).astype(dtype)  # sums are exact
    found = class_sums(rows, LABELS, 9)
    assert found.shape == (9, 4)
    assert found.dtype == dtype
    for c in range(9):
        assert found[c].tolist() == sum((x for x, y in zip(rows, LABELS, strict=True) if y == c), np.zeros(4)).tolist()


@pytest.mark.parametrize("offset", [0.0, 1000.0])
def test_permuted_summaries_are_those_of_permuted_labels(offset: float) -> None:
    rng = np.random.default_rng(1)
    rows = (rng.standard_normal((len(LABELS), 6)) + 2 * rng.standard_normal((8, 6))[LABELS] + offset).astype(np.float32)
    permutations = Permutations(LABELS, 12, ("a",))
    found = list(permuted_summaries(rows, permutations))
    assert len(found) == 12
    for summary, labels in zip(found, permutations, strict=True):
        moments = ClassMoments.of(rows, labels, 8)
        expected = moments.summary
        assert summary.count.tolist() == expected.count.tolist() == [5, 17, 1, 40]
        # Sums of 40 float32 numbers of order 1; rows are centred, so that an offset costs nothing.
        np.testing.assert_allclose(summary.variance, expected.variance, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(summary.mean + rows.mean(0, dtype=np.float64), expected.mean, rtol=0, atol=5e-6)
        # A class of one row is at distance √(rounding) from its mean.
        np.testing.assert_allclose(summary.spread, class_spreads(rows, labels, moments), rtol=1e-4, atol=2e-3)  # type: ignore[arg-type]
        assert float(summary.between) == pytest.approx(float(expected.between), rel=1e-5)
        total = float(((rows - rows.mean(0, dtype=np.float64)) ** 2).sum())
        assert float(summary.between + summary.within) == pytest.approx(total, rel=1e-6)  # the rows are the same rows


# p and z


def test_p_value_by_hand() -> None:
    null = np.array([1.0, 2, 3, 3, 5])
    assert p_value(3, null) == pytest.approx(4 / 6)  # 3, 3 and 5, and the labels themselves
    assert p_value(3, null, higher=False) == pytest.approx(5 / 6)
    assert p_value(6, null) == p_value(0, null, higher=False) == pytest.approx(1 / 6)  # never 0
    assert p_value(0, null) == p_value(6, null, higher=False) == 1


def test_z_score_by_hand() -> None:
    assert z_score(5, np.array([1.0, 2, 3])) == pytest.approx(3)
    assert z_score(0, np.array([1.0, 2, 3])) == pytest.approx(-2)


@pytest.mark.parametrize("null", [[0.1] * 7, [0.0, 0.0], [4.0], []])
def test_z_score_is_none_where_the_null_does_not_vary(null: list[float]) -> None:
    assert np.std([0.1] * 7) > 0  # rounding is no variation
    assert z_score(1, np.array(null)) is None


def p_of_eta_squared(rows: Array, labels: Array, count: int, context: str) -> float:
    classes = int(labels.max()) + 1
    observed = float(eta_squared(ClassMoments.of(rows, labels, classes).summary))
    null = [float(eta_squared(s)) for s in permuted_summaries(rows, Permutations(labels, count, (context,)))]
    return p_value(observed, np.array(null))


def largest_step(p: Array, count: int) -> float:
    """Kolmogorov–Smirnov statistic of p against the uniform distribution on 1/(B + 1), …, 1, at its own steps."""
    steps = np.arange(1, count + 2) / (count + 1)
    return float(np.abs((p[:, None] <= steps + 1e-12).mean(0) - steps).max())


def test_p_values_of_labels_that_mean_nothing_are_uniform() -> None:
    sets, count = 300, 19
    labels = np.repeat([0, 1, 2], [6, 8, 10])
    p = np.empty(sets)
    for s in range(sets):
        rows = np.random.default_rng((3, s)).standard_normal((24, 3)).astype(np.float32)
        p[s] = p_of_eta_squared(rows, labels, count, str(s))
    assert set(np.round(p * (count + 1)).tolist()) <= set(range(1, count + 2))
    # 1.63/√n is the 1 % point of the continuous statistic, which is never below that of a discrete one.
    assert largest_step(p, count) < 1.63 / np.sqrt(sets)
    assert np.mean(p) == pytest.approx((count + 2) / (2 * (count + 1)), abs=4 * np.sqrt(1 / 12 / sets))
    # And labels that mean something are found out.
    rows = (np.random.default_rng(0).standard_normal((24, 3)) + 2 * labels[:, None]).astype(np.float32)
    assert p_of_eta_squared(rows, labels, count, "0") == 1 / (count + 1)


def test_a_small_spread_about_a_large_value_hides_no_difference() -> None:
    # As of LogME: a null at -0.267 whose spread is 5e-6.
    null = -0.267 + 5e-6 * np.random.default_rng(0).standard_normal(99)
    assert p_value(-0.267 + 5e-5, null) == 1 / 100
    assert p_value(-0.267, null) == pytest.approx(0.5, abs=0.2)
