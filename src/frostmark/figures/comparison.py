"""Pictures of several runs side by side: what accuracy costs, how alike the features are, who confuses what, the maps.

figure = draw_costs([CostPoint("vgg16 · stage5", "vgg16", 15.3, 0.81, 0.79, 0.83)], "k-NN accuracy", "cost · digits")
figure = draw_similarity(cka_of_all_pairs, ["resnet18 · stage4", "vgg16 · stage5"], "how alike · digits")
figure = draw_comparison(maps, classes, {"resnet18": stops}, points, "k-NN accuracy", "digits", "vgg16 is better.")
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from textwrap import wrap
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure, SubFigure
from matplotlib.font_manager import FontProperties
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.textpath import text_to_path
from matplotlib.ticker import FuncFormatter, MaxNLocator

from frostmark.figures.beside import Name, write_names
from frostmark.figures.depth import Stop, plot_depth
from frostmark.figures.maps import MapView, add_legend, limit, name_clusters, plain, scatter, shown
from frostmark.figures.pairs import NUMBERS_MOST, name_axes
from frostmark.figures.palette import ClassStyle, class_styles
from frostmark.names import visible
from frostmark.stats.moments import Array

MAPS_MOST = 6
"""Maps of the picture; more would be too small to see anything in them."""

NAMED_MOST = 12
"""Up to so many points all are named; of more only those at the front."""

VERDICT_SIZE = 13
"""Of its font, in typographic points."""

UNKNOWN, FRONT = "#dddddd", "#444444"
"""Colours of what is not known, and of the line that joins the best."""


@dataclass(frozen=True)
class CostPoint:
    """One layer of one network.

    Attributes:
        name: "resnet18 · last_conv".
        row: "resnet18": points of one row look alike.
        gmacs: billions of multiply-accumulates an image up to the layer.
        value: of the metric, the larger the better.
        low, high: its interval, if it has one.
    """

    name: str
    row: str
    gmacs: float
    value: float
    low: float | None
    high: float | None


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


# ---- quality against cost


def draw_costs(points: Sequence[CostPoint], metric: str, title: str) -> Figure:
    """The metric against the multiply-accumulates an image; the line joins what nothing cheaper surpasses.

    The axis of the costs is logarithmic where they span more than a factor of ten.
    """
    figure = Figure(figsize=(9.2, 4.8), dpi=110, layout="constrained")
    styles = _row_styles(p.row for p in points)
    _plot_costs(figure.subplots(), points, metric, styles)
    _name_rows(figure, styles, "whiskers: 95 %", front=True)
    figure.suptitle(plain(title), fontsize=12, fontweight="bold")
    return figure


def pareto_front(points: Sequence[CostPoint]) -> list[CostPoint]:
    """The points whose value no point of the same or a lower cost reaches, the cheapest first."""
    front: list[CostPoint] = []
    for point in sorted(points, key=lambda p: (p.gmacs, -p.value)):
        if not front or point.value > front[-1].value:
            front.append(point)
    return front


def _row_styles(rows: Iterable[str]) -> dict[str, ClassStyle]:
    """A look for each of the rows, in the order in which they are met."""
    met = list(dict.fromkeys(rows))
    return dict(zip(met, class_styles(len(met)), strict=True))


def _plot_costs(ax: Axes, points: Sequence[CostPoint], metric: str, styles: Mapping[str, ClassStyle]) -> None:
    for row in dict.fromkeys(p.row for p in points):
        _plot_row(ax, [p for p in points if p.row == row], styles[row])
    costs = [p.gmacs for p in points]
    if costs and min(costs) > 0 and max(costs) > 10 * min(costs):
        ax.set_xscale("log")
        ax.xaxis.set_major_formatter(FuncFormatter(lambda cost, _: f"{cost:g}"))
    ax.margins(x=0.12, y=0.18)
    front = pareto_front(points)
    _plot_front(ax, front)
    write_names(ax, [_name_of(p, p in front) for p in points if p in front or len(points) <= NAMED_MOST])
    ax.set_xlabel("GMACs an image (billions of multiply-accumulates up to the layer)")
    ax.set_ylabel(plain(metric))
    ax.grid(alpha=0.3)


def _name_rows(figure: Figure | SubFigure, styles: Mapping[str, ClassStyle], note: str, front: bool) -> None:
    """A legend beside the charts: in them it would hide points."""
    handles = [
        Line2D([], [], color=style.colour, marker=style.marker, linewidth=1.6, label=plain(shown(row, 30)))
        for row, style in styles.items()
    ]
    if front:
        handles.append(Line2D([], [], color=FRONT, linestyle="--", linewidth=1.1, label="best for its cost"))
    figure.legend(handles=handles, loc="outside right upper", frameon=False, fontsize=9, title=note, title_fontsize=8.5)


def _plot_row(ax: Axes, points: Sequence[CostPoint], style: ClassStyle) -> None:
    values = np.array([p.value for p in points])
    low = np.array([p.value if p.low is None else p.low for p in points])
    high = np.array([p.value if p.high is None else p.high for p in points])
    ax.errorbar(
        [p.gmacs for p in points], values, yerr=np.maximum([values - low, high - values], 0), fmt=style.marker,
        color=style.colour, markersize=7, elinewidth=1.2, label=plain(shown(points[0].row, 30)), zorder=3,
    )  # fmt: skip


def _name_of(point: CostPoint, best: bool) -> Name:
    low, high = (point.value if end is None else end for end in (point.low, point.high))
    return Name(point.name, point.gmacs, point.value, low, high, weight=best)


def _plot_front(ax: Axes, front: Sequence[CostPoint]) -> None:
    """Steps: between two of the front the cheaper one is the best there is."""
    if not front:
        return
    start, end = ax.get_xlim()
    costs, values = [p.gmacs for p in front], [p.value for p in front]
    ax.plot(
        [*costs, end], [*values, values[-1]], drawstyle="steps-post", color=FRONT, linestyle="--", linewidth=1.1,
        zorder=2,
    )  # fmt: skip
    ax.set_xlim(start, end)


# ---- heat maps


def draw_similarity(matrix: Array, names: Sequence[str], title: str) -> Figure:
    """Heat map of the CKA (R, R) of R layers; NaN where it is not known. Up to a dozen carry their numbers."""
    edge = float(np.clip(0.55 * len(names) + 2.4, 4.6, 14))
    figure = Figure(figsize=(edge + 2.0, edge + 0.3), dpi=110, layout="constrained")
    ax = figure.subplots()
    image = _heat(ax, matrix, "cividis", 0.0, 1.0)
    _name_lines(ax, names)
    if len(names) <= NUMBERS_MOST:
        _write(image, matrix, lambda value: f"{value:.2f}")
    bar = figure.colorbar(image, ax=ax, shrink=0.8)
    unknown = "" if np.isfinite(matrix).all() else "; grey: not known"
    bar.set_label(
        f"CKA: 1 where features differ by rotation and scale alone,\nabout 0 where they share nothing{unknown}"
    )
    figure.suptitle(plain(title), fontsize=12, fontweight="bold")
    return figure


def draw_confusion_difference(
    first: Array, second: Array, names: tuple[str, str], classes: Sequence[str], order: Sequence[int], title: str
) -> Figure:
    """Which of two layers separates which pairs of classes better; classes in ``order``.

    Args:
        first, second: (C, C) directional CDNV, the larger the more confused; NaN on the diagonal.
        names: of the two layers.
    """
    edge = float(np.clip(0.55 * len(classes) + 2.0, 4.6, 14))
    figure = Figure(figsize=(edge + 0.4, edge + 1.1), dpi=110, layout="constrained")
    ax = figure.subplots()
    ratios = _log_ratios(np.asarray(first, np.float64), np.asarray(second, np.float64))[np.ix_(order, order)]
    # Not less than a factor of two each way: noise shall not be painted in full colours.
    most = float(np.clip(np.nanmax(np.abs(ratios), initial=0.0), 1.0, 6.0))
    image = _heat(ax, ratios, "PuOr", -most, most)
    name_axes(ax, tuple(classes[c] for c in order))
    if len(classes) <= NUMBERS_MOST:
        _write(image, ratios, lambda value: f"{2 ** abs(value):.1f}")
    _ratio_bar(figure, ax, image, names)
    figure.suptitle(plain(title), fontsize=12, fontweight="bold")
    return figure


def _log_ratios(first: Array, second: Array) -> Array:
    """log₂(first/second); NaN where either is not known or not positive."""
    known = (first > 0) & (second > 0) & np.isfinite(first) & np.isfinite(second)
    return np.log2(np.where(known, first, np.nan) / np.where(known, second, 1.0))


def _heat(ax: Axes, matrix: Array, colours: str, low: float, high: float) -> AxesImage:
    scale = colormaps[colours].with_extremes(bad=UNKNOWN)
    return ax.imshow(np.ma.masked_invalid(matrix), cmap=scale, vmin=low, vmax=high)


def _name_lines(ax: Axes, names: Sequence[str]) -> None:
    words = [plain(shown(name, 34)) for name in names]
    ax.set_xticks(range(len(names)), words, rotation=45, ha="right", rotation_mode="anchor", fontsize=9)
    ax.set_yticks(range(len(names)), words, fontsize=9)


def _write(image: AxesImage, matrix: Array, said: Any) -> None:
    """Numbers in the cells, white on dark ones."""
    for (i, j), value in np.ndenumerate(matrix):
        if np.isfinite(value):
            colour = "white" if _luminance(image.to_rgba(value)) < 0.18 else "black"
            image.axes.text(j, i, said(value), ha="center", va="center", fontsize=8, color=colour)


def _luminance(colour: Any) -> float:
    """Relative luminance of WCAG 2, 0 … 1; black and white text are equally legible at 0.18."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    return float(np.dot([0.2126, 0.7152, 0.0722], linear))


