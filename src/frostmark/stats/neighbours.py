"""Exact nearest neighbours.

graph = Graph.of(rows, rows, k=20, exclude_self=True)        # by cosine, kept and shared
graph.index[0], graph.similarity[0]                          # nearest first
index, distance = nearest_rows(rows, rows, k=90, metric="euclidean", exclude_self=True)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from frostmark.stats.accelerated import nearest_on
from frostmark.stats.grouped import Codes
from frostmark.stats.moments import Array, Float
from frostmark.stats.permutation import in_threads
from frostmark.stats.selfjoin import nearest_among
from frostmark.waiting import within

_CELLS = 1 << 22
"""Numbers of a block, and cosines that a thread holds at once."""

_INDEXED, _SEARCHED = 1 << 27, 1 << 15
"""Numbers up to which faiss is given the whole bank; of more, so many rows at a time."""

KEPT = 90
"""Neighbours that a graph has: three times t-SNE's usual perplexity, more than anything else asks for."""

MANY, FEW = 4096, 128
"""Rows of a set, and neighbours of each, from and up to which blocks that serve both sides are faster than faiss."""


@dataclass(frozen=True)
class Graph:
    """The nearest rows of a bank by cosine: of the rows of unit length, also the nearest by Euclidean distance.

    Attributes:
        index: (M, K) int32 into the bank, nearest first.
        similarity: (M, K) float32 cosines, descending.
    """

    SCHEMA: ClassVar[str] = "nearest2"
    """Names the way they are found; graphs that were kept under another name are found anew."""

    index: NDArray[np.int32]
    similarity: NDArray[np.float32]

    @classmethod
    def of(cls, bank: Array, queries: Array, k: int, *, exclude_self: bool = False, device: str | None = None) -> Graph:
        """The ``k`` neighbours of ``queries`` (M, D) in ``bank`` (N, D), or as many as the bank offers.

        Args:
            exclude_self: the queries are the bank itself.
            device: torch's word for an accelerator that searches; None for the CPU.

        Raises:
            ValueError: if the bank offers no neighbour.
        """
        offered = len(bank) - exclude_self
        k = min(k, max(offered, 1))
        if device is not None and offered > 0:
            own = np.arange(len(bank)) if exclude_self else None
            index, similarity = nearest_on(device, bank, queries, k, unit_rows, own)
        else:
            index, similarity = nearest_rows(bank, queries, k, "cosine", exclude_self=exclude_self)
        return cls(index.astype(np.int32), similarity)

    @classmethod
    def of_some(cls, bank: Array, asked: NDArray[np.int64], k: int) -> Graph:
        """The ``k`` neighbours of some rows of ``bank`` (N, D), at the positions ``asked`` (M,), among all others.

        Raises:
            ValueError: if the bank offers no neighbour.
        """
        k = min(k, max(len(bank) - 1, 1))
        index, similarity = nearest_rows(bank, bank[asked], k + 1, "cosine")
        index, similarity = _without_self(index, similarity, asked)
        return cls(index.astype(np.int32), similarity)

    @property
    def distance(self) -> NDArray[np.float32]:
        """(M, K) Euclidean distances of the rows of unit length, ascending."""
        return np.sqrt(np.maximum(2 - 2 * self.similarity, 0))

    def first(self, k: int) -> Graph:
        """The ``k`` nearest of them, or all there are."""
        return Graph(self.index[:, :k], self.similarity[:, :k])


def nearest_of_other_groups(
    rows: Array, groups: Codes, near: Graph, k: int, asked: NDArray[np.int64] | None = None
) -> Graph:
    """The ``k`` nearest of ``rows`` (N, D) by cosine that are of other ``groups`` (N,), or as many as all rows have.

    Args:
        near: of the rows among themselves, each left out of its own list: who finds enough of other groups there is
            served from it; the others are compared with all rows.
        asked: (M,) the rows that ``near`` is of; None if all.

    Raises:
        ValueError: if all rows are of one group.
    """
    k = min(k, len(rows) - int(np.unique(groups, return_counts=True)[1].max()))
    if k < 1:
        raise ValueError("all rows are of one group: none has a neighbour of another")
    asked = np.arange(len(rows)) if asked is None else asked
    other = groups[near.index] != groups[asked][:, None]
    first = np.argsort(~other, axis=1, kind="stable")[:, :k]
    index, similarity = np.zeros((len(asked), k), np.int32), np.zeros((len(asked), k), np.float32)
    index[:, : first.shape[1]] = np.take_along_axis(near.index, first, axis=1)
    similarity[:, : first.shape[1]] = np.take_along_axis(near.similarity, first, axis=1)
    short = np.flatnonzero(other.sum(1) < k)
    if len(short):
        index[short], similarity[short] = _search_other_groups(rows, groups, asked[short], k)
    return Graph(index, similarity)


