"""Whether two networks are right equally often where a hit counts by its class, or hits come in groups.

    sign_flip(differences)                             # p, of one difference a group
    hits_test(hits, other, groups)                     # instead of McNemar, where images come in groups
    balanced_test(hits, other, labels)                 # of two balanced accuracies
    balanced_test(hits, other, labels, groups)

If neither is better, every difference might as well have had the other sign. All signs are tried where there are few,
else 10,000 of them, drawn alike for every two networks. Fisher, The Design of Experiments (1935), 21.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from frostmark.stats.grouped import MIN_GROUPS, Codes, count_groups
from frostmark.stats.moments import Array, Float
from frostmark.stats.sampling import seeded

MAX_EXACT = 15
"""Differences up to which all 2ⁿ signs are tried."""

FLIPS = 10_000
"""Signs that are tried of more."""

_ROUNDING = 1e-9
"""Sums that differ by less than this share are equal."""

_CELLS = 1 << 22
"""Signs that are held at once."""


def sign_flip(differences: Array) -> float:
    """Two-sided p that the ``differences`` (G,), one a group, lie symmetrically about zero.

    Exact up to 15 that are not zero; of more (1 + number of flips at least as far from zero) / (1 + flips).
    """
    apart = differences[differences != 0].astype(np.float64)
    if not len(apart):
        return 1.0
    if len(apart) > MAX_EXACT:
        return _p_of_draws(_flipped(apart), float(apart.sum()))
    sums = np.zeros(1)
    for one in apart:
        sums = np.concatenate([sums + one, sums - one])
    return _p_of_all(sums, np.full(len(sums), 1 / len(sums)), float(apart.sum()))


def hits_test(hits: NDArray[np.bool_], other: NDArray[np.bool_], groups: Codes) -> float:
    """p, two-sided, that two classifiers of the same images (N,) are right equally often, from their groups alone.

    NaN where there are fewer than 6 groups, which cannot tell.

    Raises:
        ValueError: if they do not judge the same images.
    """
    return _by_group(_apart(hits, other, groups), groups)


def balanced_test(
    hits: NDArray[np.bool_], other: NDArray[np.bool_], labels: NDArray[np.int64], groups: Codes | None = None
) -> float:
    """p, two-sided, that two classifiers of the same images (N,) have one balanced accuracy, the mean of their recalls.

    A discordant image (one of the two is right) counts one over the images of its class. Where recalls differ class by
    class but not on average, the test claims less often than its level, never more: the true variance of a class's
    difference is at most that of random signs.

    Args:
        labels: (N,) the classes.
        groups: (N,) of the images, if they are not independent: then the groups' sums are flipped, not the images. NaN
            where there are fewer than 6.

    Raises:
        ValueError: if they do not judge the same images.
    """
    present, own, count = np.unique(labels, return_inverse=True, return_counts=True)
    apart = _apart(hits, other, labels)
    if groups is not None:
        return _by_group(apart / (count[own] * len(present)), groups)
    discordant = np.bincount(own[apart != 0], minlength=len(present))
    weight = 1.0 / (count * len(present))
    return _by_class(discordant, weight, float((weight * np.bincount(own, apart, len(present))).sum()))


def _apart(hits: NDArray[np.bool_], other: NDArray[np.bool_], also: Array) -> Float:
    if not len(hits) == len(other) == len(also):
        raise ValueError(f"{len(hits)}, {len(other)} and {len(also)} outcomes are not of the same images")
    return hits.astype(np.float64) - other


def _by_group(differences: Float, groups: Codes) -> float:
    if count_groups(groups) < MIN_GROUPS:
        return float("nan")
    _, own = np.unique(groups, return_inverse=True)
    sums = np.bincount(own, differences)
    largest = np.abs(differences).max(initial=0)
    return sign_flip(np.where(np.abs(sums) <= _ROUNDING * largest, 0, sums))


def _by_class(discordant: NDArray[np.int64], weight: Float, observed: float) -> float:
    """p that so many ``discordant`` images of each class, with random signs, sum up at least as far as ``observed``."""
    there = discordant > 0
    discordant, weight = discordant[there], weight[there]
    if not len(discordant):
        return 1.0
    if np.prod(discordant + 1.0) > 1 << 20:
        rng = seeded(0, "sign flips", "classes")
        return _p_of_draws(
            (2 * rng.binomial(discordant, 0.5, (FLIPS, len(discordant))) - discordant) @ weight, observed
        )
    sums, chances = np.zeros(1), np.ones(1)
    for n, w in zip(discordant, weight, strict=True):
        of_class = np.arange(n + 1)
        sums = np.add.outer(sums, w * (2 * of_class - n)).ravel()
        chances = np.outer(chances, binom.pmf(of_class, n, 0.5)).ravel()
    return _p_of_all(sums, chances, observed)


def _flipped(apart: Float) -> Float:
    """(B,) sums of ``apart`` (G,) with random signs."""
    rng = seeded(0, "sign flips", str(len(apart)))
    step = max(1, _CELLS // len(apart))
    sizes = [min(step, FLIPS - start) for start in range(0, FLIPS, step)]
    return np.concatenate([(2 * rng.integers(0, 2, (size, len(apart)), np.int8) - 1) @ apart for size in sizes])


def _p_of_draws(sums: Float, observed: float) -> float:
    return (1 + int(_as_far(sums, observed).sum())) / (1 + len(sums))


def _p_of_all(sums: Float, chances: Float, observed: float) -> float:
    return min(1.0, float(chances[_as_far(sums, observed)].sum()))


def _as_far(sums: Float, observed: float) -> NDArray[np.bool_]:
    return np.asarray(np.abs(sums) >= abs(observed) * (1 - _ROUNDING))
