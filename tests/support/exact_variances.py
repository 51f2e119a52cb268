"""The report's variances in rational arithmetic: what the metrics are held against."""

from __future__ import annotations

from fractions import Fraction

import numpy as np


def exact(rows: np.ndarray, labels: np.ndarray, classes: int) -> tuple[dict[str, Fraction], list[list[Fraction]]]:
    """The scalars and the variances of pairs in rational arithmetic, straight from their definitions."""
    numbers = [[Fraction(float(value)) for value in row] for row in rows]

    def moments(members: np.ndarray) -> tuple[list[Fraction], Fraction]:
        columns = list(zip(*(numbers[i] for i in members), strict=True))
        mean = [sum(column, Fraction()) / len(members) for column in columns]
        squares = sum(((v - m) ** 2 for column, m in zip(columns, mean, strict=True) for v in column), Fraction())
        return mean, squares / len(members)

    of_class = [np.flatnonzero(labels == c) for c in range(classes)]
    means, variances = zip(*(moments(members) for members in of_class), strict=True)
    centre = [sum(column, Fraction()) / classes for column in zip(*means, strict=True)]
    inter = sum(((v - m) ** 2 for mean in means for v, m in zip(mean, centre, strict=True)), Fraction()) / classes
    noise = sum((v / (len(m) - 1) for v, m in zip(variances, of_class, strict=True)), Fraction()) / classes
    scalars = {
        "intra": sum(variances, Fraction()) / classes,
        "inter": inter,
        "inter_debiased": inter - (1 - Fraction(1, classes)) * noise,
        "total": moments(np.arange(len(rows)))[1],
    }
    pairs = [[moments(np.union1d(one, other))[1] for other in of_class] for one in of_class]
    return scalars, pairs
