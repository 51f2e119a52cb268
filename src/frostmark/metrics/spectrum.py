"""The eigenvalues and axes of rows: everything about them that labels do not change.

    spectrum = Spectrum.of(rows)             # once
    spectrum.targets(labels, classes=10)     # (C, k) for each labelling
    spectrum.coordinates(64)                 # (N, 64) principal components

Notation: X the rows (N, D) less their mean, X = U S Vᵀ of rank k, s_i = S_i² the eigenvalues of XᵀX; y_c the 0/1 target
of class c with n_c rows; z_c = Uᵀy_c. Only z_c depends on the labels, and U is never formed where N ≥ D: z_c is the sum
of the class's centred rows times V/√s.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from frostmark.stats.moments import Array, Float
from frostmark.stats.permutation import class_sums
from frostmark.stats.scatter import total_scatter
from frostmark.waiting import within

_CELLS = 1 << 22
"""Numbers of one block of rows in float64: bounds the memory."""

MAX_HELD = 1 << 27
"""Numbers of rows of which a null holds a copy, centred or turned."""

_CACHED = 1 << 19
"""Numbers of a block that stays in the cache."""


@dataclass(frozen=True)
class Spectrum:
    """Centred rows X = U S Vᵀ: all that the labels do not change.

    From the eigenvectors of XᵀX, or of XXᵀ if there are fewer rows than features, in float64. Eigenvalues up to
    max(N, D) · 2.2e-16 of the largest count as zero: constant features, and those that others determine.

    Attributes:
        source: (N, w) what the sums over classes are taken of: the rows; U if N < D.
        centre: (w,) what is taken off it.
        axes: (w, k) V/√s, which turns class sums into Uᵀy; None where ``source`` is U.
        values: (k,) the s_i, descending.
        width: D.
        quartic: Σ_i ‖x_i‖⁴ of the centred rows.
    """

    source: Array
    centre: Float
    axes: Float | None
    values: Float
    width: int
    quartic: float

    @classmethod
    def of(cls, rows: Array, scatter: Float | None = None) -> Spectrum:
        """Spectrum of ``rows`` (N, D); ``scatter`` is their total scatter (D, D), where it is at hand."""
        n, d = rows.shape
        centre = rows.mean(0, dtype=np.float64)
        if n < d:
            gram = _gram_of_rows(rows, centre)
        elif scatter is None:
            gram = total_scatter(rows)
        else:
            gram = scatter
        values, vectors = within(None, lambda: np.linalg.eigh(gram))
        # The second bound: what rounding leaves of rows that are equal, as in ClassMoments.no_spread.
        zero = max(values[-1] * max(n, d) * np.finfo(float).eps, 1e-26 * n * float(centre @ centre))
        kept = np.flatnonzero(values > zero)[::-1]
        values, vectors = values[kept], vectors[:, kept]
        quartic = sum(float((squared_lengths(rows[p] - centre) ** 2).sum()) for p in row_blocks(n, d))
        if n < d:
            return cls(vectors, np.zeros(len(kept)), None, values, d, quartic)
        return cls(rows, centre, vectors / np.sqrt(values), values, d, quartic)

    @property
    def rows(self) -> int:
        """N."""
        return len(self.source)

    @property
    def rank(self) -> int:
        """The number k of axes along which the rows vary."""
        return len(self.values)

    def shrinkage(self, dimensions: int) -> float:
        """Ledoit & Wolf's (2004) weight α of the identity in (1 − α) cov(x) + α tr(cov(x))/d · 1, between 0 and 1.

        Their Σ‖x xᵀ − cov‖² needs but Σ‖x‖⁴ and the eigenvalues: no second pass, and no D×D product as in
        scikit-learn, whose coefficient this is at d = D. 0 where the covariance is a multiple of the identity anyway.

        Args:
            dimensions: d, of the space: D, or k of the space that the rows span.
        """
        n, d = self.rows, dimensions
        mean, squares = self.values.sum() / (n * d), (self.values**2).sum() / n**2
        distance = squares / d - mean**2
        noise = (self.quartic / n - squares) / (n * d)
        return float(np.clip(noise / distance, 0, 1)) if distance > 1e-12 * mean**2 else 0.0

    def targets(self, labels: NDArray[np.int64], classes: int) -> Float:
        """(C, k) z_c = Uᵀy_c of every class, in float64."""
        sums = np.zeros((classes, len(self.centre)))
        for part in row_blocks(self.rows, len(self.centre)):
            sums += class_sums(self.source[part] - self.centre, labels[part], classes)
        return sums if self.axes is None else sums @ self.axes

    def roughly(self, classes: int, times: int) -> Callable[[NDArray[np.int64]], Float]:
        """:meth:`targets` in float32, for as many ``times`` labels (N,) of so many ``classes``.

        A null does not notice. One copy of the rows, and then a pass over it every time; of very many rows no copy.
        """
        axes = None if self.axes is None else self.axes.astype(np.float32)
        if self.source.size > MAX_HELD:
            return lambda labels: _turned(self._sums(labels, classes), axes).astype(np.float64)
        # Turned into U at once where that is less work than turning the sums every time.
        before = axes if self.rows < times * classes else None
        after = axes if before is None else None
        rows = np.empty((self.rows, len(self.centre) if before is None else self.rank), np.float32)
        for part in row_blocks(self.rows, len(self.centre)):
            rows[part] = _turned((self.source[part] - self.centre).astype(np.float32), before)
        return lambda labels: _turned(class_sums(rows, labels, classes), after).astype(np.float64)

    def _sums(self, labels: NDArray[np.int64], classes: int) -> NDArray[np.float32]:
        """(C, w) sums of the centred rows of each class, centred in float32 while they are in the cache."""
        near, sums = self.centre.astype(np.float32), np.zeros((classes, len(self.centre)))
        for part in row_blocks(self.rows, len(near), max(_CACHED, 16 * classes * len(near))):
            sums += class_sums(np.subtract(self.source[part], near, dtype=np.float32), labels[part], classes)
        sums -= np.bincount(labels, minlength=classes)[:, None] * (self.centre - near)  # what the rounding left
        return sums.astype(np.float32)

    def coordinates(self, components: int, some: NDArray[np.int64] | None = None) -> Float:
        """(N, m) the rows in their first ``components`` principal axes, or as many as there are.

        From the full decomposition, nothing randomised.

        Args:
            some: positions of the rows that are wanted; None for all.
        """
        root = np.sqrt(self.values[:components])
        source = self.source if some is None or len(some) == self.rows else self.source[some]
        if self.axes is None:
            return np.asarray(source[:, :components] * root)
        turn = self.axes[:, :components] * root
        return np.concatenate([(source[p] - self.centre) @ turn for p in row_blocks(len(source), self.width)])

    def energy(self, share: float) -> int:
        """How many of the first principal axes hold ``share`` of the variance."""
        held = np.cumsum(self.values) / self.values.sum()
        return int(np.searchsorted(held, share) + 1)


def _turned(x: Array, axes: Array | None) -> Array:
    return x if axes is None else np.asarray(x @ axes)


def row_blocks(rows: int, width: int, cells: int = _CELLS) -> Iterator[slice]:
    """Slices of the rows, each of about ``cells`` numbers."""
    step = max(1, cells // max(width, 1))
    return (slice(start, start + step) for start in range(0, rows, step))


def squared_lengths(x: Float) -> Float:
    """(N,) squared lengths."""
    return np.asarray(np.einsum("nd,nd->n", x, x))


def _gram_of_rows(rows: Array, centre: Float) -> Float:
    """XXᵀ (N, N)."""
    gram = np.zeros((len(rows), len(rows)))
    for part in row_blocks(len(centre), len(rows)):
        x = rows[:, part] - centre[part]
        gram += x @ x.T
    return gram


def targets_of(spectrum: Spectrum, labels: NDArray[np.int64]) -> tuple[Float, NDArray[np.int64]]:
    """(C, k) z_c and (C,) rows of the classes that have any, whatever numbers ``labels`` (N,) give them."""
    _, own, count = np.unique(labels, return_inverse=True, return_counts=True)
    return spectrum.targets(own, len(count)), count
