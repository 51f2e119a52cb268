"""Names stand at what they name, clear of each other and inside the frame."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from frostmark.figures.labels import densest, settled

SIZE = np.array([6.4, 5.5])


def overlap(places: np.ndarray, extent: np.ndarray, i: int, j: int) -> bool:
    return bool((np.abs(places[i] - places[j]) < (extent[i] + extent[j]) / 2 - 1e-9).all())


@pytest.mark.parametrize("count", [1, 2, 10, 40])
@pytest.mark.parametrize("crowd", [0.05, 1.0, 9.0])
def test_no_name_hides_another_or_leaves_the_frame(count: int, crowd: float) -> None:
    rng = np.random.default_rng(0)
    anchors = np.clip(SIZE / 2 + crowd * rng.standard_normal((count, 2)), 0, SIZE)
    extent = np.stack([rng.uniform(0.2, 1.1, count), np.full(count, 0.16)], 1)
    places, room = settled(anchors, extent, SIZE)
    assert room.all()
    assert (places >= extent / 2 - 1e-6).all()
    assert (places <= SIZE - extent / 2 + 1e-6).all()
    assert not any(overlap(places, extent, i, j) for i, j in combinations(range(count), 2))


def test_a_name_with_room_stays_at_its_cluster() -> None:
    anchors = np.array([[1.0, 1.0], [4.0, 4.0]])
    places, _ = settled(anchors, np.full((2, 2), 0.3), SIZE)
    np.testing.assert_allclose(places, anchors)


def test_names_at_one_place_stand_close_to_it() -> None:
    places, room = settled(np.full((5, 2), 3.0), np.tile([1.2, 0.2], (5, 1)), SIZE)
    assert room.all()
    assert np.abs(places - 3).max() < 1.3


def test_what_has_no_room_is_left_out() -> None:
    _, room = settled(np.full((5, 2), 0.5), np.tile([0.9, 0.4], (5, 1)), np.array([1.0, 1.0]))
    assert room.sum() == 2
    _, room = settled(np.array([[0.5, 0.5]]), np.array([[2.0, 0.2]]), np.array([1.0, 1.0]))
    assert not room.any()


def test_a_name_stands_where_its_class_is_densest() -> None:
    rng = np.random.default_rng(0)
    clusters = np.concatenate([rng.normal(0, 0.1, (60, 2)), rng.normal(10, 2, (60, 2))])
    assert np.linalg.norm(densest(clusters)) < 0.5  # the median lies between the two
    assert densest(np.array([[3.0, 4.0]])).tolist() == [3, 4]
