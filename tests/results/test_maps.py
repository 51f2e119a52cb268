"""The maps of a run as files: pictures, numbers, points; or the reason why there are none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from pyarrow import parquet
from sklearn.datasets import load_digits

from frostmark.analysis.maps import MapMaking
from frostmark.analysis.observed import Setting
from frostmark.reducers.pca import PCA
from frostmark.reducers.tsne import TSNE
from frostmark.results.maps import ImageBytes, shown_thumbnails
from frostmark.results.record import Record
from frostmark.stats.sampling import THUMBNAIL
from frostmark.tracking.memory import MemoryTracker

DIGITS = load_digits()
LABELS = DIGITS.target.astype(np.int64)
CLASSES = tuple(str(c) for c in range(10))
SETTING = Setting(CLASSES, 0, {"train": "a", "test": "b"}, resamples=0, permutations=0)


def pictures(split: str, positions: Sequence[int], edge: int | None = None) -> np.ndarray:
    images = DIGITS.images[np.array(positions) + (300 if split == "test" else 0)]
    return np.repeat((16 * images.clip(0, 15)).astype(np.uint8)[..., None], 3, axis=3)


def record(folder: Path, tracker: MemoryTracker) -> Record:
    return Record(folder, tracker, lambda text: None, "title", CLASSES, pictures, "about.")


def test_why_there_is_no_map_is_handed_on(tmp_path: Path) -> None:
    kept = record(tmp_path, MemoryTracker())
    kept.add_maps(MapMaking(PCA(), SETTING, print).none("train: 3 images are too few"))
    assert kept.skipped["map.png"] == kept.skipped["embedding.parquet"] == "train: 3 images are too few"


def test_methods_are_called_what_the_field_calls_them(tmp_path: Path) -> None:
    rows = {"train": DIGITS.data[:80].astype(np.float32), "test": DIGITS.data[300:340].astype(np.float32)}
    splits = SETTING.splits(rows, {"train": LABELS[:80], "test": LABELS[300:340]})
    kept = record(tmp_path, MemoryTracker())
    kept.add_maps(MapMaking(TSNE(n_iter=20), SETTING, lambda text: None).maps(splits))
    for name in ("map.png", "map_test.png"):
        told = " ".join(text.get_text() for text in kept.figures[name].texts)
        assert "title · t-SNE" in told
        assert "TSNE" not in told
    page = (tmp_path / "map.html").read_text(encoding="utf-8")
    assert "title · t-SNE" in page
    assert "TSNE" not in page


def test_a_map_is_put_down_in_pictures_numbers_and_points(tmp_path: Path) -> None:
    tracker = MemoryTracker()
    kept = record(tmp_path, tracker)
    rows = {"train": DIGITS.data[:300].astype(np.float32), "test": DIGITS.data[300:420].astype(np.float32)}
    splits = SETTING.splits(rows, {"train": LABELS[:300], "test": LABELS[300:420]})
    maps = MapMaking(PCA(seeds=2), SETTING, lambda text: None).maps(splits)
    warned = replace(maps.splits[1], badge=replace(maps.splits[1].badge, separates_more=True))  # type: ignore[type-var]
    kept.add_maps(replace(maps, splits=(maps.splits[0], warned)))
    assert {"map.png", "map_train.png", "map_test.png", "map.html", "embedding.parquet"} <= set(tracker.files)
    read = parquet.read_table(tmp_path / "embedding.parquet").to_pydict()
    assert read["split"] == ["train"] * 300 + ["test"] * 120
    assert read["label"] == LABELS[:420].tolist()
    assert read["class"] == [CLASSES[c] for c in LABELS[:420]]
    assert read["x"][300:] == maps.splits[1].coordinates[:, 0].tolist()
    assert np.mean(read["neighbours_kept"][:300]) == pytest.approx(kept.values["train/map/knn_preservation"])
    for split in ("train", "test"):
        badge = {k.rpartition("/")[2] for k in kept.values if k.startswith(f"{split}/map/") and k.count("/") == 2}
        assert badge >= {
            "trustworthiness", "continuity", "knn_preservation", "distance_correlation", "knn_accuracy",
            "knn_accuracy_excess", "stability", "variance_intra", "variance_inter",
        }  # fmt: skip
    assert {"cost/map_seconds", "cost/badge_seconds", "train/map/seed_disparity"} <= set(kept.values)
    shown = np.load(tracker.files["maps/thumbnails.npz"])
    assert shown["train/index"].tolist() == maps.splits[0].images.tolist()  # of so few images all are kept
    np.testing.assert_array_equal(shown["test/images"], pictures("test", maps.splits[1].images.tolist(), THUMBNAIL))
    assert [path.name for path in (tmp_path / "maps").iterdir()] == ["thumbnails.npz"]


@pytest.mark.parametrize("classes", [50, 51])
def test_thumbnails_take_no_more_bytes_than_a_run_of_so_many_classes_may(classes: int) -> None:
    """Noise, of which nothing but smaller pictures makes fewer bytes."""
    rng = np.random.default_rng(0)
    labels = np.arange(2_000) % classes

    def noise(split: str, positions: Sequence[int], edge: int | None) -> np.ndarray:
        return rng.integers(0, 256, (len(positions), 48, 48, 3), dtype=np.uint8)

    points = SimpleNamespace(split="test", labels=labels, images=np.arange(2_000))
    arrays = shown_thumbnails(SimpleNamespace(splits=[points]), noise, classes)  # type: ignore[arg-type]
    assert set(arrays) == {f"test/{name}" for name in ("index", "size", "lengths", "sheets")}
    assert arrays["test/lengths"].sum() == len(arrays["test/sheets"]) <= ImageBytes.of(classes).thumbnails
