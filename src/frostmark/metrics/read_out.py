"""A linear read-out of frozen rows: the penalty chosen on images held out, every train image predicted without itself.

    read_out = read(Train.of(rows, labels), folds_of(labels, 5, rng))
    read_out.predict(test_rows)                     # (M,) classes
    read_out.held_out                               # (N,) of each train image, by a fit without its fold
    read_out.strength                               # C of scikit-learn's, times the number of features

What is fitted is multinomial logistic regression of rows standardised by train (:mod:`frostmark.stats.logistic`). Its
strength is C times the features that vary, so that copies of columns and columns of zeros change nothing. It is chosen
by the log loss of images held out, which is smooth where the accuracy jumps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from frostmark.stats.logistic import HeldRows, PrincipalAxes, ReadAnew, answers, fit, scores
from frostmark.stats.moments import Array, Float
from frostmark.stats.permutation import in_threads

Labels = NDArray[np.int64]
_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

STRENGTHS = tuple(10 ** (n / 2) for n in range(-6, 6))
"""The grid: half a decade from 0.001 to 316. Weaker penalties cost many steps and gain on narrow layers alone, where
the usual probe's grid has ended, too: of 16 features 316 is C = 20."""

USUAL = 10.0
"""Where the search begins, and what is taken where nothing can be held out: the best of a third of real layers."""

MIN_HELD_OUT = 10_000
"""Images held out that choose the strength: with them one fold, or two, will do."""


@dataclass(frozen=True)
class ReadOut:
    """A fitted read-out.

    Attributes:
        mean, scale: (D,) of the train features; an infinite scale leaves a feature out.
        weights, intercepts: (D, C) and (C,) float32, of standardised features.
        present: (C,) the classes, those of the train rows.
        strength: that was chosen.
        held_out: (N,) class of each train row by a fit without it; empty where there is no such fit.
    """

    mean: Float
    scale: Float
    weights: NDArray[np.float32]
    intercepts: NDArray[np.float32]
    present: Labels
    strength: Float
    held_out: Labels

    def predict(self, rows: Array) -> Labels:
        """(M,) classes of ``rows`` (M, D)."""
        predicted = np.empty(len(rows), np.int64)
        for start in range(0, len(rows), 4096):  # in pieces: standardised rows are not held twice
            part = slice(start, start + 4096)
            standardised = ((rows[part] - self.mean) / self.scale).astype(np.float32)
            predicted[part] = self.present[(standardised @ self.weights + self.intercepts).argmax(1)]
        return predicted

    @property
    def affine(self) -> Affine:
        """The same scores by one product, for other runtimes."""
        return Affine(self.mean, self.weights / self.scale[:, None], self.intercepts.astype(np.float64), self.present)

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array]) -> ReadOut:
        """Of the arrays that were kept: its attributes, by name."""
        return cls(**arrays)


@dataclass(frozen=True)
class Affine:
    """A read-out as an affine map: the scores of rows (M, D) are (rows − center) @ weights + intercepts.

    Attributes:
        center: (D,) taken from the rows first, so that little is lost in float32.
        weights, intercepts: (D, C) and (C,).
        present: (C,) the classes.
    """

    center: Float
    weights: Float
    intercepts: Float
    present: Labels

    def before(self, projection: csr_array, center: Float) -> Affine:
        """The map of features, where this one is of their projection.

        Args:
            projection: (F, D).
            center: (F,) mean of the features.
        """
        shift = (projection.T @ center - self.center) @ self.weights
        return Affine(center, np.asarray(projection @ self.weights), self.intercepts + shift, self.present)


def folds_of(labels: Labels, count: int, rng: np.random.Generator, groups: Labels | None = None) -> Labels:
    """(N,) fold of each row, every class dealt out evenly; whole groups where there are any.

    Groups are dealt out by their most frequent class. There are as many folds as rows or groups, where these are fewer.
    """
    units, own = np.unique(np.arange(len(labels)) if groups is None else groups, return_inverse=True)
    kind = labels if groups is None else _most_frequent(labels, own)
    order = rng.permutation(len(units))
    order = order[np.argsort(kind[order], kind="stable")]
    fold = np.empty(len(units), np.int64)
    fold[order] = np.arange(len(units)) % count
    return fold[own]


