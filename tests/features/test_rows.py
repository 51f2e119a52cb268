from __future__ import annotations

import numpy as np
import pytest

from frostmark.errors import DataError
from frostmark.features.rows import FeatureSet, not_finite, refuse_not_finite


def test_rows_are_put_in_order() -> None:
    features = FeatureSet.empty(3, 1)
    features.put(np.array([2, 0]), np.array([7, 5]), np.array([[2.0], [0]]))
    assert features.there.tolist() == [True, False, True]
    features.put(np.array([1]), np.array([6]), np.array([[1.0]]))
    assert features.labels.tolist() == [5, 6, 7]
    assert features.rows.tolist() == [[0], [1], [2]]
    assert features.rows.dtype == np.float32


def test_rows_that_are_no_numbers_are_named() -> None:
    rows = np.zeros((5, 3), np.float32)
    assert not_finite(rows).tolist() == []
    refuse_not_finite([], 5, "last_conv", "test")
    rows[1, 2], rows[4, 0] = np.nan, np.inf
    with pytest.raises(DataError, match=r"2 of 5 rows of layer last_conv, split test.*first images: 1, 4") as told:
        refuse_not_finite(not_finite(rows).tolist(), 5, "last_conv", "test")
    assert "trainer.precision=32-true" in told.value.fix
