"""The badge of a map: scikit-learn's own numbers, a case done by hand, what shuffling does to it, twins."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import procrustes
from sklearn.datasets import load_digits
from sklearn.manifold import trustworthiness
from sklearn.model_selection import LeaveOneOut, cross_val_score
from sklearn.neighbors import KNeighborsClassifier

from frostmark.metrics import faithfulness as module
from frostmark.metrics.alignment import Alignment, laid_upon
from frostmark.metrics.faithfulness import Faithfulness, faithfulness, stability
from frostmark.stats.neighbours import nearest_rows

DIGITS = load_digits()
ROWS, LABELS = DIGITS.data[:600] + 0.0, DIGITS.target[:600]


def nearest(rows: np.ndarray, k: int = 10) -> np.ndarray:
    return nearest_rows(rows, rows, min(k, len(rows) - 1), "euclidean", exclude_self=True)[0]


def judged(rows: np.ndarray, coordinates: np.ndarray, labels: np.ndarray | None = None) -> Faithfulness:
    given_labels = np.zeros(len(rows), int) if labels is None else labels
    return faithfulness(rows, nearest(rows), coordinates, given_labels, np.random.default_rng(0))


@settings(max_examples=15, deadline=None)
@given(st.integers(23, 300), st.integers(2, 40), st.integers(0, 2**32 - 1))
def test_trustworthiness_and_continuity_are_scikit_learns(count: int, width: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((count, width)) * rng.uniform(0.1, 5, width)
    coordinates = rows[:, :2] + rng.standard_normal((count, 2))
    found = judged(rows, coordinates)
    assert found.trustworthiness == pytest.approx(trustworthiness(rows, coordinates, n_neighbors=10), abs=1e-9)
    assert found.continuity == pytest.approx(trustworthiness(coordinates, rows, n_neighbors=10), abs=1e-9)


def test_they_are_scikit_learns_on_the_digits() -> None:
    rows = (ROWS + 1e-3 * np.random.default_rng(0).standard_normal(ROWS.shape)).astype(np.float32)  # no ties
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    coordinates = rows[:, [20, 43]].astype(np.float64)
    found = judged(rows, coordinates)
    exact = rows.astype(np.float64)
    assert found.trustworthiness == pytest.approx(trustworthiness(exact, coordinates, n_neighbors=10), abs=1e-9)
    assert found.continuity == pytest.approx(trustworthiness(coordinates, exact, n_neighbors=10), abs=1e-9)


def test_four_points_by_hand() -> None:
    rows, coordinates = np.array([[0.0], [1.0], [3.0], [7.0]]), np.array([[0.0], [3.0], [1.0], [7.0]])
    # Every point's nearest of the map is its second nearest: 4 ranks lost of 4 · 1 · (8 - 3 - 1) / 2.
    assert judged(rows, coordinates).trustworthiness == 0.5
    assert trustworthiness(rows, coordinates, n_neighbors=1) == 0.5


def test_a_map_that_is_the_rows_keeps_everything() -> None:
    rows = np.random.default_rng(1).standard_normal((200, 2))
    found = judged(rows, 3 * rows[:, ::-1] + 7)
    assert (found.trustworthiness, found.continuity, found.knn_preservation) == (1.0, 1.0, 1.0)
    assert found.distance_correlation == pytest.approx(1.0)
    assert (found.kept == 1).all()
    assert not found.separates_more


def test_turning_moving_and_scaling_a_map_changes_nothing() -> None:
    rng = np.random.default_rng(2)
    rows = rng.standard_normal((150, 8))
    turn = np.linalg.qr(rng.standard_normal((2, 2)))[0]
    before, after = judged(rows, rows[:, :2]), judged(rows, 1e3 * rows[:, :2] @ turn - 55)
    for name in ("trustworthiness", "continuity", "knn_preservation", "distance_correlation"):
        assert getattr(before, name) == pytest.approx(getattr(after, name), abs=1e-9)


def test_the_badge_falls_when_the_map_is_shuffled() -> None:
    coordinates = ROWS @ np.linalg.svd(ROWS - ROWS.mean(0), full_matrices=False)[2][:2].T
    shuffled = np.random.default_rng(0).permutation(coordinates)
    good, bad = judged(ROWS, coordinates, LABELS), judged(ROWS, shuffled, LABELS)
    assert bad.trustworthiness < 0.55 < 0.75 < good.trustworthiness
    assert bad.continuity < 0.55 < 0.75 < good.continuity
    assert bad.knn_preservation < 0.05 < good.knn_preservation
    assert bad.knn_accuracy < 0.25 < good.knn_accuracy
    assert abs(bad.distance_correlation or 0) < 0.05 < (good.distance_correlation or 0)


def test_many_points_are_ranked_by_a_sample_among_all(monkeypatch: pytest.MonkeyPatch) -> None:
    coordinates = ROWS[:, [20, 43]] + np.random.default_rng(0).normal(0, 0.1, (600, 2))
    exact = judged(ROWS, coordinates)
    monkeypatch.setattr(module, "MAX_PAIRS", 600 * 300)
    sampled = judged(ROWS, coordinates)
    assert sampled.trustworthiness != exact.trustworthiness
    assert sampled.trustworthiness == pytest.approx(exact.trustworthiness, abs=0.02)
    assert sampled.knn_preservation == exact.knn_preservation  # this needs no ranks


def test_accuracy_of_neighbours_is_that_of_scikit_learn() -> None:
    rng = np.random.default_rng(3)
    labels = np.arange(100) % 2
    rows = rng.standard_normal((100, 5)) + 2 * np.eye(2, 5)[labels]
    found = judged(rows, rows[:, :2], labels)
    for space, value in ((rows, found.feature_knn_accuracy), (rows[:, :2], found.knn_accuracy)):
        classifier = KNeighborsClassifier(10)
        score = cross_val_score(classifier, space, labels, cv=LeaveOneOut()).mean()
        assert value == pytest.approx(score, abs=0.04)  # of equal votes it takes the lower class


@pytest.mark.parametrize(("drawn_apart", "expected"), [(6.0, True), (0.0, False)])
def test_a_map_that_separates_more_than_its_features_is_found_out(drawn_apart: float, expected: bool) -> None:
    rng = np.random.default_rng(4)
    labels = np.arange(400) % 2
    rows = rng.standard_normal((400, 30)) + 0.3 * labels[:, None]
    assert judged(rows, rows[:, :2] + drawn_apart * labels[:, None], labels).separates_more is expected


def test_twins_and_points_that_coincide_have_a_badge() -> None:
    rows = np.repeat(np.random.default_rng(5).standard_normal((5, 3)), 20, axis=0)
    found = judged(rows, np.repeat(np.arange(10.0).reshape(5, 2), 20, axis=0))
    assert found.trustworthiness == 1.0
    assert judged(rows, np.zeros((100, 2))).distance_correlation is None
    assert "equally" in str(judged(rows, np.zeros((100, 2))).scores("test/map").values["test/map/distance_correlation"])


@pytest.mark.parametrize("count", [4, 5, 9, 21])
def test_few_points_have_smaller_neighbourhoods(count: int) -> None:
    rows = np.random.default_rng(6).standard_normal((count, 2))
    found = judged(rows, rows)
    assert found.k == min(10, (count - 1) // 2)
    assert (found.trustworthiness, found.knn_preservation) == (1.0, 1.0)
    with pytest.raises(ValueError, match="3 points"):
        judged(rows[:3], rows[:3])


def test_stability_is_one_of_equal_maps_and_little_of_unlike_ones() -> None:
    rng = np.random.default_rng(7)
    one, other = rng.standard_normal((2, 300, 2))
    assert stability([one, -2 * one + 3, one[:, ::-1]]) == 1.0
    assert stability([one, other]) < 0.1
    with pytest.raises(ValueError, match="one map alone"):
        stability([one])


def test_a_moved_map_is_aligned_without_rest() -> None:
    rng = np.random.default_rng(8)
    reference = rng.standard_normal((100, 2))
    mirrored = 7 * reference @ np.array([[0.0, 1.0], [1.0, 0.0]]) - 3
    fit = Alignment.of(reference, mirrored)
    np.testing.assert_allclose(fit(mirrored), reference, atol=1e-12)
    assert fit.disparity == pytest.approx(0, abs=1e-12)


def test_the_disparity_is_scipys() -> None:
    rng = np.random.default_rng(9)
    one, other = rng.standard_normal((2, 60, 2))
    fit = Alignment.of(one, other)
    _, _, expected = procrustes(one, other)
    assert fit.disparity == pytest.approx(expected, abs=1e-12)
    # What is left, measured on the points themselves.
    left = ((fit(other) - one) ** 2).sum() / ((one - one.mean(0)) ** 2).sum()
    assert left == pytest.approx(expected, abs=1e-12)


def test_what_cannot_be_aligned_is_refused() -> None:
    with pytest.raises(ValueError, match="same points"):
        Alignment.of(np.zeros((3, 2)), np.zeros((4, 2)))
    with pytest.raises(ValueError, match="coincide"):
        Alignment.of(np.ones((3, 2)), np.eye(3, 2))


def test_splits_of_one_map_are_laid_upon_the_reference_as_one() -> None:
    rng = np.random.default_rng(10)
    reference = {"train": rng.standard_normal((40, 2)), "test": rng.standard_normal((30, 2)) + 5}
    turned = {split: -3 * points[:, ::-1] + 2 for split, points in reference.items()}
    laid, disparity = laid_upon(reference, turned, together=True)
    for split, points in reference.items():
        np.testing.assert_allclose(laid[split], points, atol=1e-9)
    assert disparity == pytest.approx({"train": 0, "test": 0}, abs=1e-12)
    # Moved apart from each other, the splits fit again only one by one.
    turned["test"] = turned["test"] + 50
    assert laid_upon(reference, turned, together=True)[1]["test"] > 0.05
    assert laid_upon(reference, turned, together=False)[1]["test"] == pytest.approx(0, abs=1e-12)
    alike = {"train": np.ones((40, 2)), "test": turned["test"]}
    laid, disparity = laid_upon(reference, alike, together=False)
    assert list(disparity) == ["test"]
    assert (laid["train"] == 1).all()
