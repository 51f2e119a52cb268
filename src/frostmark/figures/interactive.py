"""The map as a page: every point shows its image, classes and splits can be hidden, a lasso lists what it holds.

html = interactive_map([train, test], classes, title="resnet18 · last_conv · digits", note="", shared=True)

The page is one file that asks for nothing outside itself, so that MLflow shows it in its sandboxed frame. Bokeh draws
the points; legend, card and selection are plain HTML, filled by ``interactive.js``, so that no name is ever read as a
template, as HTML or as mathematics.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from frostmark.figures.pieces import (
    UNSELECTED,
    ClassPoints,
    Look,
    add_names,
    beyond,
    frame,
    images_of,
    legend,
    looks,
    opacity,
    packed,
    point_size,
    program,
    rendered,
    resource,
    select_only,
    sheet_rules,
    square,
    view_of,
)
from frostmark.figures.sprites import Sprites
from frostmark.stats.moments import Array

if TYPE_CHECKING:
    from bokeh.models import ColumnDataSource, Plot, Scatter
    from bokeh.models.renderers import GlyphRenderer

IMAGE_BYTES = 9_000_000
"""For all images of a page; base64 makes twelve megabytes of them. MLflow shows pages up to fifty."""


@dataclass(frozen=True)
class InteractiveView:
    """One split in the map, N images.

    Args:
        split: its name, unique among the views.
        coordinates: (N, 2) in the map.
        labels: (N,) class numbers.
        index: (N,) numbers of the images in the data set.
        neighbours: (N, k) positions of the nearest points in feature space, nearest first, within the view
            ``neighbours_split``: for train train (without the point itself), for test usually train as well.
        neighbours_split: the view in which the neighbours are.
        kept: (N,) 0 … 1, the share of a point's neighbourhood that the map keeps; None if not known. NaN is allowed.
        thumbnails: (N, h, w, 3) uint8, or None: then no images are shown. Sixty-four pixels a side are enough.
        files: (N,) names of the images' files; None of images that are not files.
    """

    split: str
    coordinates: Array
    labels: NDArray[np.integer]
    index: NDArray[np.integer]
    neighbours: NDArray[np.integer]
    neighbours_split: str
    kept: Array | None = None
    thumbnails: NDArray[np.uint8] | None = None
    files: Sequence[str] | None = None


def interactive_map(
    views: Sequence[InteractiveView],
    classes: Sequence[str],
    title: str,
    note: str,
    shared: bool,
    badge: str = "",
    warning: str = "",
    image_bytes: int = IMAGE_BYTES,
) -> str:
    """A self-contained HTML page of at most about 16 MB with the views; the same input gives the same text.

    Args:
        shared: whether the views lie in one coordinate system: then they are drawn into one plot, the later ones with
            dark edges; else each has its own.
        note: a sentence or two on how to read it, below the map.
        badge: a few words on the map's quality, beside the title; lines are kept.
        warning: shown in a box above the map.
        image_bytes: for all images of the page.
    """
    groups = [list(range(len(views)))] if shared else [[v] for v in range(len(views))]
    plots = [_plot([(v, views[v]) for v in group], classes) for group in groups]
    sprites = images_of([view.thumbnails for view in views], image_bytes)
    page = {
        "classes": legend([view.labels for view in views], classes),
        "groups": groups,
        "beyond": [_beyond([views[v].coordinates for v in group]) for group in groups],
        "views": [_described(views, v, sprites[v]) for v in range(len(views))],
    }
    return rendered(
        "interactive.html",
        title=title,
        badge=badge,
        warning=warning,
        note=note,
        style=resource("pieces.css") + resource("interactive.css"),
        sheets=sheet_rules(sprites),
        groups=groups,
        **program("interactive.js", page, plots),
    )


def _plot(views: Sequence[tuple[int, InteractiveView]], classes: Sequence[str]) -> Plot:
    """The points of the views in a square frame, and class names at their clusters."""
    plot = frame(square([view.coordinates for _, view in views]))
    points = sum(len(view.labels) for _, view in views)
    drawn = [_add_points(plot, v, view, len(classes), points, edged=i > 0) for i, (v, view) in enumerate(views)]
    select_only(plot, drawn)
    coordinates = np.concatenate([view.coordinates for _, view in views])
    add_names(plot, ClassPoints(coordinates, np.concatenate([view.labels for _, view in views])), classes)
    return plot


def _beyond(coordinates: Sequence[Array]) -> int:
    return beyond(square(coordinates), coordinates)


def _add_points(
    plot: Plot, number: int, view: InteractiveView, classes: int, points: int, edged: bool
) -> GlyphRenderer[Scatter]:
    from bokeh.models import BooleanFilter, CDSView, Scatter

    # Few points get a rim, so that neighbours stay apart.
    size = point_size(points)
    rim = "#222222" if edged else "#ffffff" if size > 6 else None
    look: Look = {
        "x": "x", "y": "y", "marker": "mark", "fill_color": "colour",
        "size": size, "line_color": rim, "line_width": 0.9 if edged else 0.5,
    }  # fmt: skip
    return plot.add_glyph(
        _source(view, classes),
        Scatter(**look, fill_alpha="alpha", line_alpha="alpha"),
        nonselection_glyph=Scatter(**look, fill_alpha=UNSELECTED, line_alpha=UNSELECTED),
        view=CDSView(filter=BooleanFilter()),
        name=f"points-{number}",
    )


def _source(view: InteractiveView, classes: int) -> ColumnDataSource:
    from bokeh.models import ColumnDataSource

    x, y = np.asarray(view.coordinates, np.float32).T.copy()
    alpha = opacity(view.kept, len(view.labels))
    return ColumnDataSource({"x": x, "y": y, "alpha": alpha} | looks(view.labels, classes))


def _described(views: Sequence[InteractiveView], number: int, sprites: Sprites | None) -> dict[str, object]:
    view = views[number]
    return view_of(view.split, view.labels, view.index, sprites, view.files) | {
        "kept": None if view.kept is None else packed(view.kept, "<f4"),
        "neighbours": packed(view.neighbours, "<i4"),
        "neighboursIn": [other.split for other in views].index(view.neighbours_split),
    }
