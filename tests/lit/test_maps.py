"""Maps of both splits: what is shown, by whose neighbours it is judged, what seeds tell, how it is put down."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pyarrow import parquet
from sklearn.datasets import load_digits
from sklearn.manifold import trustworthiness

from frostmark.lit.callbacks.ledger import Ledger
from frostmark.lit.callbacks.map_findings import MapFindings
from frostmark.lit.callbacks.maps import Made, Maps
from frostmark.metrics.metric import Split, make_splits
from frostmark.reducers.pca import PCA
from frostmark.reducers.reducer import Reducer
from frostmark.reducers.tsne import TSNE
from frostmark.stats.neighbours import Graph, unit_rows
from frostmark.stats.sampling import THUMBNAIL
from frostmark.tracking.memory import MemoryTracker

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


def pictures(split: str, positions: Sequence[int], edge: int | None = None) -> np.ndarray:
    images = DIGITS.images[np.array(positions) + (300 if split == "test" else 0)]
    return np.repeat((16 * images.clip(0, 15)).astype(np.uint8)[..., None], 3, axis=3)


def make(reducer: Reducer, both: dict[str, Split] | None = None) -> Made | str:
    found = both or splits()
    return Maps(reducer, lambda: found, lambda made: None, 0, FINGERPRINTS, lambda text: None)._make()


def made(reducer: Reducer, both: dict[str, Split] | None = None) -> Made:
    found = make(reducer, both)
    assert isinstance(found, Made)
    return found


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
    found = made(PCA(max_points=80))
    for of in found.splits:
        assert len(of.images) == 80
        assert of.badge is not None
        assert of.badge.kept.shape == (80,)
        assert of.neighbours.shape == (80, 5)
    again = made(PCA(max_points=80))
    assert [of.images.tolist() for of in found.splits] == [of.images.tolist() for of in again.splits]


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


def test_why_there_is_no_map_is_handed_on(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, MemoryTracker(), lambda text: None)
    MapFindings(ledger, CLASSES, "title", "about.", PCA(), pictures)("train: 3 images are too few")
    assert ledger.skipped["map.png"] == ledger.skipped["embedding.parquet"] == "train: 3 images are too few"
    assert "3 images" in str(make(PCA(), splits(3, 50)))


def test_a_map_is_put_down_in_pictures_numbers_and_points(tmp_path: Path) -> None:
    tracker = MemoryTracker()
    ledger = Ledger(tmp_path, tracker, lambda text: None)
    found = made(PCA(seeds=2))
    warned = replace(found.splits[1], badge=replace(found.splits[1].badge, separates_more=True))  # type: ignore[type-var]
    MapFindings(ledger, CLASSES, "title", "about.", PCA(), pictures)(replace(found, splits=[found.splits[0], warned]))
    assert {"map.png", "map.svg", "map_train.png", "map_test.png", "map.html", "embedding.parquet"} <= set(
        tracker.files
    )
    read = parquet.read_table(tmp_path / "embedding.parquet").to_pydict()
    assert read["split"] == ["train"] * 300 + ["test"] * 120
    assert read["label"] == LABELS[:420].tolist()
    assert read["class"] == [CLASSES[c] for c in LABELS[:420]]
    assert read["x"][300:] == found.splits[1].coordinates[:, 0].tolist()
    assert np.mean(read["neighbours_kept"][:300]) == pytest.approx(ledger.values["train/map/knn_preservation"])
    for split in ("train", "test"):
        badge = {k.rpartition("/")[2] for k in ledger.values if k.startswith(f"{split}/map/") and k.count("/") == 2}
        assert badge >= {
            "trustworthiness", "continuity", "knn_preservation", "distance_correlation", "knn_accuracy",
            "knn_accuracy_excess", "stability", "variance_intra", "variance_inter",
        }  # fmt: skip
    kept = np.load(tracker.files["maps/thumbnails.npz"])
    assert kept["train/index"].tolist() == found.splits[0].images.tolist()  # of so few images all are kept
    np.testing.assert_array_equal(kept["test/images"], pictures("test", found.splits[1].images.tolist(), THUMBNAIL))
    assert [path.name for path in (tmp_path / "maps").iterdir()] == ["thumbnails.npz"]
    assert {"cost/map_seconds", "cost/badge_seconds", "train/map/seed_disparity"} <= set(ledger.values)
