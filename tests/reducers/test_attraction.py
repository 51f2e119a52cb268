"""The attraction of a t-SNE map: openTSNE's own sum, by hand, and the same bits by any number of threads."""

from __future__ import annotations

import numpy as np
import pytest
from openTSNE import _tsne
from scipy.sparse import csr_matrix, random_array

from frostmark.reducers import attraction as module
from frostmark.reducers.attraction import attraction


def drawn(count: int, others: int, seed: int = 0) -> tuple[csr_matrix, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    affinities = csr_matrix(random_array((count, others), density=0.05, rng=rng))
    return affinities, 30 * rng.standard_normal((count, 2)), 30 * rng.standard_normal((others, 2))


@pytest.mark.parametrize("others", [300, 170])
def test_it_is_opentsnes(others: int) -> None:
    affinities, points, reference = drawn(300, others)
    expected = np.zeros_like(points)
    _tsne.estimate_positive_gradient_nn(
        affinities.indices, affinities.indptr, affinities.data, points, reference, expected, 1.0
    )
    np.testing.assert_allclose(attraction(affinities, points, reference), expected, atol=1e-5 * np.abs(expected).max())


def test_two_points_by_hand() -> None:
    affinities = csr_matrix(np.array([[0.0, 0.5], [0.5, 0.0]]))
    points = np.array([[-1.0, 0.0], [1.0, 0.0]])  # two apart: 0.5 · 2 / 5
    np.testing.assert_allclose(attraction(affinities, points, points), [[-0.2, 0], [0.2, 0]], rtol=1e-6)


def test_rows_without_edges_are_not_pulled() -> None:
    affinities = csr_matrix(([1.0], ([2], [0])), shape=(5, 5))
    force = attraction(affinities, np.arange(10.0).reshape(5, 2), np.arange(10.0).reshape(5, 2))
    assert not force[[0, 1, 3, 4]].any()
    assert force[2].all()


@pytest.mark.parametrize("workers", [1, 2, 3, 7])
def test_threads_change_no_bit(workers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    affinities, points, reference = drawn(400, 400)
    alone = attraction(affinities, points, reference)
    monkeypatch.setattr(module, "_ALONE", 0)
    monkeypatch.setattr("os.cpu_count", lambda: workers)
    assert np.array_equal(attraction(affinities, points, reference), alone)
