from __future__ import annotations

import numpy as np
from scipy.spatial.distance import pdist

from frostmark.stats.projection import PROJECTED_WIDTH, SparseProjection


def test_distances_survive() -> None:
    rows = np.random.default_rng(0).normal(size=(30, 20_000)).astype(np.float32)
    narrow = SparseProjection(20_000, seed=0)(rows)
    assert narrow.shape == (30, PROJECTED_WIDTH)
    assert narrow.dtype == np.float32
    ratio = pdist(narrow, "sqeuclidean") / pdist(rows, "sqeuclidean")
    assert abs(ratio.mean() - 1) < 0.02
    assert ratio.std() < 1.5 * np.sqrt(2 / PROJECTED_WIDTH)  # what theory gives, with room for 435 samples


def test_the_seed_alone_decides_and_batches_do_not_matter() -> None:
    rows = np.random.default_rng(1).normal(size=(10, 3000)).astype(np.float32)
    whole = SparseProjection(3000, seed=5)(rows)
    project = SparseProjection(3000, seed=5)
    np.testing.assert_allclose(np.concatenate([project(rows[:3]), project(rows[3:])]), whole, rtol=1e-6)
    assert not np.allclose(SparseProjection(3000, seed=6)(rows), whole)
