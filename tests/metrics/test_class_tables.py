"""What a class is confused with, and how far it moves between the splits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from frostmark.metrics.class_tables import class_shift
from frostmark.stats.moments import ClassMoments
from support.separability_cases import blobs, scores

Array = np.ndarray[Any, Any]


def test_class_shift_by_hand() -> None:
    # σ² = 1 and 4, n = 2 and 4: the means scatter by 1/1 + 4/3; they lie 5 apart.
    one = ClassMoments.of(np.array([[-1.0, 0], [1, 0]]), np.zeros(2, int), 1)
    other = ClassMoments.of(np.array([[3.0, 6], [3, 2], [5, 4], [1, 4]]), np.zeros(4, int), 1)
    assert class_shift(one, other) == pytest.approx([np.sqrt((25 - 7 / 3) / 2.5)])
    assert class_shift(other, one) == pytest.approx(class_shift(one, other))


@pytest.mark.parametrize("shift", [0.5, 2.0])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 50.0])
def test_class_shift_is_the_shift_in_spreads(shift: float, scale: float) -> None:
    rng = np.random.default_rng(0)
    n, d, classes = 4000, 10, 3
    labels = np.arange(n) % classes
    direction = np.full(d, 1 / np.sqrt(d))
    draw = [scale * (5 * labels[:, None] + rng.standard_normal((n, d))) for _ in range(2)]
    spread = scale * np.sqrt(d)
    moved = draw[1] + shift * spread * direction
    found = class_shift(ClassMoments.of(draw[0], labels, classes), ClassMoments.of(moved, labels, classes))
    # Each mean scatters by √(2/1333) of a feature along the shift, which is √10 features long a spread.
    np.testing.assert_allclose(found, shift, atol=4 * np.sqrt(2 / 1333) / np.sqrt(d) + 0.01 * shift)


def test_class_shift_of_the_same_classes_is_about_zero_also_with_few_images() -> None:
    # Without the correction each shift of 5 and 20 rows would come out near √(1/5 + 1/20) = 0.5.
    squared, plain = [], []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        one = ClassMoments.of(rng.standard_normal((5, 30)), np.zeros(5, int), 1)
        other = ClassMoments.of(rng.standard_normal((20, 30)), np.zeros(20, int), 1)
        squared.append(class_shift(one, other)[0])
        plain.append(np.linalg.norm(one.mean - other.mean) / np.sqrt(30))
    assert np.mean(plain) == pytest.approx(0.5, abs=0.02)
    assert np.median(squared) < 0.1
    # Half of 200 corrected squares lie below zero; of the other half the mean is what is left.
    assert np.mean(np.square(squared)) < 0.15 * np.mean(np.square(plain))
    assert 0.35 < np.mean(np.array(squared) == 0) < 0.65  # as often too near as too far


def test_class_shift_is_no_number_where_it_cannot_be_known() -> None:
    rows = np.random.default_rng(0).standard_normal((9, 3))
    one = ClassMoments.of(rows, np.array([0, 1, 1, 1, 3, 3, 4, 4, 4]), 5)
    other = ClassMoments.of(rows, np.array([0, 0, 1, 1, 1, 1, 2, 2, 3]), 5)
    # One row, enough of both, none before, one row after, none after.
    assert np.isnan(class_shift(one, other)).tolist() == [True, False, True, True, True]
    points = ClassMoments.of(np.array([[0.0], [0], [1], [1]]), np.array([0, 0, 1, 1]), 2)
    assert np.isnan(class_shift(points, points)).all()  # no spread to measure it in


def test_the_shift_is_in_a_table_of_its_own() -> None:
    rows, labels = blobs(90, 6, 3)
    far, _ = blobs(90, 6, 3, seed=4)
    found = scores(rows, labels, train=(far, labels))
    expected = class_shift(*(ClassMoments.of(x.astype(np.float32), labels, 3) for x in (far, rows)))
    table = found.tables["class_shift"]
    assert table["class"] == [0, 1, 2]
    assert table["name"] == ["c0", "c1", "c2"]
    assert table["shift_in_spreads"] == pytest.approx(expected)
    assert min(expected) > 0.1
