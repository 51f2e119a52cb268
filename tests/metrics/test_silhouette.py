"""The silhouette: scikit-learn's values, and the influence of a row as the derivative that it is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import silhouette_samples, silhouette_score
from sklearn.metrics.pairwise import euclidean_distances

from frostmark.metrics.silhouette import distances, mean_silhouette, permuted_silhouettes, silhouettes
from frostmark.stats.bootstrap import Resamples, interval, recentred
from frostmark.stats.permutation import Permutations

Array = np.ndarray[Any, Any]


def blobs(n: int, d: int, shares: tuple[float, ...], *, apart: float = 1.0, seed: int = 0) -> tuple[Array, Array]:
    """Classes with so many rows a share, in random order, away from zero."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.searchsorted(np.cumsum(shares) * n / sum(shares), np.arange(n), side="right"))
    return rng.standard_normal((n, d)) + apart * rng.standard_normal((len(shares), d))[labels] + 5, labels


def plain_values(apart: Array, own: Array, weight: Array) -> Array:
    """Silhouettes of a data set in which row j counts ``weight[j]`` times, loop by loop."""
    n, classes = len(apart), np.unique(own)
    values = np.zeros(n)
    for i in range(n):
        mean = {}
        for c in classes:
            members = [j for j in range(n) if own[j] == c and j != i]
            if members:
                mean[c] = sum(weight[j] * apart[i, j] for j in members) / sum(weight[j] for j in members)
        a, b = mean.get(own[i]), min(m for c, m in mean.items() if c != own[i])
        if a is not None and max(a, b) > 0:
            values[i] = (b - a) / max(a, b)
    return values


def plain_sum(apart: Array, own: Array, weight: Array) -> float:
    return float(weight @ plain_values(apart, own, weight))


# Values


@pytest.mark.parametrize(
    ("n", "d", "shares"),
    [
        (30, 2, (1, 1)),
        (200, 7, (1, 2, 3, 4)),
        (512, 5, (1, 1, 1)),
        (513, 5, (1, 1, 1)),
        (1300, 9, (20, 5, 1)),
        (150, 300, (1, 1, 1, 1, 1)),
        (60, 3, (57, 1, 1, 1)),  # classes of one row
        (40, 1, (1, 1)),
    ],
)
@pytest.mark.parametrize("apart", [0.0, 1.0, 20.0])
def test_values_are_scikit_learns(n: int, d: int, shares: tuple[float, ...], apart: float) -> None:
    rows, labels = blobs(n, d, shares, apart=apart)
    assert len(np.unique(labels)) == len(shares)
    np.testing.assert_allclose(silhouettes(rows, labels).values, silhouette_samples(rows, labels), rtol=0, atol=1e-9)


def test_values_by_hand() -> None:
    # 0, 2 | 6 | 8, 14: a = 2, 2, –, 6, 6; b = 6, 4, – (alone), 2, 8.
    found = silhouettes(np.array([[0.0], [2], [6], [8], [14]]), np.array([0, 0, 1, 2, 2])).values
    assert found.tolist() == pytest.approx([(6 - 2) / 6, (4 - 2) / 4, 0, (2 - 6) / 6, (8 - 6) / 8], abs=1e-12)


def test_labels_may_have_gaps_and_rows_may_be_float32() -> None:
    rows, labels = blobs(90, 4, (1, 2, 3))
    rows = rows.astype(np.float32)
    names = np.array([2, 5, 11])[labels]
    found = silhouettes(rows, names)
    # scikit-learn takes float32 distances of float32 rows.
    np.testing.assert_allclose(found.values, silhouette_samples(rows.astype(np.float64), labels), rtol=0, atol=1e-9)
    assert found.influence == pytest.approx(silhouettes(rows.astype(np.float64), labels).influence, abs=1e-12)


@pytest.mark.parametrize("offset", [0.0, 1e2, 1e4])
def test_rows_far_from_zero_keep_their_digits(offset: float) -> None:
    rows, labels = blobs(80, 3, (1, 1, 2))
    rows = np.round(rows * 64) / 64  # exact wherever they are moved to
    np.testing.assert_allclose(
        silhouettes(rows + offset, labels).values, silhouettes(rows, labels).values, rtol=0, atol=1e-11
    )


