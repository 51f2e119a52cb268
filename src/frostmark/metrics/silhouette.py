"""The silhouette: whether an image lies nearer to its own class than to the nearest other class.

    of_rows = silhouettes(rows, labels)
    of_rows.values.mean()
    draws = estimate + resamples.means(of_rows.influence) - of_rows.influence.mean()

Rousseeuw, J. Comput. Appl. Math. 20 (1987). Resampled rows would be their own twins, at distance 0; the interval comes
from the influence that each row has on the mean instead: its own value, and what it does to the values of all others.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from frostmark.stats.moments import Array, Float
from frostmark.stats.permutation import Permutations, class_sums, in_threads

MAX_EXACT = 10_000
"""Rows up to which the silhouette is exact; of more, a sample is measured."""

MAX_NULL = 2_000
"""Rows of the sample that is measured under permuted labels."""

_BLOCK = 512
"""Rows whose distances to all others are held at once."""

_TWINS = 1e-13
"""Squared distances below this share of the squared lengths are rounding: the rows are equal."""


@dataclass(frozen=True)
class Silhouettes:
    """One value a row.

    Attributes:
        values: (N,) (b − a) / max(a, b), a the mean distance to the own class, b to the nearest other one; 0 for a row
            that is alone in its class and where a = b = 0.
        influence: (N,) derivative of the sum of all values by the weight of the row.
    """

    values: Float
    influence: Float


def distances(x: Float, squares: Float, block: slice) -> Float:
    """(b, N) Euclidean distances of a block of the rows ``x`` (N, D), of squared lengths (N,), to all; 0 of equals."""
    scale = squares[block, None] + squares
    squared = x[block] @ x.T
    squared *= -2
    squared += scale
    scale *= _TWINS
    squared[squared < scale] = 0
    line = np.arange(len(squared))
    squared[line, block.start + line] = 0  # a row is at no distance from itself
    return np.asarray(np.sqrt(squared, out=squared))


def silhouettes(rows: Array, labels: NDArray[np.int64]) -> Silhouettes:
    """Silhouettes of ``rows`` (N, D) with ``labels`` (N,), exact, in memory that grows with N alone."""
    # Near the origin ‖x‖² − 2xy + ‖y‖² keeps its digits.
    x = rows.astype(np.float64) - rows.mean(0, dtype=np.float64)
    present, own = np.unique(labels, return_inverse=True)
    squares = np.einsum("nd,nd->n", x, x)
    values, influence = np.zeros(len(x)), np.zeros(len(x))
    constant = np.zeros(len(present))

    def of_block(start: int) -> tuple[slice, Float, Float, Float, Float]:
        block = slice(start, min(start + _BLOCK, len(x)))
        apart = distances(x, squares, block)
        of_rows = _Block.of(class_sums(apart.T, own, len(present)).T, own[block], np.bincount(own))
        gradient, *rest = of_rows.gradients()
        return block, of_rows.values, np.einsum("bn,bn->n", apart, gradient[:, own]), *rest

    for block, of_block_rows, to_all, offset, to_itself in in_threads(of_block, range(0, len(x), _BLOCK)):
        values[block] = of_block_rows
        influence += to_all
        influence[block] += to_itself
        constant += offset
    return Silhouettes(values, values + influence - constant[own])


def mean_silhouette(apart: Float, own: NDArray[np.int64], classes: int) -> float:
    """Mean silhouette from all distances (N, N); the labels count from 0 without a gap."""
    of_rows = _Block.of(class_sums(apart, own, classes).T, own, np.bincount(own, minlength=classes))
    return float(of_rows.values.mean())


def permuted_silhouettes(rows: Array, permutations: Permutations) -> tuple[float, Float]:
    """The mean silhouette of ``rows`` (N, D) as they are labelled, and (P,) of permuted labels."""
    x = rows.astype(np.float64) - rows.mean(0, dtype=np.float64)
    apart = distances(x, np.einsum("nd,nd->n", x, x), slice(0, len(x)))
    present = np.unique(permutations.labels)

    def measured(labels: NDArray[np.int64]) -> float:
        return mean_silhouette(apart, np.searchsorted(present, labels), len(present))

    return measured(permutations.labels), np.array(in_threads(measured, permutations))


@dataclass(frozen=True)
class _Block:
    """Mean distances of some rows: ``a`` to the own class, ``b`` to the ``other`` one that is nearest; (b,) each."""

    a: Float
    b: Float
    own: NDArray[np.int64]
    other: NDArray[np.intp]
    count: NDArray[np.int64]

    @classmethod
    def of(cls, sums: Float, own: NDArray[np.int64], count: NDArray[np.int64]) -> _Block:
        """From ``sums`` (b, C) of distances to each class."""
        line = np.arange(len(own))
        mean = sums / count
        a = sums[line, own] / np.maximum(count[own] - 1, 1)
        mean[line, own] = np.inf
        other = mean.argmin(1)
        return cls(a, mean[line, other], own, other, count)

    @property
    def alone(self) -> NDArray[np.bool_]:
        """Whether the row has no other of its class, or no distance to anything: its value is 0."""
        return np.asarray((self.count[self.own] < 2) | (np.maximum(self.a, self.b) == 0))

    @property
    def values(self) -> Float:
        """(b,) silhouettes."""
        largest = np.where(self.alone, 1.0, np.maximum(self.a, self.b))
        return np.where(self.alone, 0.0, (self.b - self.a) / largest)

    def gradients(self) -> tuple[Float, Float, Float]:
        """Derivatives of the values by the weights of rows of each class, for one unit of distance.

        Returns:
            (b, C) by class; (C,) what all of them lose by the means themselves; (b,) the correction for a row's own
            weight, which is no part of its mean distance.
        """
        a, b, line = self.a, self.b, np.arange(len(self.own))
        inside = a < b
        safe_a, safe_b = np.where(a > 0, a, 1.0), np.where(b > 0, b, 1.0)
        by_a = np.where(inside, -1 / safe_b, -b / safe_a**2) / np.maximum(self.count[self.own] - 1, 1)
        by_b = np.where(inside, a / safe_b**2, 1 / safe_a) / self.count[self.other]
        by_a, by_b = np.where(self.alone, 0.0, by_a), np.where(self.alone, 0.0, by_b)
        gradient = np.zeros((len(a), len(self.count)))
        gradient[line, self.own], gradient[line, self.other] = by_a, by_b
        classes = len(self.count)
        offset = np.bincount(self.own, by_a * a, classes) + np.bincount(self.other, by_b * b, classes)
        return gradient, np.asarray(offset, np.float64), by_a * a
