"""Maps of both splits: what is shown, by whose neighbours it is judged, what seeds tell, how it is put down."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.manifold import trustworthiness

from frostmark.analysis.maps import MapMaking
from frostmark.analysis.observed import Setting
from frostmark.metrics.maps import MapSet
from frostmark.metrics.metric import Split, make_splits
from frostmark.reducers.pca import PCA
from frostmark.reducers.reducer import Reducer
from frostmark.reducers.tsne import TSNE
from frostmark.stats.neighbours import Graph, unit_rows

DIGITS = load_digits()
ROWS, LABELS = DIGITS.data.astype(np.float32), DIGITS.target.astype(np.int64)
CLASSES = tuple(str(c) for c in range(10))
FINGERPRINTS = {"train": "a", "test": "b"}


def splits(
    train: int = 300, test: int = 120, keep: Callable[..., Graph] = lambda s, b, k, build: build()
) -> dict[str, Split]:
    rows = {"train": ROWS[:train], "test": ROWS[train : train + test]}
    labels = {"train": LABELS[:train], "test": LABELS[train : train + test]}
    return make_splits(rows, labels, CLASSES, resamples=0, permutations=0, keep=keep)


def make(reducer: Reducer, both: dict[str, Split] | None = None) -> MapSet:
    return MapMaking(reducer, Setting(CLASSES, 0, FINGERPRINTS), lambda text: None).maps(both or splits())


def made(reducer: Reducer, both: dict[str, Split] | None = None) -> MapSet:
    maps = make(reducer, both)
    assert not maps.why_none
    return maps


def test_test_images_are_placed_into_the_train_map_and_each_split_has_its_badge() -> None:
    both = splits()
    train, test = made(PCA(), both).splits
    centre, plane = ROWS[:300].mean(0), train.coordinates
    axes = np.linalg.lstsq((ROWS[:300] - centre).astype(float), plane, rcond=None)[0]
    np.testing.assert_allclose((ROWS[300:420] - centre) @ axes, test.coordinates, atol=1e-3)
    for of, split in ((train, both["train"]), (test, both["test"])):
        assert of.badge is not None
        rows = unit_rows(split.rows).astype(np.float64)
        assert of.badge.trustworthiness == pytest.approx(
            trustworthiness(rows, of.coordinates, n_neighbors=10), abs=1e-6
        )
        assert of.images.tolist() == list(range(len(split.rows)))
        assert of.badge.kept.shape == (len(split.rows),)


def test_the_neighbours_told_of_are_train_images() -> None:
    both = splits()
    train, test = made(PCA(), both).splits
    assert train.neighbours_in == test.neighbours_in == "train"
    for of, rows in ((train, ROWS[:300]), (test, ROWS[300:420])):
        similarity = unit_rows(rows) @ unit_rows(ROWS[:300]).T
        if of is train:
            np.fill_diagonal(similarity, -1)
        nearest = np.argsort(-similarity, axis=1)[:, :5]
        assert (of.neighbours == nearest).mean() > 0.999
    alone = made(PCA(fit_on="each"), both).splits[1]
    similarity = unit_rows(ROWS[300:420]) @ unit_rows(ROWS[300:420]).T
    np.fill_diagonal(similarity, -1)
    assert alone.neighbours_in == "test"
    assert (alone.neighbours == np.argsort(-similarity, axis=1)[:, :5]).mean() > 0.999


def test_the_graphs_of_the_metrics_are_the_maps_too() -> None:
    asked: list[tuple[str, str]] = []

    def keep(split: str, bank: str, k: int, build: Callable[[], Graph]) -> Graph:
        asked.append((split, bank))
        return build()

    both = splits(keep=keep)
    both["train"].nearest(20), both["test"].nearest(20)
    made(PCA(), both)
    assert sorted(asked) == [("test", "test"), ("test", "train"), ("train", "train")]


def test_a_sample_is_shown_with_its_own_neighbours() -> None:
    maps = made(PCA(max_points=80))
    for of in maps.splits:
        assert len(of.images) == 80
        assert of.badge is not None
        assert of.badge.kept.shape == (80,)
        assert of.neighbours.shape == (80, 5)
    again = made(PCA(max_points=80))
    assert [of.images.tolist() for of in maps.splits] == [of.images.tolist() for of in again.splits]


def test_several_seeds_tell_how_stable_a_map_is() -> None:
    certain = made(PCA(seeds=3))
    assert [of.stability for of in certain.splits] == [1.0, 1.0]
    assert certain.seed_disparity == {"train": pytest.approx(0, abs=1e-12)}
    shaky = made(TSNE(fit_on="each", seeds=2, n_iter=50), splits(120, 60))
    assert all(of.stability is not None and 0 < of.stability < 1 for of in shaky.splits)
    assert all(0 < left < 1 for left in shaky.seed_disparity.values())
    assert made(PCA()).splits[0].stability is None


def test_few_test_images_have_a_map_without_a_badge() -> None:
    _, test = made(PCA(), splits(100, 3)).splits
    assert test.badge is None
    assert test.coordinates.shape == (3, 2)


def test_too_few_rows_make_no_map_and_the_reason_is_told() -> None:
    assert "3 images" in make(PCA(), splits(3, 50)).why_none