@pytest.mark.parametrize("twins", ["every row twice", "twins in another class", "all of a class equal", "few points"])
def test_duplicates_are_at_no_distance(twins: str) -> None:
    rows, labels = blobs(40, 6, (1, 1, 2), apart=2)
    if twins == "every row twice":
        rows, labels = np.repeat(rows, 2, axis=0), np.repeat(labels, 2)
    elif twins == "twins in another class":
        rows, labels = np.vstack([rows, rows]), np.concatenate([labels, (labels + 1) % 3])
    elif twins == "all of a class equal":
        rows[labels == 1] = rows[labels == 1][0]
    else:
        rows = np.random.default_rng(1).integers(0, 2, (40, 2)) / 3
    # Distances one by one, so that twins are at 0 and not at a rounding of it, as from products.
    apart = np.sqrt(((rows[:, None] - rows[None]) ** 2).sum(-1))
    found = silhouettes(rows, labels)
    np.testing.assert_allclose(found.values, silhouette_samples(apart, labels, metric="precomputed"), rtol=0, atol=1e-9)
    assert np.isfinite(found.influence).all()
    if twins == "all of a class equal":
        assert (found.values[labels == 1] == 1).all()


def test_rows_that_are_all_equal_have_no_silhouette_and_no_nan() -> None:
    found = silhouettes(np.full((6, 3), 0.1), np.array([0, 0, 1, 1, 2, 2]))
    assert found.values.tolist() == [0] * 6
    assert found.influence.tolist() == [0] * 6


def test_distances_against_differences() -> None:
    rows, _ = blobs(50, 4, (1, 1))
    rows[7] = rows[3]
    found = distances(rows, (rows**2).sum(1), slice(10, 30))
    np.testing.assert_allclose(found, np.sqrt(((rows[10:30, None] - rows) ** 2).sum(-1)), rtol=1e-9)
    assert (np.diag(found[:, 10:30]) == 0).all()
    whole = distances(rows, (rows**2).sum(1), slice(0, 50))
    assert whole[3, 7] == whole[7, 3] == 0
    np.testing.assert_allclose(whole, euclidean_distances(rows), rtol=1e-9, atol=1e-6)


def test_twins_of_many_features_are_at_no_distance_at_all() -> None:
    # A row's product with its twin and the sum of its squares are rounded in different orders: √(1e-13) is not 0.
    once = np.random.default_rng(0).standard_normal((60, 301)) + 1
    rows, labels = np.vstack([once, once]), np.tile(np.arange(60), 2)
    apart = distances(rows, (rows**2).sum(1), slice(0, 120))
    assert (apart[np.arange(60), np.arange(60) + 60] == 0).all()
    assert (silhouettes(rows, labels).values == 1).all()


@given(st.integers(0, 10_000), st.integers(2, 5), st.floats(-4, 4))
@settings(max_examples=30, deadline=None)
def test_rotation_scale_shift_order_and_names_change_nothing(seed: int, classes: int, log_scale: float) -> None:
    rows, labels = blobs(40, 6, (1,) * classes, seed=seed)
    rng = np.random.default_rng(seed)
    rotation, _ = np.linalg.qr(rng.standard_normal((6, 6)))
    order, names = rng.permutation(40), rng.permutation(classes)
    moved = 10**log_scale * (rows @ rotation + 10 * rng.standard_normal(6))
    before, after = silhouettes(rows, labels), silhouettes(moved[order], names[labels[order]])
    # Distances from products: 1e-16 of squared lengths, of which squared distances are a hundredth or more.
    np.testing.assert_allclose(after.values, before.values[order], rtol=0, atol=1e-11)
    np.testing.assert_allclose(after.influence, before.influence[order], rtol=0, atol=1e-9)
    assert (np.abs(before.values) <= 1).all()


# Permuted labels


@pytest.mark.parametrize("shares", [(1, 1), (1, 2, 5), (38, 1, 1)])
def test_permuted_silhouettes_are_those_of_permuted_labels(shares: tuple[int, ...]) -> None:
    rows, labels = blobs(40, 5, shares, apart=3)
    labels = np.array([3, 4, 9])[labels]  # with gaps
    permutations = Permutations(labels, 8, ("here",))
    observed, null = permuted_silhouettes(rows.astype(np.float32), permutations)
    exact = rows.astype(np.float32).astype(np.float64)
    assert observed == pytest.approx(silhouette_score(exact, labels), abs=1e-9)
    assert null == pytest.approx([silhouette_score(exact, y) for y in permutations], abs=1e-9)
    if shares == (1, 1):
        assert observed > null.max()


def test_the_mean_from_distances_is_the_mean_of_the_values() -> None:
    rows, labels = blobs(60, 3, (1, 2, 3))
    apart = np.sqrt(((rows[:, None] - rows[None]) ** 2).sum(-1))
    assert mean_silhouette(apart, labels, 3) == pytest.approx(silhouettes(rows, labels).values.mean(), abs=1e-12)


