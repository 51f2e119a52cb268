"""How a metric changes with the depth of the layer: where a network's features are best for these images.

figure = draw_depth({"resnet18": [Stop("stage3", 0.7, 0.81, 0.79, 0.83), …]}, "k-NN accuracy", "by depth", share=True)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from frostmark.figures.beside import Name, write_names
from frostmark.figures.costs import chart, key_of_rows, name_metric, row_styles
from frostmark.figures.lines import plain
from frostmark.figures.palette import Style
from frostmark.figures.sheet import in_percent


@dataclass(frozen=True)
class Stop:
    """A layer of a network.

    Attributes:
        depth: share of the network's multiply-accumulates up to it, 0 … 1.
        value: of the metric.
        low, high: its interval, if it has one.
    """

    layer: str
    depth: float
    value: float
    low: float | None = None
    high: float | None = None


def draw_depth(curves: Mapping[str, Sequence[Stop]], metric: str, title: str, share: bool) -> Figure:
    """A line per network over its layers by depth, with their intervals, each layer by its name.

    Args:
        share: whether the metric is read in percent.
    """
    styles = row_styles(curves)
    key = key_of_rows(styles, "shaded: 95% CI", front=False, height=3.7)
    sheet, ax = chart(title, key)
    plot_depth(ax, curves, metric, styles, share)
    return sheet.figure


def plot_depth(
    ax: Axes, curves: Mapping[str, Sequence[Stop]], metric: str, styles: Mapping[str, Style], share: bool
) -> None:
    """The same on axes of a larger figure, in the looks given for every network."""
    for name, stops in curves.items():
        ordered, style = sorted(stops, key=lambda stop: stop.depth), styles[name]
        depth = [s.depth for s in ordered]
        values = [s.value for s in ordered]
        ax.plot(depth, values, style.dash, color=style.colour, marker=style.marker, label=plain(name))
        low = [s.value if s.low is None else s.low for s in ordered]
        high = [s.value if s.high is None else s.high for s in ordered]
        ax.fill_between(depth, low, high, color=style.colour, alpha=0.18, linewidth=0)
    ax.margins(x=0.06, y=0.18)
    # The best curve first: where several pass one place, its names are the ones to read.
    stops = sorted((stop for stops in curves.values() for stop in stops), key=lambda stop: -stop.value)
    write_names(ax, [Name(s.layer, s.depth, s.value, s.value, s.value, weight=False) for s in stops])
    in_percent(ax.xaxis)
    ax.set_xlabel("share of the network's multiply-accumulates up to the layer")
    name_metric(ax, metric, share)
    ax.grid(alpha=0.3)
