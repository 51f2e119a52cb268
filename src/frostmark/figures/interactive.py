"""The map as a page: every point shows its image, classes and splits can be hidden, a lasso lists what it holds.

html = interactive_map([train, test], classes, title="resnet18 · last_conv · digits", note="", shared=True)

The page is one file that asks for nothing outside itself, so that MLflow shows it in its sandboxed frame. Bokeh draws
the points; legend, card and selection are plain HTML, filled by ``interactive.js``, so that no name is ever read as a
template, as HTML or as mathematics.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from frostmark.figures.maps import FAINTEST, FULL, LEGEND_MOST, NAMED_FROM, densest, moved_apart, shown
from frostmark.figures.palette import class_styles
from frostmark.figures.sprites import COLUMNS, GUTTER, PER_SHEET, Sprites, make_sprites
from frostmark.stats.moments import Array

if TYPE_CHECKING:
    from bokeh.models import ColumnDataSource, Plot

IMAGE_BYTES = 9_000_000
"""For all images of a page; base64 makes twelve megabytes of them. MLflow shows pages up to fifty."""

MARKS = {
    "o": "circle", "^": "triangle", "s": "square", "X": "square_pin", "D": "diamond", "P": "plus",
    "v": "inverted_triangle", "*": "star",
}  # fmt: skip
"""Markers of the palette in Bokeh's words; those that Bokeh can fill."""


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
    """

    split: str
    coordinates: Array
    labels: NDArray[np.integer[Any]]
    index: NDArray[np.integer[Any]]
    neighbours: NDArray[np.integer[Any]]
    neighbours_split: str
    kept: Array | None = None
    thumbnails: NDArray[np.uint8] | None = None


def interactive_map(
    views: Sequence[InteractiveView],
    classes: Sequence[str],
    title: str,
    note: str,
    shared: bool,
    badge: str = "",
    warning: str = "",
) -> str:
    """A self-contained HTML page of at most about 16 MB with the views; the same input gives the same text.

    Args:
        shared: whether the views lie in one coordinate system: then they are drawn into one plot, the later ones with
            dark edges; else each has its own.
        note: a sentence or two on how to read it, below the map.
        badge: a few words on the map's quality, beside the title; lines are kept.
        warning: shown in a box above the map.
    """
    from jinja2 import Environment, StrictUndefined

    groups = [list(range(len(views)))] if shared else [[v] for v in range(len(views))]
    plots = [_plot([(v, views[v]) for v in group], classes) for group in groups]
    sprites = _sprites(views)
    environment = Environment(autoescape=True, undefined=StrictUndefined)
    environment.policies["json.dumps_kwargs"] = {}  # not sorted: Bokeh wants a model before the references to it
    return environment.from_string(_resource("interactive.html")).render(
        title=title,
        badge=badge,
        warning=warning,
        note=note,
        style=_resource("interactive.css"),
        sheets=_sheet_rules(sprites),
        library=_library(),
        script=_resource("interactive.js"),
        groups=groups,
        drawing=_drawing(plots),
        page={
            "classes": _legend(views, classes),
            "searchable": LEGEND_MOST,
            "groups": groups,
            "views": [_described(views, v, sprites[v]) for v in range(len(views))],
            "sheet": {"columns": COLUMNS, "holds": PER_SHEET, "gutter": GUTTER},
        },
    )


def _plot(views: Sequence[tuple[int, InteractiveView]], classes: Sequence[str]) -> Plot:
    """The points of the views in a square frame, and class names at their clusters."""
    from bokeh import models as bk

    low, high = _square([view.coordinates for _, view in views])
    lasso, box, wheel = bk.LassoSelectTool(name="lasso"), bk.BoxSelectTool(name="box"), bk.WheelZoomTool()
    tools = [lasso, box, bk.PanTool(name="move"), wheel]
    plot = bk.Plot(
        x_range=bk.Range1d(start=low[0], end=high[0]),
        y_range=bk.Range1d(start=low[1], end=high[1]),
        toolbar=bk.Toolbar(tools=[*tools], active_drag=lasso, active_scroll=wheel),
        toolbar_location=None,  # the page has buttons with words, for all plots at once
        sizing_mode="stretch_both",
        min_border=0,
        outline_line_color="#cccccc",
    )
    points = sum(len(view.labels) for _, view in views)
    drawn = [_add_points(plot, v, view, len(classes), points, edged=i > 0) for i, (v, view) in enumerate(views)]
    for tool in (lasso, box):
        tool.renderers = drawn  # not the names, which are drawn as a glyph too
    _add_names(plot, [view for _, view in views], classes, side=high[0] - low[0])
    return plot


def _square(coordinates: Sequence[Array]) -> tuple[list[float], list[float]]:
    """Lower and upper ends (x, y) of a square around all points, with a margin."""
    everything = np.concatenate([np.asarray(c, np.float64) for c in coordinates])
    low, high = everything.min(0), everything.max(0)
    centre, half = (low + high) / 2, 0.54 * max(float((high - low).max()), 1e-9)
    return (centre - half).tolist(), (centre + half).tolist()


def _add_points(plot: Plot, number: int, view: InteractiveView, classes: int, points: int, edged: bool) -> Any:
    from bokeh.models import BooleanFilter, CDSView, Scatter

    # Many points are drawn smaller, so that density can be seen; few get a rim, so that neighbours stay apart.
    size = float(np.clip(1.4 * np.sqrt(40_000 / max(points, 1)), 4, 9))
    rim = "#222222" if edged else "#ffffff" if size > 6 else None
    look: dict[str, Any] = {
        "x": "x", "y": "y", "marker": "mark", "fill_color": "colour",
        "size": size, "line_color": rim, "line_width": 0.9 if edged else 0.5,
    }  # fmt: skip
    return plot.add_glyph(
        _source(view, classes),
        Scatter(**look, fill_alpha="alpha", line_alpha="alpha"),
        nonselection_glyph=Scatter(**look, fill_alpha=0.06, line_alpha=0.06),
        view=CDSView(filter=BooleanFilter()),
        name=f"points-{number}",
    )


def _source(view: InteractiveView, classes: int) -> ColumnDataSource:
    from bokeh.models import ColumnDataSource

    styles = class_styles(classes)
    colours, marks = np.array([s.colour for s in styles]), np.array([MARKS[s.marker] for s in styles])
    kept = np.full(len(view.labels), np.nan) if view.kept is None else np.asarray(view.kept, np.float64)
    x, y = np.asarray(view.coordinates, np.float32).T.copy()
    # As in the picture: fainter where less than half of the neighbourhood is kept.
    alpha = np.where(np.isnan(kept), 0.65, FAINTEST + (FULL - FAINTEST) * np.minimum(2 * kept, 1)).astype(np.float32)
    colour, mark = colours[view.labels].tolist(), marks[view.labels].tolist()
    return ColumnDataSource({"x": x, "y": y, "alpha": alpha, "colour": colour, "mark": mark})


def _add_names(plot: Plot, views: Sequence[InteractiveView], classes: Sequence[str], side: float) -> None:
    from bokeh.models import BooleanFilter, CDSView, ColumnDataSource, Text

    labels = np.concatenate([view.labels for view in views])
    coordinates = np.concatenate([np.asarray(view.coordinates, np.float64) for view in views])
    present = np.unique(labels)
    if len(present) > LEGEND_MOST or len(labels) < NAMED_FROM * len(present):
        return
    names = [shown(classes[c], 22) for c in present]
    extent = np.array([[0.017 * len(name) * side, 0.045 * side] for name in names])
    places = np.stack([densest(coordinates[labels == c]) for c in present])
    x, y = moved_apart(places, extent).T.tolist()
    look: dict[str, Any] = {
        "text_align": "center", "text_baseline": "middle", "text_color": "#111111", "text_font_size": "12px",
        "text_font": {"value": "system-ui, sans-serif"}, "text_font_style": "bold",
        "background_fill_color": "#ffffff", "background_fill_alpha": 0.72, "padding": 2, "border_radius": 4,
    }  # fmt: skip
    plot.add_glyph(
        ColumnDataSource({"x": x, "y": y, "name": names, "label": present.tolist()}),
        Text(text="name", **look),
        view=CDSView(filter=BooleanFilter()),
        name="names",
    )


def _drawing(plots: Sequence[Plot]) -> dict[str, Any]:
    """The plots as Bokeh's JSON, with numbers for names: Bokeh counts its models through the life of the process."""
    from bokeh.document import Document

    document = Document(title="")
    for plot in plots:
        document.add_root(plot)
    names: dict[str, str] = {}
    drawing = _renumbered(document.to_json(deferred=False), names)
    return {"document": drawing, "roots": [names[plot.id] for plot in plots]}