def _ratio_bar(figure: Figure, ax: Axes, image: AxesImage, names: tuple[str, str]) -> None:
    """Where the first layer is the more confused, at the right, the second is the better one."""
    bar = figure.colorbar(image, ax=ax, orientation="horizontal", shrink=0.9, aspect=30)
    bar.locator = MaxNLocator(nbins=8, steps=[1, 2, 5, 10])
    bar.formatter = FuncFormatter(lambda value, _: "equal" if value == 0 else f"{2 ** abs(value):.2g}×")
    bar.update_ticks()
    bar.set_label("by which factor", fontsize=9)
    for place, name, side in zip((0.0, 1.0), names, ("left", "right"), strict=True):
        text = f"{plain(shown(name, 30))}\nseparates better"
        colour = image.cmap(0.08 + 0.84 * place)
        bar.ax.text(
            place,
            -1.8,
            text,
            transform=bar.ax.transAxes,
            ha=side,
            va="top",
            fontsize=9,
            fontweight="bold",
            color=colour,
        )


# ---- everything in one picture


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
    drawn = maps[:MAPS_MOST]
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
    styles = _row_styles([*curves, *(p.row for p in points)])
    if curves:
        plot_depth(axes[0], curves, metric, styles)
        axes[0].set_title("by depth of the layer", fontsize=11)
    if points:
        _plot_costs(axes[-1], points, metric, styles)
        axes[-1].set_title("against what it costs", fontsize=11)
    _name_rows(part, styles, "shaded, whiskers: 95 %", front=bool(points))
