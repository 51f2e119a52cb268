"""Streaming class moments: count, mean and sum of squared deviations of every class, in float64.

    moments = ClassMoments.empty(classes=10, width=512)
    moments.update(rows, labels)                  # a batch, in place
    merged = moments.merge(others)                # two streams
    merged.variance                               # (C,) trace of each class covariance

Batches are merged by Chan, Golub & LeVeque's rule (1979), which never subtracts two large sums: Σx² − (Σx)² loses
every digit in float64 once the mean is 1e8 standard deviations away from zero.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import pdist, squareform

from frostmark.stats.cached import Cached

Array = NDArray[Any]
Float = NDArray[np.float64]

_CELLS = 1 << 21
"""Numbers of a piece of many draws: what is measured of them pair by pair of classes stays in the cache."""

_FLOATS = 1 << 25
"""Numbers of one class that are held in float64 at once: 256 MiB."""


@dataclass(frozen=True)
class ClassMoments:
    """Moments of the rows of each of C classes, D features wide.

    Attributes:
        count: (C,) int64, rows seen of each class.
        mean: (C, D) float64; zero for a class without rows.
        m2: (C, D) float64, Σ (x − mean)² of each feature; never negative.
    """

    count: NDArray[np.int64]
    mean: Float
    m2: Float

    @classmethod
    def empty(cls, classes: int, width: int) -> ClassMoments:
        """Moments of no rows."""
        return cls(np.zeros(classes, np.int64), np.zeros((classes, width)), np.zeros((classes, width)))

    @classmethod
    def of(cls, rows: Array, labels: Array, classes: int) -> ClassMoments:
        """Moments of ``rows`` (N, D) with ``labels`` (N,) in 0 … classes − 1."""
        moments = cls.empty(classes, rows.shape[1])
        moments.update(rows, labels)
        return moments

    def update(self, rows: Array, labels: Array) -> None:
        """Take in a batch of ``rows`` (N, D) with ``labels`` (N,), in place; only classes in the batch are touched."""
        for c, x in _by_class(rows, labels):
            mean = x.mean(0)
            centred = x - mean
            # The second term mends the rounding of the mean itself (corrected two-pass algorithm).
            m2 = np.maximum((centred**2).sum(0) - centred.sum(0) ** 2 / len(x), 0.0)
            merged = _chan(self.count[c], self.mean[c], self.m2[c], len(x), mean, m2)
            self.count[c], self.mean[c], self.m2[c] = merged

    def merge(self, other: ClassMoments) -> ClassMoments:
        """Moments of both streams together; commutative and associative up to rounding."""
        mean, m2 = np.zeros_like(self.mean), np.zeros_like(self.m2)
        for c in range(len(self.count)):
            _, mean[c], m2[c] = _chan(
                self.count[c], self.mean[c], self.m2[c], other.count[c], other.mean[c], other.m2[c]
            )
        return ClassMoments(self.count + other.count, mean, m2)

    @property
    def present(self) -> NDArray[np.intp]:
        """Indices of the classes that have rows."""
        return np.flatnonzero(self.count)

    @property
    def variance(self) -> Float:
        """(C,) trace of each class covariance, divided by n; NaN for a class without rows."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(self.count > 0, self.m2.sum(1) / self.count, np.nan)

    @property
    def grand_mean(self) -> Float:
        """(D,) mean of all rows."""
        weights = self.count / self.count.sum()
        anchor = self.mean[self.present[0]]  # shifted first: means far from zero keep their digits
        return np.asarray(anchor + weights @ np.where(self.count[:, None] > 0, self.mean - anchor, 0.0))

    @property
    def summary(self) -> ClassSummary:
        """How the classes that have rows lie to each other."""
        there = self.present
        return ClassSummary(self.count[there], self.variance[there], self.mean[there])

    @property
    def no_spread(self) -> bool:
        """Whether no class varies within itself, up to the rounding of float64.

        Rows are float32: whatever truly varies does so by more than 1e-13 of its mean.
        """
        return float(self.m2.sum()) <= 1e-26 * float((self.count[:, None] * self.mean**2).sum())

    @property
    def mean_distances(self) -> Float:
        """(C, C) Euclidean distances of the class means; NaN for classes without rows."""
        distances = np.asarray(squareform(pdist(self.mean)))
        absent = self.count == 0
        distances[absent, :] = distances[:, absent] = np.nan
        return distances


