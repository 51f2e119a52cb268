"""The same images in several maps, side by side: what is selected in one of them stands out in all.

maps = [LinkedMap("resnet18 · last_conv", "resnet18", {"test": coordinates}, {"test": ""}, {"test": None}), …]
pieces = linked_maps(maps, LinkedImages({"test": labels}, {"test": index}, None), classes, note="")
page = f"<style>{pieces.style}</style>{pieces.markup}{pieces.scripts}"

All maps of a split draw from one table of Bokeh's with a pair of columns a map, so that a selection is theirs together.
Legend, list and the image under the pointer are plain HTML, filled by ``linked.js``: no name is ever read as markup.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil, sqrt
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from frostmark.figures.pieces import (
    UNSELECTED,
    ClassPoints,
    Labels,
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
from frostmark.stats.moments import Array

if TYPE_CHECKING:
    from bokeh.models import BooleanFilter, ColumnDataSource, Plot, Scatter
    from bokeh.models.renderers import GlyphRenderer

IMAGE_BYTES = 6_000_000
"""For all images of a page; base64 makes eight megabytes of them."""

MAX_NAMED = 3
"""Maps side by side up to which classes are named at their clusters; narrower maps have no room."""

MAX_LIVE = 6_000
"""Dots of all maps together up to which a selection is shown while it is drawn."""

SIDE = 360
"""Pixels of a map, about: three of them and the list fill a screen."""


@dataclass(frozen=True)
class LinkedMap:
    """One map, N images a split: the same images in the same order as in all other maps.

    Attributes:
        name: "resnet18 · last_conv", above it.
        row: maps of one row stand in one line of the page.
        coordinates: split → (N, 2), already aligned with the other maps.
        badge: split → a few words on how far to believe it, "" for none.
        kept: split → (N,) 0 … 1, the share of a point's neighbourhood that the map keeps; None if not known. NaN is
            allowed.
    """

    name: str
    row: str
    coordinates: Mapping[str, Array]
    badge: Mapping[str, str]
    kept: Mapping[str, Array | None]


@dataclass(frozen=True)
class LinkedImages:
    """The images that all maps show.

    Attributes:
        labels: split → (N,) class numbers.
        index: split → (N,) numbers of the images in the data set.
        thumbnails: split → (N, h, w, 3) uint8, or None: then no images are shown.
        files: split → (N,) names of the images' files; empty of images that are not files.
    """

    labels: Mapping[str, Labels]
    index: Mapping[str, Labels]
    thumbnails: Mapping[str, NDArray[np.uint8]] | None
    files: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class LinkedPieces:
    """What a page needs to show linked maps, all of it self-contained.

    Attributes:
        style: CSS; its rules reach nothing outside ``markup``.
        markup: HTML that stands in the body, once a page.
        scripts: HTML of the script elements, behind ``markup``.
    """

    style: str
    markup: str
    scripts: str


def linked_maps(maps: Sequence[LinkedMap], images: LinkedImages, classes: Sequence[str], note: str) -> LinkedPieces:
    """Maps in a grid, one split at a time, test first; the same input gives the same text.

    Args:
        note: a sentence or two on how to read them, below.

    Raises:
        ValueError: if there is no map or no image, or a map does not show the same images as the labels.
    """
    splits = sorted(images.labels, key=lambda split: split != "test")
    _check(maps, images, splits)
    lines = _lines(maps)
    columns = max(map(len, lines))
    sprites = images_of([(images.thumbnails or {}).get(split) for split in splits], IMAGE_BYTES)
    page = {
        "classes": legend(list(images.labels.values()), classes),
        "views": [
            view_of(split, images.labels[split], images.index[split], of, images.files.get(split))
            for split, of in zip(splits, sprites, strict=True)
        ],
        "maps": [_described(of, splits) for of in maps],
    }
    plots = _plots(maps, images, splits, classes, named=columns <= MAX_NAMED)
    bars = sum(any(shares is not None for shares in of.kept.values()) for of in maps)
    return LinkedPieces(
        style=resource("pieces.css") + resource("linked.css") + sheet_rules(sprites),
        markup=rendered("linked.html", lines=lines, columns=columns, bars=bars, note=note),
        scripts=rendered("scripts.html", **program("linked.js", page, plots)),
    )


def _check(maps: Sequence[LinkedMap], images: LinkedImages, splits: Sequence[str]) -> None:
    if not maps or not splits or not all(len(images.labels[split]) for split in splits):
        raise ValueError(f"{len(maps)} maps of the splits {list(splits)}: there is nothing to show")
    for of in maps:
        for split in splits:
            shape, wanted = np.shape(of.coordinates[split]), (len(images.labels[split]), 2)
            if shape != wanted:
                raise ValueError(f"map {of.name!r} has {split} coordinates of shape {shape}, not {wanted}")


def _lines(maps: Sequence[LinkedMap]) -> list[list[int]]:
    """Numbers of the maps in every line of the grid: a row each; rows of one map each share lines."""
    rows: dict[str, list[int]] = {}
    for m, of in enumerate(maps):
        rows.setdefault(of.row, []).append(m)
    if any(len(row) > 1 for row in rows.values()):
        return list(rows.values())
    wide = len(maps) if len(maps) <= 3 else ceil(sqrt(len(maps)))
    return [list(range(m, min(m + wide, len(maps)))) for m in range(0, len(maps), wide)]


def _plots(
    maps: Sequence[LinkedMap], images: LinkedImages, splits: Sequence[str], classes: Sequence[str], named: bool
) -> list[Plot]:
    """A plot a map, with the points of each split; the page shows those of one."""
    from bokeh.models import BooleanFilter

    sources = [_source(maps, images.labels[split], split, len(classes)) for split in splits]
    filters = [BooleanFilter() for _ in splits]
    live = max(map(len, images.labels.values())) * len(maps) <= MAX_LIVE
    plots = []
    for m, of in enumerate(maps):
        plot = frame(square([of.coordinates[splits[0]]]), live)
        drawn = [_add_points(plot, m, v, *pair) for v, pair in enumerate(zip(sources, filters, strict=True))]
        select_only(plot, drawn)
        for v, split in enumerate(splits if named else ()):
            add_names(plot, ClassPoints(of.coordinates[split], images.labels[split]), classes, f"names-{v}", SIDE)
        plots.append(plot)
    return plots


def _source(maps: Sequence[LinkedMap], labels: Labels, split: str, classes: int) -> ColumnDataSource:
    """One table for all maps of a split: map m has the columns ``x<m>``, ``y<m>`` and ``alpha<m>``."""
    from bokeh.models import ColumnDataSource

    columns: dict[str, Sequence[str] | Array] = dict(looks(labels, classes))
    for m, of in enumerate(maps):
        columns[f"x{m}"], columns[f"y{m}"] = np.asarray(of.coordinates[split], np.float32).T.copy()
        columns[f"alpha{m}"] = opacity(of.kept[split], len(labels))
    return ColumnDataSource(columns)


def _add_points(plot: Plot, m: int, v: int, source: ColumnDataSource, shared: BooleanFilter) -> GlyphRenderer[Scatter]:
    from bokeh.models import CDSView, Scatter

    size = 0.8 * point_size(len(source.data[f"x{m}"]))  # the maps are small
    look: Look = {
        "x": f"x{m}", "y": f"y{m}", "marker": "mark", "fill_color": "colour", "size": size, "line_width": 0.4,
    }  # fmt: skip
    return plot.add_glyph(
        source,
        Scatter(**look, line_color=None, fill_alpha=f"alpha{m}"),
        # Also where the map is not to be believed: that a cluster falls apart there is what one looks for.
        selection_glyph=Scatter(**look, line_color="#222222", fill_alpha=0.95),
        nonselection_glyph=Scatter(**look, line_color=None, fill_alpha=UNSELECTED),
        view=CDSView(filter=shared),
        name=f"points-{v}",
    )


def _described(of: LinkedMap, splits: Sequence[str]) -> dict[str, object]:
    """What ``linked.js`` knows of a map, a value a split; ``frames``: ends of the axes, ``beyond``: points outside."""
    kept = [of.kept[split] for split in splits]
    frames = [square([of.coordinates[split]]) for split in splits]
    return {
        "name": of.name,
        "badges": [of.badge[split] for split in splits],
        "kept": [None if shares is None else packed(shares, "<f4") for shares in kept],
        "frames": [list(zip(f.low.tolist(), f.high.tolist(), strict=True)) for f in frames],
        "beyond": [beyond(f, [of.coordinates[split]]) for f, split in zip(frames, splits, strict=True)],
    }
