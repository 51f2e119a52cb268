"""How accuracy grows with the number of labelled images.

figure = draw_shots({1: accuracies, 2: …}, all_labels=0.78, chance=0.1, title="resnet18 · last_conv · digits")
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from frostmark.figures.lines import height_of, wrapped
from frostmark.figures.palette import CURVE_COLOURS
from frostmark.figures.sheet import Sheet, in_percent
from frostmark.stats.moments import Array

COLOUR = CURVE_COLOURS[0]
"""No class has it."""

_WIDTH = 7.5


def draw_shots(accuracies: Mapping[int, Array], all_labels: float | None, chance: float | None, title: str) -> Figure:
    """Mean and spread of the accuracy over random choices of the labelled images, against their number a class.

    Args:
        accuracies: labelled images a class → (draws,) accuracies.
        all_labels: accuracy with every label of the train split, drawn as a line.
        chance: accuracy of always giving the commonest class, drawn as a line.
    """
    title = wrapped(title, _WIDTH - 0.4, 12, bold=True)
    top = 0.15 + height_of(title, 12) + 0.1
    sheet = Sheet(_WIDTH, top + 3.5 + 0.55)
    sheet.write(_WIDTH / 2, 0.12, title, 12, ha="center", fontweight="bold")
    ax = sheet.axes(0.85, top, _WIDTH - 1.05, 3.5)
    shots = np.array(sorted(accuracies))
    mean = np.array([accuracies[m].mean() for m in shots])
    spread = np.array([accuracies[m].std(ddof=1) for m in shots])
    ax.fill_between(shots, mean - spread, mean + spread, color=COLOUR, alpha=0.22, label="± one standard deviation")
    ax.plot(shots, mean, "o-", color=COLOUR, label="mean of the random draws")
    if all_labels is not None:
        ax.axhline(all_labels, color="#444444", linestyle="--", label=f"all labels of train: {all_labels:.1%}")
    lowest = _limit(ax, np.r_[mean - spread, mean + spread, [] if all_labels is None else all_labels], chance)
    if chance is not None:
        below = "" if chance >= lowest else ", below the axis"
        ax.axhline(
            chance,
            color="#444444",
            linestyle=":",
            label=f"always predicting the most common class: {chance:.1%}{below}",
        )
    ax.set_xscale("log", base=2)
    ax.set_xticks(shots, [str(m) for m in shots])
    ax.set_xlabel("labelled images per class")
    ax.set_ylabel("accuracy of the nearest class mean (test)")
    in_percent(ax.yaxis)
    ax.grid(alpha=0.3)
    ax.legend(fontsize=9, loc="best")
    return sheet.figure


def _limit(ax: Axes, values: Array, chance: float | None) -> float:
    """The axis as high as its values ask for, from the end that is returned; a chance level far below is left out."""
    low, high = float(values.min()), float(values.max())
    room = max(high - low, 0.05)
    if chance is not None and low - chance <= 0.5 * room:
        low = min(low, chance)
    lowest = max(low - 0.1 * room, -0.02)
    ax.set_ylim(lowest, min(high + 0.1 * room, 1.02))
    return lowest