def _most_frequent(labels: Labels, own: Labels) -> Labels:
    """(G,) the most frequent label of each group; ``own`` (N,) is the group of each row."""
    width = int(labels.max()) + 1
    cells, counts = np.unique(own * width + labels, return_counts=True)
    order = np.lexsort((cells, -counts, cells // width))
    first = np.unique(cells[order] // width, return_index=True)[1]
    return np.asarray(cells[order][first] % width)


def read(train: Train, folds: Labels | None) -> ReadOut:
    """The read-out of the rows of two classes at least.

    Args:
        folds: (N,) of each row; None where nothing can be held out (:func:`can_hold_out`).
    """
    strength, held_out, start = USUAL, np.empty(0, np.int64), None
    if folds is not None:
        chosen = _Search(train, folds).best()
        strength, start = chosen.strength, chosen.weights[0]
        held_out = train.present[_held_out(train, folds, chosen)]
    weights = train.fitted(strength, start=start)
    return ReadOut(
        train.axes.mean,
        train.axes.scale,
        train.axes.rotation @ weights[:-1].astype(np.float32),
        weights[-1].astype(np.float32),
        train.present,
        np.array([strength]),
        held_out,
    )


def held_out(train: Train, folds: Labels) -> Labels:
    """(N,) the class of each row by a fit without its fold, and nothing else of a read-out.

    Args:
        folds: (N,) of each row, of which something can be held out (:func:`can_hold_out`).
    """
    return train.present[_held_out(train, folds, _Search(train, folds).best())]


def can_hold_out(labels: Labels, folds: Labels) -> bool:
    """Whether two classes at least are left without any of the folds."""
    return all(len(np.unique(labels[folds != fold])) > 1 for fold in np.unique(folds)) and bool(folds.max() > 0)


@dataclass(frozen=True)
class Train:
    """Train rows, ready to be fitted.

    Attributes:
        axes: their principal axes.
        turned: the N rows along the axes.
        labels: (N,) in 0 … C − 1.
        present: (C,) what the labels stand for.
    """

    axes: PrincipalAxes
    turned: HeldRows | ReadAnew
    labels: Labels
    present: Labels

    @classmethod
    def of(cls, rows: Array, labels: Labels) -> Train:
        """Of ``rows`` (N, D) with ``labels`` (N,)."""
        present, own = np.unique(labels, return_inverse=True)
        axes = PrincipalAxes.of(rows)
        return cls(axes, axes.along(rows), own, present)

    def fitted(self, strength: float, some: Array | None = None, start: Float | None = None) -> Float:
        """Weights (r + 1, C) fitted to ``some`` of the rows, a mask or positions; None for all."""
        penalty = max(self.axes.features, 1) / strength
        turned, labels = (self.turned, self.labels) if some is None else (self.turned.take(some), self.labels[some])
        return fit(turned, labels, len(self.present), self.axes.energy, penalty, start)

    def few_label_accuracies(
        self, strength: float, choices: Iterator[Labels], queries: NDArray[np.float32], wanted: Labels
    ) -> Float:
        """(draws,) accuracy of fits to few rows of each class.

        Args:
            choices: (C, m) positions of the labelled rows of each.
            queries: (M, r) rows along the axes.
            wanted: (M,) their classes, as :attr:`present` has them.
        """

        def accuracy(chosen: Labels) -> float:
            logits = scores(self.fitted(strength, chosen.ravel()), queries)
            return float((self.present[logits.argmax(1)] == wanted).mean())

        return np.array(_several(accuracy, list(choices)))


@dataclass
class _Tried:
    """What a strength gave: the log losses of the rows held out, added up, and by fold the fits and predictions."""

    strength: float
    weights: Sequence[Float]
    predicted: Sequence[Labels]
    loss: float


@dataclass(frozen=True)
class _Search:
    """The strength with the least log loss of rows held out: downhill along the grid, every fit from the one before."""

    train: Train
    folds: Labels

    def best(self) -> _Tried:
        """Where it ends."""
        start = STRENGTHS.index(USUAL)
        best = first = self._tried(USUAL, None)
        for direction in (1, -1):
            for strength in _onwards(start, direction):
                tried = self._tried(strength, best)
                if tried.loss >= best.loss:
                    break
                best = tried
            if best is not first:
                break
        return best

    def _tried(self, strength: float, before: _Tried | None) -> _Tried:
        def fitted(fold: int) -> tuple[Float, Labels, float]:
            out = self.folds == fold
            start = None if before is None else before.weights[fold]
            weights = self.train.fitted(strength, ~out, start)
            predicted, losses = answers(weights, self.train.turned.take(out), self.train.labels[out])
            return weights, predicted, float(losses.sum())

        weights, predicted, losses = zip(*_several(fitted, deciding(self.folds)), strict=True)
        return _Tried(strength, weights, predicted, sum(losses))


def _onwards(start: int, direction: int) -> Sequence[float]:
    return STRENGTHS[start + 1 :] if direction > 0 else STRENGTHS[:start][::-1]


def deciding(folds: Labels) -> range:
    """The folds that choose the strength: all, or as many as hold :data:`MIN_HELD_OUT` rows."""
    enough = np.flatnonzero(np.cumsum(np.bincount(folds)) >= MIN_HELD_OUT)
    return range(int(enough[0]) + 1 if len(enough) else int(folds.max()) + 1)


def _held_out(train: Train, folds: Labels, chosen: _Tried) -> Labels:
    """(N,) what each row is said to be by the fit without its fold; never from a fit that knows it."""

    def fitted(fold: int) -> Labels:
        out = folds == fold
        weights = train.fitted(chosen.strength, ~out)
        return np.asarray(answers(weights, train.turned.take(out), train.labels[out])[0])

    left = _several(fitted, range(len(chosen.predicted), int(folds.max()) + 1))
    predicted = np.empty(len(folds), np.int64)
    for fold, of_fold in enumerate([*chosen.predicted, *left]):
        predicted[folds == fold] = of_fold
    return predicted


def _several(fit_of: Callable[[_Item], _Result], items: Sequence[_Item]) -> list[_Result]:
    """``fit_of`` every item: as many at a time as there are cores, each on one of them; a single one on all."""
    return in_threads(fit_of, items) if len(items) > 1 else [fit_of(item) for item in items]
