"""How a metric changes with the depth of the layer: where a network's features are best for these images.

figure = draw_depth({"resnet18": [Stop("stage3", 0.7, 0.81, 0.79, 0.83), …]}, "k-NN accuracy", "by depth · digits")
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from frostmark.figures.maps import plain
from frostmark.figures.palette import class_styles


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


def draw_depth(curves: Mapping[str, Sequence[Stop]], metric: str, title: str) -> Figure:
    """A line a network over its layers by depth, with their intervals, each layer by its name."""
    figure = Figure(figsize=(8.2, 4.8), dpi=110, layout="constrained")
    ax = figure.subplots()
    for (name, stops), style in zip(curves.items(), class_styles(len(curves)), strict=True):
        ordered = sorted(stops, key=lambda stop: stop.depth)
        x, y = np.array([s.depth for s in ordered]), np.array([s.value for s in ordered])
        ax.plot(x, y, color=style.colour, marker=style.marker, label=plain(name), linewidth=1.6)
        low = [s.value if s.low is None else s.low for s in ordered]
        high = [s.value if s.high is None else s.high for s in ordered]
        ax.fill_between(x, low, high, color=style.colour, alpha=0.18, linewidth=0)
        for stop in ordered:
            ax.annotate(
                plain(stop.layer), (stop.depth, stop.value), xytext=(0, 7), textcoords="offset points", ha="center",
                fontsize=8, color="#333333",
            )  # fmt: skip
    ax.set_xlim(-0.03, 1.06)
    ax.margins(y=0.15)
    ax.xaxis.set_major_formatter(PercentFormatter(1.0))
    ax.set_xlabel("share of the network's multiply-accumulates up to the layer")
    ax.set_ylabel(metric)
    ax.grid(alpha=0.3)
    ax.legend(fontsize=9, loc="lower right", title="shaded: 95 %", title_fontsize=8)
    figure.suptitle(plain(title), fontsize=12, fontweight="bold")
    return figure
