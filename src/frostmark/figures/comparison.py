"""The picture of a comparison: the verdict, the maps side by side, the metric by depth and by cost.

figure = draw_comparison(maps, classes, {"resnet18": stops}, points, "k-NN accuracy", "digits", "vgg16 is best.", True)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np
from matplotlib.figure import Figure

from frostmark.figures.clusters import Clusters, write_clusters
from frostmark.figures.costs import CostPoint, key_of_rows, plot_costs, row_styles
from frostmark.figures.depth import Stop, plot_depth
from frostmark.figures.fonts import labels_of
from frostmark.figures.key import Key
from frostmark.figures.lines import height_of, plain, wrapped
from frostmark.figures.maps import MapView, frames_of, key_of, scatter
from frostmark.figures.palette import Style, class_styles
from frostmark.figures.sheet import Sheet
from frostmark.stats.moments import Array

MAX_MAPS = 6
"""Maps of the picture; more would be too small to see anything in them."""

VERDICT_SIZE = 13
"""Of its font, in typographic points."""

CELLS = {1: 6.4, 2: 5.3}
CELL = 4.1
"""Inches across a map: of one, of two, of more of them."""

CHARTS = 3.6
"""Inches of the height of the charts, without what stands around them."""

_EDGE, _GAP, _TITLE, _NAME, _BADGE, _AXIS = 0.2, 0.25, 11, 11, 8.5, 0.8


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
    share: bool,
) -> Figure:
    """``comparison.png``: the verdict, the maps side by side, below them the metric by depth and by cost.

    Args:
        maps: the first six are drawn.
        curves: network → its layers; drawn if one of them has two layers or more.
        points: drawn if there are any.
        share: whether the metric is read in percent.
    """
    grid = _Grid.of(maps[:MAX_MAPS], tuple(labels_of(classes)), len(maps))
    deep = curves if any(len(stops) > 1 for stops in curves.values()) else {}
    styles = row_styles([*deep, *(p.row for p in points)])
    rows = key_of_rows(styles, "shaded, whiskers: 95% CI", front=bool(points), height=CHARTS)
    width = max(grid.width, 12.2)
    says = wrapped(verdict, width - 2 * _EDGE, VERDICT_SIZE, bold=True)
    title = wrapped(title, width - 2 * _EDGE, _TITLE)
    head = 0.1 + height_of(title, _TITLE) + 0.06
    top = head + height_of(says, VERDICT_SIZE) + 0.2
    charts = 0.4 + CHARTS + 0.6 if styles else 0.0
    sheet = Sheet(width, top + grid.height + charts)
    sheet.write(_EDGE, 0.1, title, _TITLE, color="#555555")
    sheet.write(_EDGE, head, says, VERDICT_SIZE, fontweight="bold")
    grid.draw(sheet, top)
    if styles:
        _draw_charts(sheet, top + grid.height + 0.4, (deep, points), metric, share, styles, rows)
    return sheet.figure


@dataclass(frozen=True)
class _Grid:
    """The maps in lines of at most four, their names and badges as they are written, and the classes beside them."""

    views: Sequence[MapView]
    names: Sequence[str]
    badges: Sequence[str]
    classes: tuple[str, ...]
    columns: int
    across: float
    cell: float
    key: Key
    left_out: int

    @classmethod
    def of(cls, maps: Sequence[GridMap], classes: tuple[str, ...], of_all: int) -> _Grid:
        views = [_view(of) for of in maps]
        columns = len(views) if len(views) <= 4 else 3
        across = CELLS.get(len(views), CELL)
        cell = across * max((frame.aspect for frame in frames_of(views, shared=False)), default=1.0)
        names = [wrapped(view.split, across - 0.1, _NAME, bold=True) for view in views]
        badges = [wrapped(view.badge, across - 0.1, _BADGE) for view in views]
        key = key_of(views, classes, class_styles(len(classes)), cell) if views else Key.of([], "class", cell)
        return cls(views, names, badges, classes, columns, across, cell, key, of_all - len(maps))

    @property
    def width(self) -> float:
        return 2 * _EDGE + self.columns * (self.across + _GAP) + self.key.width

    @property
    def _head(self) -> float:
        return max(height_of(name, _NAME) for name in self.names) + 0.08

    @property
    def _line(self) -> float:
        return self._head + self.cell + 0.08 + max(height_of(badge, _BADGE) for badge in self.badges) + 0.16

    @property
    def height(self) -> float:
        if not self.views:
            return 0.0
        return self._line * ceil(len(self.views) / self.columns) + 0.2 * bool(self.left_out)

    def draw(self, sheet: Sheet, top: float) -> None:
        """Below ``top``."""
        if not self.views:
            return
        styles = class_styles(len(self.classes))
        for number, (view, fit) in enumerate(zip(self.views, frames_of(self.views, shared=False), strict=True)):
            line, column = divmod(number, self.columns)
            left, above = _EDGE + column * (self.across + _GAP), top + line * self._line + self._head
            ax, frame = sheet.axes(left, above, self.across, self.cell), fit.filling(self.cell / self.across)
            scatter(ax, view, frame, styles)
            ax.set_title(plain(self.names[number]), fontsize=_NAME, fontweight="bold", y=1.0, pad=4)
            ax.set_xlabel(plain(self.badges[number]), fontsize=_BADGE, color="#222222")
            if len(self.views) <= 3:
                write_clusters(ax, Clusters.of([view], self.classes, frame, (self.across, self.cell)), view.labels)
        self.key.draw(sheet, _EDGE + self.columns * (self.across + _GAP), top + self._head)
        if self.left_out:
            told = f"and {self.left_out} more in comparison.html"
            sheet.write(sheet.width / 2, top + self.height - 0.16, told, 9, ha="center", va="center", color="#444444")


def _view(of: GridMap) -> MapView:
    kept = of.kept
    if kept is not None:
        # Of the odd point nothing is known: it is drawn as one that is kept, not as one that is lost.
        kept = None if np.isnan(kept).all() else np.nan_to_num(kept, nan=1.0)
    return MapView(of.name, of.coordinates, of.labels, kept, of.badge)


def _draw_charts(
    sheet: Sheet,
    top: float,
    charts: tuple[Mapping[str, Sequence[Stop]], Sequence[CostPoint]],
    metric: str,
    share: bool,
    styles: Mapping[str, Style],
    rows: Key,
) -> None:
    curves, points = charts
    several = bool(curves) + bool(points)
    width = (sheet.width - 2 * _EDGE - _GAP - rows.width) / several
    axes = [sheet.axes(_EDGE + n * width + _AXIS, top, width - _AXIS - _GAP, CHARTS) for n in range(several)]
    if curves:
        plot_depth(axes[0], curves, metric, styles, share)
        axes[0].set_title("by depth of the layer", fontsize=11, y=1.0)
    if points:
        plot_costs(axes[-1], points, metric, styles, share)
        axes[-1].set_title("against cost", fontsize=11, y=1.0)
    rows.draw(sheet, sheet.width - _EDGE - rows.width, top)
