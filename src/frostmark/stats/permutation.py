"""What labels that mean nothing would give: the same labels, dealt out at random.

permutations = Permutations(labels, count=100, context=("0", fingerprint, "train"))
null = np.array([statistic(rows, shuffled) for shuffled in permutations])
p_value(observed, null), z_score(observed, null)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, islice
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from threadpoolctl import threadpool_info, threadpool_limits  # type: ignore[import-untyped]

from frostmark.stats.moments import Array, ClassSummary, Float
from frostmark.stats.sampling import seeded

_Item = TypeVar("_Item")
_Found = TypeVar("_Found")


def in_threads(work: Callable[[_Item], _Found], items: Iterable[_Item]) -> list[_Found]:
    """``work`` of every item, in order: as many at a time as BLAS has threads, each with one thread of its own.

    For draws and permutations, of which there are many: a product of one of them is too small to be shared, its threads
    would wait for each other, and whatever is no product would keep one core busy. Items are taken as they are needed.
    """
    threads = max((int(p["num_threads"]) for p in threadpool_info() if p["user_api"] == "blas"), default=1)
    queue, results = iter(items), list[_Found]()
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(threads) as pool:
        while some := list(islice(queue, 8 * threads)):
            results += pool.map(work, some)
    return results


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


@dataclass(frozen=True)
class Unlabelled:
    """Rows before they are labelled: what no permutation changes.

    Attributes:
        rows: (N, D), taken in float32: a null does not notice.
        labels: (N,) in any order.
    """

    rows: Array
    labels: NDArray[np.int64]

    @cached_property
    def present(self) -> NDArray[np.int64]:
        """(C,) the classes."""
        return np.unique(self.labels)

    @cached_property
    def centred(self) -> NDArray[np.float32]:
        """(N, D)."""
        return np.asarray(self.rows - self.rows.mean(0, dtype=np.float64), dtype=np.float32)

    @cached_property
    def squares(self) -> Float:
        """(N,) squared lengths."""
        return np.asarray(np.einsum("nd,nd->n", self.centred, self.centred, dtype=np.float64))

    def summary(self, labels: NDArray[np.int64]) -> ClassSummary:
        """The classes of the rows as ``labels`` (N,) has them, with their spreads."""
        own = np.searchsorted(self.present, labels)
        count = np.bincount(own)
        means, along = np.empty((len(count), self.rows.shape[1]), np.float32), np.empty(len(own))
        for c, members in enumerate(np.split(np.argsort(own, kind="stable"), np.cumsum(count)[:-1])):
            x = self.centred[members]  # the rows of a class are in the cache for both uses of them
            means[c] = x.mean(0)
            along[members] = x @ means[c]
        lengths = np.einsum("cd,cd->c", means, means, dtype=np.float64)
        variance = np.maximum(np.bincount(own, self.squares) / count - lengths, 0)
        apart = self.squares - 2 * along + lengths[own]
        spread = np.bincount(own, np.sqrt(np.maximum(apart, 0))) / count
        return ClassSummary(count, variance, means, spread)


def permuted_summaries(rows: Array, permutations: Permutations, *, observed: bool = False) -> Iterator[ClassSummary]:
    """The classes under each permutation of the labels, with their spreads.

    Args:
        rows: (N, D).
        observed: whether the labels as they are come first, through the same rounding.
    """
    unlabelled = Unlabelled(rows, permutations.labels)
    return map(unlabelled.summary, chain([permutations.labels] if observed else [], permutations))


def p_value(observed: float, null: Float, *, higher: bool = True) -> float:
    """(1 + number of permutations at least as good) / (1 + number of permutations): never 0.

    Phipson & Smyth, Stat. Appl. Genet. Mol. Biol. 9 (2010).

    Args:
        higher: whether higher is better.
    """
    # The null is made in float32: what differs by no more than its rounding is as good. Measured by its own spread:
    # that of LogME is a hundred-thousandth of the value, and a larger share of the value would hide a real difference.
    finite = null[np.isfinite(null)]
    slack = max(1e-4 * float(np.ptp(finite)) if len(finite) else 0.0, 1e-6 * abs(observed))
    as_good = null >= observed - slack if higher else null <= observed + slack
    return (1 + int(as_good.sum())) / (1 + len(null))


def z_score(observed: float, null: Float) -> float | None:
    """How many standard deviations of the null lie between its mean and what was observed; None if it has none."""
    if len(null) < 2 or np.ptp(null) <= 1e-6 * np.abs(null).max():  # equal, but for float32's rounding
        return None
    return (observed - float(null.mean())) / float(null.std(ddof=1))
