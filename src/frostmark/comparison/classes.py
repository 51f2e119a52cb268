"""Which pairs of classes each of the two best layers separates better.

differences = class_differences(verdict)          # None where the pairs of classes are not known of two contenders
differences.sentences                             # ["vgg16 · stage4 separates better: Shirt / Coat (1.8×)", …]
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from frostmark.comparison.verdict import Verdict
from frostmark.figures.heat import factor
from frostmark.metrics.confusability import similarity_order
from frostmark.stats.moments import Float

MAX_NAMED_PAIRS = 3
"""Pairs of classes that are named on each side."""


@dataclass(frozen=True, eq=False)
class ClassDifferences:
    """The best two contenders whose pairs of classes are known.

    Attributes:
        names: of the two layers.
        first, second: (C, C) directional CDNV of each, the larger the more confused; NaN on the diagonal.
        classes: C names.
        order: of the classes; those that the first layer confuses stand together.
        sentences: what each layer separates better.
    """

    names: tuple[str, str]
    first: Float
    second: Float
    classes: tuple[str, ...]
    order: tuple[int, ...]
    sentences: tuple[str, ...]


def class_differences(verdict: Verdict) -> ClassDifferences | None:
    """Where the best two contenders differ; None of fewer than three classes, or where the pairs are not known."""
    known = [(c, matrix) for c in verdict.contenders if (matrix := c.run.confusability) is not None]
    if len(known) < 2 or len(known[0][0].run.classes) < 3:
        return None
    one, first = known[0]
    alike = [(c, matrix) for c, matrix in known[1:] if c.run.classes == one.run.classes]
    if not alike:
        return None
    other, second = alike[0]
    names, classes = (one.name, other.name), one.run.classes
    order = tuple(int(c) for c in similarity_order(first))
    sentences = tuple(separates_better(first, second, names, classes))
    return ClassDifferences(names, first, second, classes, order, sentences)


def separates_better(first: Float, second: Float, names: tuple[str, str], classes: Sequence[str]) -> list[str]:
    """Which pairs of classes each of two layers separates better, the clearest first.

    Args:
        first, second: (C, C) directional CDNV, the larger the more confused.
        names: of the layers.

    Of pairs that hardly any layer confuses nothing is said: one of the two must rank in the upper half.
    """
    i, j = np.triu_indices(len(first), 1)
    a, b = first[i, j], second[i, j]
    known = np.isfinite(a) & np.isfinite(b) & (a > 0) & (b > 0)
    if not known.any():
        return []
    worst = np.where(known, np.fmax(a, b), 0)
    telling = known & (worst >= np.median(worst[known]))
    ratio = np.zeros(len(a))
    ratio[known] = np.log2(a[known] / b[known])
    said = []
    for name, sign in zip(names, (-1, 1), strict=True):
        order = [n for n in np.argsort(-sign * ratio, kind="stable") if telling[n] and sign * ratio[n] > 0.1]
        better = [f"{classes[i[n]]} / {classes[j[n]]} ({factor(2 ** abs(ratio[n]))})" for n in order[:MAX_NAMED_PAIRS]]
        if better:
            said.append(f"{name} separates better: {', '.join(better)}")
    return said
