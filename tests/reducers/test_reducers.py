"""Maps: what one can do with them (find neighbours, place new rows), the same every time, defined when degenerate."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA as Reference
from sklearn.manifold import trustworthiness
from sklearn.neighbors import KNeighborsClassifier

from frostmark.errors import ConfigError
from frostmark.reducers.pacmap import PaCMAP
from frostmark.reducers.pca import PCA
from frostmark.reducers.reducer import Fitted, Points, Reducer, why_no_map
from frostmark.reducers.tsne import TSNE
from frostmark.reducers.tsne_sklearn import SklearnTSNE
from frostmark.reducers.umap import UMAP

DIGITS = load_digits()
ROWS, LABELS = DIGITS.data[:400].astype(np.float32), DIGITS.target[:400]
NEW, NEW_LABELS = DIGITS.data[400:520].astype(np.float32), DIGITS.target[400:520]

REDUCERS: dict[str, Callable[[], Reducer]] = {
    "tsne": lambda: TSNE(n_iter=250),
    "umap": UMAP,
    "pca": PCA,
    "pacmap": PaCMAP,
    "sklearn": lambda: SklearnTSNE(max_iter=300),
}
PLACING = ["tsne", "umap", "pca", "pacmap"]
QUALITY = {"tsne": (0.97, 0.8), "umap": (0.95, 0.75), "pca": (0.78, 0.35), "pacmap": (0.95, 0.75)}
"""Trustworthiness, and accuracy of the neighbours of placed rows: less than each reaches, more than chance (0.1)."""


def made(name: str) -> Reducer:
    if name == "pacmap":
        pytest.importorskip("pacmap", reason="pip install 'frostmark[pacmap]'")
    return REDUCERS[name]()


def fit(reducer: Reducer, rows: np.ndarray = ROWS, seed: int = 0) -> Fitted:
    return reducer.fit(Points.alone(rows), seed, lambda text: None)


@cache
def fitted_once(name: str, seed: int = 0) -> Fitted:
    """A map that several tests look at, none of them changes."""
    return fit(made(name), seed=seed)


def place(fitted: Fitted, new: np.ndarray, rows: np.ndarray = ROWS) -> np.ndarray:
    assert fitted.transform is not None
    return fitted.transform(Points.among(new, rows))


@pytest.mark.parametrize("name", PLACING)
def test_maps_keep_neighbours_and_place_new_rows_among_their_own(name: str) -> None:
    fitted = fitted_once(name)
    placed = place(fitted, NEW)
    assert fitted.coordinates.shape == (400, 2)
    assert placed.shape == (120, 2)
    kept, accuracy = QUALITY[name]
    assert trustworthiness(ROWS, fitted.coordinates, n_neighbors=10) > kept
    assert KNeighborsClassifier(10).fit(fitted.coordinates, LABELS).score(placed, NEW_LABELS) > accuracy


@pytest.mark.parametrize("name", REDUCERS)
def test_the_same_rows_and_seed_give_the_same_map(name: str) -> None:
    first, second = fitted_once(name), fit(made(name))
    assert np.array_equal(first.coordinates, second.coordinates)
    assert (first.transform is None) == (name not in PLACING)
    if first.transform is not None:
        assert np.array_equal(place(first, NEW), place(second, NEW))


@pytest.mark.parametrize("name", REDUCERS)
def test_another_seed_gives_another_map_or_none_of_it_is_chance(name: str) -> None:
    same = np.array_equal(fitted_once(name).coordinates, fit(made(name), seed=1).coordinates)
    assert same == (name == "pca")


@pytest.mark.parametrize("name", REDUCERS)
def test_the_global_generator_is_left_alone(name: str) -> None:
    np.random.seed(3)
    expected = np.random.rand(3)
    np.random.seed(3)
    fit(made(name), ROWS[:60])
    assert np.array_equal(np.random.rand(3), expected)


@pytest.mark.parametrize("name", PLACING)
def test_placing_does_not_move_the_map(name: str) -> None:
    fitted = fitted_once(name)
    before = fitted.coordinates.copy()
    first = place(fitted, NEW)
    assert np.array_equal(fitted.coordinates, before)
    # Nor does it leave a trace: the same rows are placed in the same way again, others in between or not.
    place(fitted, ROWS[:30])
    assert np.array_equal(place(fitted, NEW), first)


@pytest.mark.parametrize("name", ["umap", "pacmap"])
def test_twins_of_train_rows_come_to_lie_near_them(name: str) -> None:
    fitted = fitted_once(name)
    apart = np.linalg.norm(place(fitted, ROWS[:50]) - fitted.coordinates[:50], axis=1)
    assert np.median(apart) < 0.03 * np.ptp(fitted.coordinates)  # seen: 0.01; PaCMAP's whole clusters are 0.2 wide


def test_pca_is_the_principal_plane() -> None:
    expected = Reference(2, svd_solver="full").fit_transform(ROWS.astype(float))
    np.testing.assert_allclose(np.abs(fit(PCA()).coordinates), np.abs(expected), atol=1e-8)


@pytest.mark.parametrize("name", REDUCERS)
@pytest.mark.parametrize("kind", ["four rows", "few rows", "twins", "one feature", "one direction"])
def test_degenerate_rows_are_mapped(name: str, kind: str) -> None:
    rng = np.random.default_rng(0)
    rows = {
        "four rows": rng.standard_normal((4, 5)),
        "few rows": rng.standard_normal((9, 5)),  # fewer than the perplexity
        "twins": np.repeat(rng.standard_normal((3, 5)), 20, axis=0),
        "one feature": rng.standard_normal((30, 1)),
        "one direction": rng.uniform(1, 2, (30, 1)) * rng.standard_normal(5),  # all alike by cosine
    }[kind].astype(np.float32)
    fitted = fit(made(name), rows)
    assert fitted.coordinates.shape == (len(rows), 2)
    assert np.isfinite(fitted.coordinates).all()
    if fitted.transform is not None:
        assert np.isfinite(place(fitted, rows[:2] + 0.1, rows)).all()


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
