"""Networks by their mean rank over data sets, and who cannot be told from whom: the critical-difference picture.

figure = draw_ranks(["vgg16", "resnet18"], mean_rank, low, high, 0.8, [(0, 1)], "2 networks over 12 data sets")
figure = draw_scores(["vgg16", "resnet18"], {"digits": [0.9, 0.8]}, "linear accuracy", "2 networks over 1 data set")
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from frostmark.figures.maps import plain, shown
from frostmark.figures.palette import class_styles
from frostmark.stats.moments import Float

MAX_ROWS = 60
"""Networks of the picture; more would be too small to read."""

MAX_BARS = 12
"""Bars of networks that cannot be told apart."""


def draw_ranks(
    networks: Sequence[str],
    mean_rank: Float,
    low: Float,
    high: Float,
    critical: float,
    tied: Sequence[tuple[int, int]],
    title: str,
) -> Figure:
    """A line per network with its mean rank and interval; bars join networks that are not told apart (Demšar 2006).

    Args:
        networks: (K,) the best first; ``mean_rank``, ``low`` and ``high`` in their order.
        critical: the smallest difference that is told.
        tied: first and last position of networks of which no two are told apart.
    """
    rows = min(len(networks), MAX_ROWS)
    figure, ax = _rows(networks[:rows], title)
    at = np.arange(rows)
    mean = mean_rank[:rows]
    ax.errorbar(
        mean, at, xerr=[mean - low[:rows], high[:rows] - mean], fmt="o", color="#3f90da", ecolor="#94a4a2", capsize=3
    )
    bars = [(first, min(last, rows - 1)) for first, last in tied if first < rows - 1][:MAX_BARS]
    for number, (first, last) in enumerate(bars):
        x = 1.03 + 0.03 * number
        ax.plot(
            [x, x], [first - 0.2, last + 0.2], color="#222222", lw=4, transform=ax.get_yaxis_transform(), clip_on=False
        )
    ax.axvspan(float(mean[0]), float(mean[0]) + critical, color="#ffa90e", alpha=0.18, lw=0)
    ax.set_xlabel(
        f"mean rank, 1 is the best; whiskers: 95% CI; shaded: the critical difference of {critical:.2f} behind the best"
        + ("; bars: no significant difference" if bars else ""),
        fontsize=8.5,
    )
    if len(networks) > rows:
        ax.set_title(f"the first {rows} of {len(networks)}", fontsize=9, color="#444444")
    return figure


def draw_scores(networks: Sequence[str], scores: Mapping[str, Sequence[float]], metric: str, title: str) -> Figure:
    """A line per network with its score on each data set; NaN where it was not run."""
    rows = min(len(networks), MAX_ROWS)
    figure, ax = _rows(networks[:rows], title)
    for style, (name, of) in zip(class_styles(len(scores)), scores.items(), strict=True):
        ax.plot(of[:rows], np.arange(rows), style.marker, color=style.colour, label=plain(shown(name, 40)))
    ax.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1.01, 1))
    ax.set_xlabel(plain(f"{metric} (test)"))
    return figure


def _rows(networks: Sequence[str], title: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(9.5, 1.6 + 0.3 * len(networks)), dpi=110, layout="constrained")
    ax = figure.subplots()
    ax.set_yticks(np.arange(len(networks)), [plain(shown(name, 44)) for name in networks])
    ax.set_ylim(len(networks) - 0.4, -0.6)
    ax.grid(axis="x", alpha=0.3)
    figure.suptitle(plain(title), fontsize=12, fontweight="bold")
    return figure, ax
