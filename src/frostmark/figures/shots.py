"""How accuracy grows with the number of labelled images.

figure = draw_shots({1: accuracies, 2: …}, all_labels=0.78, chance=0.1, title="resnet18 · last_conv · digits")
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from frostmark.figures.maps import plain
from frostmark.stats.moments import Array


def draw_shots(accuracies: Mapping[int, Array], all_labels: float | None, chance: float | None, title: str) -> Figure:
    """Mean and spread of the accuracy over random choices of the labelled images, against their number a class.

    Args:
        accuracies: labelled images a class → (draws,) accuracies.
        all_labels: accuracy with every label of the train split, drawn as a line.
        chance: accuracy of always giving the commonest class, drawn as a line.
    """
    figure = Figure(figsize=(7.5, 4.4), dpi=110, layout="constrained")
    ax = figure.subplots()
    shots = np.array(sorted(accuracies))
    mean = np.array([accuracies[m].mean() for m in shots])
    spread = np.array([accuracies[m].std(ddof=1) for m in shots])
    ax.fill_between(shots, mean - spread, mean + spread, color="#3f90da", alpha=0.25, label="± one standard deviation")
    ax.plot(shots, mean, "o-", color="#3f90da", label="mean of the random choices")
    if all_labels is not None:
        ax.axhline(all_labels, color="#444444", linestyle="--", label="all labels of the train split")
    if chance is not None:
        ax.axhline(chance, color="#444444", linestyle=":", label="always the commonest class")
    ax.set_xscale("log", base=2)
    ax.set_xticks(shots, [str(m) for m in shots])
    ax.set_xlabel("labelled images a class")
    ax.set_ylabel("accuracy of the nearest class mean (test)")
    ax.set_ylim(0, 1)
    ax.yaxis.set_major_formatter(PercentFormatter(1.0))
    ax.grid(alpha=0.3)
    ax.legend(fontsize=8, loc="lower right")
    figure.suptitle(plain(title), fontsize=11, fontweight="bold")
    return figure
