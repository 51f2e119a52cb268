"""Pictures of maps: every image a point, coloured by its class, the class named at its cluster.

view = MapView("train", coordinates, labels)
figure = draw_maps([view], classes, title="resnet18 · last_conv · digits", note="", shared=True)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke

from frostmark.figures.palette import ClassStyle, class_styles
from frostmark.names import visible, visible_lines
from frostmark.stats.moments import Array

MAX_LEGEND = 40
"""Beyond so many classes a legend helps nobody."""

FAINTEST, FULL = 0.18, 0.85
"""Opacity of a point whose neighbourhood the map does not keep at all, and of one that keeps half of it or more."""

MAX_VECTOR = 4_000
"""Points of one map that a vector file holds one by one; more become an image inside it."""

NAMED_FROM = 15
"""Points a class that a map needs for names at its clusters; on fewer they would hide what they name."""


@dataclass(frozen=True)
class MapView:
    """One split in a map.

    Attributes:
        coordinates: (N, 2).
        labels: (N,).
        kept: (N,) 0 … 1, how much of each point's neighbourhood the map keeps; points that keep less are drawn fainter.
        badge, warning: how far the map may be believed, below it.
    """

    split: str
    coordinates: Array
    labels: Array
    kept: Array | None = None
    badge: str = ""
    warning: str = ""


def draw_maps(views: Sequence[MapView], classes: tuple[str, ...], title: str, note: str, shared: bool) -> Figure:
    """The views side by side, with a title, one legend, and a line of explanation below.

    Args:
        shared: whether the views lie in one coordinate system, so that they get the same limits.
    """
    figure = Figure(figsize=(6.4 * len(views) + 1.8, 6.9), dpi=110, layout="constrained")
    axes = figure.subplots(1, len(views), squeeze=False)[0]
    styles = class_styles(len(classes))
    for ax, view in zip(axes, views, strict=True):
        scatter(ax, view, styles)
        ax.set_title(f"{view.split} · {len(view.labels):,} images", fontsize=11, y=1.0)
        _add_badge(ax, view)
    limit(axes, views, shared)
    for ax, view in zip(axes, views, strict=True):
        name_clusters(ax, view, classes)
    figure.suptitle(plain(title), fontsize=14, fontweight="bold")
    figure.supxlabel(plain(note), fontsize=9, color="#444444")
    add_legend(figure, views, classes, styles)
    return figure


def scatter(ax: Axes, view: MapView, styles: Sequence[ClassStyle]) -> None:
    """The points of one view, in the looks of their classes."""
    # Many points are drawn smaller, so that density can be seen.
    size = float(np.clip(40_000 / max(len(view.labels), 1), 3, 28))
    opacity = _opacity(view)
    for c in np.unique(view.labels):
        mine = view.labels == c
        points, style = view.coordinates[mine], styles[c]
        drawn = ax.scatter(points[:, 0], points[:, 1], s=size, c=style.colour, marker=style.marker, linewidths=0)
        drawn.set_alpha(opacity[mine])
        drawn.set_rasterized(len(view.labels) > MAX_VECTOR)
    ax.set_xticks([])
    ax.set_yticks([])
    ax.set_aspect("equal")
    for spine in ax.spines.values():
        spine.set_color("#bbbbbb")


def _opacity(view: MapView) -> Array:
    """(N,) of every point: fainter where less than half of its neighbourhood is kept."""
    if view.kept is None:
        return np.full(len(view.labels), 0.65)
    return np.asarray(FAINTEST + (FULL - FAINTEST) * np.minimum(2 * view.kept, 1))


def _add_badge(ax: Axes, view: MapView) -> None:
    ax.set_xlabel(plain(view.badge), fontsize=9.5, color="#222222", labelpad=6)
    if view.warning:
        box = {"boxstyle": "round,pad=0.35", "facecolor": "#bd1f01", "edgecolor": "none"}
        ax.text(
            0.5, 0.012, plain(f"⚠ {view.warning}"), transform=ax.transAxes, ha="center", va="bottom", fontsize=10,
            fontweight="bold", color="white", zorder=5, bbox=box,
        )  # fmt: skip


def limit(axes: Sequence[Axes], views: Sequence[MapView], shared: bool) -> None:
    """Square frames around what is drawn: the same for all if they share coordinates."""
    boxes = [np.stack([v.coordinates.min(0), v.coordinates.max(0)]) for v in views]
    if shared:
        boxes = [np.stack([np.min(boxes, 0)[0], np.max(boxes, 0)[1]])] * len(views)
    for ax, (low, high) in zip(axes, boxes, strict=True):
        centre, half = (low + high) / 2, 0.54 * max(float((high - low).max()), 1e-9)
        ax.set_xlim(centre[0] - half, centre[0] + half)
        ax.set_ylim(centre[1] - half, centre[1] + half)


def name_clusters(ax: Axes, view: MapView, classes: tuple[str, ...]) -> None:
    """Class names where their points are densest, moved apart where they would overlap."""
    present = np.unique(view.labels)
    if len(present) > MAX_LEGEND or len(view.labels) < NAMED_FROM * len(present):
        return
    places = np.stack([densest(view.coordinates[view.labels == c]) for c in present])
    width, height = np.ptp(ax.get_xlim()), np.ptp(ax.get_ylim())
    names = [shown(classes[c], 22) for c in present]
    extent = np.array([[0.011 * len(n) * width, 0.035 * height] for n in names])
    for name, place in zip(names, moved_apart(places, extent), strict=True):
        text = ax.text(
            place[0], place[1], plain(name), ha="center", va="center", fontsize=9.5, fontweight="bold", color="#111111"
        )
        text.set_path_effects([withStroke(linewidth=3, foreground="white")])


def densest(points: Array, most: int = 300) -> Array:
    """The point (2,) of ``points`` (n, 2) whose nearest fifth lies closest around it; ``most`` of them are looked at.

    A class in several clusters has its median where none of its points is.
    """
    some = points[:: max(1, len(points) // most)]
    distances = np.linalg.norm(some[:, None] - some[None], axis=2)
    reach = np.sort(distances, axis=1)[:, (len(some) - 1) // 5 + (len(some) > 1)]
    return np.asarray(some[reach.argmin()])


def moved_apart(places: Array, extent: Array, rounds: int = 200) -> Array:
    """Centres of boxes (n, 2) of size ``extent`` (n, 2), pushed vertically until none overlaps (or rounds run out)."""
    places = places.copy()
    for _ in range(rounds):
        moved = False
        for i in range(len(places)):
            for j in range(i):
                gap = np.abs(places[i] - places[j]) - (extent[i] + extent[j]) / 2
                if (gap < 0).all():
                    push = -gap[1] / 2 + 1e-9
                    up, down = (i, j) if places[i, 1] >= places[j, 1] else (j, i)
                    places[up, 1] += push
                    places[down, 1] -= push
                    moved = True
        if not moved:
            break
    return places


def add_legend(
    figure: Figure | SubFigure, views: Sequence[MapView], classes: tuple[str, ...], styles: Sequence[ClassStyle]
) -> None:
    """The classes of the views, at the right of them all; none where they are too many."""
    present = np.unique(np.concatenate([v.labels for v in views]))
    if len(present) > MAX_LEGEND:
        return
    handles = [
        Line2D([], [], linestyle="", marker=styles[c].marker, color=styles[c].colour, markersize=8,
               label=plain(shown(classes[c], 26)))
        for c in present
    ]  # fmt: skip
    figure.legend(handles=handles, loc="outside right upper", title="class", frameon=False, fontsize=9.5)


def shown(name: str, most: int) -> str:
    """A class name short enough for a picture, in one line."""
    name = visible(name)
    return name if len(name) <= most else name[: most - 1] + "…"


def plain(text: str) -> str:
    """Text that matplotlib does not read as mathematics, and an SVG can hold."""
    return visible_lines(text).replace("$", r"\$")
