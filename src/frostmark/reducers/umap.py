"""UMAP: keeps more of the distances between clusters than t-SNE, and places new images.

UMAP(n_neighbors=15).fit(train_rows, seed=0, progress=print).transform(test_rows)
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np

from frostmark.reducers.reducer import Coordinates, Fitted, Progress, Reducer
from frostmark.stats.moments import Array


@dataclass(frozen=True, kw_only=True)
class UMAP(Reducer):
    """Uniform manifold approximation and projection (McInnes, Healy & Melville 2018; umap-learn), one thread.

    Args:
        n_neighbors: size of the neighbourhood whose structure is kept; lowered where there are fewer rows.
        min_dist: how closely points may be packed in the map.
    """

    n_neighbors: int = 15
    min_dist: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.n_neighbors < 2 or not 0 <= self.min_dist <= 1:
            raise ValueError(f"n_neighbors={self.n_neighbors} must reach 2, min_dist={self.min_dist} lie in 0 … 1")

    def fit(self, rows: Array, seed: int, progress: Progress) -> Fitted:
        progress(f"UMAP of {len(rows):,} images (the first one on a machine compiles, up to a minute)")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # numba and umap speak of their own internals
            from umap import UMAP as UmapLearn

            # A seed forces one thread anyway; said openly it is no warning.
            umap = UmapLearn(
                n_neighbors=min(self.n_neighbors, len(rows) - 1),
                min_dist=self.min_dist,
                random_state=seed,
                n_jobs=1,
                init="pca" if len(rows) < 20 else "spectral",  # too few rows for the spectral solver
            ).fit(rows)

        def transform(new: Array) -> Coordinates:
            progress(f"UMAP: placing {len(new):,} images")
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return np.asarray(umap.transform(new), dtype=np.float64)

        return Fitted(np.asarray(umap.embedding_, dtype=np.float64), transform)
