"""Exact nearest neighbours.

graph = Graph.of(rows, rows, k=20, exclude_self=True)        # by cosine, kept and shared
graph.index[0], graph.similarity[0]                          # nearest first
index, distance = nearest_rows(rows, rows, k=90, metric="euclidean", exclude_self=True)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from frostmark.stats.grouped import Codes
from frostmark.stats.moments import Array
from frostmark.stats.permutation import in_threads
from frostmark.stats.selfjoin import nearest_among
from frostmark.waiting import within

_CELLS = 1 << 22
"""Cosines that a thread holds at once."""

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
    def of(cls, bank: Array, queries: Array, k: int, *, exclude_self: bool = False) -> Graph:
        """The ``k`` neighbours of ``queries`` (M, D) in ``bank`` (N, D), or as many as the bank offers.

        Raises:
            ValueError: if the bank offers no neighbour.
        """
        offered = len(bank) - exclude_self
        k = min(k, max(offered, 1))
        index, similarity = nearest_rows(bank, queries, k, "cosine", exclude_self=exclude_self)
        return cls(index.astype(np.int32), similarity)

    @property
    def distance(self) -> NDArray[np.float32]:
        """(M, K) Euclidean distances of the rows of unit length, ascending."""
        return np.sqrt(np.maximum(2 - 2 * self.similarity, 0))

    def first(self, k: int) -> Graph:
        """The ``k`` nearest of them, or all there are."""
        return Graph(self.index[:, :k], self.similarity[:, :k])


def nearest_of_other_groups(rows: Array, groups: Codes, near: Graph, k: int) -> Graph:
    """The ``k`` nearest of ``rows`` (N, D) by cosine that are of other ``groups`` (N,), or as many as all rows have.

    Args:
        near: of the rows among themselves, each left out of its own list: who finds enough of other groups there is
            served from it; the others are compared with all rows.

    Raises:
        ValueError: if all rows are of one group.
    """
    k = min(k, len(rows) - int(np.unique(groups, return_counts=True)[1].max()))
    if k < 1:
        raise ValueError("all rows are of one group: none has a neighbour of another")
    other = groups[near.index] != groups[:, None]
    first = np.argsort(~other, axis=1, kind="stable")[:, :k]
    index, similarity = np.zeros((len(rows), k), np.int32), np.zeros((len(rows), k), np.float32)
    index[:, : first.shape[1]] = np.take_along_axis(near.index, first, axis=1)
    similarity[:, : first.shape[1]] = np.take_along_axis(near.similarity, first, axis=1)
    short = np.flatnonzero(other.sum(1) < k)
    if len(short):
        index[short], similarity[short] = _search_other_groups(unit_rows(rows), groups, short, k)
    return Graph(index, similarity)


def _search_other_groups(
    unit: NDArray[np.float32], groups: Codes, queries: NDArray[np.intp], k: int
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """(M, k) the nearest rows of other groups to the rows ``queries``, nearest first, by exhaustive search."""
    step = max(1, _CELLS // len(unit))

    def nearest(some: NDArray[np.intp]) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        apart = -(unit[some] @ unit.T)
        apart[groups[some][:, None] == groups] = np.inf
        best = np.argpartition(apart, k - 1, axis=1)[:, :k]
        of_best = np.take_along_axis(apart, best, axis=1)
        order = np.argsort(of_best, axis=1, kind="stable")
        index = np.take_along_axis(best, order, axis=1).astype(np.int32)
        return index, -np.take_along_axis(of_best, order, axis=1)

    blocks = in_threads(nearest, (queries[start : start + step] for start in range(0, len(queries), step)))
    return np.concatenate([index for index, _ in blocks]), np.concatenate([similarity for _, similarity in blocks])


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
        return nearest_among(unit_rows(bank), k)
    import faiss

    prepare = unit_rows if metric == "cosine" else _contiguous
    index = faiss.IndexFlatIP(bank.shape[1]) if metric == "cosine" else faiss.IndexFlatL2(bank.shape[1])
    index.add(prepare(bank))
    values, indices = within(None, lambda: index.search(prepare(queries), k + exclude_self))
    if exclude_self:
        indices, values = _without_self(indices, values)
    return indices, values if metric == "cosine" else np.sqrt(np.maximum(values, 0))


def _contiguous(rows: Array) -> NDArray[np.float32]:
    return np.ascontiguousarray(rows, dtype=np.float32)


def unit_rows(rows: Array) -> NDArray[np.float32]:
    """Rows of unit length; a row of zeros stays, similar to nothing."""
    norms = np.linalg.norm(rows.astype(np.float64), axis=1, keepdims=True)
    return _contiguous(rows / np.where(norms > 0, norms, 1.0))


def _without_self(
    indices: NDArray[np.int64], values: NDArray[np.float32]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Drop from each line the query itself, or its last entry where twins pushed the query out."""
    is_self = indices == np.arange(len(indices))[:, None]
    is_self[~is_self.any(1), -1] = True
    shape = (len(indices), indices.shape[1] - 1)
    return indices[~is_self].reshape(shape), values[~is_self].reshape(shape)
