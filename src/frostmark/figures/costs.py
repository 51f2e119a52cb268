"""Quality against cost: a chart of the layers of several networks.

figure = draw_costs([CostPoint("vgg16 · last_conv", "vgg16", 15.3, 0.82, None, None)], "accuracy", "digits", True)
front = pareto_front(points)                        # the points whose value nothing cheaper reaches
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from frostmark.figures.beside import Name, write_names
from frostmark.figures.key import Key, KeyLine
from frostmark.figures.lines import height_of, plain, wrapped
from frostmark.figures.palette import Style, curve_styles
from frostmark.figures.sheet import Sheet, in_percent
from frostmark.names import short_titles

_LETTERS = 30
"""Of a network's name in the list beside the charts."""

MAX_NAMED = 12
"""Up to so many points all are named; of more only those at the front."""

GMACS = "GMACs per image (billions of multiply-accumulates up to the layer)"
LATENCY = "milliseconds per image, one at a time (median, exported network)"
"""Costs, below the axis."""

FRONT = "#444444"
"""Colour of the line that joins the best."""


@dataclass(frozen=True)
class CostPoint:
    """One layer of one network.

    Attributes:
        name: "resnet18 · last_conv".
        row: "resnet18": points of one row look alike.
        cost: of one image, in ``unit``.
        value: of the metric, the larger the better.
        low, high: its interval, if it has one.
        unit: what the cost is: the same for all points of a chart.
    """

    name: str
    row: str
    cost: float
    value: float
    low: float | None
    high: float | None
    unit: str = GMACS


def draw_costs(points: Sequence[CostPoint], metric: str, title: str, share: bool) -> Figure:
    """The metric against the cost of an image; the line joins what nothing cheaper surpasses.

    The axis of the costs is logarithmic where they span more than a factor of ten.

    Args:
        share: whether the metric is read in percent.
    """
    styles = row_styles(p.row for p in points)
    key = key_of_rows(styles, "whiskers: 95% CI", front=True, height=3.7)
    sheet, ax = chart(title, key)
    plot_costs(ax, points, metric, styles, share)
    return sheet.figure


def chart(title: str, key: Key) -> tuple[Sheet, Axes]:
    """A sheet with its title, one chart, which is empty, and the list of its rows beside it."""
    width = 7.0 + key.width
    title = wrapped(title, width - 0.4, 12, bold=True)
    top = 0.15 + height_of(title, 12) + 0.1
    sheet = Sheet(width, top + 3.8 + 0.6)
    sheet.write(width / 2, 0.12, title, 12, ha="center", fontweight="bold")
    key.draw(sheet, 6.75, top)
    return sheet, sheet.axes(0.85, top, 5.7, 3.8)


def pareto_front(points: Sequence[CostPoint]) -> list[CostPoint]:
    """The points whose value no point of the same or a lower cost reaches, the cheapest first."""
    front: list[CostPoint] = []
    for point in sorted(points, key=lambda p: (p.cost, -p.value)):
        if not front or point.value > front[-1].value:
            front.append(point)
    return front


def row_styles(rows: Iterable[str]) -> dict[str, Style]:
    """A look for each of the rows, in the order in which they are met."""
    met = list(dict.fromkeys(rows))
    return dict(zip(met, curve_styles(len(met)), strict=True))


def plot_costs(ax: Axes, points: Sequence[CostPoint], metric: str, styles: Mapping[str, Style], share: bool) -> None:
    """The chart itself: every point with its interval, and the steps of the front."""
    for row in dict.fromkeys(p.row for p in points):
        _plot_row(ax, [p for p in points if p.row == row], styles[row])
    costs = [p.cost for p in points]
    if costs and min(costs) > 0 and max(costs) > 10 * min(costs):
        ax.set_xscale("log")
        ax.xaxis.set_major_formatter(FuncFormatter(lambda cost, _: f"{cost:g}"))
    ax.margins(x=0.12, y=0.18)
    front = pareto_front(points)
    _plot_front(ax, front)
    named = [p for p in points if p in front or len(points) <= MAX_NAMED]
    others = [p for p in points if p not in named]
    write_names(ax, [_name_of(p, p in front) for p in named], [_name_of(p, False) for p in others])
    ax.set_xlabel(points[0].unit if points else GMACS)
    name_metric(ax, metric, share)
    ax.grid(alpha=0.3)


def name_metric(ax: Axes, metric: str, share: bool) -> None:
    """The metric along the axis that goes up, shares in percent."""
    ax.set_ylabel(plain(wrapped(metric, 3.4, 10)))
    if share:
        in_percent(ax.yaxis)


def key_of_rows(styles: Mapping[str, Style], note: str, front: bool, height: float) -> Key:
    """The list of the rows, to stand beside the charts: in them it would hide points."""
    names = short_titles(list(styles), _LETTERS)
    entries = [KeyLine(row, style, line=True) for row, style in zip(names, styles.values(), strict=True)]
    best = [KeyLine("best for its cost", Style(FRONT, "", "--"), line=True)] if front else []
    return Key.of([*entries, *best], note, height, most=None)


def _plot_row(ax: Axes, points: Sequence[CostPoint], style: Style) -> None:
    values = np.array([p.value for p in points])
    low = np.array([p.value if p.low is None else p.low for p in points])
    high = np.array([p.value if p.high is None else p.high for p in points])
    ax.errorbar(
        [p.cost for p in points], values, yerr=np.maximum([values - low, high - values], 0), fmt=style.marker,
        color=style.colour, markersize=7, elinewidth=1.2, label=plain(points[0].row), zorder=3,
    )  # fmt: skip


def _name_of(point: CostPoint, best: bool) -> Name:
    low, high = (point.value if end is None else end for end in (point.low, point.high))
    return Name(point.name, point.cost, point.value, low, high, weight=best)


def _plot_front(ax: Axes, front: Sequence[CostPoint]) -> None:
    """Steps: between two of the front the cheaper one is the best there is."""
    if not front:
        return
    start, end = ax.get_xlim()
    costs, values = [p.cost for p in front], [p.value for p in front]
    ax.plot(
        [*costs, end], [*values, values[-1]], drawstyle="steps-post", color=FRONT, linestyle="--", linewidth=1.1,
        zorder=2,
    )  # fmt: skip
    ax.set_xlim(start, end)
