"""The total scatter."""

from __future__ import annotations

import numpy as np
import pytest

from frostmark.stats import scatter
from frostmark.stats.scatter import total_scatter


@pytest.mark.parametrize("cells", [1, 1 << 22])
def test_the_total_scatter_of_float32_rows_keeps_the_digits(cells: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """In several blocks and in one."""
    monkeypatch.setattr(scatter, "_CELLS", cells)
    rows = (np.random.default_rng(0).standard_normal((256 * 3 + 5, 3)) + 1000).astype(np.float32)
    x = rows.astype(np.float64) - rows.astype(np.float64).mean(0)
    np.testing.assert_allclose(total_scatter(rows), x.T @ x, rtol=1e-12, atol=1e-9)


def test_the_total_scatter_by_hand() -> None:
    assert total_scatter(np.array([[0.0, 1], [2, 1], [4, 4]])).tolist() == [[8, 6], [6, 6]]
