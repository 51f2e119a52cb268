"""What one run leaves behind: numbers, tables, draws, pictures, and the reasons for what is not there."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from frostmark.metrics.kinds import Across, Kind
from frostmark.metrics.lookup import known_kinds
from frostmark.metrics.metric import Scores, Undefined, Value, make_splits
from frostmark.metrics.separability import Separability
from frostmark.metrics.variance import Variance
from frostmark.results.pictures import Thumbnails
from frostmark.results.record import Record
from frostmark.tracking.memory import MemoryTracker

SPLITS = ("train", "test")


def grey(split: str, positions: Sequence[int], edge: int | None = None) -> np.ndarray:
    return np.full((len(positions), 8, 8, 3), 128, np.uint8)


def record(folder: Path, tracker: MemoryTracker, thumbnails: Thumbnails = grey) -> Record:
    return Record(folder, tracker, print, "title", ("a", "b"), thumbnails)


def scores_of(values: dict[str, Value]) -> Scores:
    kinds = {f"a/{name}": Kind("a metric", "higher", Across.NETWORKS) for name in "bcd"}
    scores = Scores({**known_kinds(), **kinds})
    for key, value in values.items():
        scores.add(key, value)
    return scores


def test_draws_and_outcomes_can_be_read_again(tmp_path: Path) -> None:
    tracker = MemoryTracker()
    kept = record(tmp_path, tracker)
    scores = scores_of({})
    scores.outcomes["test/knn_hits"] = np.array([True, False, True])
    scores.add("test/neighbours/knn_accuracy", 2 / 3, draws=np.array([0.3, 0.6, 0.9]), chance=0.1)
    scores.add("test/neighbours/ncm_accuracy", Undefined("one class only"), draws=np.zeros(3), chance=0.1)
    kept.add_scores(scores)
    kept.close()
    with np.load(tracker.files["draws.npz"]) as arrays:
        assert set(arrays) == {"draws/test/neighbours/knn_accuracy", "outcomes/test/knn_hits"}
        assert arrays["draws/test/neighbours/knn_accuracy"].tolist() == [0.3, 0.6, 0.9]
        assert arrays["outcomes/test/knn_hits"].tolist() == [True, False, True]
    found = json.loads((tmp_path / "metrics.json").read_text())
    assert found["chance"] == {"test/neighbours/knn_accuracy": 0.1}
    assert found["undefined"] == {"test/neighbours/ncm_accuracy": "one class only"}
    assert tracker.metrics["test/neighbours/knn_accuracy_lo"] == pytest.approx(0.315)


def test_what_decides_is_tracked_under_short_keys_beside_its_own(tmp_path: Path) -> None:
    tracker = MemoryTracker()
    kept = record(tmp_path, tracker)
    kept.add_scores(scores_of({"test/neighbours/knn_accuracy": 0.75, "test/neighbours/knn_balanced_accuracy": 0.5}))
    kept.decide()
    kept.close()
    assert kept.remarks == ["decide=linear, but there is no accuracy of metrics=[linear]: k-NN accuracy decides"]
    assert kept.decides is not None
    assert kept.decides[0] == "test/neighbours/knn_accuracy"
    assert (tracker.metrics["accuracy"], tracker.metrics["balanced_accuracy"]) == (0.75, 0.5)
    assert "accuracy" not in json.loads((tmp_path / "metrics.json").read_text())["values"]


def test_what_controls_give_stands_beside_and_in_a_table(tmp_path: Path) -> None:
    tracker = MemoryTracker()
    kept = record(tmp_path, tracker)
    mine, theirs = scores_of({"test/variance/intra": 9.0}), scores_of({"test/variance/intra": 7.0})
    mine.add("test/neighbours/knn_accuracy", 0.75, draws=np.array([0.7, 0.75, 0.8]))
    theirs.add("test/neighbours/knn_accuracy", 0.5, draws=np.array([0.5, 0.45, 0.55]))
    kept.add_scores(mine)
    theirs.add("test/separability/silhouette", 0.5)  # compares rows of equal width
    undefined = scores_of({"test/separability/eta_squared": Undefined("all rows are equal")})
    for scores in (theirs, undefined):
        kept.add_control("pixels", scores, widths=(512, 784))
    kept.compare()
    kept.close()
    assert {k: v for k, v in tracker.metrics.items() if k.startswith("control/")} == {
        "control/pixels/test/neighbours/knn_accuracy": 0.5
    }
    assert "controls.csv" in tracker.files
    table = kept.tables["controls"]
    assert table["metric"] == ["test/neighbours/knn_accuracy"]
    assert table["difference"] == [0.25]
    assert (table["lo"][0], table["hi"][0]) == pytest.approx(tuple(np.quantile([0.2, 0.3, 0.25], [0.025, 0.975])))
    # What a control lacks, the layer does not.
    assert kept.undefined == {"control/pixels/test/separability/eta_squared": "all rows are equal"}


def test_what_cannot_be_drawn_is_skipped_with_a_reason(tmp_path: Path) -> None:
    kept = record(tmp_path, MemoryTracker())
    rows, labels = {s: np.ones((6, 3), np.float32) for s in SPLITS}, {s: np.arange(6) % 2 for s in SPLITS}
    splits = make_splits(rows, labels, ("a", "b"), resamples=0, permutations=0)
    kept.add_metrics(Separability()(splits), splits)
    assert set(kept.skipped) == {"confusability.png", "confusable_pairs.png"}
    assert not list(tmp_path.glob("*.png"))


@pytest.mark.parametrize("classes", [10, 11])
def test_variances_of_pairs_are_drawn_up_to_ten_classes(classes: int, tmp_path: Path) -> None:
    kept = record(tmp_path, MemoryTracker())
    labels = {s: np.arange(4 * classes) % classes for s in SPLITS}
    rows = {s: np.random.default_rng(0).standard_normal((4 * classes, 3)).astype(np.float32) for s in SPLITS}
    splits = make_splits(rows, labels, tuple(map(str, range(classes))), resamples=0, permutations=0)
    kept.add_metrics(Variance()(splits), splits)
    assert (tmp_path / "pair_variance.png").exists() is (classes <= 10)
    assert ("pair_variance.csv" in kept.skipped.get("pair_variance.png", "")) is (classes > 10)


def test_the_images_shown_are_those_of_the_pairs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("frostmark.results.pictures.PAIRS_SHOWN", 2)
    rng = np.random.default_rng(0)
    labels = {s: np.arange(40) % 4 for s in SPLITS}
    rows = {s: rng.standard_normal((40, 3)).astype(np.float32) for s in SPLITS}
    splits = make_splits(rows, labels, ("a", "b", "c", "d"), resamples=0, permutations=0)
    scores = Separability()(splits)
    asked: list[tuple[str, list[int]]] = []

    def shown(split: str, positions: Sequence[int], edge: int | None) -> np.ndarray:
        asked.append((split, list(positions)))
        return np.stack([np.full((8, 8, 3), 5 * p, np.uint8) for p in positions])

    record(tmp_path, MemoryTracker(), shown).add_metrics(scores, splits)
    table = scores.tables["confusable_pairs"]
    of_test = [i for i, split in enumerate(table["split"]) if split == "test"][:2]
    ((split, positions),) = asked
    assert split == "test"
    assert positions == [table[side][i] for i in of_test for side in ("image_i", "image_j")]
    for n, i in enumerate(of_test):
        assert splits["test"].classes[labels["test"][positions[2 * n]]] == table["name_i"][i]
        assert splits["test"].classes[labels["test"][positions[2 * n + 1]]] == table["name_j"][i]


def test_a_record_keeps_reasons_and_refuses_numbers_that_are_none(tmp_path: Path) -> None:
    tracker = MemoryTracker()
    kept = record(tmp_path, tracker)
    kept.add_scores(scores_of({"test/a/b": 1.0, "test/a/c": Undefined("one class only")}))
    with pytest.raises(ArithmeticError, match="test/a/d"):
        kept.add_scores(scores_of({"test/a/d": float("nan")}))
    kept.close()
    assert tracker.metrics == {"test/a/b": 1.0}
    assert tracker.tags == {"undefined.test/a/c": "one class only"}