def _search_other_groups(
    rows: Array, groups: Codes, queries: NDArray[np.int64], k: int
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """(M, k) the nearest rows of other groups to the rows ``queries``, nearest first, by exhaustive search."""
    parts = _parts(rows)
    step = max(1, _CELLS // min(len(rows), _SEARCHED if len(parts) > 1 else len(rows)))
    steps = [queries[start : start + step] for start in range(0, len(queries), step)]
    best = [(np.empty((len(some), 0), np.float32), np.empty((len(some), 0), np.int64)) for some in steps]
    for part in parts:
        nearest = partial(_nearest_in, rows, groups, part, unit_rows(rows[part]), k)
        best = [_merged(of, *new, k) for of, new in zip(best, in_threads(nearest, steps), strict=True)]
    return np.concatenate([index for _, index in best]).astype(np.int32), np.concatenate([value for value, _ in best])


def _nearest_in(
    rows: Array, groups: Codes, part: slice, unit: NDArray[np.float32], k: int, some: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """(m, k) the rows of a ``part`` of all, ``unit``, that are nearest to ``some`` rows and of other groups."""
    apart = -(unit_rows(rows[some]) @ unit.T)
    apart[groups[some][:, None] == groups[part]] = np.inf
    best = np.argpartition(apart, min(k, len(unit)) - 1, axis=1)[:, :k]
    of_best = np.take_along_axis(apart, best, axis=1)
    order = np.argsort(of_best, axis=1, kind="stable")
    return -np.take_along_axis(of_best, order, axis=1), np.take_along_axis(best, order, axis=1) + (part.start or 0)


def _parts(bank: Array) -> list[slice]:
    """The bank as a whole, or of a large one some rows at a time, so that no copy of it is made."""
    if bank.size <= _INDEXED:
        return [slice(None)]
    return [slice(start, start + _SEARCHED) for start in range(0, len(bank), _SEARCHED)]


def nearest_rows(
    bank: Array, queries: Array, k: int, metric: Literal["cosine", "euclidean"], *, exclude_self: bool = False
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The k nearest rows of ``bank`` (N, D) for each of ``queries`` (M, D), nearest first, by exhaustive search.

    Args:
        metric: ``cosine`` gives similarities (descending), ``euclidean`` distances (ascending).
        exclude_self: the queries are the bank itself, and row i is no neighbour of row i (its twins are).

    Returns:
        indices (M, k) and similarities or distances (M, k).

    Raises:
        ValueError: if the bank has fewer than k rows to offer.
    """
    offered = len(bank) - exclude_self
    if not 1 <= k <= offered:
        raise ValueError(f"k={k} neighbours asked for, {offered} rows to choose from")
    if exclude_self and metric == "cosine" and len(bank) >= MANY and k <= FEW:
        return nearest_among(bank, k, lengths=lengths(bank))
    values, indices = _searched(bank, queries, k + exclude_self, metric)
    if exclude_self:
        indices, values = _without_self(indices, values, np.arange(len(bank)))
    return indices, values if metric == "cosine" else np.sqrt(np.maximum(values, 0))


def _searched(
    bank: Array, queries: Array, k: int, metric: Literal["cosine", "euclidean"]
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """(M, k) what faiss finds, nearest first: of a large bank in parts, so that it is never held twice."""
    import faiss

    cosine = metric == "cosine"
    prepare = unit_rows if cosine else _contiguous
    asked = [slice(start, start + _SEARCHED) for start in range(0, max(len(queries), 1), _SEARCHED)]
    best = [(np.empty((0, 0), np.float32), np.empty((0, 0), np.int64))] * len(asked)
    for part in _parts(bank):
        index = faiss.IndexFlatIP(bank.shape[1]) if cosine else faiss.IndexFlatL2(bank.shape[1])
        index.add(prepare(bank[part]))
        for number, some in enumerate(asked):
            ours, count = prepare(queries[some]), min(k, index.ntotal)
            values, indices = within(None, lambda: index.search(ours, count))  # noqa: B023 – waited for at once
            best[number] = _merged(best[number], values, indices + (part.start or 0), k, descending=cosine)
    return np.concatenate([values for values, _ in best]), np.concatenate([indices for _, indices in best])


def _merged(
    best: tuple[NDArray[np.float32], NDArray[np.int64]],
    values: NDArray[np.float32],
    indices: NDArray[np.int64],
    k: int,
    *,
    descending: bool = True,
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """The k nearest of those so far and those of the next part of the bank, which come after their equals."""
    if not best[0].size:
        return values, indices
    values, indices = np.concatenate([best[0], values], axis=1), np.concatenate([best[1], indices], axis=1)
    order = np.argsort(-values if descending else values, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(values, order, axis=1), np.take_along_axis(indices, order, axis=1)


def _contiguous(rows: Array) -> NDArray[np.float32]:
    return np.ascontiguousarray(rows, dtype=np.float32)


def lengths(rows: Array) -> Float:
    """(N,) lengths of the rows in float64; 1 of a row of zeros."""
    norms = [np.linalg.norm(rows[part].astype(np.float64), axis=1) for part in _pieces(rows)]
    return np.concatenate([np.where(of > 0, of, 1.0) for of in norms]) if norms else np.empty(0)


def unit_rows(rows: Array) -> NDArray[np.float32]:
    """Rows of unit length; a row of zeros stays, similar to nothing."""
    unit = np.empty(rows.shape, np.float32)
    for part in _pieces(rows):
        unit[part] = rows[part] / lengths(rows[part])[:, None]
    return unit


def _pieces(rows: Array) -> Iterator[slice]:
    """Some rows at a time: they are not held in float64."""
    step = max(_CELLS // max(rows.shape[1], 1), 1)
    return (slice(start, start + step) for start in range(0, len(rows), step))


def _without_self(
    indices: NDArray[np.int64], values: NDArray[np.float32], own: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Drop from each line the query itself, ``own`` (M,), or its last entry where twins pushed the query out."""
    is_self = indices == own[:, None]
    is_self[~is_self.any(1), -1] = True
    shape = (len(indices), indices.shape[1] - 1)
    return indices[~is_self].reshape(shape), values[~is_self].reshape(shape)
