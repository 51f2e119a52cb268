"""What labels that mean nothing would give: the same labels, dealt out at random.

permutations = Permutations(labels, count=100, context=("0", fingerprint, "train"))
null = np.array([statistic(rows, shuffled) for shuffled in permutations])
p_value(observed, null), z_score(observed, null)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from frostmark.stats.moments import Array, ClassSummary, Float
from frostmark.stats.sampling import seeded


@dataclass(frozen=True)
class Permutations:
    """Labels in random order, the same orders for every backbone and layer.

    Attributes:
        labels: (N,) as they are.
        count: how many orders.
        context: words that decide the orders.
    """

    labels: NDArray[np.int64]
    count: int
    context: tuple[str, ...]

    def __iter__(self) -> Iterator[NDArray[np.int64]]:
        rng = seeded(0, *self.context, "permutation")
        for _ in range(self.count):
            yield rng.permutation(self.labels)

    def __len__(self) -> int:
        return self.count


def class_sums(rows: Array, labels: NDArray[np.int64], classes: int) -> Array:
    """(C, D) sums of ``rows`` (N, D) by class: one pass over the rows, however many classes there are."""
    member = csr_array((np.ones(len(rows), rows.dtype), (labels, np.arange(len(rows)))), shape=(classes, len(rows)))
    return np.asarray(member @ rows)


def permuted_summaries(rows: Array, permutations: Permutations, *, observed: bool = False) -> Iterator[ClassSummary]:
    """The classes under each permutation of the labels, with their spreads.

    Args:
        rows: (N, D), taken in float32: a null does not notice.
        observed: whether the labels as they are come first, through the same rounding.
    """
    centred = (rows - rows.mean(0, dtype=np.float64)).astype(np.float32)
    squares = np.einsum("nd,nd->n", centred, centred, dtype=np.float64)
    present, count = np.unique(permutations.labels, return_counts=True)
    for labels in chain([permutations.labels] if observed else [], permutations):
        own = np.searchsorted(present, labels)
        means = class_sums(centred, own, len(present)) / count[:, None].astype(np.float32)
        lengths = (means.astype(np.float64) ** 2).sum(1)
        variance = np.maximum(np.bincount(own, squares) / count - lengths, 0)
        apart = squares - 2 * np.einsum("nd,nd->n", centred, means[own]) + lengths[own]
        spread = np.bincount(own, np.sqrt(np.maximum(apart, 0))) / count
        yield ClassSummary(count, variance, means, spread)


def p_value(observed: float, null: Float, *, higher: bool = True) -> float:
    """(1 + number of permutations at least as good) / (1 + number of permutations): never 0.

    Phipson & Smyth, Stat. Appl. Genet. Mol. Biol. 9 (2010).

    Args:
        higher: whether higher is better.
    """
    # The null is made in float32: what differs by no more than its rounding is as good. Measured by its own spread: that
    # of LogME is a hundred-thousandth of the value, and a larger share of the value would hide a real difference.
    finite = null[np.isfinite(null)]
    slack = max(1e-4 * float(np.ptp(finite)) if len(finite) else 0.0, 1e-6 * abs(observed))
    as_good = null >= observed - slack if higher else null <= observed + slack
    return (1 + int(as_good.sum())) / (1 + len(null))


def z_score(observed: float, null: Float) -> float | None:
    """How many standard deviations of the null lie between its mean and what was observed; None if it has none."""
    if len(null) < 2 or np.ptp(null) <= 1e-6 * np.abs(null).max():  # equal, but for float32's rounding
        return None
    return (observed - float(null.mean())) / float(null.std(ddof=1))
