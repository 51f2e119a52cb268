"""k-NN accuracy: by hand, against a plain implementation, and left one out."""

from __future__ import annotations

import numpy as np
import pytest

from frostmark.metrics.metric import Split, Undefined
from frostmark.metrics.neighbours import Neighbours, knn_predict
from frostmark.stats.moments import ClassMoments


def plain(bank: np.ndarray, labels: np.ndarray, queries: np.ndarray, k: int, t: float) -> list[int]:
    """The DINO protocol as one would write it down."""
    bank = bank / np.linalg.norm(bank, axis=1, keepdims=True)
    queries = queries / np.linalg.norm(queries, axis=1, keepdims=True)
    predicted = []
    for q in queries:
        similarity = bank @ q
        votes = np.zeros(labels.max() + 1)
        for i in np.argsort(-similarity)[:k]:
            votes[labels[i]] += np.exp(similarity[i] / t)
        predicted.append(int(votes.argmax()))
    return predicted


def test_against_a_plain_implementation() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 5, 400)
    bank = rng.standard_normal((400, 8)) + rng.standard_normal((5, 8))[labels]
    queries = rng.standard_normal((100, 8))
    assert knn_predict(bank, labels, queries, 5, 20, 0.07).tolist() == plain(bank, labels, queries, 20, 0.07)


def test_near_votes_outweigh_many_far_ones() -> None:
    bank = np.array([[1.0, 0], [0, 1], [0, 1], [0, 1]])
    labels = np.array([0, 1, 1, 1])
    query = np.array([[1.0, 0.1]])
    assert knn_predict(bank, labels, query, 2, k=4, temperature=0.07).tolist() == [0]
    assert knn_predict(bank, labels, query, 2, k=4, temperature=100.0).tolist() == [1]


def test_leave_one_out_does_not_let_a_row_vote_for_itself() -> None:
    rows = np.array([[1.0, 0], [0.9, 0.1], [0, 1], [0.1, 0.9]])
    labels = np.array([0, 1, 0, 1])  # every row's only near neighbour is of the other class
    assert knn_predict(rows, labels, rows, 2, k=1, leave_one_out=True).tolist() == [1, 0, 1, 0]
    assert knn_predict(rows, labels, rows, 2, k=1).tolist() == labels.tolist()


def test_k_is_clamped_and_tiny_temperatures_do_not_overflow() -> None:
    rows, labels = np.eye(3), np.array([0, 1, 2])
    assert knn_predict(rows, labels, rows, 3, k=20, temperature=1e-4).tolist() == [0, 1, 2]


def test_the_family() -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(200) % 4
    rows = (rng.standard_normal((200, 6)) * 0.1 + np.eye(4, 6)[labels]).astype(np.float32)

    def split(part: slice) -> Split:
        return Split(rows[part], labels[part], ClassMoments.of(rows[part], labels[part], 4), tuple("abcd"))

    values = Neighbours()({"train": split(slice(0, 150)), "test": split(slice(150, 200))}).values
    assert values == {"test/neighbours/knn_accuracy": 1.0, "train/neighbours/knn_accuracy": 1.0}
    alone = Split(rows[:2], np.zeros(2, int), ClassMoments.of(rows[:2], np.zeros(2, int), 4), tuple("abcd"))
    assert all(isinstance(v, Undefined) for v in Neighbours()({"train": alone, "test": alone}).values.values())


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_scale_changes_nothing(scale: float) -> None:
    rng = np.random.default_rng(2)
    labels = rng.integers(0, 3, 100)
    rows = rng.standard_normal((100, 5))
    expected = knn_predict(rows, labels, rows, 3, leave_one_out=True)
    assert np.array_equal(knn_predict(scale * rows, labels, rows, 3, leave_one_out=True), expected)
