"""Networks by their mean rank over data sets, and who cannot be told from whom: the critical-difference picture.

figure = draw_ranks(["vgg16", "resnet18"], mean_rank, low, high, 0.8, [(0, 1)], "2 networks over 12 data sets")
figure = draw_scores(["vgg16", "resnet18"], {"digits": [0.9, 0.8]}, "linear accuracy", "2 networks, 1 data set", True)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from frostmark.figures.key import Key, KeyLine
from frostmark.figures.lines import height_of, plain, width_of, wrapped
from frostmark.figures.palette import CURVE_COLOURS, curve_styles
from frostmark.figures.sheet import Sheet, in_percent
from frostmark.names import short_titles
from frostmark.stats.moments import Float

MAX_ROWS = 60
"""Networks of the picture; more would be too small to read."""

MAX_BARS = 12
"""Bars of networks that cannot be told apart."""

_CHART, _LINE = 5.2, 0.3
"""Inches across the chart, and of a network's line."""


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
    bars = [(first, min(last, rows - 1)) for first, last in tied if first < rows - 1][:MAX_BARS]
    note = (
        "Mean rank: 1 is the best. Whiskers: 95% CI. "
        f"Shaded: the critical difference of {critical:.2f} behind the best."
        + (" Bars: no significant difference between the networks that they join." if bars else "")
        + _left_out(networks)
    )
    sheet, ax = _rows(networks[:rows], title, note, 0.2 * len(bars) + 0.1)
    at, mean = np.arange(rows), mean_rank[:rows]
    ax.errorbar(
        mean, at, xerr=[mean - low[:rows], high[:rows] - mean], fmt="o", color=CURVE_COLOURS[0], ecolor="#7f9aa6",
        capsize=3,
    )  # fmt: skip
    for number, (first, last) in enumerate(bars):
        x = 1 + 0.2 * (number + 0.6) / _CHART
        ends = ([x, x], [first - 0.2, last + 0.2])
        ax.plot(*ends, color="#222222", lw=4, transform=ax.get_yaxis_transform(), clip_on=False)
    ax.axvspan(float(mean[0]), float(mean[0]) + critical, color=CURVE_COLOURS[0], alpha=0.14, lw=0)
    ax.set_xlabel("mean rank")
    return sheet.figure


def draw_scores(
    networks: Sequence[str], scores: Mapping[str, Sequence[float]], metric: str, title: str, share: bool
) -> Figure:
    """A line per network with its score on each data set; NaN where it was not run.

    Args:
        share: whether the metric is read in percent.
    """
    rows = min(len(networks), MAX_ROWS)
    styles = curve_styles(len(scores))
    entries = [KeyLine(name, style) for name, style in zip(scores, styles, strict=True)]
    key = Key.of(entries, "data set", _LINE * rows + 0.8)
    sheet, ax = _rows(networks[:rows], title, _left_out(networks).strip(), key.width + 0.3)
    for style, (name, of) in zip(styles, scores.items(), strict=True):
        ax.plot(of[:rows], np.arange(rows), style.marker, color=style.colour, label=plain(name))
    key.draw(sheet, sheet.width - 0.15 - key.width, 0.55)
    ax.set_xlabel(plain(f"{metric} (test)"))
    if share:
        in_percent(ax.xaxis)
    return sheet.figure


def _left_out(networks: Sequence[str]) -> str:
    return f" Shown: the first {MAX_ROWS} of {len(networks)} networks." if len(networks) > MAX_ROWS else ""


def _rows(networks: Sequence[str], title: str, note: str, beside: float) -> tuple[Sheet, Axes]:
    """A sheet with a line per network, its note below, and so many inches free at the right of the chart."""
    names = short_titles(networks, 44)
    left = 0.2 + max(width_of(name, 10) for name in names) + 0.15
    width = left + _CHART + beside + 0.15
    title, note = wrapped(title, width - 0.4, 12, bold=True), wrapped(note, width - 0.4, 9)
    top = 0.12 + height_of(title, 12) + 0.12
    height = _LINE * len(names)
    sheet = Sheet(width, top + height + 0.55 + height_of(note, 9) + 0.12)
    sheet.write(width / 2, 0.12, title, 12, ha="center", fontweight="bold")
    sheet.write(0.2, sheet.height - 0.12 - height_of(note, 9), note, 9, color="#444444")
    ax = sheet.axes(left, top, _CHART, height)
    ax.set_yticks(np.arange(len(names)), [plain(name) for name in names])
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.grid(axis="x", alpha=0.3)
    return sheet, ax
