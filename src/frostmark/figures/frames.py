"""Frames around the points of a map: as large as the points need, and no larger for the sake of one that lies far off.

frame = around([train, test])               # (N, 2) and (M, 2)
frame.low, frame.high                       # (2,) each
frame.outside(test)                         # (M,) bool: those that lie beyond it
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from frostmark.stats.moments import Array

MARGIN = 0.04
"""Room around the points, as a share of the longer side."""

FAR_FROM = 20
"""Points that a map needs for one of them to be called far off."""

FAR_SHARE = 0.01
"""Of the points as many may be far off, or one."""

_FAR = 1.8
"""At least so many times as far from the centre as where the bulk of the points ends: tails of clouds are shorter."""

_WORTH = 0.78
"""Points are left outside only if the frame's area is then no more than this share of what it would be with them."""


@dataclass(frozen=True)
class Frame:
    """A box (low, high), (2,) each: x, y."""

    low: Array
    high: Array

    @property
    def aspect(self) -> float:
        """Height against width."""
        width, height = self.high - self.low
        return float(height / width)

    def outside(self, points: Array) -> NDArray[np.bool_]:
        """(N,) which of the points (N, 2) lie beyond it."""
        return np.asarray(((points < self.low) | (points > self.high)).any(1))

    def clipped(self, points: Array) -> Array:
        """Points (N, 2), those beyond it at its edge."""
        inset = 0.012 * (self.high - self.low)
        return np.where(self.outside(points)[:, None], np.clip(points, self.low + inset, self.high - inset), points)

    def filling(self, aspect: float) -> Frame:
        """The frame enlarged to the given height against its width, about its centre."""
        width, height = self.high - self.low
        size = np.array([max(width, height / aspect), max(height, width * aspect)])
        centre = (self.low + self.high) / 2
        return Frame(centre - size / 2, centre + size / 2)


def around(coordinates: Sequence[Array]) -> Frame:
    """The frame of all points (N, 2), with a margin; a few far off may lie outside, where it would be mostly empty."""
    points = np.concatenate([np.asarray(c, np.float64) for c in coordinates])
    near = points[~_far_off(points)]
    low, high = near.min(0), near.max(0)
    margin = MARGIN * max(float((high - low).max()), 1e-9)
    # Points on a line, or on one spot, need some height all the same.
    spread = np.maximum(high - low, 10 * margin)
    centre = (low + high) / 2
    return Frame(centre - spread / 2 - margin, centre + spread / 2 + margin)


def _far_off(points: Array) -> NDArray[np.bool_]:
    """(N,) which of the points a frame may leave outside: the few without which it is clearly smaller."""
    far = np.zeros(len(points), dtype=bool)
    if len(points) < FAR_FROM:
        return far
    few = max(1, int(FAR_SHARE * len(points)))
    ordered = np.sort(points, axis=0)
    low, high = ordered[few], ordered[-1 - few]
    away = (np.abs(points - (low + high) / 2) / np.maximum((high - low) / 2, 1e-12)).max(1)
    outwards = np.argsort(-away, kind="stable")
    for count in range(1, min(few, int((away > _FAR).sum())) + 1):
        left = outwards[count:]
        if _area(points[left]) <= _WORTH * _area(points[~far]):
            far[outwards[:count]] = True
    return far


def _area(points: Array) -> float:
    return float(np.maximum(np.ptp(points, axis=0), 1e-12).prod())