def _renumbered(node: Any, names: dict[str, str]) -> Any:
    if isinstance(node, dict):
        return {
            key: names.setdefault(child, f"m{len(names)}") if key == "id" else _renumbered(child, names)
            for key, child in node.items()
        }
    if isinstance(node, list):
        return [_renumbered(child, names) for child in node]
    return node


def _legend(views: Sequence[InteractiveView], classes: Sequence[str]) -> list[dict[str, Any] | None]:
    """Name and look of every class; None for those without a point, which the legend leaves out."""
    present = set(np.concatenate([view.labels for view in views]).tolist())
    styles = class_styles(len(classes))
    return [
        {"name": name, "colour": style.colour, "mark": MARKS[style.marker]} if c in present else None
        for c, (name, style) in enumerate(zip(classes, styles, strict=True))
    ]


def _described(views: Sequence[InteractiveView], number: int, sprites: Sprites | None) -> dict[str, Any]:
    view = views[number]
    return {
        "split": view.split,
        "labels": _packed(view.labels, "<i4"),
        "index": _packed(view.index, "<i4"),
        "kept": None if view.kept is None else _packed(view.kept, "<f4"),
        "neighbours": _packed(view.neighbours, "<i4"),
        "neighboursIn": [other.split for other in views].index(view.neighbours_split),
        "image": sprites
        and {
            "width": sprites.width,
            "height": sprites.height,
            "cellWidth": sprites.cell_width,
            "cellHeight": sprites.cell_height,
        },
    }


def _packed(values: Any, dtype: str) -> str:
    return b64encode(np.ascontiguousarray(values, dtype).tobytes()).decode()


def _sprites(views: Sequence[InteractiveView]) -> list[Sprites | None]:
    made = iter(make_sprites([v.thumbnails for v in views if v.thumbnails is not None], IMAGE_BYTES))
    return [None if view.thumbnails is None else next(made) for view in views]


def _sheet_rules(sprites: Sequence[Sprites | None]) -> str:
    """A style a sheet, which elements ask for by class: so an image of the page is there once."""
    return "\n".join(
        f".sheet-{v}-{s}{{background-image:url(data:image/webp;base64,{b64encode(sheet).decode()})}}"
        for v, of in enumerate(sprites)
        for s, sheet in enumerate(of.sheets if of else ())
    )


def _library() -> str:
    """Bokeh's script without widgets, tables, WebGL and MathJax, of which nothing here has any need."""
    from bokeh.resources import Resources

    scripts: list[str] = Resources(mode="inline", components=["bokeh"], minified=True, log_level="warn").js_raw
    return "\n".join(scripts)


def _resource(name: str) -> str:
    return (files(__package__) / name).read_text("utf-8")
