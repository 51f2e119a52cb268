"""TwoNN: the intrinsic dimension that the two nearest neighbours of every row see.

    two_nn(rows, Graph.of(rows, rows, k=90, exclude_self=True))
    neighbour_ratios(rows, graph).draws(1000, rng)      # spread as the estimate is from sample to sample

Facco et al., Sci. Rep. 7 (2017) 12140. The dimension is local: of the curved surface that the rows lie on, at the scale
of the nearest neighbours, which lie closer in a large split than in a small one: compare it at equal N.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from frostmark.stats.moments import Array, Float
from frostmark.stats.neighbours import Graph

FEW_DIRECTIONS = "fewer than 10 rows point in different directions"
EQUALLY_FAR = "the two nearest neighbours of most rows are equally far"

MIN_RATIOS = 10
"""Ratios below which TwoNN's line is not fitted."""

FITTED = 0.9
"""Share of the ratios, the smallest, that TwoNN's line is fitted to: Facco et al. discard the tail, and so do
scikit-dimension and DADApy."""

DUPLICATE = float(np.finfo(np.float32).eps)
"""Rows of unit length at this distance or nearer are one: roundings of one direction to float32 stand so far apart."""

_CLOSEST = 8
"""Candidates of the neighbour graph looked at first; the others where these do not settle who is nearest."""

_CELLS = 1 << 22
"""Float64 numbers of one block: 32 MiB."""


def two_nn(rows: Array, graph: Graph) -> float:
    """Intrinsic dimension of the ``rows`` (N, D) scaled to unit length, which is what k-NN by cosine sees.

    Scaling takes one dimension from rows that fill a solid piece of space around the origin.

    Args:
        graph: of the rows among themselves, each left out of its own list.

    Raises:
        ValueError: if fewer than 10 rows point in different directions.
        ZeroDivisionError: if the two nearest neighbours of most rows are equally far.
    """
    return two_nn_of_ratios(neighbour_ratios(rows, graph).values)


def two_nn_of_ratios(ratios: Float) -> float:
    """TwoNN: the slope through the origin of −ln(1 − F(μ)) on ln μ (Facco et al., Sci. Rep. 7, 2017, 12140).

    F is i/N for the i-th smallest of all N ratios; the line is fitted to the smallest 90 %.

    Args:
        ratios: (N,) μ = r₂/r₁ ≥ 1, distances to the second and to the nearest neighbour.

    Raises:
        ValueError: if there are fewer than 10.
        ZeroDivisionError: if at least half of them are 1 up to rounding.
    """
    if len(ratios) < MIN_RATIOS:
        raise ValueError(f"{len(ratios)} ratios: {FEW_DIRECTIONS}")
    if equally_far(ratios):
        raise ZeroDivisionError(EQUALLY_FAR)
    return _slope(np.sort(np.log(ratios)))


def equally_far(ratios: Float) -> bool:
    """Whether the typical ratio is 1 up to the rounding of float32 rows, as on a lattice."""
    return bool(np.median(ratios) <= 1 + DUPLICATE)


def _slope(log_ratios: Float) -> float:
    """The fit to ascending ln μ (n,); infinite if all that is fitted are zero."""
    n = len(log_ratios)
    kept = int(n * FITTED)
    x, y = log_ratios[:kept], -np.log1p(-np.arange(1, kept + 1) / n)
    return float(x @ y / (x @ x)) if x[-1] > 0 else np.inf