# Influence


@pytest.mark.parametrize(
    ("n", "d", "shares", "apart"),
    [
        (24, 2, (1, 1), 2.0),
        (30, 3, (2, 3, 5), 0.0),  # most rows lie nearer to another class: the other branch
        (30, 3, (2, 3, 5), 1.0),
        (24, 4, (10, 1, 1), 1.0),  # classes of two rows
        (26, 2, (24, 1, 1), 1.0),  # and of one
        (24, 1, (1, 1, 1), 1.0),
    ],
)
def test_influence_is_the_derivative_by_the_weight_of_a_row(
    n: int, d: int, shares: tuple[float, ...], apart: float
) -> None:
    rows, labels = blobs(n, d, shares, apart=apart)
    lengths = np.sqrt(((rows[:, None] - rows[None]) ** 2).sum(-1))
    found = silhouettes(rows, labels)
    h, numeric = 1e-5, np.zeros(n)
    for k in range(n):
        step = h * np.eye(n)[k]
        more, less = (plain_sum(lengths, labels, 1 + sign * step) for sign in (1, -1))
        numeric[k] = (more - less) / (2 * h)
    assert plain_sum(lengths, labels, np.ones(n)) == pytest.approx(found.values.sum(), abs=1e-10)
    # Central differences: h² times a third derivative of order 1, and rounding of the sum at 1e-15 · n / h.
    np.testing.assert_allclose(found.influence, numeric, rtol=0, atol=1e-8)
    assert np.abs(found.influence - found.values).max() > 0.05  # it is not the value of the row alone


def test_influence_with_twins_and_of_several_blocks() -> None:
    rows, labels = blobs(20, 3, (1, 2), apart=1)
    twice, of_twice = np.repeat(rows, 2, axis=0), np.repeat(labels, 2)
    lengths = np.sqrt(((twice[:, None] - twice[None]) ** 2).sum(-1))
    found, h = silhouettes(twice, of_twice), 1e-5
    for k in (0, 1, 17, 39):
        step = h * np.eye(40)[k]
        numeric = (plain_sum(lengths, of_twice, 1 + step) - plain_sum(lengths, of_twice, 1 - step)) / (2 * h)
        assert found.influence[k] == pytest.approx(numeric, abs=1e-8)
    # 1,100 rows are three blocks: one row more changes the sum as its influence says, to first order in 1/N.
    rows, labels = blobs(1100, 3, (1, 2), apart=2)
    found = silhouettes(rows, labels)
    for k in (0, 600, 1099):
        without = silhouettes(np.delete(rows, k, axis=0), np.delete(labels, k)).values.sum()
        assert found.values.sum() - without == pytest.approx(found.influence[k], abs=0.01)


def test_the_sum_of_all_influences_is_the_sum_of_the_values() -> None:
    # Weights that grow in one proportion change no mean distance (Euler).
    rows, labels = blobs(700, 4, (1, 2, 7), apart=1)
    found = silhouettes(rows, labels)
    assert found.influence.sum() == pytest.approx(found.values.sum(), abs=1e-9)


@pytest.mark.parametrize("apart", [1.0, 3.0])
def test_the_interval_is_as_wide_as_the_silhouette_scatters(apart: float) -> None:
    classes, each, d, sets = 3, 40, 3, 250
    centres = apart * np.eye(3)
    labels = np.repeat(np.arange(classes), each)
    means, spreads, naive, intervals = [], [], [], []
    for seed in range(sets):
        rows = centres[labels] + np.random.default_rng(seed).standard_normal((len(labels), d))
        found = silhouettes(rows, labels)
        resamples = Resamples(labels, 400, (str(seed),))
        draws = recentred(resamples.means(found.influence), found.values.mean())
        means.append(found.values.mean())
        spreads.append(draws.std())
        naive.append(resamples.means(found.values).std())
        intervals.append(interval(draws))
    truth, scatter = np.mean(means), np.std(means, ddof=1)
    # The standard deviation of 250 sets is known to 1/√500 = 4.5 %.
    assert np.mean(spreads) == pytest.approx(scatter, rel=0.15)
    assert abs(np.mean(naive) / scatter - 1) > 0.15  # the values alone do not tell it
    low, high = np.array(intervals).T
    assert 0.9 < np.mean((low <= truth) & (truth <= high)) < 0.99  # 95 % ± 3 standard errors of 250 sets
