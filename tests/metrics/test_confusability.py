"""Which classes are confused: against full covariances and brute force, in order, without what has no value."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frostmark.metrics import confusability
from frostmark.metrics.class_ratios import class_spreads
from frostmark.metrics.confusability import confused_pairs, directional_cdnv, nearest_between, similarity_order
from frostmark.stats.moments import ClassMoments

Array = np.ndarray[Any, Any]
NAN = float("nan")


def blobs(n: int, d: int, classes: int, *, seed: int = 0) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.concatenate([np.repeat(np.arange(classes), 2), rng.integers(0, classes, n)])[:n])
    rows = rng.standard_normal((n, d)) * np.exp(rng.uniform(-1, 1, (classes, d)))[labels]
    return rows + 2 * rng.standard_normal((classes, d))[labels] + 4, labels


def measured(rows: Array, labels: Array, classes: int) -> Array:
    return directional_cdnv(rows, labels, ClassMoments.of(rows, labels, classes))


# The matrix


@pytest.mark.parametrize(("n", "d", "classes"), [(60, 5, 4), (30, 40, 3), (40, 1, 3), (12, 3, 6)])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_matrix_against_full_covariances(n: int, d: int, classes: int, dtype: type) -> None:
    rows, labels = blobs(n, d, classes)
    rows = rows.astype(dtype)
    found = measured(rows, labels, classes)
    exact = rows.astype(np.float64)
    for i in range(classes):
        assert np.isnan(found[i, i])
        for j in range(classes):
            if i == j:
                continue
            between = exact[labels == i].mean(0) - exact[labels == j].mean(0)
            u = between / np.linalg.norm(between)
            spread = sum(u @ np.cov(exact[labels == c].T, bias=True).reshape(d, d) @ u for c in (i, j))
            assert found[i, j] == pytest.approx(spread / (2 * between @ between), rel=1e-10)
            assert found[i, j] == found[j, i]


def test_the_matrix_by_hand() -> None:
    # Means (0, 0) and (3, 4): u = (0.6, 0.8). Class 0 varies by 1 along x: 0.36; class 1 by 4 along y: 4 · 0.64.
    rows = np.array([[-1.0, 0], [1, 0], [3, 2], [3, 6]])
    found = measured(rows, np.array([0, 0, 1, 1]), 2)
    assert found[0, 1] == pytest.approx((0.36 + 2.56) / (2 * 25))
    # Variance across the line between the means confuses nobody.
    rows = np.array([[0.0, -9], [0, 9], [5, -9], [5, 9]])
    assert measured(rows, np.array([0, 0, 1, 1]), 2)[0, 1] == 0


def test_what_has_no_value_is_nan_and_the_rest_is_not() -> None:
    rows, labels = blobs(40, 3, 2)
    twin = np.vstack([rows, [[1.0, 0, 0], [3, 0, 0], [2, 1, 0], [2, -1, 0]]])
    found = measured(twin, np.concatenate([labels, [3, 3, 4, 4]]), 6)  # 3 and 4 have one mean; 2 and 5 no rows
    known = np.zeros((6, 6), bool)
    for i, j in permutations((0, 1, 3, 4), 2):
        known[i, j] = {i, j} != {3, 4}
    assert (np.isfinite(found) == known).all()


@given(st.integers(0, 10_000), st.floats(-4, 4))
@settings(max_examples=30, deadline=None)
def test_rotation_scale_shift_order_and_names_change_nothing(seed: int, log_scale: float) -> None:
    rows, labels = blobs(40, 6, 4, seed=seed)
    rng = np.random.default_rng(seed)
    rotation, _ = np.linalg.qr(rng.standard_normal((6, 6)))
    order, names = rng.permutation(40), rng.permutation(4)
    moved = 10**log_scale * (rows @ rotation + 10 * rng.standard_normal(6))
    before, after = measured(rows, labels, 4), measured(moved[order], names[labels[order]], 4)
    # Means of a few rows of size 10 round at 1e-15; they lie 0.1 or more apart.
    np.testing.assert_allclose(after[np.ix_(names, names)], before, rtol=1e-9)


# The order


def test_groups_that_are_confused_stand_side_by_side() -> None:
    group = np.array([0, 1, 2, 0, 1, 2, 0, 1, 2, 1])
    matrix = np.where(group[:, None] == group[None, :], 4.0, 0.01)
    matrix = matrix * np.random.default_rng(0).uniform(0.9, 1.1, matrix.shape)
    matrix = (matrix + matrix.T) / 2
    np.fill_diagonal(matrix, NAN)
    order = similarity_order(matrix)
    assert sorted(order.tolist()) == list(range(10))
    assert (np.diff(group[order]) != 0).sum() == 2


def test_classes_on_a_line_keep_their_places() -> None:
    # Means 0, 1, 2, … of unit variance: confusability 1/distance².
    place = np.array([3, 0, 5, 1, 4, 2])
    apart = np.abs(place[:, None] - place[None, :]).astype(float)
    with np.errstate(divide="ignore"):
        matrix = np.where(apart > 0, 1 / apart**2, NAN)
    ordered = place[similarity_order(matrix)]
    assert set(np.abs(np.diff(ordered)).tolist()) == {1}


def test_an_order_of_rows_comes_from_the_rows() -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(600) % 6
    centres = 20 * rng.standard_normal((2, 8))[[0, 1, 0, 1, 0, 1]] + rng.standard_normal((6, 8))
    order = similarity_order(measured(centres[labels] + rng.standard_normal((600, 8)), labels, 6))
    assert [{int(c) % 2 for c in part} for part in (order[:3], order[3:])] in ([{0}, {1}], [{1}, {0}])


@pytest.mark.parametrize("classes", [0, 1, 2])
def test_two_classes_have_no_order_to_find(classes: int) -> None:
    assert similarity_order(np.full((classes, classes), NAN)).tolist() == list(range(classes))


def test_every_class_has_a_place_even_without_a_value() -> None:
    assert sorted(similarity_order(np.full((5, 5), NAN)).tolist()) == [0, 1, 2, 3, 4]
    matrix = np.array([[NAN, 9, NAN, 0], [9, NAN, NAN, 0], [NAN, NAN, NAN, NAN], [0, 0, NAN, NAN]], float)
    order = similarity_order(matrix).tolist()
    assert sorted(order) == [0, 1, 2, 3]
    assert abs(order.index(0) - order.index(1)) == 1


# The pairs


def test_pairs_come_in_order_and_those_without_a_value_do_not_come() -> None:
    matrix = np.array([[NAN, 0.5, NAN, 2.0], [0.5, NAN, 3.0, 0.5], [NAN, 3.0, NAN, 0.0], [2.0, 0.5, 0.0, NAN]])
    ranked = [(1, 2), (0, 3), (0, 1), (1, 3), (2, 3)]  # 3, 2, then a tie in the order of the classes, then 0
    for most in range(8):
        assert confused_pairs(matrix, most) == ranked[:most]
    assert confused_pairs(np.full((4, 4), NAN), 3) == []
    assert confused_pairs(np.full((1, 1), NAN), 3) == []


# The images


@pytest.mark.parametrize(("i", "j"), [(0, 1), (1, 0), (2, 0)])
@pytest.mark.parametrize("n", [12, 60, 4000])  # 4,000 rows are taken in pieces
def test_nearest_between_is_brute_force(i: int, j: int, n: int) -> None:
    for seed in range(3):
        rows, labels = blobs(n, 5, 3, seed=seed)
        rows -= 4  # cosines of both signs
        unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        cosines = np.where((labels[:, None] == i) & (labels[None, :] == j), unit @ unit.T, -np.inf)
        a, b, cosine = nearest_between(rows, labels, i, j)
        assert (a, b) == np.unravel_index(cosines.argmax(), cosines.shape)
        assert cosine == pytest.approx(cosines.max(), abs=1e-12)


def test_the_best_pair_may_lie_in_any_piece() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], [2500, 20])
    rows = np.abs(rng.standard_normal((2520, 4))) * np.where(labels == 0, 1, -1)[:, None]
    for place in (0, 1023, 1024, 2047, 2048, 2499):
        moved = rows.copy()
        moved[place] = 3 * moved[2507]
        a, b, cosine = nearest_between(moved, labels, 0, 1)
        assert (a, b) == (place, 2507)
        assert cosine == pytest.approx(1)


def test_the_length_of_a_row_does_not_count_and_a_row_of_zeros_is_like_nothing() -> None:
    rows = np.array([[10.0, 0], [0, 0], [0.1, 0.001], [1, 1]], np.float32)
    labels = np.array([0, 0, 1, 1])
    a, b, cosine = found = nearest_between(rows, labels, 0, 1)
    assert (a, b) == (0, 2)
    assert cosine == pytest.approx(1 / np.sqrt(1.0001), abs=1e-6)
    assert [type(x) for x in found] == [int, int, float]
    assert nearest_between(np.zeros((4, 2), np.float32), labels, 0, 1) == (0, 2, 0.0)
    apart = nearest_between(np.array([[1.0], [1], [-1], [-1]]), labels, 0, 1)  # nothing alike is still a pair
    assert apart == (0, 2, -1.0)


@pytest.mark.parametrize("rank", [3, 100, 300])  # few directions, more than the bound looks along, and noise
@pytest.mark.parametrize(("many", "rounded"), [(0, False), (0, True), (1 << 40, False)])
@pytest.mark.parametrize("shift", [3, -3])  # cosines near 1; the classes opposite each other, none above zero
def test_whoever_is_left_out_beforehand_is_not_the_most_alike(
    rank: int, many: int, rounded: bool, shift: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(confusability, "_MANY_PAIRS", many)
    monkeypatch.setattr(confusability, "rounds_fast", lambda: rounded)
    rng = np.random.default_rng(rank)
    labels = rng.integers(0, 2, 1500)
    rows = (rng.standard_normal((1500, rank)) @ rng.standard_normal((rank, 300))).astype(np.float32)
    rows += np.where(labels, shift, 3)[:, None] + rng.standard_normal(rows.shape, dtype=np.float32) * np.float32(0.05)
    unit = rows.astype(np.float64) / np.linalg.norm(rows.astype(np.float64), axis=1, keepdims=True)
    cosines = np.where((labels[:, None] == 0) & (labels[None, :] == 1), unit @ unit.T, -np.inf)
    a, b, cosine = nearest_between(rows, labels, 0, 1)
    assert (a, b) == np.unravel_index(cosines.argmax(), cosines.shape)
    assert cosine == pytest.approx(cosines.max(), abs=1e-6)


def test_most_rows_of_few_directions_are_left_out_beforehand() -> None:
    rng = np.random.default_rng(0)
    rows = (rng.standard_normal((3000, 20)) @ rng.standard_normal((20, 200))).astype(np.float32)
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    assert len(confusability._hopeful(unit[:1500], unit[1500:])) < 30


@pytest.mark.parametrize("rounded", [True, False])
def test_most_rows_of_noise_are_left_out_by_products_of_few_digits(
    rounded: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(confusability, "rounds_fast", lambda: rounded)
    rows = np.random.default_rng(0).standard_normal((4000, 512), dtype=np.float32)
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    assert len(confusability._hopeful(unit[:2000], unit[2000:])) == 2000  # few axes tell nothing of them
    left = confusability._hopeful_in_bfloat16(unit[:2000], unit[2000:])
    assert len(left) < 30 if rounded else len(left) == 2000
    assert (unit[:2000] @ unit[2000:].T).max(1).argmax() in left


def test_of_a_class_of_very_many_images_a_sample_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confusability, "MAX_ALIKE", 50)
    rows, labels = blobs(600, 5, 3)
    a, b, cosine = nearest_between(rows, labels, 0, 1)
    monkeypatch.setattr(confusability, "MAX_ALIKE", 200)
    assert (labels[a], labels[b]) == (0, 1)
    assert cosine < nearest_between(rows, labels, 0, 1)[2]


def test_a_large_class_in_blocks_has_the_same_confusability(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, labels = blobs(400, 5, 3)
    moments = ClassMoments.of(rows, labels, 3)
    whole, spreads = directional_cdnv(rows, labels, moments), class_spreads(rows, labels, moments)
    monkeypatch.setattr(confusability, "_CELLS", 35)
    monkeypatch.setattr("frostmark.metrics.class_ratios._CELLS", 35)
    np.testing.assert_allclose(directional_cdnv(rows, labels, moments), whole, rtol=1e-12)
    np.testing.assert_array_equal(class_spreads(rows, labels, moments), spreads)
