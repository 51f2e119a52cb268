"""t-SNE: as low an error as scikit-learn's, new rows where their like are, the shared graph and no other."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from sklearn.datasets import load_digits
from sklearn.manifold import TSNE as Reference
from sklearn.manifold import trustworthiness

from frostmark.reducers import repulsion
from frostmark.reducers.reducer import Fitted, Points
from frostmark.reducers.tsne import TSNE
from frostmark.stats.neighbours import Graph, unit_rows

ROWS = load_digits().data.astype(np.float32)[:1200]


def quiet(text: str) -> None: ...


def error(points: Points, coordinates: np.ndarray) -> float:
    """The Kullback–Leibler divergence, by the definition."""
    joint = TSNE()._affinities(points).P.tocoo()
    closeness = 1 / (1 + cdist(coordinates, coordinates, "sqeuclidean"))
    np.fill_diagonal(closeness, 0)
    near = closeness[joint.row, joint.col] / closeness.sum()
    return float((joint.data * np.log(joint.data / near)).sum())


@pytest.fixture(scope="module")
def points() -> Points:
    return Points.alone(ROWS)


@pytest.fixture(scope="module")
def fitted(points: Points) -> Fitted:
    return TSNE().fit(points, 0, quiet)


@pytest.mark.slow
def test_the_error_is_as_low_as_scikit_learns_and_is_told(points: Points, fitted: Fitted) -> None:
    reference = Reference(random_state=0).fit_transform(unit_rows(ROWS)).astype(np.float64)
    ours = error(points, fitted.coordinates)
    assert ours <= error(points, reference)
    assert fitted.kl_divergence == pytest.approx(ours, abs=3e-3)  # what the grid misses of close pairs
    trust = [trustworthiness(unit_rows(ROWS), c, n_neighbors=10) for c in (fitted.coordinates, reference)]
    assert trust[0] > trust[1] - 0.002


def test_twins_of_train_rows_are_placed_on_them(fitted: Fitted) -> None:
    assert fitted.transform is not None
    placed = fitted.transform(Points.among(3 * ROWS[:200], ROWS))  # alike by cosine
    assert np.array_equal(placed, fitted.coordinates[:200])


def test_rows_that_are_nearly_train_rows_are_placed_beside_them(fitted: Fitted) -> None:
    assert fitted.transform is not None
    shaken = ROWS[:300] * np.random.default_rng(0).normal(1, 0.02, ROWS[:300].shape).astype(np.float32)
    apart = np.linalg.norm(fitted.transform(Points.among(shaken, ROWS)) - fitted.coordinates[:300], axis=1)
    extent = np.ptp(fitted.coordinates)
    assert np.median(apart) < 0.005 * extent
    assert apart.max() < 0.03 * extent


def test_only_the_graph_that_is_handed_in_is_looked_at() -> None:
    asked = []

    def nearest(k: int) -> Graph:
        asked.append(k)
        return Graph.of(ROWS[:100], ROWS[:100], k, exclude_self=True)

    TSNE(perplexity=10, n_iter=10).fit(Points(ROWS[:100], nearest), 0, quiet)
    assert asked == [30]


def test_barnes_hut_and_the_grid_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    grid = TSNE(n_iter=50).fit(Points.alone(ROWS), 0, quiet).kl_divergence
    monkeypatch.setattr(repulsion.Grid, "pays", lambda grid, points: False)
    assert TSNE(n_iter=50).fit(Points.alone(ROWS), 0, quiet).kl_divergence == pytest.approx(grid, abs=0.02)


def test_progress_tells_the_error_while_fitting_and_none_while_placing() -> None:
    told: list[str] = []
    fitted = TSNE(n_iter=50).fit(Points.alone(ROWS[:200]), 0, told.append)
    assert told[-1].startswith("t-SNE of 200 images: iteration 50, KL divergence ")
    assert fitted.transform is not None
    fitted.transform(Points.among(ROWS[200:210], ROWS[:200]))
    assert told[-1] == "t-SNE placing 10 images: iteration 250"
