"""The picture of a comparison: the verdict, the maps side by side, the metric by depth and by cost.

figure = draw_comparison(maps, classes, {"resnet18": stops}, points, "k-NN accuracy", "digits", "vgg16 is better.")
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from textwrap import wrap

import numpy as np
from matplotlib.figure import Figure, SubFigure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

from frostmark.figures.costs import CostPoint, name_rows, plot_costs, row_styles
from frostmark.figures.depth import Stop, plot_depth
from frostmark.figures.maps import MapView, add_legend, limit, name_clusters, plain, scatter, shown
from frostmark.figures.palette import class_styles
from frostmark.names import visible
from frostmark.stats.moments import Array

MAX_MAPS = 6
"""Maps of the picture; more would be too small to see anything in them."""

VERDICT_SIZE = 13
"""Of its font, in typographic points."""


@dataclass(frozen=True)
class GridMap:
    """One split in one map, N images.

    Attributes:
        coordinates: (N, 2).
        labels: (N,).
        kept: (N,) 0 … 1, the share of each point's neighbourhood that the map keeps, or None. NaN is allowed.
        badge: how far the map may be believed, below it.
    """

    name: str
    coordinates: Array
    labels: Array
    kept: Array | None
    badge: str


def draw_comparison(
    maps: Sequence[GridMap],
    classes: tuple[str, ...],
    curves: Mapping[str, Sequence[Stop]],
    points: Sequence[CostPoint],
    metric: str,
    title: str,
    verdict: str,
) -> Figure:
    """``comparison.png``: the verdict, the maps side by side, below them the metric by depth and by cost.

    Args:
        maps: the first six are drawn.
        curves: network → its layers; drawn if one of them has two layers or more.
        points: drawn if there are any.
    """
    drawn = maps[:MAX_MAPS]
    columns = len(drawn) if len(drawn) <= 4 else 3
    width = max(4.1 * columns + 1.8, 12.0)
    says = _wrapped(verdict, width - 0.3)
    deep = any(len(stops) > 1 for stops in curves.values())
    heights = {"head": 0.55 + 0.25 * (says.count("\n") + 1)}
    if drawn:
        heights["maps"] = 4.55 * ceil(len(drawn) / columns) + 0.2 * (len(maps) > len(drawn))
    if deep or points:
        heights["charts"] = 4.3
    figure = Figure(figsize=(width, sum(heights.values())), dpi=110, layout="constrained")
    made = figure.subfigures(len(heights), 1, height_ratios=list(heights.values()), squeeze=False)[:, 0]
    parts: dict[str, SubFigure] = dict(zip(heights, made, strict=True))
    _write_head(parts["head"], title, says, heights["head"])
    if drawn:
        _draw_grid(parts["maps"], drawn, classes, columns, left_out=len(maps) - len(drawn))
    if deep or points:
        _draw_charts(parts["charts"], curves if deep else {}, points, metric)
    return figure


def _wrapped(text: str, inches: float) -> str:
    """The verdict in lines that are not wider than the picture."""
    text, look = visible(text), FontProperties(size=VERDICT_SIZE, weight="bold")
    most = int(inches * 72 / (0.55 * VERDICT_SIZE))
    for letters in range(most, 20, -5):
        lines = wrap(text, letters)
        wide = [text_to_path.get_text_width_height_descent(line, look, ismath=False)[0] for line in lines]
        if max(wide, default=0) <= inches * 72:
            break
    return "\n".join(lines)


def _write_head(part: SubFigure, title: str, says: str, height: float) -> None:
    part.text(0.012, 1 - 0.08 / height, plain(title), va="top", fontsize=11, color="#555555")
    part.text(0.012, 1 - 0.36 / height, plain(says), va="top", fontsize=VERDICT_SIZE, fontweight="bold")


def _draw_grid(part: SubFigure, maps: Sequence[GridMap], classes: tuple[str, ...], columns: int, left_out: int) -> None:
    cells = part.subplots(ceil(len(maps) / columns), columns, squeeze=False).ravel()
    views = [_view(of) for of in maps]
    styles = class_styles(len(classes))
    for ax, view in zip(cells, views, strict=False):
        scatter(ax, view, styles)
        ax.set_title(plain(shown(view.split, 44)), fontsize=11, fontweight="bold")
        ax.set_xlabel(plain(view.badge), fontsize=8.5, color="#222222")
    for ax in cells[len(maps) :]:
        ax.set_axis_off()
    limit(list(cells[: len(maps)]), views, shared=False)
    if len(maps) <= 2:
        for ax, view in zip(cells, views, strict=False):
            name_clusters(ax, view, classes)
    add_legend(part, views, classes, styles)
    if left_out:
        part.supxlabel(f"and {left_out} more in comparison.html", fontsize=9, color="#444444")


def _view(of: GridMap) -> MapView:
    kept = of.kept
    if kept is not None:
        # Of the odd point nothing is known: it is drawn as one that is kept, not as one that is lost.
        kept = None if np.isnan(kept).all() else np.nan_to_num(kept, nan=1.0)
    return MapView(of.name, of.coordinates, of.labels, kept, of.badge)


def _draw_charts(
    part: SubFigure, curves: Mapping[str, Sequence[Stop]], points: Sequence[CostPoint], metric: str
) -> None:
    axes = part.subplots(1, bool(curves) + bool(points), squeeze=False)[0]
    styles = row_styles([*curves, *(p.row for p in points)])
    if curves:
        plot_depth(axes[0], curves, metric, styles)
        axes[0].set_title("by depth of the layer", fontsize=11)
    if points:
        plot_costs(axes[-1], points, metric, styles)
        axes[-1].set_title("against what it costs", fontsize=11)
    name_rows(part, styles, "shaded, whiskers: 95 %", front=bool(points))
