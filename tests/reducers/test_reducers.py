"""Maps: what one can do with them (find neighbours, place new rows), the same every time, defined when degenerate."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA as Reference
from sklearn.manifold import trustworthiness
from sklearn.neighbors import KNeighborsClassifier

from frostmark.errors import ConfigError
from frostmark.reducers.pca import PCA
from frostmark.reducers.reducer import Fitted, Reducer, why_no_map
from frostmark.reducers.tsne import TSNE
from frostmark.reducers.tsne_sklearn import SklearnTSNE
from frostmark.reducers.umap import UMAP

DIGITS = load_digits()
ROWS, LABELS = DIGITS.data[:400].astype(np.float32), DIGITS.target[:400]
NEW, NEW_LABELS = DIGITS.data[400:520].astype(np.float32), DIGITS.target[400:520]

REDUCERS = {"tsne": TSNE(n_iter=250), "umap": UMAP(), "pca": PCA(), "sklearn": SklearnTSNE(max_iter=300)}
QUALITY = {"tsne": (0.97, 0.8), "umap": (0.95, 0.75), "pca": (0.78, 0.35)}
"""Trustworthiness, and accuracy of the neighbours of placed rows: less than each reaches, more than chance (0.1)."""


def fit(reducer: Reducer, rows: np.ndarray = ROWS, seed: int = 0) -> Fitted:
    return reducer.fit(rows, seed, lambda text: None)


@pytest.mark.parametrize("name", ["tsne", "umap", "pca"])
def test_maps_keep_neighbours_and_place_new_rows_among_their_own(name: str) -> None:
    fitted = fit(REDUCERS[name])
    assert fitted.transform is not None
    placed = fitted.transform(NEW)
    assert fitted.coordinates.shape == (400, 2)
    assert placed.shape == (120, 2)
    kept, accuracy = QUALITY[name]
    assert trustworthiness(ROWS, fitted.coordinates, n_neighbors=10) > kept
    assert KNeighborsClassifier(10).fit(fitted.coordinates, LABELS).score(placed, NEW_LABELS) > accuracy


@pytest.mark.parametrize("name", REDUCERS)
def test_the_same_rows_and_seed_give_the_same_map(name: str) -> None:
    first, second = fit(REDUCERS[name]), fit(REDUCERS[name])
    assert np.array_equal(first.coordinates, second.coordinates)
    if first.transform is not None and second.transform is not None:
        assert np.array_equal(first.transform(NEW), second.transform(NEW))


@pytest.mark.parametrize("name", REDUCERS)
def test_the_global_generator_is_left_alone(name: str) -> None:
    np.random.seed(3)
    expected = np.random.rand(3)
    np.random.seed(3)
    fit(REDUCERS[name], ROWS[:60])
    assert np.array_equal(np.random.rand(3), expected)


def test_placing_does_not_move_the_map() -> None:
    fitted = fit(TSNE(n_iter=100))
    before = fitted.coordinates.copy()
    assert fitted.transform is not None
    placed = fitted.transform(ROWS[:50])
    assert np.array_equal(fitted.coordinates, before)
    # Twins of train rows come to lie where those are, on the scale of the map.
    apart = np.linalg.norm(placed - fitted.coordinates[:50], axis=1)
    assert np.median(apart) < 0.05 * np.ptp(fitted.coordinates)


def test_pca_is_the_principal_plane() -> None:
    expected = Reference(2, svd_solver="full").fit_transform(ROWS.astype(float))
    np.testing.assert_allclose(np.abs(fit(PCA()).coordinates), np.abs(expected), atol=1e-8)


@pytest.mark.parametrize("name", REDUCERS)
@pytest.mark.parametrize("kind", ["four rows", "few rows", "twins", "one feature"])
def test_degenerate_rows_are_mapped(name: str, kind: str) -> None:
    rng = np.random.default_rng(0)
    rows = {
        "four rows": rng.standard_normal((4, 5)),
        "few rows": rng.standard_normal((9, 5)),  # fewer than the perplexity
        "twins": np.repeat(rng.standard_normal((3, 5)), 20, axis=0),
        "one feature": rng.standard_normal((30, 1)),
    }[kind].astype(np.float32)
    coordinates = fit(REDUCERS[name], rows).coordinates
    assert coordinates.shape == (len(rows), 2)
    assert np.isfinite(coordinates).all()


def test_what_cannot_be_mapped_is_said() -> None:
    assert "too few" in str(why_no_map(np.zeros((3, 2))))
    assert "equal" in str(why_no_map(np.ones((10, 2))))
    assert why_no_map(ROWS) is None


def test_choices_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ConfigError, match="cannot place test images") as told:
        SklearnTSNE(fit_on="train")
    assert "reducer.fit_on=each" in told.value.fix
    with pytest.raises(ConfigError, match="fit_on=both"):
        TSNE(fit_on="both")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="max_points=2"):
        PCA(max_points=2)
