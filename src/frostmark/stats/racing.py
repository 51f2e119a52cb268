"""Which of many candidates may be the best, from what they get right on a growing sample of the same images.

    sizes = doubling(4_000, least=60)                       # [62, 125, 250, 500, 1000, 2000, 4000]
    looks = [Look.of(hits, halves)]                         # (N, C) each, of the first sample
    out = behind(looks, left=len(sizes) - 1, level=LEVEL / len(sizes))         # (C,) candidates that drop out

A candidate drops out if another one is significantly better. At every look an equal share of 5 % is spent, over all
pairs of remaining candidates (Tukey's range, of paired differences): the chance that any candidate that is among the
best ever drops out is below 5 %. As with Holm, pairs with a dropped candidate no longer count.

Learning curves cross: what counts is who is better on all images, not on today's sample. What each candidate gained
from twice the images is known at every look; what one will gain on another until the end follows from it. The error of
a read-out falls with the root of the number of images, so that each doubling gains 1/√2 of the one before. How far
candidates differ in this is estimated from all of them, and what is not known of it widens the test.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.stats import studentized_range

from frostmark.stats.grouped import MIN_GROUPS, Codes, count_groups
from frostmark.stats.moments import Float
from frostmark.stats.non_inferiority import class_weights

LEVEL = 0.05
"""Chance that a candidate that is among the best drops out at any look."""

DECAY = 0.5**0.5
"""What a doubling gains, as a share of what the doubling before gained."""

USUAL_SPREAD = 0.3
"""Standard deviation of the candidates' gains, as a share of their mean, before anything is known of them."""

USUAL_WEIGHT = 4
"""Candidates that the usual spread counts for."""

Hits = NDArray[np.bool_]


@dataclass(frozen=True)
class Look:
    """What C candidates get right on a sample, by unit: an image, or a group of images that are not independent.

    Attributes:
        score: (U, C) what each unit adds to the accuracy.
        gain: (U, C) what it adds to the accuracy beyond that of read-outs of half the sample.
        freedom: degrees of it that the variance has: U − 1 of groups, infinitely many of images, of which each adds a
            known amount or nothing, as in McNemar's test.
    """

    score: Float
    gain: Float
    freedom: float = np.inf

    @classmethod
    def of(cls, hits: Hits, halves: Hits, labels: NDArray[np.int64] | None = None, groups: Codes | None = None) -> Look:
        """The look at a sample.

        Args:
            hits: (N, C) whether each image is told rightly by a read-out of the other images.
            halves: (N, C) the same by a read-out of the other images of its half of the sample.
            labels: (N,) if balanced accuracy counts.
            groups: (N,) of the images; None if they are independent. Those of an earlier look come first.

        Raises:
            ValueError: if hits and halves are not of the same images and candidates.
        """
        if hits.shape != halves.shape:
            raise ValueError(f"{hits.shape} hits and {halves.shape} of halves are not of the same images")
        share = np.full(len(hits), 1 / len(hits)) if labels is None else class_weights(labels)
        score = share[:, None] * hits
        gain = share[:, None] * (hits.astype(np.float64) - halves)
        if groups is None:
            return cls(score, gain)
        return cls(_summed(score, groups), _summed(gain, groups), count_groups(groups) - 1)

    def only(self, kept: NDArray[np.bool_]) -> Look:
        """The same look at the candidates ``kept`` (C,)."""
        return Look(self.score[:, kept], self.gain[:, kept], self.freedom)


def _summed(values: Float, groups: Codes) -> Float:
    """(U, C) sums of ``values`` (N, C) over the groups, in the order in which they first come."""
    _, first, own = np.unique(groups, return_index=True, return_inverse=True)
    place = np.argsort(np.argsort(first, kind="stable"), kind="stable")
    sums = np.zeros((len(first), values.shape[1]))
    np.add.at(sums, place[own], values)
    return sums


