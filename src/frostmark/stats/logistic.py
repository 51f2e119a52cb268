"""Multinomial logistic regression of rows standardised by train: convex, deterministic, quick for narrow and wide rows.

    axes = PrincipalAxes.of(train_rows)                 # standardise and turn, once for every fit
    turned = axes.along(train_rows)                     # (N, r) float32, or what stands for them
    weights = fit(turned, labels, classes, axes.energy, penalty=axes.features / 10)
    scores(weights, axes.turned(test_rows)).argmax(1)

The objective is scikit-learn's: Σ log loss + penalty/2 · ‖W‖², the intercepts free, penalty = 1/C. It is solved in the
principal axes of the standardised rows: the penalty is what it was, wide rows have no more than N axes, and the
curvature at zero weights is nearly diagonal, (N/C) · energy + penalty (Böhning, Ann. Inst. Stat. Math. 44, 1992).
Divided by its root, L-BFGS needs a fifth of the steps.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import fmin_l_bfgs_b

from frostmark.stats.moments import Array, Float
from frostmark.waiting import within

Float32 = NDArray[np.float32]

MAX_STEPS = 200
"""Steps of L-BFGS at most; fits that need more are of penalties far below the chosen one."""

TOLERANCE = 1e-5
"""Share of the objective that the last step changed: by then no more than one image in some hundreds changes sides."""

_STEEPNESS = 0.1
"""Curvature as a share of that at zero weights: of a fit that tells most classes apart it is about a tenth."""

_CELLS = 1 << 22
"""Numbers of one block of rows: bounds the memory."""

MAX_HELD = 1 << 27
"""Numbers of rows up to which the turned rows are held, and those of every fold: of more, a fit reads the rows anew."""

_FEW = 1 << 25
"""Numbers of some of the rows that are read anew up to which these are held: 128 MiB."""

_MIN_ENERGY = 1e-8
"""Share of the largest energy below which an axis is rounding."""


@dataclass(frozen=True)
class PrincipalAxes:
    """How rows are standardised and turned, learnt from train rows without their labels.

    Attributes:
        mean, scale: (D,) of the features; the scale of a feature that does not vary is infinite.
        rotation: (D, r) float32, orthonormal columns: from standardised features to principal axes.
        energy: (r,) variance along each axis, descending.
        features: how many vary.
    """

    mean: Float
    scale: Float
    rotation: Float32
    energy: Float
    features: int

    @classmethod
    def of(cls, rows: Array) -> PrincipalAxes:
        """The axes of ``rows`` (N, D); none if no feature varies."""
        mean = rows.mean(0, dtype=np.float64)
        variance = sum(((part - mean) ** 2).sum(0) for part in _blocks(rows)) / len(rows)
        # A feature varies if it does so by more than float32's rounding of its mean.
        varies = variance > 1e-12 * mean**2
        scale = np.where(varies, np.sqrt(variance), np.inf)
        energy, rotation = _spectrum(rows, mean, scale)
        return cls(mean, scale, rotation.astype(np.float32), energy, int(varies.sum()))

    def along(self, rows: Array) -> HeldRows | ReadAnew:
        """``rows`` (N, D) along the axes, ready for fits."""
        anew = ReadAnew(self, rows, np.arange(len(rows)))
        return anew if rows.size > MAX_HELD else anew.held

    def turned(self, rows: Array, some: NDArray[np.intp] | None = None) -> Float32:
        """(M, r) float32 coordinates of ``rows`` (M, D), or of ``some``, along the axes; the rows are not copied."""
        chosen = np.arange(len(rows)) if some is None else some
        turned = np.empty((len(chosen), len(self.energy)), np.float32)
        step = max(_CELLS // rows.shape[1], 256)
        for start in range(0, len(chosen), step):
            part = slice(start, start + step)
            x = rows[part] if some is None else rows[chosen[part]]
            turned[part] = ((x - self.mean) / self.scale).astype(np.float32) @ self.rotation
        return turned


@dataclass(frozen=True)
class HeldRows:
    """Rows along principal axes, (N, r) float32, in memory."""

    rows: Float32

    made: ClassVar[int] = 1
    """Numbers that are made anew of every row of a block."""

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, some: Array) -> HeldRows:
        """Those of ``some`` rows, a mask (N,) or positions."""
        return HeldRows(self.rows[some])

    def block(self, part: slice) -> Float32:
        """(b, r) some rows, to be multiplied by :meth:`outward` weights."""
        return self.rows[part]

    def outward(self, weights: Float) -> Float:
        """Weights (r, C) of the axes as those of what a block holds."""
        return weights

    def inward(self, gradient: Float) -> Float:
        """A gradient by the weights of what a block holds as that by the weights (r, C) of the axes."""
        return gradient


@dataclass(frozen=True)
class ReadAnew:
    """The same of rows that are too many to be held twice: a block is standardised each time, the weights are turned.

    Attributes:
        axes: of the train rows.
        rows: (N, D) as they are.
        some: (n,) positions of those that are meant.
    """

    axes: PrincipalAxes
    rows: Array
    some: NDArray[np.intp]

    def __len__(self) -> int:
        return len(self.some)

    @property
    def made(self) -> int:
        """As of :class:`HeldRows`."""
        return int(self.rows.shape[1])

    @property
    def held(self) -> HeldRows:
        """The rows turned, in memory."""
        return HeldRows(self.axes.turned(self.rows, None if len(self.some) == len(self.rows) else self.some))

    def take(self, some: Array) -> HeldRows | ReadAnew:
        """Those of ``some`` rows, a mask (n,) or positions."""
        fewer = replace(self, some=self.some[some])
        return fewer if len(fewer) * self.rows.shape[1] > min(MAX_HELD, _FEW) else fewer.held

    def block(self, part: slice) -> Float32:
        """(b, D) standardised."""
        x = self.rows[part] if len(self.some) == len(self.rows) else self.rows[self.some[part]]
        # The mean in two parts: a difference of close numbers is exact in float32, what the first part lacks is small.
        mean = self.axes.mean.astype(np.float32)
        x = np.subtract(x, mean, dtype=np.float32)
        x -= (self.axes.mean - mean).astype(np.float32)
        x /= self.axes.scale.astype(np.float32)
        return np.asarray(x)

    def outward(self, weights: Float) -> Float:
        """As of :class:`HeldRows`: (r, C) to (D, C)."""
        return np.asarray(self.axes.rotation @ weights)

    def inward(self, gradient: Float) -> Float:
        """As of :class:`HeldRows`: (D, C) to (r, C)."""
        return np.asarray(self.axes.rotation.T @ gradient)


def _blocks(rows: Array) -> Iterator[Array]:
    step = max(_CELLS // rows.shape[1], 256)
    return (rows[start : start + step] for start in range(0, len(rows), step))


def _spectrum(rows: Array, mean: Float, scale: Float) -> tuple[Float, Float]:
    """Variances (r,) along the principal axes (D, r) of the standardised rows, in float64."""
    count, width = rows.shape
    if count > width:
        products = sum((z.T @ z for z in ((part - mean) / scale for part in _blocks(rows))), np.zeros((width, width)))
        energy, axes = _eigen(products / count)
        return energy, axes
    standardised = (rows - mean) / scale
    energy, own = _eigen(standardised @ standardised.T / count)
    return energy, standardised.T @ (own / np.sqrt(count * energy))


def _eigen(symmetric: Float) -> tuple[Float, Float]:
    values, vectors = within(None, lambda: np.linalg.eigh(symmetric))
    kept = (values > _MIN_ENERGY * values[-1]) & (values > 0)
    return values[kept][::-1], vectors[:, kept][:, ::-1]


def fit(
    turned: HeldRows | ReadAnew,
    labels: NDArray[np.int64],
    classes: int,
    energy: Float,
    penalty: float,
    start: Float | None = None,
) -> Float:
    """Weights (r + 1, C) of the axes, and, in the last line, the intercepts.

    Args:
        turned: N rows in principal axes, or some of the rows that the axes were learnt from.
        labels: (N,) in 0 … C − 1; a class without rows is given a small share.
        energy: (r,) of the axes.
        penalty: of the squared weights beside the sum of the log losses: scikit-learn's 1/C.
        start: weights of a similar penalty on the same rows. Of other rows they would tell what those rows are.
    """
    objective = _Objective(turned, labels, classes, penalty)
    curvature = np.append(_STEEPNESS * len(turned) / classes * energy + penalty, _STEEPNESS * len(turned) / classes)
    step = 1 / np.sqrt(curvature)[:, None]
    weights = _prior(objective, len(energy)) if start is None else start

    def scaled(point: Float) -> tuple[float, Float]:
        value, gradient = objective(point.reshape(step.shape[0], classes) * step)
        return value, (gradient * step).ravel()

    first = (weights / step).ravel()
    factor = TOLERANCE / np.finfo(np.float64).eps
    point, _, _ = fmin_l_bfgs_b(scaled, first, factr=factor, pgtol=0.0, maxiter=MAX_STEPS)
    return np.asarray(point.reshape(step.shape[0], classes) * step)


def _prior(objective: _Objective, axes: int) -> Float:
    """No weights, and intercepts that give every class its share."""
    weights = np.zeros((axes + 1, objective.classes))
    share = np.log(np.maximum(np.bincount(objective.labels, minlength=objective.classes), 0.5))
    weights[-1] = share - share.mean()
    return weights


def scores(weights: Float, turned: Float32) -> Float32:
    """(M, C) logits of rows (M, r) in principal axes."""
    flat = weights.astype(np.float32)
    return np.asarray(turned @ flat[:-1] + flat[-1])


def answers(weights: Float, turned: HeldRows | ReadAnew, labels: NDArray[np.int64]) -> tuple[NDArray[np.intp], Float]:
    """(M,) the class with the highest score, and (M,) the :func:`log_losses` of ``labels`` (M,), block by block."""
    flat = np.vstack([turned.outward(weights[:-1]), weights[-1]])
    predicted, losses = np.empty(len(turned), np.intp), np.empty(len(turned))
    step = max(_CELLS // max(flat.shape[1], turned.made), 256)
    for begin in range(0, len(turned), step):
        part = slice(begin, begin + step)
        logits = scores(flat, turned.block(part))
        predicted[part], losses[part] = logits.argmax(1), log_losses(logits, labels[part])
    return predicted, losses


def log_losses(logits: Float32, labels: NDArray[np.int64]) -> Float:
    """(M,) −log of the probability that ``logits`` (M, C) give to each label."""
    shifted = logits - logits.max(1, keepdims=True)
    own = shifted[np.arange(len(labels)), labels].astype(np.float64)
    return np.asarray(np.log(np.exp(shifted).sum(1, dtype=np.float64)) - own)


@dataclass(frozen=True)
class _Objective:
    """Σ log loss + penalty/2 · ‖W‖², and its gradient: products in float32, sums in float64."""

    turned: HeldRows | ReadAnew
    labels: NDArray[np.int64]
    classes: int
    penalty: float

    def __call__(self, weights: Float) -> tuple[float, Float]:
        """Value and (r + 1, C) gradient at ``weights`` (r + 1, C)."""
        outer = np.vstack([self.turned.outward(weights[:-1]), weights[-1]])
        outer_gradient = np.zeros_like(outer)
        value = 0.0
        step = max(_CELLS // max(self.classes, self.turned.made), 256)
        for begin in range(0, len(self.labels), step):
            part = slice(begin, begin + step)
            value += self._add(self.turned.block(part), self.labels[part], outer, outer_gradient)
        gradient = np.vstack([self.turned.inward(outer_gradient[:-1]), outer_gradient[-1]])
        gradient[:-1] += self.penalty * weights[:-1]
        return value + self.penalty / 2 * float((weights[:-1] ** 2).sum()), gradient

    def _add(self, rows: Float32, labels: NDArray[np.int64], weights: Float, gradient: Float) -> float:
        """The log loss of some rows, whose gradient is added to ``gradient``."""
        found = scores(weights, rows)
        found -= found.max(1, keepdims=True)
        line = np.arange(len(labels))
        own = found[line, labels].astype(np.float64)
        np.exp(found, out=found)
        total = found.sum(1, keepdims=True)
        found /= total
        found[line, labels] -= 1
        gradient[:-1] += rows.T @ found
        gradient[-1] += found.sum(0, dtype=np.float64)
        return float((np.log(total[:, 0].astype(np.float64)) - own).sum())
