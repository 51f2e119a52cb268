"""What the pages of maps are made of: frames and looks for Bokeh's points, images, the legend, the scripts.

plot = frame(square([coordinates]))
plot.add_glyph(source, Scatter(x="x", y="y", fill_color="colour", marker="mark", size=point_size(len(labels))))
scripts = rendered("scripts.html", **program("interactive.js", page={…}, plots=[plot]))

What the pages share of their behaviour is in ``pieces.js``, of their look in ``pieces.css``, of their buttons in
``controls.html``.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from frostmark.figures.clusters import Clusters
from frostmark.figures.frames import Frame, around
from frostmark.figures.maps import FAINTEST, FULL, MAX_LEGEND
from frostmark.figures.palette import class_styles
from frostmark.figures.sprites import COLUMNS, GUTTER, PER_SHEET, Sprites, make_sprites
from frostmark.stats.moments import Array

if TYPE_CHECKING:
    from bokeh.models import Plot, Scatter
    from bokeh.models.renderers import GlyphRenderer

Labels = NDArray[np.integer]
Look = dict[str, Any]
"""Properties of a glyph of Bokeh: each takes values of its own."""

MARKS = {
    "o": "circle", "^": "triangle", "s": "square", "X": "square_pin", "D": "diamond", "P": "plus",
    "v": "inverted_triangle", "*": "star",
}  # fmt: skip
"""Markers of the palette in Bokeh's words; those that Bokeh can fill."""

_PIXELS = 84
"""Of a page to the inch of a picture: names of twelve pixels take as much of their plot as those of the picture."""

UNSELECTED = 0.06
"""Opacity of points while others are selected."""


def frame(ends: Frame, live: bool = True) -> Plot:
    """An empty square plot of what lies between the ends; what dragging does is chosen by buttons of the page.

    Args:
        live: whether the lasso selects already while it is drawn, which draws all points of its table every time.
    """
    from bokeh import models as bk

    lasso, wheel = bk.LassoSelectTool(name="lasso", continuous=live), bk.WheelZoomTool()
    box, move = bk.BoxSelectTool(name="box"), bk.PanTool(name="move")
    return bk.Plot(
        x_range=bk.Range1d(start=float(ends.low[0]), end=float(ends.high[0])),
        y_range=bk.Range1d(start=float(ends.low[1]), end=float(ends.high[1])),
        toolbar=bk.Toolbar(tools=[lasso, box, move, wheel], active_drag=lasso, active_scroll=wheel),
        toolbar_location=None,  # the page has buttons with words, for all plots at once
        sizing_mode="stretch_both",
        min_border=0,
        outline_line_color="#cccccc",
    )


def select_only(plot: Plot, renderers: Sequence[GlyphRenderer[Scatter]]) -> None:
    """Let the lasso and the box choose among ``renderers``: not the names, which are drawn as a glyph too."""
    from bokeh.models import BoxSelectTool, LassoSelectTool

    for tool in plot.toolbar.tools:
        if isinstance(tool, LassoSelectTool | BoxSelectTool):
            tool.renderers = list(renderers)


def square(coordinates: Sequence[Array]) -> Frame:
    """A square around the points, with a margin; a few that lie far off may be outside, for :func:`beyond` to count."""
    return around(coordinates).filling(1.0)


def beyond(frame: Frame, coordinates: Sequence[Array]) -> int:
    """How many points lie outside of the frame."""
    return sum(int(frame.outside(np.asarray(of, np.float64)).sum()) for of in coordinates)


def point_size(points: int) -> float:
    """Pixels across: many points are drawn smaller, so that density can be seen."""
    return float(np.clip(1.4 * np.sqrt(40_000 / max(points, 1)), 4, 9))


def opacity(kept: Array | None, points: int) -> NDArray[np.float32]:
    """(N,) of every point; as in the picture: fainter where less than half of the neighbourhood is kept."""
    share = np.full(points, np.nan) if kept is None else np.asarray(kept, np.float64)
    return np.where(np.isnan(share), 0.65, FAINTEST + (FULL - FAINTEST) * np.minimum(2 * share, 1)).astype(np.float32)


def looks(labels: Labels, classes: int) -> dict[str, list[str]]:
    """Columns ``colour`` and ``mark`` of points with ``labels`` (N,)."""
    styles = class_styles(classes)
    colours, marks = np.array([s.colour for s in styles]), np.array([MARKS[s.marker] for s in styles])
    return {"colour": colours[labels].tolist(), "mark": marks[labels].tolist()}


@dataclass(frozen=True)
class ClassPoints:
    """Points with their classes: coordinates (N, 2) and labels (N,)."""

    coordinates: Array
    labels: Labels


