"""Where names stand in a map: at what they name, inside the frame, and clear of each other.

places, room = settled(anchors, extent, size)       # (n, 2) centres of boxes of size extent; (n,) whether there is room
densest(points)                                     # where the name of a class belongs
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from frostmark.stats.moments import Array

_STEPS = 48
"""Places to each side of an anchor that are tried, a third of a line apart."""

_COVERS = 1.5
"""What it costs to cover the anchor of another name: as much as being so many lines away from one's own."""


def densest(points: Array, most: int = 300) -> Array:
    """The point (2,) of ``points`` (n, 2) whose nearest fifth lies closest around it; ``most`` of them are looked at.

    A class in several clusters has its median where none of its points is.
    """
    some = points[:: max(1, len(points) // most)]
    distances = np.linalg.norm(some[:, None] - some[None], axis=2)
    reach = np.sort(distances, axis=1)[:, (len(some) - 1) // 5 + (len(some) > 1)]
    return np.asarray(some[reach.argmin()])


def settled(anchors: Array, extent: Array, size: Array) -> tuple[Array, NDArray[np.bool_]]:
    """Centres (n, 2) of boxes, and (n,) which of them have room: those overlap neither each other nor the frame's edge.

    One after the other gets the free place nearest to its anchor, the most crowded first.

    Args:
        anchors: (n, 2) inside the frame.
        extent: (n, 2) width and height of every box.
        size: (2,) of the frame, whose lower left corner is 0, 0; all in one unit.
    """
    half = extent / 2
    places, room = np.clip(anchors, half, np.maximum(size - half, half)), np.zeros(len(anchors), dtype=bool)
    line = float(np.median(extent[:, 1])) if len(extent) else 1.0
    away = np.arange(-_STEPS, _STEPS + 1) * line / 3
    offsets = np.stack(np.meshgrid(away, away), axis=-1).reshape(-1, 2)
    for n in np.argsort(_crowding(anchors, extent), kind="stable"):
        free = np.concatenate([places[n][None], anchors[n] + offsets])
        free = free[((free >= half[n] - 1e-9) & (free <= size - half[n] + 1e-9)).all(1)]
        for m in np.flatnonzero(room):
            free = free[(np.abs(free - places[m]) >= half[n] + half[m]).any(1)]
        if len(free):
            # A place farther away than the nearest one by more than what covering costs is none to think of.
            distance = np.linalg.norm(free - anchors[n], axis=1)
            near = distance <= distance.min() + _COVERS * line
            free, distance = free[near], distance[near]
            covered = (np.abs(free[:, None] - np.delete(anchors, n, axis=0)[None]) < half[n]).all(2).any(1)
            cost = distance + _COVERS * line * covered
            places[n], room[n] = free[cost.argmin()], True
    return places, room


def _crowding(anchors: Array, extent: Array) -> Array:
    """(n,) distance of every anchor to the nearest other one, in its box's size."""
    apart = np.abs(anchors[:, None] - anchors[None]) / extent[None]
    distance: Array = (apart.max(2) + np.where(np.eye(len(anchors)), np.inf, 0.0)).min(1, initial=np.inf)
    return distance
