"""How well a score puts networks into the order of an accuracy.

cell = Cell("pets", {"LogME": logme, "ImageNet top-1": top1}, accuracy, width)
measured(cell, "LogME").tau, measured(cell, "LogME").regret
mean_of([measured(cell, "LogME") for cell in cells]).right      # of pairs of equal width, those in the right order
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import weightedtau

from frostmark.stats.paired import agreement

Float = NDArray[np.float64]

MIN_NETWORKS = 3
"""Fewer have no order worth a correlation."""


@dataclass(frozen=True)
class Cell:
    """Networks on one data set.

    Attributes:
        name: of the data set.
        scores: name → (N,) score of every network, the larger the better; NaN where there is none.
        accuracy: (N,) what the scores are to predict.
        width: (N,) number of features; NaN where it is not known.
    """

    name: str
    scores: Mapping[str, Float]
    accuracy: Float
    width: Float


@dataclass(frozen=True)
class Order:
    """How well a score orders the networks of one cell, or of several on average.

    Attributes:
        cells: number of cells.
        tau: Kendall's τ-b with the accuracy; None where either is constant.
        weighted: weighted τ (Vigna 2015; ``scipy.stats.weightedtau``): the best networks count most.
        regret: the best accuracy less that of the network which the score puts first (the mean of those, if several).
        right, wrong: of pairs of networks of equal width, those in the right and in the wrong order; without ties.
        width: Kendall's τ-b of the score with the width.
    """

    cells: int
    tau: float | None
    weighted: float | None
    regret: float
    right: int
    wrong: int
    width: float | None


def measured(cell: Cell, name: str) -> Order | None:
    """How well a score orders a cell; None if fewer than three networks have it."""
    score = cell.scores[name]
    known = np.isfinite(score) & np.isfinite(cell.accuracy)
    if known.sum() < MIN_NETWORKS:
        return None
    score, accuracy, width = score[known], cell.accuracy[known], cell.width[known]
    tau = agreement(score, accuracy)
    right, wrong = equal_width_pairs(score, accuracy, width)
    return Order(
        1,
        tau,
        None if tau is None else float(weightedtau(score, accuracy).statistic),
        regret_at_1(score, accuracy),
        right,
        wrong,
        agreement(score, width) if np.isfinite(width).all() else None,
    )


def regret_at_1(score: Float, accuracy: Float) -> float:
    """What choosing by the score costs: the best accuracy less the mean accuracy of what the score puts first."""
    return float(accuracy.max() - accuracy[score == score.max()].mean())


def equal_width_pairs(score: Float, accuracy: Float, width: Float) -> tuple[int, int]:
    """Pairs of networks of equal width that the score puts into the right, and into the wrong order."""
    signs = [
        np.sign(score[i] - score[j]) * np.sign(accuracy[i] - accuracy[j])
        for i, j in combinations(range(len(score)), 2)
        if width[i] == width[j]
    ]
    return int(sum(s > 0 for s in signs)), int(sum(s < 0 for s in signs))


def mean_of(orders: Sequence[Order | None]) -> Order | None:
    """Means over cells; pairs are summed. None if there is no cell."""
    there = [order for order in orders if order is not None]
    if not there:
        return None
    return Order(
        len(there),
        _mean([order.tau for order in there]),
        _mean([order.weighted for order in there]),
        float(np.mean([order.regret for order in there])),
        sum(order.right for order in there),
        sum(order.wrong for order in there),
        _mean([order.width for order in there]),
    )


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def best_first(cells: Sequence[Cell]) -> list[tuple[str, Order]]:
    """Every score with its means over ``cells``, the highest τ first."""
    names = dict.fromkeys(name for cell in cells for name in cell.scores)
    means = [(name, mean_of([measured(c, name) for c in cells if name in c.scores])) for name in names]
    known = [(name, order) for name, order in means if order is not None]
    return sorted(known, key=lambda item: -np.inf if item[1].tau is None else -item[1].tau)


HEAD = ("score", "cells", "Kendall's τ", "weighted τ", "regret@1", "equal width, right : wrong", "τ with the width")


def lines(cells: Sequence[Cell], controls: Sequence[str], unit: float = 1.0) -> list[list[str]]:
    """The cells below :data:`HEAD`, the highest τ first; names of ``controls`` in italics.

    Args:
        unit: what a regret is multiplied by to be one of percentage points.
    """
    return [
        [
            f"*{name}*" if name in controls else name,
            str(order.cells),
            shown(order.tau),
            shown(order.weighted),
            f"{unit * order.regret:.2f}",
            f"{order.right} : {order.wrong}" if order.right + order.wrong else "–",
            shown(order.width),
        ]
        for name, order in best_first(cells)
    ]


def shown(value: float | None) -> str:
    """A correlation with two decimals; a dash where there is none."""
    return "–" if value is None else f"{value + 0.0:.2f}".replace("-", "−").replace("−0.00", "0.00")
