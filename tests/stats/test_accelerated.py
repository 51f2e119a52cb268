"""Bounds of products in bfloat16: never below a product, near it, and at zero where nothing is positive."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from frostmark.stats import accelerated
from frostmark.stats.accelerated import product_bounds, rounds_fast

Float32 = NDArray[np.float32]


def unit(rows: NDArray[np.float64]) -> Float32:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


@pytest.mark.parametrize("width", [1, 7, 300])
@pytest.mark.parametrize("offset", [0.0, 5.0])  # products of both signs; all of them nearly 1
@pytest.mark.parametrize("block", [16, 1024])
def test_no_product_exceeds_its_bound_which_is_near(
    width: int, offset: float, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accelerated, "_BLOCK", block)
    rng = np.random.default_rng(width)
    one, other = (unit(rng.standard_normal((count, width)) + offset) for count in (200, 130))
    largest = (one.astype(np.float64) @ other.astype(np.float64).T).max(1)
    bound = product_bounds(one, other)
    assert (bound >= largest).all()
    assert (bound <= np.maximum(largest, 0) * (1 + 4 / 256) + 2 * 2 / 256).all()


def test_what_rounding_takes_away_is_in_the_bound() -> None:
    # 1 + 2⁻⁸ is rounded down to 1, the nearest even one: half a step, the most that bfloat16 loses.
    row = np.full((1, 4), (1 + 2.0**-8) / 4, np.float32)
    product = float(row.astype(np.float64)[0] @ row.astype(np.float64)[0])
    assert product > 0.25 * (1 + 2.0**-8)  # which the products of the rounded rows, 0.25, do not reach
    assert product <= product_bounds(row, row)[0] <= product + 0.02


def test_rows_without_a_positive_product_are_bounded_by_zero_and_the_rounding() -> None:
    one, other = unit(np.array([[1.0, 0.3], [1, 1], [0, 1]])), unit(np.array([[-1.0, -0.2], [-1, -1]]))
    bound = product_bounds(one, other)
    assert (bound >= 0).all()
    assert (bound < 0.01).all()
    assert product_bounds(np.zeros((2, 3), np.float32), other=np.zeros((4, 3), np.float32)).tolist() == [0, 0]


def test_whether_the_processor_has_it_is_an_answer() -> None:
    assert rounds_fast() in {True, False}
    assert rounds_fast() is rounds_fast()
