"""Whether one classifier is no worse than another by more than a margin, on the same images.

    no_worse(hits, other, margin=0.005)                     # NoWorse(difference=0.01, holds=0.03, fails=0.97)
    no_worse(hits, other, 0.005, weights=class_weights(labels))         # of balanced accuracies
    no_worse(hits, other, 0.005, groups=groups)             # images in groups: over the groups

The difference is p₁₂ − p₂₁, of the images that one of both alone gets right. Of independent images the score test of
Tango (Statistics in Medicine 17, 1998) is used, whose variance is that at the margin: it holds its size where few
images or none are told differently, where Wald's does not. For balanced accuracies the classes are strata.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, t

from frostmark.stats.grouped import Codes
from frostmark.stats.moments import Float

Hits = NDArray[np.bool_]


@dataclass(frozen=True)
class NoWorse:
    """What the images say.

    Attributes:
        difference: of the accuracies, first less second, weighted.
        holds: p, one-sided, that the first is worse by the margin or more: small means that it is no worse.
        fails: p, one-sided, that it is worse by the margin or less: small means that it is worse.
    """

    difference: float
    holds: float
    fails: float


def class_weights(labels: NDArray[np.int64]) -> Float:
    """(N,) weights with which hits add up to the balanced accuracy; their sum is 1."""
    classes, own, count = np.unique(labels, return_inverse=True, return_counts=True)
    return np.asarray(1 / (len(classes) * count[own]))


def no_worse(
    hits: Hits, other: Hits, margin: float, weights: Float | None = None, groups: Codes | None = None
) -> NoWorse:
    """Compare two classifiers of the same images (N,).

    Args:
        margin: by which the first may be worse, as a share of the images; 0 or more.
        weights: (N,) of the images, with the sum 1, equal within strata; None for 1/N each.
        groups: (N,) of the images; None if they are independent.

    Raises:
        ValueError: if they do not judge the same images, or the margin is negative.
    """
    if hits.shape != other.shape:
        raise ValueError(f"{hits.shape[0]} and {other.shape[0]} outcomes are not of the same images")
    if not 0 <= margin < 1:
        raise ValueError(f"margin={margin} is not a share from 0 to 1")
    apart = hits.astype(np.float64) - other
    share = np.full(len(hits), 1 / len(hits)) if weights is None else weights
    difference = float(share @ apart)
    if groups is None:
        spread = np.sqrt(_variance(apart, share, -margin))
        half = share.max() / 2  # an image: counts are whole
        holds = float(norm.sf((difference + margin - half) / spread))
        fails = float(norm.cdf((difference + margin + half) / spread))
    else:
        holds, fails = _over_groups(share * (apart + margin), groups)
    return NoWorse(difference, holds, fails)


def _variance(apart: Float, share: Float, at: float) -> float:
    """Of the difference, were it ``at`` in every stratum of equal weights."""
    variance = 0.0
    for weight in np.unique(share):
        mine = apart[share == weight]
        gained, lost = int((mine > 0).sum()), int((mine < 0).sum())
        variance += weight**2 * len(mine) * _variance_of_one(gained, lost, len(mine), at)
    return max(variance, np.finfo(float).tiny)


def _variance_of_one(gained: int, lost: int, count: int, at: float) -> float:
    """Of one image's difference: p₁₂ + p₂₁ − at², with the likeliest p₂₁ of all with p₁₂ − p₂₁ = at."""
    b = gained + lost - at * (2 * count - gained + lost)
    likeliest = (b + np.sqrt(max(b**2 + 8 * count * lost * at * (1 - at), 0.0))) / (4 * count)
    return float(2 * max(likeliest, 0.0, -at) + at - at**2)


def _over_groups(beyond: Float, groups: Codes) -> tuple[float, float]:
    """p values of the sum of ``beyond`` (N,), from its sums over the groups: Student's t."""
    _, own = np.unique(groups, return_inverse=True)
    sums = np.bincount(own, beyond)
    count = len(sums)
    spread = np.sqrt(count * sums.var(ddof=1)) if count > 1 else np.inf
    if spread == 0:
        certain = float(sums.sum() < 0)
        return certain, 1 - certain
    statistic = sums.sum() / spread
    return float(t.sf(statistic, count - 1)), float(t.cdf(statistic, count - 1))
