"""How far a map may be believed: what it keeps of the neighbourhoods that the features have.

    badge = faithfulness(rows, nearest, coordinates, labels, rng=np.random.default_rng(0))
    badge.trustworthiness, badge.continuity, badge.kept[0]

Points that the map shows as neighbours without their being so lower the trustworthiness, neighbours that it tears
apart the continuity (Venna & Kaski 2001; van der Maaten, Postma & van den Herik 2009). Rows are compared by Euclidean
distance: hand in rows of unit length for the cosine that the neighbour graph goes by.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.stats import spearmanr

from frostmark.metrics.map_kinds import MAP_KINDS
from frostmark.metrics.metric import Scores, Undefined, Value
from frostmark.stats.moments import Array, Float
from frostmark.waiting import pool

NEIGHBOURS = 10
"""Size of the neighbourhoods looked at."""

MAX_PAIRS = 100_000_000
"""Distances computed for the ranks at most: all pairs of 10,000 points; of more points a sample is ranked among all."""

_CORRELATED = 100_000
_CELLS = 4_000_000
_ROUNDING = 1e-12

MIN_POINTS = 4
"""Points that a neighbourhood of one, and the ranks beyond it, need."""


@dataclass(frozen=True)
class Faithfulness:
    """What a map keeps.

    Attributes:
        k: size of the neighbourhoods: ten, or less than half of the points.
        trustworthiness, continuity: 0 … 1; 1 if the map's neighbours are the features' own; about 0.5 by chance.
        knn_preservation: mean share of each point's k nearest rows among its k nearest in the map.
        distance_correlation: Spearman's, of the distances of sampled pairs; None if all distances are equal.
        knn_accuracy, feature_knn_accuracy: of leave-one-out k nearest neighbours with one vote each, in the map and in
            the features.
        kept: (N,) every point's share of neighbours kept.
        separates_more: whether the map separates the classes more than the features do, beyond chance.
    """

    k: int
    trustworthiness: float
    continuity: float
    knn_preservation: float
    distance_correlation: float | None
    knn_accuracy: float
    feature_knn_accuracy: float
    kept: Float
    separates_more: bool

    @property
    def words(self) -> str:
        """The badge of a picture, in two lines."""
        return (
            f"trustworthiness {self.trustworthiness:.3f} · continuity {self.continuity:.3f} · "
            f"{self.knn_preservation:.0%} of the {self.k} nearest kept\n"
            f"k-NN accuracy (k = {self.k}): {self.knn_accuracy:.1%} in the map, "
            f"{self.feature_knn_accuracy:.1%} in the features"
        )

    @property
    def warning(self) -> str:
        """What a reader must be warned of; empty if nothing."""
        if not self.separates_more:
            return ""
        return "The map separates the classes more than the features do."

    def scores(self, family: str) -> Scores:
        """As metrics of ``family``, such as ``test/map``."""
        equal = Undefined("all points of the map, or all rows, lie equally far apart")
        values: dict[str, Value] = {
            "trustworthiness": self.trustworthiness,
            "continuity": self.continuity,
            "knn_preservation": self.knn_preservation,
            "distance_correlation": equal if self.distance_correlation is None else self.distance_correlation,
            "knn_accuracy": self.knn_accuracy,
            "knn_accuracy_excess": self.knn_accuracy - self.feature_knn_accuracy,
        }
        scores = Scores(MAP_KINDS)
        for name, value in values.items():
            scores.add(f"{family}/{name}", value)
        return scores


def faithfulness(
    rows: Array, nearest: NDArray[Any], coordinates: Array, labels: Array, rng: np.random.Generator
) -> Faithfulness:
    """Compare a map with the rows that it shows.

    Args:
        rows: (N, D), N ≥ 4.
        nearest: (N, K) the nearest other rows of every row, nearest first; K of ten or of all others.
        coordinates: (N, 2).
        labels: (N,).
        rng: draws the pairs whose distances are correlated, and the points that are ranked where there are many.

    Raises:
        ValueError: for fewer than 4 points, which have no ranks beyond a neighbourhood.
    """
    count = len(rows)
    if count < MIN_POINTS:
        raise ValueError(f"{count} points have no ranks beyond a neighbourhood; {MIN_POINTS} have")
    k = min(NEIGHBOURS, (count - 1) // 2, nearest.shape[1])
    near_rows, near_points = nearest[:, :k].astype(np.int64), nearest_points(coordinates, k)
    kept = shared_neighbours(near_rows, near_points)
    # Sampled points are ranked among all: the estimate of a mean over points.
    ranked = np.arange(count)
    if count**2 > MAX_PAIRS:
        ranked = np.sort(rng.choice(count, MAX_PAIRS // count, replace=False))
    hits, feature_hits = (_agree(near, labels) for near in (near_points, near_rows))
    return Faithfulness(
        k,
        _kept_ranks(rows, ranked, near_points[ranked], k),
        _kept_ranks(coordinates, ranked, near_rows[ranked], k),
        float(kept.mean()),
        _correlation(rows, coordinates, rng),
        float(hits.mean()),
        float(feature_hits.mean()),
        kept,
        _more(hits, feature_hits),
    )


def nearest_points(coordinates: Array, k: int) -> NDArray[np.int64]:
    """(N, k) the nearest other points of each of ``coordinates`` (N, 2), k < N; points that coincide in any order."""
    nearest: Any = cKDTree(coordinates).query(coordinates, k + 1)[1]  # its stubs do not know that k > 1 gives an array
    is_self = nearest == np.arange(len(nearest))[:, None]
    is_self[~is_self.any(1), -1] = True  # more than k twins pushed the point itself out
    return np.reshape(nearest[~is_self], (len(nearest), k))


def shared_neighbours(one: NDArray[np.int64], other: NDArray[np.int64]) -> Float:
    """(N,) the share of the neighbours ``one`` (N, k) that are among ``other`` (N, k)."""
    return np.asarray((one[:, :, None] == other[:, None, :]).any(2).mean(1))


def stability(maps: Sequence[Array], k: int = NEIGHBOURS) -> float:
    """How much of the neighbourhoods maps (N, 2) of the same points share: the mean over all pairs of maps, 0 … 1.

    Raises:
        ValueError: for fewer than two maps.
    """
    if len(maps) < 2:
        raise ValueError("one map alone has no stability")
    k = min(k, (len(maps[0]) - 1) // 2)
    near = [nearest_points(coordinates, k) for coordinates in maps]
    return float(np.mean([shared_neighbours(one, other).mean() for one, other in combinations(near, 2)]))


def _kept_ranks(points: Array, of: NDArray[np.int64], neighbours: NDArray[np.int64], k: int) -> float:
    """1 less the scaled sum of the ranks beyond k that the ``neighbours`` (n, k) of ``of`` (n,) have in ``points``."""
    n = len(points)
    beyond = sum(int(np.maximum(ranks - k, 0).sum()) for ranks in _ranks(points, of, neighbours))
    return 1.0 - 2.0 * beyond / (len(of) * k * (2 * n - 3 * k - 1))


def _ranks(points: Array, of: NDArray[np.int64], neighbours: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """The ranks, from 1, of the ``neighbours`` (n, k) of ``of`` (n,) by distance: 1 + how many points are nearer.

    Nearer means by more than rounding, so that twins share a rank: which of them a map shows next is no error of it.
    """
    centred = points.astype(np.float64) - points.mean(0, dtype=np.float64)
    squares = np.einsum("nd,nd->n", centred, centred)

    def block(start: int) -> NDArray[np.int64]:
        mine, near = of[start : start + step], neighbours[start : start + step]
        apart = centred[mine] @ centred.T  # becomes the squared distance, less the point's own square
        apart *= -2
        apart += squares
        apart[np.arange(len(mine)), mine] = np.inf  # no point is among its own neighbours
        theirs = np.take_along_axis(apart, near, 1) - _ROUNDING * squares.max()
        apart.sort(axis=1)
        return np.stack([np.searchsorted(line, values) + 1 for line, values in zip(apart, theirs, strict=True)])

    # Sorting leaves the interpreter to the other threads; each block has an answer of its own.
    step = max(_CELLS // len(points), 1)
    with pool(os.cpu_count() or 1) as running:
        yield from running.map(block, range(0, len(of), step))


def _agree(neighbours: NDArray[np.int64], labels: Array) -> NDArray[np.bool_]:
    """(N,) whether most of the ``neighbours`` (N, k) have the point's label; of equal votes the nearer ones win."""
    _, codes = np.unique(labels, return_inverse=True)
    k = neighbours.shape[1]
    weights = 1.0 + np.arange(k, 0, -1) / (2 * k * k)  # together less than one vote more
    votes = np.zeros((len(labels), codes.max() + 1))
    for column in range(k):
        votes[np.arange(len(votes)), codes[neighbours[:, column]]] += weights[column]
    return np.asarray(votes.argmax(1) == codes)


def _more(hits: NDArray[np.bool_], feature_hits: NDArray[np.bool_]) -> bool:
    """Whether the map hits more often: by one point in a hundred at least, and 2.6 standard errors (1 % two-sided)."""
    gained, lost = int((hits & ~feature_hits).sum()), int((feature_hits & ~hits).sum())
    return gained - lost > max(0.01 * len(hits), 2.6 * math.sqrt(gained + lost))


def _correlation(rows: Array, coordinates: Array, rng: np.random.Generator) -> float | None:
    one = rng.integers(0, len(rows), _CORRELATED)
    other = (one + rng.integers(1, len(rows), _CORRELATED)) % len(rows)  # never itself
    distances = []
    for points in (rows, coordinates):
        step = max(_CELLS // points.shape[1], 1)
        parts = [
            np.linalg.norm(points[one[i : i + step]].astype(np.float64) - points[other[i : i + step]], axis=1)
            for i in range(0, _CORRELATED, step)
        ]
        distances.append(np.concatenate(parts))
    if any(np.ptp(d) == 0 for d in distances):
        return None
    return float(spearmanr(distances[0], distances[1]).statistic)
