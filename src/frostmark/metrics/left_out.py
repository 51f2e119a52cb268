"""What a read-out gets right of a sample of train images, each image predicted without itself: the decider alone.

    hits = LeftOut(Linear(), labels, groups, classes=10, seed=0)
    hits.of(rows)                   # (N,) bool; None if nothing can be left out
    hits.of_halves(rows)            # (N,) bool: each half of the sample read by itself

The numbers are those of the metrics of the train split: a fold is left out of a linear read-out, an image (or its
group) of k-NN.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from frostmark.metrics.linear import Linear
from frostmark.metrics.neighbours import Neighbours, knn_votes
from frostmark.metrics.read_out import Train, can_hold_out, folds_of, held_out
from frostmark.stats.grouped import Codes, count_groups
from frostmark.stats.moments import Array
from frostmark.stats.neighbours import Graph, nearest_of_other_groups
from frostmark.stats.sampling import seeded

Hits = NDArray[np.bool_]


@dataclass(frozen=True)
class LeftOut:
    """The decider on a sample.

    Attributes:
        decider: whose accuracy counts.
        labels: (N,) of the images.
        groups: (N,) of the images; None if they are independent.
        classes: how many there are.
        seed: of the folds and halves, which are the same for every network.
    """

    decider: Linear | Neighbours
    labels: NDArray[np.int64]
    groups: Codes | None
    classes: int
    seed: int

    def of(self, rows: Array) -> Hits | None:
        """(N,) whether each of ``rows`` (N, D) is told rightly without itself; None if nothing can be left out."""
        return self._hits(rows, np.arange(len(rows)))

    def of_halves(self, rows: Array) -> Hits | None:
        """(N,) the same, each half of the sample by itself: whole groups, classes in their proportions."""
        half = folds_of(self.labels, 2, self._rng("halves"), self.groups)
        hits = np.zeros(len(rows), bool)
        for part in (0, 1):
            mine = np.flatnonzero(half == part)
            found = self._hits(rows, mine) if len(mine) else None
            if found is None:
                return None
            hits[mine] = found
        return hits

    def _hits(self, rows: Array, mine: NDArray[np.intp]) -> Hits | None:
        labels, groups = self.labels[mine], None if self.groups is None else self.groups[mine]
        if len(np.unique(labels)) < 2 or (groups is not None and count_groups(groups) < 2):
            return None
        if isinstance(self.decider, Linear):
            return self._linear(self.decider, rows[mine], labels, groups)
        return self._neighbours(self.decider, rows[mine], labels, groups)

    def _linear(
        self, decider: Linear, rows: Array, labels: NDArray[np.int64], groups: Codes | None
    ) -> Hits | None:  # fmt: skip
        count = decider.count(len(labels))
        folds = folds_of(labels, count, self._rng("folds"), groups)
        if len(labels) < count or not can_hold_out(labels, folds):
            return None
        return np.asarray(held_out(Train.of(rows, labels), folds) == labels)

    def _neighbours(
        self, decider: Neighbours, rows: Array, labels: NDArray[np.int64], groups: Codes | None
    ) -> Hits:  # fmt: skip
        near = Graph.of(rows, rows, min(decider.k, len(rows) - 1), exclude_self=True)
        if groups is not None:
            near = nearest_of_other_groups(rows, groups, near, decider.k)
        return np.asarray(knn_votes(near, labels, self.classes, decider.temperature).argmax(1) == labels)

    def _rng(self, *words: str) -> np.random.Generator:
        return seeded(self.seed, "left out", *words)


def decider_among(families: Sequence[object], family: str) -> Linear | Neighbours:
    """The metric that decides, as it is configured; as it usually is if it is not among the metrics.

    Args:
        family: a word of ``decide=``.
    """
    wanted: type[Linear | Neighbours] = Neighbours if family == "knn" else Linear
    for one in families:
        if isinstance(one, wanted):
            return one
    return wanted()
