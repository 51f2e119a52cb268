"""How many directions the rows really use, and how many of their numbers are zero; labels play no part.

    centred, uncentred = eigenvalues(rows)
    entropy_rank(uncentred)                 # RankMe
    participation_ratio(centred)

The ranks are global: of the flat space that holds the rows. The intrinsic dimension is local
(:mod:`~frostmark.metrics.two_nn`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import numpy as np

from frostmark.metrics.kinds import Across, Kind
from frostmark.metrics.metric import Scores, Split, Splits, Undefined, guarded
from frostmark.metrics.two_nn import (
    EQUALLY_FAR,
    FEW_DIRECTIONS,
    MIN_RATIOS,
    Ratios,
    equally_far,
    neighbour_ratios,
    two_nn_of_ratios,
)
from frostmark.stats.bootstrap import recentred
from frostmark.stats.moments import Array, Float
from frostmark.stats.neighbours import KEPT, Graph
from frostmark.stats.sampling import seeded, stratified
from frostmark.stats.scatter import total_scatter
from frostmark.waiting import within

ALL_ZERO = "all rows are zero"
ALL_EQUAL = "all rows are equal"
PROJECTED = "the rows are a projection of the features, which has other zeros than they"

MAX_ROWS = 10_000
"""Rows among which the intrinsic dimension of the test split is looked for, and of a very large train split."""

_CELLS = 1 << 22
"""Float64 numbers of one block: 32 MiB."""


def eigenvalues(rows: Array, scatter: Float | None = None) -> tuple[Float, Float]:
    """Eigenvalues, unordered, of X_cᵀX_c and of XᵀX, X the ``rows`` (N, D) and X_c the centred ones.

    From the Gram matrix of the smaller side in float64, gathered block by block: rows are never copied whole. The price
    is that an eigenvalue is known to about eps of the largest, so a singular value to √eps. Eigenvalues below
    eps · max(N, D) of the largest are therefore set to zero: singular values below 1.5e-8 √max(N, D) of the largest,
    3e-6 for 50,000 rows, count as none. Rows themselves, being float32, are good for 6e-8.

    Args:
        rows: (N, D).
        scatter: (D, D) total scatter of the rows, where it is at hand.

    Returns:
        centred and uncentred eigenvalues, none negative. Centred ones are all zero where all rows are equal.
    """
    mean = rows.mean(0, dtype=np.float64)
    # XᵀX = X_cᵀX_c + N μμᵀ: one row √N μ more, on either side of the Gram matrix, and one pass serves both.
    extra = np.sqrt(len(rows)) * mean
    if len(rows) >= rows.shape[1]:
        centred = total_scatter(rows) if scatter is None else scatter
        uncentred = centred + np.outer(extra, extra)
    else:
        centred, beside = _outer(rows, mean, extra)
        uncentred = np.block([[centred, beside[:, None]], [beside[None, :], np.array([[extra @ extra]])]])
    # float32 rows that differ at all differ by more than 1e-13 of their size; less is the rounding of the mean.
    if np.trace(centred) <= 1e-26 * np.trace(uncentred):
        centred = np.zeros((1, 1))
    return _spectrum(centred, max(rows.shape)), _spectrum(uncentred, max(rows.shape))


def _outer(rows: Array, mean: Float, extra: Float) -> tuple[Float, Float]:
    """(N, N) X_cX_cᵀ and (N,) X_c · ``extra``."""
    gram, beside = np.zeros((len(rows), len(rows))), np.zeros(len(rows))
    step = max(_CELLS // len(rows), 256)
    for start in range(0, rows.shape[1], step):
        part = slice(start, start + step)
        block = rows[:, part] - mean[part]
        gram += block @ block.T
        beside += block @ extra[part]
    return gram, beside


def _spectrum(gram: Float, longest: int) -> Float:
    values = within(None, lambda: np.linalg.eigvalsh(gram))
    return np.where(values > np.finfo(np.float64).eps * longest * values[-1], values, 0.0)


def entropy_rank(eigenvalues: Float) -> float:
    """exp(−Σ p ln p), p the singular values √λ over their sum: how many directions weigh equally.

    Of the uncentred rows it is RankMe (Garrido et al., arXiv 2210.02885), of the centred ones the effective rank
    (Roy & Vetterli, EUSIPCO 2007). Between 1 and min(N, D).

    Raises:
        ZeroDivisionError: if all ``eigenvalues`` are zero.
    """
    singular = np.sqrt(eigenvalues[eigenvalues > 0])
    if not len(singular):
        raise ZeroDivisionError(ALL_EQUAL)
    p = singular / singular.sum()
    return float(np.exp(-(p * np.log(p)).sum()))


def participation_ratio(eigenvalues: Float) -> float:
    """(Σλ)²/Σλ² of the ``eigenvalues`` of the covariance, in any unit: how many directions share the variance.

    Raises:
        ZeroDivisionError: if all are zero.
    """
    largest = float(eigenvalues.max())
    if largest == 0:
        raise ZeroDivisionError(ALL_EQUAL)
    shares = eigenvalues / largest  # squares of shares neither overflow nor vanish
    return float(shares.sum() ** 2 / (shares**2).sum())


def sparsity(rows: Array) -> float:
    """Fraction of exact zeros among the numbers of ``rows`` (N, D)."""
    return 1 - np.count_nonzero(rows) / rows.size


_describes = partial(Kind, better="neither", across=Across.EQUAL_WIDTH, range=(0, np.inf))

KINDS: Mapping[str, Kind] = {
    "geometry/rankme": _describes(
        "RankMe", better="higher", meaning="effective number of directions of the rows as they are"
    ),
    "geometry/effective_rank": _describes(
        "effective rank", meaning="effective number of directions of the centred rows"
    ),
    "geometry/participation_ratio": _describes(
        "participation ratio",
        meaning="effective number of directions of the centred rows, dominated by the strongest directions",
    ),
    "geometry/intrinsic_dimension": _describes(
        "intrinsic dimension", meaning="TwoNN: the dimension estimated from the two nearest neighbours"
    ),
    "geometry/sparsity": _describes("sparsity", share=True, range=(0, 1), of_axes=True, meaning="share of exact zeros"),
}


@dataclass(frozen=True)
class Geometry:
    """Ranks, intrinsic dimension and sparsity of both splits.

    Where the rows are a projection, ranks and dimension are the projection's: the dimension and ranks far below its
    width survive it, the zeros do not.
    """

    kinds: ClassVar[Mapping[str, Kind]] = KINDS

    def __call__(self, splits: Splits) -> Scores:
        scores = Scores(self.kinds)
        for name, split in splits.items():
            _add_ranks(scores, split, f"{name}/geometry")
            _add_dimension(scores, split, f"{name}/geometry/intrinsic_dimension")
            _add_sparsity(scores, split, f"{name}/geometry/sparsity")
        return scores


def _add_ranks(scores: Scores, split: Split, family: str) -> None:
    centred, uncentred = eigenvalues(split.rows, split.scatter)
    equal = {ALL_EQUAL: not centred.any()}
    scores.add(f"{family}/rankme", guarded(lambda: entropy_rank(uncentred), {ALL_ZERO: not uncentred.any()}))
    scores.add(f"{family}/effective_rank", guarded(lambda: entropy_rank(centred), equal))
    scores.add(f"{family}/participation_ratio", guarded(lambda: participation_ratio(centred), equal))


def _add_sparsity(scores: Scores, split: Split, key: str) -> None:
    scores.add(key, guarded(lambda: sparsity(split.rows), {PROJECTED: split.projected}))


def _add_dimension(scores: Scores, split: Split, key: str) -> None:
    if len(split.rows) < MIN_RATIOS:
        scores.add(key, Undefined(FEW_DIRECTIONS))
        return
    ratios = _split_ratios(split)
    few = len(ratios.values) < MIN_RATIOS
    reasons = {FEW_DIRECTIONS: few, EQUALLY_FAR: not few and equally_far(ratios.values)}
    value = guarded(lambda: two_nn_of_ratios(ratios.values), reasons)
    if isinstance(value, Undefined):
        scores.add(key, value)
        return
    draws = ratios.draws(split.resamples.draws, seeded(0, *split.resamples.context, "twonn"))
    scores.add(key, value, draws=recentred(draws, value) if len(draws) else None)


def _split_ratios(split: Split) -> Ratios:
    """By the graph that metrics and maps share; of a test split of more than 10,000 rows a stratified sample.

    So, too, of a train split of which not all rows ask for neighbours.
    """
    if (split.name == "train" and split.asked is None) or len(split.rows) <= MAX_ROWS:
        return neighbour_ratios(split.rows, split.own(KEPT), split.groups)
    rng = seeded(0, *split.permutations.context, "twonn", "rows")
    chosen = stratified(split.labels, MAX_ROWS, rng)
    rows = split.rows[chosen]
    groups = None if split.groups is None else split.groups[chosen]
    return neighbour_ratios(rows, Graph.of(rows, rows, KEPT, exclude_self=True), groups)