def add_names(plot: Plot, points: ClassPoints, classes: Sequence[str], name: str = "names", side: int = 620) -> None:
    """Class names at their clusters, as a renderer called ``name``; none where they would hide what they name.

    Args:
        side: pixels of the plot, about: the smaller it is, the more room a name takes of it.
    """
    from bokeh.models import BooleanFilter, CDSView, ColumnDataSource, Text

    inches = side / _PIXELS
    clusters = Clusters.of([points], classes, square([points.coordinates]), (inches, inches))
    if not clusters.names:
        return
    x, y = clusters.places.T.tolist()
    look: Look = {
        "text_align": "center", "text_baseline": "middle", "text_color": "#111111", "text_font_size": "12px",
        "text_font": {"value": "system-ui, sans-serif"}, "text_font_style": "bold",
        "background_fill_color": "#ffffff", "background_fill_alpha": 0.72, "padding": 2, "border_radius": 4,
    }  # fmt: skip
    plot.add_glyph(
        ColumnDataSource({"x": x, "y": y, "name": list(clusters.names), "label": list(clusters.classes)}),
        Text(text="name", **look),
        view=CDSView(filter=BooleanFilter()),
        name=name,
    )


def legend(labels: Sequence[Labels], classes: Sequence[str]) -> list[dict[str, str] | None]:
    """Name and look of every class; None for those without a point, which the legend leaves out."""
    present = set(np.concatenate(list(labels)).tolist())
    styles = class_styles(len(classes))
    return [
        {"name": name, "colour": style.colour, "mark": MARKS[style.marker]} if c in present else None
        for c, (name, style) in enumerate(zip(classes, styles, strict=True))
    ]


def packed(values: ArrayLike, dtype: str) -> str:
    """Numbers as base64 of their bytes, for ``unpack`` of ``pieces.js``."""
    return b64encode(np.ascontiguousarray(values, dtype).tobytes()).decode()


def images_of(thumbnails: Sequence[NDArray[np.uint8] | None], budget: int) -> list[Sprites | None]:
    """The images of every view (N, h, w, 3) as sheets of at most ``budget`` bytes together; None where there are none.

    Base64 makes a third more of them.
    """
    made = iter(make_sprites([images for images in thumbnails if images is not None], budget))
    return [None if images is None else next(made) for images in thumbnails]


def sheet_rules(sprites: Sequence[Sprites | None]) -> str:
    """A style a sheet, which elements ask for by class: so an image of the page is there once."""
    return "\n".join(
        f".sheet-{v}-{s}{{background-image:url(data:image/webp;base64,{b64encode(sheet).decode()})}}"
        for v, of in enumerate(sprites)
        for s, sheet in enumerate(of.sheets if of else ())
    )


def view_of(
    split: str, labels: Labels, index: Labels, sprites: Sprites | None, files: Sequence[str] | None = None
) -> dict[str, object]:
    """What ``pieces.js`` knows of a split: N labels, N numbers in the data set, where the images are, N file names."""
    cell = sprites and {
        "width": sprites.width,
        "height": sprites.height,
        "cellWidth": sprites.cell_width,
        "cellHeight": sprites.cell_height,
    }
    own = {"split": split, "labels": packed(labels, "<i4"), "index": packed(index, "<i4"), "image": cell}
    return own | ({} if files is None else {"files": list(files)})


def program(script: str, page: dict[str, object], plots: Sequence[Plot]) -> dict[str, object]:
    """Values for ``scripts.html``: Bokeh, what the page holds, the plots, and ``script`` behind ``pieces.js``."""
    fixed = {"searchable": MAX_LEGEND, "sheet": {"columns": COLUMNS, "holds": PER_SHEET, "gutter": GUTTER}}
    return {
        "library": _library(),
        "page": page | fixed,
        "drawing": _drawing(plots),
        "script": resource("pieces.js") + resource(script),
    }


def _drawing(plots: Sequence[Plot]) -> dict[str, object]:
    """The plots as Bokeh's JSON, with numbers for names: Bokeh counts its models through the life of the process."""
    from bokeh.document import Document

    document = Document(title="")
    for plot in plots:
        document.add_root(plot)
    names: dict[str, str] = {}
    drawing = _renumbered(document.to_json(deferred=False), names)
    return {"document": drawing, "roots": [names[plot.id] for plot in plots]}


def _renumbered(node: object, names: dict[str, str]) -> object:
    if isinstance(node, dict):
        return {
            key: names.setdefault(child, f"m{len(names)}") if key == "id" else _renumbered(child, names)
            for key, child in node.items()
        }
    if isinstance(node, list):
        return [_renumbered(child, names) for child in node]
    return node


def _library() -> str:
    """Bokeh's script without widgets, tables, WebGL and MathJax, of which nothing here has any need."""
    from bokeh.resources import Resources

    scripts: list[str] = Resources(mode="inline", components=["bokeh"], minified=True, log_level="warn").js_raw
    return "\n".join(scripts)


def rendered(template: str, **values: object) -> str:
    """A template of this folder; values are escaped unless the template calls them safe."""
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, loader=FunctionLoader(resource))
    environment.policies["json.dumps_kwargs"] = {}  # not sorted: Bokeh wants a model before the references to it
    return environment.get_template(template).render(**values)


def resource(name: str) -> str:
    """A file of this folder."""
    return (files(__package__) / name).read_text("utf-8")
