from __future__ import annotations

import numpy as np
import pytest

from frostmark.errors import DataError
from frostmark.features.rows import FeatureSet, not_finite, refuse_not_finite


def test_rows_are_put_in_order() -> None:
    shuffled = FeatureSet.ordered(np.array([2, 0, 1]), np.array([7, 5, 6]), np.array([[2.0], [0], [1]]))
    assert shuffled.labels.tolist() == [5, 6, 7]
    assert shuffled.rows.tolist() == [[0], [1], [2]]


def test_rows_that_are_no_numbers_are_named() -> None:
    rows = np.zeros((5, 3), np.float32)
    assert not_finite(rows).tolist() == []
    refuse_not_finite([], 5, "last_conv", "test")
    rows[1, 2], rows[4, 0] = np.nan, np.inf
    with pytest.raises(DataError, match=r"2 of 5 rows of layer last_conv, split test.*first images: 1, 4") as told:
        refuse_not_finite(not_finite(rows).tolist(), 5, "last_conv", "test")
    assert "trainer.precision=32-true" in told.value.fix
