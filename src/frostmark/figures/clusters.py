"""The names of classes at their clusters, clear of each other, in pictures of maps.

clusters = Clusters.of([train, test], classes, frame, inches=(6.4, 5.6))
write_clusters(ax, clusters, labels)            # those of the classes that have points
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke

from frostmark.figures.frames import Frame
from frostmark.figures.labels import densest, settled
from frostmark.figures.lines import LEADING, plain, shown, width_of
from frostmark.stats.moments import Array

MAX_NAMED = 40
"""Classes that are named at their clusters; more hide the points."""

NAMED_FROM = 15
"""Points a class that a map needs for names at its clusters; on fewer they would hide what they name."""

LONGEST = 22
"""Letters of a name."""

_ROOM = 0.16
"""Share of a map that names may take."""


class Labelled(Protocol):
    """Points with their classes: (N, 2) and (N,)."""

    @property
    def coordinates(self) -> Array: ...

    @property
    def labels(self) -> Array: ...


@dataclass(frozen=True)
class Clusters:
    """Where classes are named in a frame, n of them.

    Attributes:
        classes: their numbers.
        names: as they are drawn.
        anchors: (n, 2) where their points are densest.
        places: (n, 2) centres of the names.
        extent: (n, 2) of the names, like the places in the units of the map.
        size: of the font.
    """

    classes: Sequence[int]
    names: Sequence[str]
    anchors: Array
    places: Array
    extent: Array
    size: float

    @classmethod
    def of(
        cls, views: Sequence[Labelled], classes: Sequence[str], frame: Frame, inches: tuple[float, float]
    ) -> Clusters:
        """Of all points of the views together, in a frame of so many inches; none where they would hide the points."""
        coordinates = np.concatenate([np.asarray(v.coordinates, np.float64) for v in views])
        labels = np.concatenate([v.labels for v in views])
        present = np.unique(labels)
        if len(present) > MAX_NAMED or len(labels) < NAMED_FROM * len(present):
            return cls((), (), np.zeros((0, 2)), np.zeros((0, 2)), np.zeros((0, 2)), 9.5)
        room = np.array(inches)
        names, size, extent = _fitting([classes[c] for c in present], room)
        anchors = frame.clipped(np.stack([densest(coordinates[labels == c]) for c in present]))
        unit = (frame.high - frame.low) / room
        places, drawn = settled((anchors - frame.low) / unit, extent, room)
        names = [name for name, fits in zip(names, drawn, strict=True) if fits]
        places, extent = places * unit + frame.low, extent * unit
        return cls(present[drawn].tolist(), names, anchors[drawn], places[drawn], extent[drawn], size)


def _fitting(names: Sequence[str], inches: Array) -> tuple[list[str], float, Array]:
    """Names short and small enough to leave room for the points: as drawn, the font's size, (n, 2) inches."""
    for longest, size in ((LONGEST, 9.5), (LONGEST, 8.5), (16, 8.0), (12, 7.5), (9, 7.0)):
        cut = [shown(name, longest) for name in names]
        extent = np.array([[width_of(name, size, bold=True) + 0.08, size * LEADING / 72 + 0.02] for name in cut])
        if extent.prod(1).sum() <= _ROOM * inches.prod():
            break
    return cut, size, extent


def write_clusters(ax: Axes, clusters: Clusters, labels: Array) -> None:
    """The names of the classes that ``labels`` (N,) holds; a line leads to the points where a name had to give way."""
    if len(labels) < NAMED_FROM * len(np.unique(labels)):
        return
    present = set(np.unique(labels).tolist())
    for n, c in enumerate(clusters.classes):
        if c not in present:
            continue
        place, anchor = clusters.places[n], clusters.anchors[n]
        if (np.abs(place - anchor) > 0.5 * clusters.extent[n] + 0.01 * np.ptp(ax.get_ylim())).any():
            (line,) = ax.plot(*np.stack([place, anchor]).T, color="#333333", linewidth=0.9, zorder=2.9)
            line.set_path_effects([withStroke(linewidth=2.4, foreground="white")])
        text = ax.text(
            place[0], place[1], plain(clusters.names[n]), ha="center", va="center", fontsize=clusters.size,
            fontweight="bold", color="#111111", zorder=3,
        )  # fmt: skip
        text.set_path_effects([withStroke(linewidth=3, foreground="white")])
