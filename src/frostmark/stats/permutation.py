"""What labels that mean nothing would give: the same labels, dealt out at random.

permutations = Permutations(labels, count=100, context=("0", fingerprint, "train"))
null = np.array([statistic(rows, shuffled) for shuffled in permutations])
p_value(observed, null), z_score(observed, null)
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import chain, islice
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

from frostmark.stats.grouped import Codes, is_constant
from frostmark.stats.moments import Array, ClassSummary, Float
from frostmark.stats.sampling import seeded
from frostmark.waiting import pool

_BLOCK = 1 << 19
"""Numbers of a block of rows that stays in the cache: 2 MiB."""

_CELLS = 1 << 24
"""Numbers of the means, and of the labels, of several permutations: bounds the memory."""

_Item = TypeVar("_Item")
_Found = TypeVar("_Found")


def in_threads(work: Callable[[_Item], _Found], items: Iterable[_Item]) -> list[_Found]:
    """``work`` of every item, in order: as many at a time as BLAS has threads, each with one thread of its own.

    For draws and permutations, of which there are many: a product of one of them is too small to be shared, its threads
    would wait for each other, and whatever is no product would keep one core busy. Items are taken as they are needed.
    """
    blas = _blas(len(sys.modules))
    threads = max((int(library.num_threads) for library in blas.lib_controllers), default=1)
    queue, results = iter(items), list[_Found]()
    with blas.limit(limits=1), pool(threads) as running:
        while some := list(islice(queue, 8 * threads)):
            results += running.map(work, some)
    return results


@lru_cache(maxsize=1)
def _blas(modules: int) -> ThreadpoolController:
    """The BLAS libraries of this process. To look for them takes as long as a product: done anew after an import."""
    return ThreadpoolController().select(user_api="blas")


@dataclass(frozen=True)
class Permutations:
    """Labels in random order, the same orders for every backbone and layer.

    Of images in groups, groups of one label each exchange their labels, whole groups at a time; in a group of several
    labels, its images exchange theirs. What images of a group have in common is then in the null as it is in the data.

    Attributes:
        labels: (N,) as they are.
        count: how many orders.
        context: words that decide the orders.
        groups: (N,) of the images; None if they are independent.
    """

    labels: NDArray[np.int64]
    count: int
    context: tuple[str, ...]
    groups: Codes | None = None

    def __iter__(self) -> Iterator[NDArray[np.int64]]:
        rng = seeded(0, *self.context, "permutation")
        order = self._of_images if self.groups is None else self._of_groups(self.groups)
        for _ in range(self.count):
            yield order(rng)

    def __len__(self) -> int:
        return self.count

    @property
    def changes_counts(self) -> bool:
        """Whether the classes have other numbers of images in every order: groups differ in size."""
        return self.groups is not None and bool(is_constant(self.labels, self.groups).any())

    def among(self, rows: NDArray[np.int64], context: tuple[str, ...]) -> Permutations:
        """Those of some ``rows``, indices (n,)."""
        return replace(self, labels=self.labels[rows], context=context, groups=_some(self.groups, rows))

    def _of_images(self, rng: np.random.Generator) -> NDArray[np.int64]:
        return rng.permutation(self.labels)

    def _of_groups(self, groups: Codes) -> Callable[[np.random.Generator], NDArray[np.int64]]:
        _, first, own = np.unique(groups, return_index=True, return_inverse=True)
        constant = is_constant(self.labels, groups)
        whole = np.flatnonzero(constant)
        of_group = self.labels[first]
        mixed = np.flatnonzero(~constant[own])
        in_order = mixed[np.argsort(own[mixed], kind="stable")]

        def order(rng: np.random.Generator) -> NDArray[np.int64]:
            dealt = of_group.copy()
            dealt[whole] = rng.permutation(of_group[whole])
            labels = dealt[own]
            shuffled = np.lexsort((rng.random(len(in_order)), own[in_order]))
            labels[in_order] = self.labels[in_order[shuffled]]
            return labels

        return order


def _some(groups: Codes | None, rows: NDArray[np.int64]) -> Codes | None:
    return None if groups is None else groups[rows]


def class_sums(rows: Array, labels: NDArray[np.int64], classes: int) -> Array:
    """(C, D) sums of ``rows`` (N, D) by class: one pass over the rows, however many classes there are."""
    member = csr_array((np.ones(len(rows), rows.dtype), (labels, np.arange(len(rows)))), shape=(classes, len(rows)))
    return np.asarray(member @ rows)


@dataclass(frozen=True)
class Unlabelled:
    """Rows before they are labelled: what no permutation changes. They are read in blocks and never held twice.

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
    def centre(self) -> Float:
        """(D,) the mean of the rows."""
        return np.asarray(self.rows.mean(0, dtype=np.float64))

    @cached_property
    def squares(self) -> Float:
        """(N,) squared lengths of the centred rows."""
        lengths = [np.einsum("nd,nd->n", x, x, dtype=np.float64) for _, x in self._blocks()]
        return np.concatenate(lengths)

    def summaries(self, orders: Sequence[NDArray[np.int64]]) -> list[ClassSummary]:
        """The classes of the rows as each of some ``orders`` of the labels (N,) has them, with their spreads.

        Two passes over the rows for all of them, while a block is in the cache.
        """
        own = [np.searchsorted(self.present, labels) for labels in orders]
        count = [np.bincount(one, minlength=len(self.present)) for one in own]
        means = np.zeros((len(own), len(self.present), self.rows.shape[1]), np.float32)
        for part, x in self._blocks(16 * len(self.present)):
            for of_order, mean in zip(own, means, strict=True):
                mean += class_sums(x, of_order[part], len(self.present))
        means /= np.array(count, np.float32)[..., None]
        lengths = np.einsum("pcd,pcd->pc", means, means, dtype=np.float64)
        apart = np.zeros(lengths.shape)
        for part, x in self._blocks():
            for of_order, mean, length, sums in zip(own, means, lengths, apart, strict=True):
                of = of_order[part]
                along = np.einsum("nd,nd->n", x, mean[of])
                squared = self.squares[part] - 2 * along.astype(np.float64) + length[of]
                sums += np.bincount(of, np.sqrt(np.maximum(squared, 0)), len(self.present))
        return [
            ClassSummary(n, np.maximum(np.bincount(one, self.squares) / n - length, 0), mean, sums / n)
            for one, n, length, mean, sums in zip(own, count, lengths, means, apart, strict=True)
        ]

    def several(self, orders: Iterable[NDArray[np.int64]]) -> Iterator[list[NDArray[np.int64]]]:
        """The ``orders`` of the labels (N,), as many at a time as :meth:`summaries` had best be given."""
        at_once = min(_CELLS // max(self.rows.shape[1] * len(self.present), 1), _CELLS // max(len(self.rows), 1))
        queue = iter(orders)
        while some := list(islice(queue, int(np.clip(at_once, 1, 16)))):
            yield some

    def _blocks(self, least: int = 64) -> Iterator[tuple[slice, NDArray[np.float32]]]:
        """Slices of the rows, each with its rows (b, D) about the mean."""
        step = max(_BLOCK // max(self.rows.shape[1], 1), least)
        for start in range(0, len(self.rows), step):
            part = slice(start, start + step)
            yield part, np.asarray(self.rows[part] - self.centre, dtype=np.float32)


def permuted_summaries(rows: Array, permutations: Permutations, *, observed: bool = False) -> Iterator[ClassSummary]:
    """The classes under each permutation of the labels, with their spreads.

    Args:
        rows: (N, D).
        observed: whether the labels as they are come first, through the same rounding.
    """
    unlabelled = Unlabelled(rows, permutations.labels)
    for some in unlabelled.several(chain([permutations.labels] if observed else [], permutations)):
        yield from unlabelled.summaries(some)


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
