"""Whether two benchmarks of the same images differ: paired tests, and what many of them at once may claim.

    mcnemar(hits, other_hits)                     # p that neither is right more often
    difference(draws, other_draws)                # mean, 95 % interval and p of a difference of bootstrap draws
    holm([0.01, 0.04, 0.03])                      # as p values of the family
    groups(["a", "b", "c"], alike)                # who cannot be told from whom, best first

Draws and outcomes are of the same resamples and images in the same order: a difference of theirs is one of the
networks, not of the samples.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest, kendalltau, norm

from frostmark.stats.bootstrap import interval
from frostmark.stats.moments import Array, Float


@dataclass(frozen=True)
class Difference:
    """How much larger one metric is than another.

    Attributes:
        mean, low, high: the difference and its 95 % interval.
        p: two-sided, that there is none.
    """

    mean: float
    low: float
    high: float
    p: float

    @property
    def told(self) -> bool:
        """Whether the interval leaves out no difference."""
        return self.low > 0 or self.high < 0


def mcnemar(hits: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    """Exact p, two-sided, that two classifiers of the same images (N,) are right equally often.

    Of the images that one of them alone gets right, each is as likely to be right. McNemar, Psychometrika 12 (1947).

    Raises:
        ValueError: if they do not judge the same number of images.
    """
    if hits.shape != other.shape:
        raise ValueError(f"{hits.shape[0]} and {other.shape[0]} outcomes are not of the same images")
    gained, lost = int((hits & ~other).sum()), int((~hits & other).sum())
    return 1.0 if gained + lost == 0 else float(binomtest(gained, gained + lost).pvalue)


def difference(draws: Float, other: Float) -> Difference:
    """Of two metrics by their bootstrap draws (B,) on the same resamples.

    p is that of a normal deviate, mean against spread of the draws: counting the draws beyond zero could not give less
    than 2/B, and among many pairs nothing would ever be told.

    Raises:
        ValueError: if there are not equally many draws.
    """
    if draws.shape != other.shape:
        raise ValueError(f"{len(draws)} and {len(other)} draws are not of the same resamples")
    apart = draws - other
    low, high = interval(apart)
    mean, spread = float(apart.mean()), float(apart.std(ddof=1))
    p = float(mean == 0) if spread == 0 else float(2 * norm.sf(abs(mean) / spread))
    return Difference(mean, low, high, p)


def holm(p: Sequence[float]) -> list[float]:
    """p values adjusted so that the chance of any false claim among all stays below the level they are read at.

    Holm, Scandinavian Journal of Statistics 6 (1979).
    """
    order = np.argsort(p, kind="stable")
    adjusted, floor = [0.0] * len(p), 0.0
    for rank, position in enumerate(order):
        floor = max(floor, min(1.0, (len(p) - rank) * p[position]))
        adjusted[position] = floor
    return adjusted


def agreement(one: Array, other: Array) -> float | None:
    """Kendall's τ-b of two rankings (n,): 1 for the same order, −1 for the opposite; None of constant ones."""
    if len(one) < 2 or np.ptp(one) == 0 or np.ptp(other) == 0:
        return None
    return float(kendalltau(one, other).statistic)


def groups(ranked: Sequence[str], alike: Callable[[str, str], bool]) -> list[list[str]]:
    """The ``ranked``, best first, in groups whose members cannot be told from the best of their group."""
    tied: list[list[str]] = []
    for name in ranked:
        if tied and alike(tied[-1][0], name):
            tied[-1].append(name)
        else:
            tied.append([name])
    return tied
