"""Pictures of maps: every image a point, coloured by its class, the class named at its cluster.

view = MapView("train", coordinates, labels)
figure = draw_maps([view], classes, title="resnet18 · last_conv · digits", note="", shared=True)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from frostmark.figures.clusters import Clusters, write_clusters
from frostmark.figures.fonts import labels_of, told_of
from frostmark.figures.frames import Frame, around
from frostmark.figures.key import Key, KeyLine
from frostmark.figures.lines import height_of, plain, wrapped
from frostmark.figures.palette import Style, class_styles
from frostmark.figures.sheet import Sheet
from frostmark.stats.moments import Array

MAX_LEGEND = 40
"""Beyond so many classes a legend helps nobody."""

FAINTEST, FULL = 0.18, 0.85
"""Opacity of a point whose neighbourhood the map does not keep at all, and of one that keeps half of it or more."""

MAX_VECTOR = 4_000
"""Points of one map that a vector file holds one by one; more become an image inside it."""

PANEL = 6.4
"""Inches across a map; of maps of different shapes the mean."""

FLATTEST, TALLEST = 0.55, 1.15
"""Height of a map against its width."""

TITLE, HEAD, BADGE, NOTE, WARNING = 14, 11, 9.5, 9, 10
"""Sizes of fonts."""

_EDGE, _GAP = 0.25, 0.35


@dataclass(frozen=True)
class MapView:
    """One split in a map.

    Attributes:
        coordinates: (N, 2).
        labels: (N,).
        kept: (N,) 0 … 1, how much of each point's neighbourhood the map keeps; points that keep less are drawn fainter.
        badge, warning: how far the map may be believed, below and above it.
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
        shared: whether the views lie in one coordinate system: then they get the same frame, and a class is named at
            the same place in each.
    """
    classes, missing = tuple(labels_of(classes)), told_of(classes)
    frames = frames_of(views, shared)
    height = PANEL * len(views) / sum(1 / frame.aspect for frame in frames)
    widths = [height / frame.aspect for frame in frames]
    styles = class_styles(len(classes))
    key = key_of(views, classes, styles, height + 0.5)
    across = _EDGE + sum(widths) + _GAP * len(views) + key.width + _EDGE * bool(key.width)
    title = wrapped(title, across - 2 * _EDGE, TITLE, bold=True)
    note = wrapped(f"{note}{_why_no_names(views)}{missing and f' {missing}.'}", across - 2 * _EDGE, NOTE)
    badges = [wrapped(_badge(v, f), w, BADGE) for v, f, w in zip(views, frames, widths, strict=True)]
    warnings = [wrapped(f"⚠ {v.warning}", w - 0.3, WARNING, bold=True) for v, w in zip(views, widths, strict=True)]
    warned = max((0.2 + height_of(w, WARNING) for v, w in zip(views, warnings, strict=True) if v.warning), default=0.0)
    top = 0.12 + height_of(title, TITLE) + 0.14 + height_of("1", HEAD) + 0.04 + warned
    below = 0.14 + max(height_of(badge, BADGE) for badge in badges)
    sheet = Sheet(across, top + height + below + 0.1 + height_of(note, NOTE) + 0.14)
    named = Clusters.of(views, classes, frames[0], (widths[0], height)) if shared else None
    left = _EDGE
    for number, (view, frame, width) in enumerate(zip(views, frames, widths, strict=True)):
        ax = sheet.axes(left, top, width, height)
        scatter(ax, view, frame, styles)
        write_clusters(ax, named or Clusters.of([view], classes, frame, (width, height)), view.labels)
        ax.set_title(f"{view.split} · {_images(view)}", fontsize=HEAD, pad=5 + 72 * warned, y=1.0)
        ax.set_xlabel(plain(badges[number]), fontsize=BADGE, color="#222222", labelpad=6)
        if view.warning:
            _warn(sheet, left + width / 2, top - 0.14, warnings[number])
        left += width + _GAP
    key.draw(sheet, left, top - 0.1)
    sheet.write(across / 2, 0.12, title, TITLE, ha="center", fontweight="bold")
    sheet.write(across / 2, sheet.height - 0.14 - height_of(note, NOTE), note, NOTE, ha="center", color="#444444")
    return sheet.figure


def frames_of(views: Sequence[MapView], shared: bool) -> list[Frame]:
    """What every view is drawn in: the same for all if they share coordinates. None is very flat or very tall."""
    fits = [around([view.coordinates]) for view in views]
    if shared:
        fits = [around([view.coordinates for view in views])] * len(views)
    return [frame.filling(float(np.clip(frame.aspect, FLATTEST, TALLEST))) for frame in fits]


def key_of(views: Sequence[MapView], classes: tuple[str, ...], styles: Sequence[Style], height: float) -> Key:
    """The classes of the views; empty where they are too many."""
    present = np.unique(np.concatenate([v.labels for v in views]))
    entries = [] if len(present) > MAX_LEGEND else [KeyLine(classes[c], styles[c]) for c in present]
    return Key.of(entries, "class", height)


def _why_no_names(views: Sequence[MapView]) -> str:
    present = len(np.unique(np.concatenate([v.labels for v in views])))
    if present <= MAX_LEGEND:
        return ""
    return f"\n{present} classes are too many to name here: map.html names the class of every point."


def _images(view: MapView) -> str:
    return f"{len(view.labels):,} image{'' if len(view.labels) == 1 else 's'}"


def _badge(view: MapView, frame: Frame) -> str:
    """How far the map may be believed, and what of it is not where it is drawn."""
    far = int(frame.outside(view.coordinates).sum())
    beyond = f"{far} image{'' if far == 1 else 's'} far outside the frame, drawn at its edge in a ring" if far else ""
    return "\n".join(line for line in (view.badge, beyond) if line)


def _warn(sheet: Sheet, x: float, bottom: float, warning: str) -> None:
    box = {"boxstyle": "round,pad=0.3", "facecolor": "#bd1f01", "edgecolor": "none"}
    sheet.figure.text(
        x / sheet.width, 1 - bottom / sheet.height, plain(warning), ha="center", va="bottom", fontsize=WARNING,
        fontweight="bold", color="white", bbox=box,
    )  # fmt: skip


def scatter(ax: Axes, view: MapView, frame: Frame, styles: Sequence[Style]) -> None:
    """The points of one view in a frame, in the looks of their classes; those far outside at its edge, in rings."""
    # Many points are drawn smaller, so that density can be seen.
    size = float(np.clip(40_000 / max(len(view.labels), 1), 3, 28))
    opacity, places, far = _opacity(view), frame.clipped(view.coordinates), frame.outside(view.coordinates)
    for c in np.unique(view.labels):
        mine = view.labels == c
        points, style = places[mine], styles[c]
        drawn = ax.scatter(points[:, 0], points[:, 1], s=size, c=style.colour, marker=style.marker, linewidths=0)
        drawn.set_alpha(opacity[mine])
        drawn.set_rasterized(len(view.labels) > MAX_VECTOR)
    if far.any():
        ax.scatter(
            places[far, 0], places[far, 1], s=70, facecolors="none", edgecolors="#222222", linewidths=1.1, zorder=4
        )
    ax.set_xticks([])
    ax.set_yticks([])
    ax.set_xlim(frame.low[0], frame.high[0])
    ax.set_ylim(frame.low[1], frame.high[1])
    for spine in ax.spines.values():
        spine.set_color("#bbbbbb")


def _opacity(view: MapView) -> Array:
    """(N,) of every point: fainter where less than half of its neighbourhood is kept."""
    if view.kept is None:
        return np.full(len(view.labels), 0.65)
    return np.asarray(FAINTEST + (FULL - FAINTEST) * np.minimum(2 * view.kept, 1))