def doubling(count: int, least: int) -> list[int]:
    """Sizes of samples that double up to ``count``, the first with at least ``least`` images if there are so many."""
    sizes = [count]
    while sizes[0] // 2 >= least:
        sizes.insert(0, sizes[0] // 2)
    return sizes


def nested(labels: NDArray[np.int64], rng: np.random.Generator, groups: Codes | None = None) -> list[NDArray[np.int64]]:
    """The positions of all images, unit by unit, in an order of which every beginning is a stratified sample.

    Args:
        labels: (N,) the classes. A group counts for its most frequent one.
        groups: (N,) kept whole; None if the images are units of their own.
    """
    units = [np.array([n]) for n in range(len(labels))]
    kind = labels
    if groups is not None:
        order = np.argsort(groups, kind="stable")
        units = np.split(order, np.flatnonzero(np.diff(groups[order])) + 1)
        kind = np.array([np.bincount(labels[unit]).argmax() for unit in units])
    place = np.empty(len(units))
    for c in np.unique(kind):
        mine = np.flatnonzero(kind == c)
        place[mine] = (rng.permutation(len(mine)) + rng.random()) / len(mine)
    return [units[n] for n in np.argsort(place, kind="stable")]


def behind(looks: Sequence[Look], left: int, level: float) -> NDArray[np.bool_]:
    """(C,) which candidates are significantly worse than another one will be on all images.

    None if the images come in fewer than 6 groups, which cannot tell.

    Args:
        looks: so far, at the same candidates; the last one decides.
        left: how many doublings are still to come.
        level: chance of dropping any candidate that is among the best, at this look.
    """
    score = looks[-1].score
    units, count = score.shape
    if count < 2 or units < MIN_GROUPS:
        return np.zeros(count, bool)
    expected, variance = score.sum(0), _of_pairs(score)
    if left:
        gain = _gain(looks)
        noise, spread = _noise(gain), _spread(gain)
        known = spread / (spread + noise) if spread > 0 else 0.0
        onwards = sum(DECAY**n for n in range(1, left + 1))
        expected = expected + onwards * known * gain.sum(0)
        variance = _of_pairs(score + onwards * known * (gain - gain.mean(0)))
        variance = variance + 2 * (onwards * (1 - known)) ** 2 * spread
    ahead = expected[None, :] - expected[:, None]  # line i, column j: how far j is before i
    return np.asarray((ahead > _bound(level, count, looks[-1].freedom) * np.sqrt(variance)).any(1))


def _of_pairs(values: Float) -> Float:
    """(C, C) variance of the difference of two sums over the units, were it zero."""
    products = values.T @ values
    own = np.diag(products)
    return np.asarray(np.maximum(own[:, None] + own[None, :] - 2 * products, 0.0))


def _gain(looks: Sequence[Look]) -> Float:
    """(U, C) what each unit adds to the gain of the last doubling, from all looks: each by what it knows."""
    total, weight = np.zeros_like(looks[-1].gain), 0.0
    for age, look in enumerate(reversed(looks)):
        gain = DECAY**age * look.gain
        trust = 1 / max(_noise(gain), np.finfo(float).tiny)
        total[: len(gain)] += trust * gain
        weight += trust
    return np.asarray(total / weight)


def _noise(gain: Float) -> float:
    """Variance of a candidate's gain against the others', as the units make it."""
    pairs = _of_pairs(gain - gain.mean(0))
    count = len(pairs)
    return float(pairs.sum() / (2 * count * (count - 1)))


def _spread(gain: Float) -> float:
    """Variance of the candidates' true gains: beyond the noise, drawn towards the usual one."""
    each = gain.sum(0)
    count, beyond = len(each), max(0.0, float(each.var(ddof=1)) - _noise(gain))
    usual = (USUAL_SPREAD * float(each.mean())) ** 2
    return (USUAL_WEIGHT * usual + (count - 1) * beyond) / (USUAL_WEIGHT + count - 1)


@cache
def _bound(level: float, count: int, freedom: float) -> float:
    """How many standard errors the largest of all differences of ``count`` equals exceeds with chance ``level``."""
    return float(studentized_range.isf(level, count, freedom)) / 2**0.5
