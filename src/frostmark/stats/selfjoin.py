"""The nearest rows of a set among itself, all of them exactly, for half the products of an exhaustive search.

index, product = nearest_among(unit, k=90)      # of rows of unit length (N, D): by cosine
index[0], product[0]                            # nearest first; row 0 is not among them, its twins are
nearest_among(unit, k=90, block=512)            # in smaller blocks, for less memory

What block A times block B gives is what A needs to know of B, and, transposed, what B needs to know of A. A row keeps
its k largest products; nearly all others fail against the least of these, and a comparison is all that they cost.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from frostmark.stats.moments import Array, Float
from frostmark.stats.permutation import in_threads
from frostmark.stats.sampling import seeded

BLOCK = 1024
"""Rows of a block: its product with another, 4 MiB, is compared while it is still in a cache."""

AT_ONCE = 64
"""Meetings between two merges at most: they bound what is piled up (120 MB of 90 neighbours), whatever N is."""

MAX_HELD = 1 << 28
"""Numbers of rows of which every block holds its own: of more, a second copy is worth the time to read them again."""

_INDEX = np.int64(0xFFFF_FFFF)
"""The half of a key that has the index."""


def nearest_among(
    rows: Array, k: int, *, lengths: Float | None = None, block: int = BLOCK
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The k other rows that have the largest products with each of ``rows`` (N, D), largest first.

    The same bits however many threads there are: a product is made by one thread, ``least`` changes between meetings
    alone, and what is merged is ranked by product and index, in whatever order it came. Which of equals are left out is
    arbitrary, but always the same.

    Args:
        rows: finite, taken in float32.
        k: less than N.
        lengths: (N,) what each row is divided by, in float64; None for rows as they are.
        block: rows of a block, at most 65,536.

    Returns:
        indices (N, k) and products (N, k).
    """
    # In random order every block is a fair sample of all rows: after the first ones hardly a product is worth keeping.
    shuffled = seeded(0, "selfjoin").permutation(len(rows))
    source = _Source(rows, lengths)
    blocks = [_Block.of(source, members, k) for members in np.array_split(shuffled, -(-len(rows) // block))]
    in_threads(_Block.begin, blocks)
    for pairs in _meetings(len(blocks)):
        in_threads(_meet, [(blocks[i], blocks[j]) for i, j in pairs])
        in_threads(_Block.merge, [one for one in blocks if one.is_due])
    in_threads(_Block.finish, blocks)
    index, product = np.empty((len(rows), k), np.int64), np.empty((len(rows), k), np.float32)
    for one in blocks:
        index[one.members], product[one.members] = _indices(one.best), _products(one.best)
    return index, product


@dataclass(frozen=True)
class _Source:
    """The rows of the blocks: held by each where they are few, read again at every meeting where they are many."""

    rows: Array
    lengths: Float | None

    @property
    def many(self) -> bool:
        return self.rows.size > MAX_HELD

    def of(self, members: NDArray[np.int64]) -> NDArray[np.float32]:
        """(n, D) contiguous."""
        mine = self.rows[members] if self.lengths is None else self.rows[members] / self.lengths[members, None]
        return np.ascontiguousarray(mine, dtype=np.float32)


@dataclass
class _Block:
    """Some rows, and the nearest that each of them has met.

    Attributes:
        members: (n,) which rows they are.
        source: where they are read.
        best: (n, k) keys of the nearest so far.
        least: (n,) product that a row has to exceed to become one of them.
        pile: what did since the last merge: members by their place in the block, and keys.
        held: the rows; None where they are read when they are needed.
    """

    members: NDArray[np.int64]
    source: _Source
    best: NDArray[np.int64]
    least: NDArray[np.float32]
    pile: list[tuple[NDArray[np.uint16], NDArray[np.int64]]] = field(default_factory=list)
    held: NDArray[np.float32] | None = None

    @classmethod
    def of(cls, source: _Source, members: NDArray[np.int64], k: int) -> _Block:
        count = len(members)
        held = None if source.many else source.of(members)
        return cls(members, source, np.full((count, k), _NONE), np.full(count, -np.inf, np.float32), held=held)

    @property
    def rows(self) -> NDArray[np.float32]:
        """(n, D)."""
        return self.source.of(self.members) if self.held is None else self.held

    @property
    def is_due(self) -> bool:
        """Whether the pile is worth a merge: a merge passes over all of ``best``, but raises ``least``."""
        return sum(len(keys) for _, keys in self.pile) > self.best.size // 2

    def begin(self) -> None:
        """Meet itself, which sets ``least`` before any other block is met."""
        rows = self.rows
        products = rows @ rows.T
        np.fill_diagonal(products, -np.inf)
        last = max(len(rows) - self.best.shape[1], 0)
        # Twice ``least``: what equals the k-th largest is wanted here, where it is found, and nowhere later.
        self.least = np.nextafter(np.partition(products, last, axis=1)[:, last], np.float32(-np.inf))
        self.meet(products, self.members, along=0)
        self.merge()

    def meet(self, products: NDArray[np.float32], others: NDArray[np.int64], along: int) -> None:
        """Pile up what is large enough of the ``products`` with ``others``; the block's rows lie ``along`` an axis."""
        above = np.flatnonzero(products > np.expand_dims(self.least, 1 - along))
        places = np.divmod(above, products.shape[1])
        keys = _keys(products.take(above), others[places[1 - along]])
        self.pile.append((places[along].astype(np.uint16), keys))

    def merge(self) -> None:
        """Keep the k best of those kept and those piled up."""
        place, keys = (np.concatenate(parts) for parts in zip(*self.pile, strict=True))
        order = np.argsort(place, kind="stable")
        place, count = place[order], np.bincount(place, minlength=len(self.best))
        k, most = self.best.shape[1], int(count.max())
        offered = np.full((len(self.best), k + most), _NONE)
        offered[:, :k] = self.best
        offered[place, k + np.arange(len(place)) - (np.cumsum(count) - count)[place]] = keys[order]
        offered.partition(most, axis=1)
        self.best, self.least = offered[:, most:].copy(), _products(offered[:, most])
        self.pile.clear()

    def finish(self) -> None:
        """Merge what is left and put the nearest first."""
        if self.pile:
            self.merge()
        self.best = np.sort(self.best, axis=1)[:, ::-1]


def _meet(pair: tuple[_Block, _Block]) -> None:
    one, other = pair
    products = one.rows @ other.rows.T
    one.meet(products, other.members, along=0)
    other.meet(products, one.members, along=1)


def _meetings(count: int) -> Iterator[list[tuple[int, int]]]:
    """Every two of ``count`` blocks once, in rounds in which each meets two others, some at a time."""
    for apart in range(1, count // 2 + 1):
        pairs = [(i, (i + apart) % count) for i in range(count if 2 * apart < count else apart)]
        yield from (pairs[first : first + AT_ONCE] for first in range(0, len(pairs), AT_ONCE))


def _keys(products: NDArray[np.float32], index: NDArray[np.int64]) -> NDArray[np.int64]:
    """Integers in the order of the products, and of the same product the lower index first: no two are equal."""
    return np.asarray(_ordered(products.view(np.int32)).astype(np.int64) << 32 | (_INDEX - index))


def _products(keys: NDArray[np.int64]) -> NDArray[np.float32]:
    return _ordered((keys >> 32).astype(np.int32)).view(np.float32)


def _indices(keys: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.asarray(_INDEX - (keys & _INDEX))


def _ordered(bits: NDArray[np.int32]) -> NDArray[np.int32]:
    """Bits of floats as integers of the same order, or back: those of negative floats run the other way."""
    return np.asarray(bits ^ ((bits >> 31) & np.int32(0x7FFF_FFFF)))


_NONE = _keys(np.full(1, -np.inf, np.float32), np.zeros(1, np.int64))[0]
"""Key of nothing: below that of any product."""
