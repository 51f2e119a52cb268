"""Networks ranked over many data sets: mean ranks, how sure they are, and who cannot be told from whom.

    ranked = over_data_sets(scores, draws, rng)         # shares (D, K), of every data set (B, K) bootstrap draws
    ranked.mean_rank, ranked.low, ranked.high, ranked.wins, ranked.critical
    bradley_terry(scores)                               # (K,) strengths

Data sets are few and unlike each other: most of what is not known of a mean rank is which data sets were chosen. The
bootstrap has two levels: data sets are drawn with replacement, and within each the images, or whole groups of them
(:mod:`~frostmark.stats.bootstrap`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit
from scipy.stats import norm, t

from frostmark.stats.bootstrap import LEVEL
from frostmark.stats.moments import Array, Float

MIN_DATA_SETS = 3
"""Fewer give no ranking: of two data sets nothing says how ranks vary between data sets."""

CALIBRATED_DATA_SETS = 10
"""From so many on intervals cover what they say (tests/stats/test_ranks.py)."""

MAX_SUITES = 4_000
"""Of random orders."""

MAX_STEPS = 20_000
"""Of the iteration for strengths, which takes some hundreds."""


@dataclass(frozen=True)
class Ranking:
    """K networks over D data sets.

    Attributes:
        ranks: (D, K), 1 for the best, ties averaged.
        mean_rank, low, high: (K,) with the ends of its 95 % interval.
        mean_score, score_low, score_high: (K,) the same of the scores.
        wins: (K,) share of the draws in which the network has the best mean rank; ties share.
        critical: difference of mean ranks that is told: at most 5 % of suites of equal networks show a larger one.
    """

    ranks: Float
    mean_rank: Float
    low: Float
    high: Float
    mean_score: Float
    score_low: Float
    score_high: Float
    wins: Float
    critical: float

    @property
    def calibrated(self) -> bool:
        """Whether there are data sets enough for intervals that cover what they say."""
        return len(self.ranks) >= CALIBRATED_DATA_SETS


def ranks_of(scores: Array) -> Float:
    """(…, K) ranks of ``scores`` (…, K) in their last axis: 1 for the highest, ties averaged."""
    order = np.argsort(-scores, axis=-1)
    ordered = np.take_along_axis(scores, order, -1)
    count = scores.shape[-1]
    places = np.arange(count)
    first = np.ones(scores.shape, bool)
    first[..., 1:] = ordered[..., 1:] != ordered[..., :-1]
    last = np.ones(scores.shape, bool)
    last[..., :-1] = first[..., 1:]
    low = np.maximum.accumulate(np.where(first, places, 0), axis=-1)
    high = np.minimum.accumulate(np.where(last, places, count)[..., ::-1], axis=-1)[..., ::-1]
    ranks = np.empty(scores.shape)
    np.put_along_axis(ranks, order, (low + high) / 2 + 1, -1)
    return ranks


def over_data_sets(scores: Float, draws: Sequence[Float], rng: np.random.Generator, resamples: int = 1000) -> Ranking:
    """The ranking of K networks that were all run on D data sets.

    Args:
        scores: (D, K), shares: the higher the better.
        draws: of every data set (B, K) scores on resamples of its images that all networks share; (0, K) where there
            are none.
        resamples: how many draws there shall be of the suite.

    Raises:
        ValueError: if there are fewer than three data sets, or fewer than two networks.
    """
    networks = scores.shape[1]
    if len(scores) < MIN_DATA_SETS or networks < 2:
        raise ValueError(f"{len(scores)} data sets of {networks} networks have no ranking")
    chosen = _Chosen.of(len(scores), [len(of) for of in draws], resamples, rng)
    ranks = ranks_of(scores)
    of_ranks = chosen.means(ranks, [ranks_of(of) for of in draws])
    of_scores = chosen.means(scores, draws)
    low, high = _ends(of_ranks).clip(1, networks)
    critical = _critical(of_ranks)
    if len(scores) < CALIBRATED_DATA_SETS or networks == 2:
        critical = max(critical, _by_chance(len(scores), networks, rng))
    score_low, score_high = _on_logit(_ends(of_scores), scores.mean(0))
    return Ranking(ranks, ranks.mean(0), low, high, scores.mean(0), score_low, score_high, _wins(of_ranks), critical)


def _ends(draws: Float) -> Float:
    """(2, K) ends of 95 % of ``draws`` (B, K)."""
    return np.asarray(np.quantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0))


def _on_logit(ends: Float, mean: Float) -> Float:
    """``ends`` (2, K) of intervals of shares around ``mean`` (K,), laid off on the scale of its logit.

    A mean of few shares near 1 is skew, and an interval that is not misses it more often than it says: mean scores of
    ten data sets would be covered in 90 to 94 % of the cases.
    """
    inside = (mean > 0) & (mean < 1)
    centre = np.where(inside, mean, 0.5)
    bent = expit(logit(centre) + (ends - mean) / (centre * (1 - centre)))
    return np.where(inside, bent, ends.clip(0, 1))


@dataclass(frozen=True)
class _Chosen:
    """What the draws of a suite are made of: the same for ranks and for scores.

    Attributes:
        data_sets: (B, D) which are drawn.
        images: (B, D) which of its own draws of images each has.
    """

    data_sets: NDArray[np.int64]
    images: NDArray[np.int64]

    @classmethod
    def of(cls, count: int, images: Sequence[int], resamples: int, rng: np.random.Generator) -> _Chosen:
        drawn = rng.integers(count, size=(resamples, count))
        sizes = np.maximum(np.array(images), 1)
        return cls(drawn, rng.integers(2**62, size=drawn.shape) % sizes[drawn])

    def means(self, values: Float, draws: Sequence[Float]) -> Float:
        """(B, K) means over the drawn data sets of ``values`` (D, K), which vary by ``draws`` of the images.

        Values of data sets differ by the data sets and by the noise of their images. Drawing both with their whole
        spread would count the noise twice: the data sets are drawn with what their spread has more than the images give
        (Davison and Hinkley, Bootstrap Methods, 1997, section 3.8), and never with less than nothing. As of few groups,
        draws are widened to Student's t and by √(D / (D − 1)).
        """
        count = len(values)
        centre = values.mean(0)
        of_images = np.stack([of.var(0) if len(of) else np.zeros(values.shape[1]) for of in draws]).mean(0)
        between = values.var(0, ddof=1)
        share = np.sqrt(np.clip(1 - of_images / np.where(between > 0, between, np.inf), 0, 1))
        drawn = np.zeros((len(self.data_sets), count))
        np.add.at(drawn, (np.arange(len(drawn))[:, None], self.data_sets), 1 / count)
        apart = drawn @ ((values - centre) * share) * np.sqrt(count / (count - 1))
        noise = np.zeros(apart.shape)
        for number, of in enumerate(draws):
            if len(of):
                centred = of - of.mean(0)
                at, slot = np.nonzero(self.data_sets == number)
                np.add.at(noise, at, centred[self.images[at, slot]] / count)
        wider = float(t.ppf((1 + LEVEL) / 2, count - 1) / norm.ppf((1 + LEVEL) / 2))
        return np.asarray(centre + (apart + noise) * wider)


def _wins(draws: Float) -> Float:
    best = draws == draws.min(1, keepdims=True)
    return np.asarray((best / best.sum(1, keepdims=True)).mean(0))


def _critical(draws: Float) -> float:
    """What the largest of all differences of mean ranks stays below in 95 % of the draws (B, K), effects taken away."""
    return float(np.quantile(np.ptp(draws - draws.mean(0), axis=1), LEVEL))


def _by_chance(data_sets: int, networks: int, rng: np.random.Generator) -> float:
    """What the largest difference of mean ranks stays below in 95 % of suites whose orders are random.

    The test of Nemenyi with its exact distribution, drawn: few data sets may agree by chance, and nothing in them would
    tell: two networks are in one order on four data sets in one suite of eight. Of two networks it is the sign test.
    """
    ranks = rng.random((MAX_SUITES, data_sets, networks)).argsort(-1).mean(1)
    return float(np.quantile(np.ptp(ranks, axis=1), LEVEL, method="higher"))


def tied(mean_rank: Float, critical: float) -> list[tuple[int, int]]:
    """The largest sets of networks of which no two are told apart: (first, last) positions in ascending ``mean_rank``.

    Sets of one network are left out.
    """
    ordered = np.sort(mean_rank)
    ends = np.searchsorted(ordered, ordered + critical, side="right") - 1
    return [
        (first, int(last)) for first, last in enumerate(ends) if last > first and (first == 0 or last > ends[first - 1])
    ]


def bradley_terry(scores: Float, tolerance: float = 1e-9) -> Float:
    """(K,) strengths, of geometric mean 1, by ``scores`` (D, K): i beats j with probability s_i / (s_i + s_j).

    Every data set is one game of every pair, a tie half a win; one drawn game more of every pair keeps strengths finite
    where a network always wins. By minorization-maximization: Hunter, Annals of Statistics 32 (2004).
    """
    data_sets, networks = scores.shape
    ranks = ranks_of(scores)
    wins = (networks - ranks).sum(0) + (networks - 1) / 2
    strengths = np.ones(networks)
    for _ in range(MAX_STEPS):
        meetings = (data_sets + 1) / (strengths[:, None] + strengths)
        np.fill_diagonal(meetings, 0)
        updated = wins / meetings.sum(1)
        updated /= np.exp(np.log(updated).mean())
        done = np.abs(np.log(updated / strengths)).max() < tolerance
        strengths = updated
        if done:
            break
    return strengths