@dataclass(frozen=True)
class Ratios:
    """What TwoNN is made of.

    Attributes:
        values: (n,) μ = r₂/r₁ of the rows that have one.
        kin: (n,) int64 in 0 … G − 1: the same for a row and its nearest neighbour, and the neighbour's, and so on.
    """

    values: Float
    kin: NDArray[np.int64]

    def draws(self, count: int, rng: np.random.Generator) -> Float:
        """(B,) TwoNN of random halves, spread as the estimate itself would be from sample to sample; none if G < 10.

        Drawn without replacement, which makes no duplicates: m of n values scatter around the estimate with variance
        σ²(1/m − 1/n), which at m = n/2 is σ²/n, that of the estimate. Ratios are drawn, not rows: half of the rows
        would have neighbours further off, and a dimension at another scale. And they are drawn by kin: two rows that
        are each other's nearest have r₁ in common. Singly drawn, 95 % intervals held the mean of all samples 83 to 91
        times of 100, by kin and recentred 92 to 96 (uniform on a torus of 2 to 20 dimensions, 100 and 1,000 rows).
        """
        groups = int(self.kin.max(initial=-1)) + 1
        if groups < MIN_RATIOS:
            return np.empty(0)
        order = np.argsort(self.values)
        ascending, kin = np.log(self.values[order]), self.kin[order]
        slopes = np.empty(count)
        for b in range(count):
            chosen = np.zeros(groups, bool)
            chosen[rng.permutation(groups)[: groups // 2]] = True
            slopes[b] = _slope(ascending[chosen[kin]])
        return slopes if np.isfinite(slopes).all() else np.empty(0)


def neighbour_ratios(rows: Array, graph: Graph) -> Ratios:
    """μ = r₂/r₁ of every row: Euclidean distances of unit rows, in float64 from their differences.

    The graph proposes whom to measure: its float32 cosines give zero for near-duplicates and the wrong order near it.
    The first of a row's list will do, unless the next could be nearer by that error: then all of its list is measured.
    Of rows that are one and the same up to rounding and length, the first has a ratio, and they count as one neighbour.
    Rows of zeros have none, nor has a row whose list in the graph holds fewer than two distinct neighbours.

    Args:
        rows: (N, D).
        graph: of the rows among themselves, each left out of its own list.
    """
    norms = np.sqrt(np.einsum("nd,nd->n", rows, rows, dtype=np.float64))
    distance = np.full(graph.index.shape, np.inf)
    pending = np.flatnonzero(norms)
    offered = graph.index.shape[1]
    for k in (min(_CLOSEST, offered), offered):
        distance[pending, :k] = _distances(rows, norms, pending, graph.index[pending, :k])
        row, column = np.nonzero(distance <= DUPLICATE)
        first = _linked(row, graph.index[row, column], len(rows))
        near, r1, r2 = _two_nearest(graph.index, distance, first)
        # Who is not among the k is at least so far, up to the rounding of float32 cosines.
        beyond = 2 * (1 - graph.similarity[:, k - 1].astype(np.float64)) - 4 * DUPLICATE * np.sqrt(rows.shape[1])
        pending = np.flatnonzero((norms > 0) & ~(r2**2 < beyond))
    valid = np.flatnonzero(np.isfinite(r2) & (first == np.arange(len(rows))))
    _, kin = np.unique(_linked(valid, first[near[valid]], len(rows))[valid], return_inverse=True)
    return Ratios(r2[valid] / r1[valid], kin)


def _distances(rows: Array, norms: Float, members: NDArray[np.intp], index: NDArray[np.int32]) -> Float:
    """(M, k) distances of the unit rows ``members`` to those of ``index`` (M, k); infinite to a row of zeros."""
    lengths = np.where(norms > 0, norms, np.inf)
    apart_by = np.empty(index.shape)
    step = max(_CELLS // (index.shape[1] * rows.shape[1]), 1)
    for start in range(0, len(members), step):
        own, near = members[start : start + step], index[start : start + step]
        apart = rows[near] / lengths[near][..., None]
        apart -= (rows[own] / lengths[own][:, None])[:, None]
        apart_by[start : start + step] = np.sqrt(np.einsum("mkd,mkd->mk", apart, apart))
    return np.where(norms[index] > 0, apart_by, np.inf)


def _linked(a: Array, b: Array, rows: int) -> NDArray[np.int64]:
    """(N,) the lowest row that each row is linked to, over any number of links ``a`` – ``b``; itself without links."""
    links = csr_array((np.ones(len(a), bool), (a, b)), shape=(rows, rows))
    _, component = connected_components(links, directed=False)
    _, lowest = np.unique(component, return_index=True)
    return np.asarray(lowest[component], dtype=np.int64)


def _two_nearest(
    index: NDArray[np.int32], distance: Float, first: NDArray[np.int64]
) -> tuple[NDArray[np.int64], Float, Float]:
    """(N,) the nearest other row, the distance to it, and to the nearest row that is neither; infinite without one."""
    others = np.where((distance <= DUPLICATE) | (first[index] == first[:, None]), np.inf, distance)
    lines = np.arange(len(index))
    column = others.argmin(1)
    near, r1 = index[lines, column].astype(np.int64), others[lines, column]
    others[first[index] == first[near][:, None]] = np.inf
    return near, r1, others.min(1)
