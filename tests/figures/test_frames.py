"""Frames fit their points: one far off makes no map empty, and no cluster is taken for points far off."""

from __future__ import annotations

import numpy as np
import pytest

from frostmark.figures.frames import Frame, around


def cloud(count: int = 500, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, 2)) * [3, 1]


def span(frame: Frame, points: np.ndarray) -> np.ndarray:
    return np.ptp(points, axis=0) / (frame.high - frame.low)


@pytest.mark.parametrize("count", [2, 5, 19, 20, 500])
def test_all_points_lie_inside_and_fill_the_longer_side(count: int) -> None:
    points = np.random.default_rng(1).uniform(-1, 1, (count, 2)) * [3, 2]
    frame = around([points])
    assert not frame.outside(points).any()
    assert span(frame, points).max() == pytest.approx(1 / 1.08)


@pytest.mark.parametrize("place", [(60, 0), (0, -40), (50, 50), (1e6, 1)])
@pytest.mark.parametrize("count", [30, 500])
def test_one_point_far_off_is_left_outside_and_drawn_at_the_edge(place: tuple[float, float], count: int) -> None:
    points = np.concatenate([cloud(count), [place]])
    frame = around([points])
    assert np.flatnonzero(frame.outside(points)).tolist() == [count]
    assert span(frame, points[:-1]).max() > 0.9
    shown = frame.clipped(points)
    assert not frame.outside(shown).any()
    np.testing.assert_array_equal(shown[:-1], points[:-1])


def test_a_small_cluster_is_not_cut_off_and_neither_is_a_tail() -> None:
    cluster = np.concatenate([cloud(), cloud(12, 1) * 0.1 + [40, 0]])
    assert not around([cluster]).outside(cluster).any()
    bulk = cloud(2000)
    assert not around([bulk]).outside(bulk).any()


def test_few_points_are_all_in() -> None:
    points = np.concatenate([cloud(18), [[100, 0]]])
    assert not around([points]).outside(points).any()


def test_points_on_one_line_or_spot_have_a_frame() -> None:
    line = np.stack([np.arange(9.0), np.zeros(9)], 1)
    assert 0.3 < around([line]).aspect < 1
    spot = around([np.ones((5, 2))])
    assert (spot.high > spot.low).all()


def test_a_frame_grows_to_the_shape_that_is_asked_for() -> None:
    frame = around([cloud()])
    for aspect in (0.5, 1.0, 2.0):
        grown = frame.filling(aspect)
        assert grown.aspect == pytest.approx(aspect)
        assert (grown.low <= frame.low + 1e-9).all()
        assert (grown.high >= frame.high - 1e-9).all()
