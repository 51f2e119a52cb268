"""Class moments: exact to the last digits, whatever the offset, the order and the batches."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frostmark.stats import moments as moments_module
from frostmark.stats.moments import ClassMoments, ClassSummary


def exact(rows: np.ndarray, labels: np.ndarray, c: int) -> tuple[list[float], list[float]]:
    """Mean and Σ(x − mean)² of each feature of class ``c`` in rational arithmetic."""
    means, squares = [], []
    for column in rows[labels == c].T:
        values = [Fraction(float(v)) for v in column]
        mean = sum(values) / len(values)
        means.append(float(mean))
        squares.append(float(sum((v - mean) ** 2 for v in values)))
    return means, squares


@pytest.mark.parametrize("offset", [0.0, 1.0, 1e2, 1e4])
@pytest.mark.parametrize("batch", [1, 7, 64])
def test_against_exact_arithmetic(offset: float, batch: int) -> None:
    rng = np.random.default_rng(0)
    rows = (rng.standard_normal((200, 3)) + offset).astype(np.float32)
    labels = rng.integers(0, 3, 200)
    moments = ClassMoments.empty(3, 3)
    for i in range(0, 200, batch):
        moments.update(rows[i : i + batch], labels[i : i + batch])
    for c in range(3):
        mean, m2 = exact(rows, labels, c)
        np.testing.assert_allclose(moments.mean[c], mean, rtol=1e-14, atol=1e-15)
        np.testing.assert_allclose(moments.m2[c], m2, rtol=1e-12)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.floats(-1e6, 1e6, width=32)), min_size=1, max_size=60), st.data())
def test_merging_is_batching_in_any_order(points: list[tuple[int, float]], data: st.DataObject) -> None:
    labels = np.array([c for c, _ in points])
    rows = np.array([[x, -x] for _, x in points], dtype=np.float32)
    cut = data.draw(st.integers(0, len(points)))
    whole = ClassMoments.of(rows, labels, 4)
    a, b = ClassMoments.of(rows[:cut], labels[:cut], 4), ClassMoments.of(rows[cut:], labels[cut:], 4)
    scale = float((rows.astype(float) ** 2).sum()) + 1e-30
    for merged in (a.merge(b), b.merge(a)):
        assert (merged.count == whole.count).all()
        assert (merged.m2 >= 0).all()
        np.testing.assert_allclose(merged.mean, whole.mean, atol=1e-14 * scale**0.5)
        np.testing.assert_allclose(merged.m2, whole.m2, atol=1e-14 * scale)


def test_the_parts_of_the_total_add_up() -> None:
    rng = np.random.default_rng(1)
    rows, labels = rng.standard_normal((300, 8)) + 5, rng.integers(0, 4, 300)
    moments = ClassMoments.of(rows, labels, 4)
    summary = moments.summary
    assert summary.within + summary.between == pytest.approx(((rows - rows.mean(0)) ** 2).sum(), rel=1e-13)
    np.testing.assert_allclose(moments.grand_mean, rows.mean(0), rtol=1e-13)


def test_by_hand_with_an_empty_class() -> None:
    moments = ClassMoments.of(np.array([[0.0], [2], [5]]), np.array([0, 0, 2]), 3)
    assert moments.count.tolist() == [2, 0, 1]
    assert moments.variance[[0, 2]].tolist() == [1, 0]
    assert np.isnan(moments.variance[1])
    assert moments.mean_distances[0, 2] == 4
    assert np.isnan(moments.mean_distances[1]).all()
    assert not moments.no_spread


def test_a_summary_leaves_out_classes_without_rows() -> None:
    rng = np.random.default_rng(3)
    rows, labels = rng.standard_normal((60, 5)), rng.choice([0, 2, 5], 60)
    moments = ClassMoments.of(rows, labels, 7)
    summary = moments.summary
    assert summary.count.tolist() == np.bincount(labels)[[0, 2, 5]].tolist()
    np.testing.assert_allclose(summary.mean, [rows[labels == c].mean(0) for c in (0, 2, 5)], rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(summary.variance, [rows[labels == c].var(0).sum() for c in (0, 2, 5)], rtol=1e-13)
    np.testing.assert_allclose(np.sqrt(summary.squared), moments.mean_distances[np.ix_([0, 2, 5], [0, 2, 5])])
    assert summary.spread is None


@pytest.mark.parametrize("offset", [0.0, 0.5])
def test_a_summary_of_draws_is_that_of_each_draw(offset: float) -> None:
    """One formula for a data set and for many draws of it."""
    rng = np.random.default_rng(4)
    count, variance = np.array([3, 1, 8, 5]), rng.random((6, 4))
    mean = rng.standard_normal((6, 4, 9)) + offset
    draws = ClassSummary(count, variance, mean)
    for draw in range(6):
        alone = ClassSummary(count, variance[draw], mean[draw])
        assert alone.within == pytest.approx(draws.within[draw], rel=1e-13)
        assert alone.between == pytest.approx(draws.between[draw], rel=1e-12)
        np.testing.assert_allclose(draws.squared[draw], alone.squared, rtol=1e-9, atol=1e-9)
        assert alone.within.shape == alone.between.shape == ()
        centre = (count @ mean[draw]) / count.sum()
        assert alone.between == pytest.approx((count * ((mean[draw] - centre) ** 2).sum(1)).sum(), rel=1e-9)


@pytest.mark.parametrize("value", [0.0, 0.1, 12345.678])
def test_constant_rows_have_no_spread(value: float) -> None:
    rows = np.full((50, 6), value, dtype=np.float32)
    moments = ClassMoments.empty(2, 6)
    for i in range(0, 50, 7):
        moments.update(rows[i : i + 7], np.arange(i, min(i + 7, 50)) % 2)
    assert moments.no_spread
    barely = rows.copy()
    barely[0, 0] = np.nextafter(np.float32(value), np.float32(1e9))
    assert not ClassMoments.of(barely, np.arange(50) % 2, 2).no_spread


def draws_of(classes: int, width: int, *, offset: float = 0.0) -> ClassSummary:
    """Two draws in float32, of means that lie unevenly."""
    rng = np.random.default_rng(6)
    mean = rng.standard_normal((2, classes, width)) * np.exp(rng.uniform(-2, 2, width)) + offset
    shape = (2, classes)
    return ClassSummary(
        rng.integers(2, 60, classes), rng.random(shape) + 1, mean.astype(np.float32), rng.random(shape) + 1
    )


@pytest.mark.parametrize(("classes", "width"), [(2, 3), (10, 512), (300, 64)])
@pytest.mark.parametrize("offset", [0.0, 0.5])
def test_distances_of_draws_by_products_are_those_by_differences(classes: int, width: int, offset: float) -> None:
    """Draws and nulls take the short way: in float32 it is good for a hundred-thousandth of such distances."""
    many = draws_of(classes, width, offset=offset)
    for draw in range(2):
        exact = ClassSummary(many.count, many.variance[draw], many.mean[draw].astype(np.float64))
        alone = ClassSummary(many.count, many.variance[draw], many.mean[draw])
        np.testing.assert_allclose(many.squared[draw], exact.squared, rtol=2e-5)
        np.testing.assert_allclose(alone.squared, exact.squared, rtol=2e-5)
        assert (np.diagonal(many.squared[draw]) == 0).all()
        np.testing.assert_allclose(many.closeness[draw], exact.closeness, rtol=2e-5)
        assert (np.diagonal(exact.closeness) == 0).all()


def test_means_that_coincide_are_at_no_negative_distance() -> None:
    mean = np.repeat(np.random.default_rng(0).standard_normal((1, 40)), 6, axis=0).astype(np.float32)
    mean[5] += 100
    found = ClassSummary(np.ones(6, int), np.ones(6), mean).squared
    assert (found >= 0).all()
    np.testing.assert_allclose(found[5, :5], 40 * 100**2, rtol=1e-5)
    assert found[:5, :5].max() < 1e-5 * found[5, 0]


@pytest.mark.parametrize(("cells", "pieces"), [(1 << 21, 1), (1, 2)])
def test_pieces_are_all_of_the_draws(cells: int, pieces: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moments_module, "_CELLS", cells)
    many = draws_of(7, 5)
    found = list(many.pieces())
    assert len(found) == pieces
    for name in ("variance", "mean", "spread"):
        assert (np.concatenate([getattr(piece, name) for piece in found]) == getattr(many, name)).all()


def test_a_very_large_class_is_taken_in_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    rows, labels = rng.standard_normal((300, 4)).astype(np.float32) + 1000, rng.integers(0, 3, 300)
    whole = ClassMoments.of(rows, labels, 3)
    monkeypatch.setattr("frostmark.stats.moments._FLOATS", 4 * 17)
    parts = ClassMoments.of(rows, labels, 3)
    assert np.array_equal(parts.count, whole.count)
    np.testing.assert_allclose(parts.mean, whole.mean, rtol=1e-13)
    np.testing.assert_allclose(parts.m2, whole.m2, rtol=1e-10)