@dataclass(frozen=True)
class ClassSummary:
    """How C classes lie to each other: all that variances and most measures of separability are made of.

    Every class has rows. A leading axis, where there is one, counts draws: resampled or permuted versions of one data
    set, so that a measure is one formula for the estimate, its interval and its null.

    Attributes:
        count: (C,) rows of each class, or (…, C) where draws differ in that.
        variance: (…, C) trace of each class covariance, divided by n.
        mean: (…, C, D) class means; float64 of a data set, float32 of draws, which lie about the origin.
        spread: (…, C) mean distance of a class's rows to their mean; None where nobody asks for it.
    """

    count: NDArray[np.int64]
    variance: Float
    mean: Array
    spread: Float | None = None

    @Cached
    def within(self) -> Float:
        """(…) tr S_W: Σ over classes and features of squared deviations from the class mean."""
        return np.asarray((self.count * self.variance).sum(-1))

    @Cached
    def between(self) -> Float:
        """(…) tr S_B: Σ_c n_c ‖μ_c − μ‖², μ the mean of all rows."""
        return np.asarray((self.count * self.lengths).sum(-1))

    @Cached
    def centre(self) -> Array:
        """(…, D) mean of all rows."""
        weights = (self.count / self.count.sum(-1, keepdims=True)).astype(self.mean.dtype)
        if weights.ndim > 1:
            return np.asarray(np.einsum("...c,...cd->...d", weights, self.mean))
        return np.asarray(weights @ self.mean)

    @Cached
    def lengths(self) -> Array:
        """(…, C) squared distances of the class means to the mean of all rows."""
        if self._one:
            centred = self.mean - self.centre
            return np.asarray(np.einsum("cd,cd->c", centred, centred))
        # Of draws by products: a second copy of their means takes as long as everything else that is done with them.
        along = np.einsum("...cd,...d->...c", self.mean, self.centre)
        own = np.einsum("...cd,...cd->...c", self.mean, self.mean)
        whole = np.einsum("...d,...d->...", self.centre, self.centre)
        return np.asarray(np.maximum(own - 2 * along + whole[..., None], 0))

    @property
    def offset(self) -> Array:
        """(…, D) from the mean of all rows to the unweighted mean of the class means."""
        # Of a data set by differences first, as its means may lie far from zero.
        return np.asarray((self.mean - self.centre).mean(-2) if self._one else self.mean.mean(-2) - self.centre)

    @Cached
    def squared(self) -> Array:
        """(…, C, C) squared Euclidean distances of the class means."""
        if self._one:
            return np.asarray(squareform(pdist(self.mean, "sqeuclidean")))
        # Of draws by products, a hundred times as fast for 1,000 classes: what float32 makes of two means that nearly
        # coincide an interval or a null does not notice; the estimate keeps its digits.
        return squared_distances(self.mean)

    @property
    def _one(self) -> bool:
        """Whether this is the data set itself, not draws of it."""
        return self.mean.ndim == 2 and self.mean.dtype == np.float64

    @Cached
    def closeness(self) -> Array:
        """(…, C, C) one over the squared distances of the class means; 0 on the diagonal."""
        apart = self.squared.copy()
        diagonal = np.arange(self.count.shape[-1])
        apart[..., diagonal, diagonal] = np.inf
        return np.asarray(np.reciprocal(apart, out=apart))

    def pieces(self) -> Iterator[ClassSummary]:
        """Few draws at a time of a summary of many."""
        classes, width = self.mean.shape[1:]
        step = max(1, _CELLS // (classes * max(classes, width)))
        for start in range(0, len(self.mean), step):
            part = slice(start, start + step)
            spread = None if self.spread is None else self.spread[part]
            count = self.count if self.count.ndim == 1 else self.count[part]
            yield replace(self, count=count, variance=self.variance[part], mean=self.mean[part], spread=spread)


def squared_distances(points: Array) -> Array:
    """(…, C, C) squared Euclidean distances of ``points`` (…, C, D) near the origin, from their products.

    In the points' own precision, which is that of the longest: ε‖x‖², and never negative.
    """
    squared = points @ points.swapaxes(-1, -2)
    squares = np.einsum("...cc->...c", squared).copy()
    squared *= -2
    squared += squares[..., :, None]
    squared += squares[..., None, :]
    return np.asarray(np.maximum(squared, 0, out=squared))


def _by_class(rows: Array, labels: Array) -> Iterator[tuple[int, Float]]:
    """Each class of a batch with its rows (n, D) in float64; a very large one in several parts."""
    most = max(_FLOATS // max(rows.shape[1], 1), 1)
    for c in np.unique(labels):
        members = np.flatnonzero(labels == c)
        for start in range(0, len(members), most):
            yield int(c), rows[members[start : start + most]].astype(np.float64)


def _chan(na: int, mean_a: Float, m2_a: Float, nb: int, mean_b: Float, m2_b: Float) -> tuple[int, Float, Float]:
    if nb == 0:
        return na, mean_a, m2_a
    n = na + nb
    delta = mean_b - mean_a
    return n, mean_a + delta * (nb / n), m2_a + m2_b + delta**2 * (na * nb / n)
