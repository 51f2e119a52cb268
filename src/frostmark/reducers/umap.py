"""UMAP: keeps more of the distances between clusters than t-SNE, and places new images.

    fitted = UMAP(n_neighbors=15).fit(Points.alone(train_rows), seed=0, progress=print)
    fitted.transform(Points.among(test_rows, train_rows))

Neighbours come from the shared graph, not from umap-learn's approximate search; distances are those of rows of unit
length.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from frostmark.reducers.reducer import Coordinates, Fitted, Points, Progress, Reducer
from frostmark.stats.neighbours import Graph, unit_rows

_FEW = 20
"""Fewer rows than this are too few for the spectral start."""


@dataclass(frozen=True, kw_only=True)
class UMAP(Reducer):
    """Uniform manifold approximation and projection (McInnes, Healy & Melville 2018; umap-learn), one thread.

    Args:
        n_neighbors: size of the neighbourhood whose structure is kept, the point itself included; lowered where there
            are fewer rows.
        min_dist: how closely points may be packed in the map.
    """

    n_neighbors: int = 15
    min_dist: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.n_neighbors < 2 or not 0 <= self.min_dist <= 1:
            raise ValueError(f"n_neighbors={self.n_neighbors} must reach 2, min_dist={self.min_dist} lie in 0 … 1")

    def fit(self, points: Points, seed: int, progress: Progress) -> Fitted:
        count = len(points.rows)
        k = min(self.n_neighbors, count - 1)
        index, distance = _with_self(points.nearest(k - 1))
        search = _Search()
        progress(f"UMAP of {count:,} images (the first one on a machine compiles, up to a minute)")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # numba and umap speak of their own internals, and of our search being ours
            from umap import UMAP as UmapLearn

            # A seed forces one thread anyway; said openly it is no warning.
            umap = UmapLearn(
                n_neighbors=k,
                min_dist=self.min_dist,
                random_state=seed,
                n_jobs=1,
                init="pca" if count < _FEW else "spectral",
                precomputed_knn=(index, distance, search),
            ).fit(unit_rows(points.rows))
        coordinates = np.asarray(umap.embedding_, dtype=np.float64)

        def transform(new: Points) -> Coordinates:
            progress(f"UMAP: placing {len(new.rows):,} images")
            search.known = new.nearest(k)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return np.asarray(umap.transform(unit_rows(new.rows)), dtype=np.float64)

        return Fitted(coordinates, transform)


class _Search:
    """Stands in for umap-learn's search of neighbours (a pynndescent index): hands out what was found before."""

    _angular_trees = False
    known: Graph

    def query(self, rows: NDArray[np.float32], k: int, epsilon: float) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        return self.known.first(k).index.copy(), self.known.first(k).distance


def _with_self(graph: Graph) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Neighbours and distances as umap-learn counts them: every row is its own first neighbour."""
    own = np.arange(len(graph.index), dtype=np.int32)[:, None]
    return np.hstack([own, graph.index]), np.pad(graph.distance, ((0, 0), (1, 0)))
