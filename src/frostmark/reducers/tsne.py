"""t-SNE by openTSNE on exact neighbours: test images are placed into the map of the train images.

    fitted = TSNE(perplexity=30).fit(train_rows, seed=0, progress=print)
    fitted.transform(test_rows)

Exact neighbours make it deterministic: the same rows and seed give the same map.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from frostmark.reducers.pca import Components
from frostmark.reducers.reducer import Coordinates, Fitted, Progress, Reducer
from frostmark.stats.moments import Array
from frostmark.stats.neighbours import nearest_rows

_REPORT_EVERY = 50
_PLACING_PERPLEXITY = 5.0  # openTSNE's own choice: a new point belongs where its very nearest neighbours are


@dataclass(frozen=True, kw_only=True)
class TSNE(Reducer):
    """t-distributed stochastic neighbour embedding (van der Maaten & Hinton 2008; openTSNE).

    Args:
        perplexity: effective number of neighbours; lowered where there are fewer than three times as many rows.
        pca: principal components that the neighbours are found in; None for the rows as they are.
        n_iter: iterations after the 250 of early exaggeration.
        n_jobs: threads; -1 for all.
    """

    perplexity: float = 30.0
    pca: int | None = 50
    n_iter: int = 500
    n_jobs: int = -1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.perplexity <= 1 or self.n_iter < 1 or (self.pca is not None and self.pca < 2):
            raise ValueError(f"perplexity={self.perplexity}, n_iter={self.n_iter}, pca={self.pca} make no map")

    def fit(self, rows: Array, seed: int, progress: Progress) -> Fitted:
        import openTSNE

        project = Components(rows, self.pca, seed) if self.pca and self.pca < rows.shape[1] else _as_floats
        points = project(rows)
        progress(f"t-SNE of {len(rows):,} images: neighbours")
        affinities = openTSNE.affinity.PerplexityBasedNN(
            perplexity=min(self.perplexity, (len(rows) - 1) / 3),
            knn_index=_exact_index(points, k=min(len(rows) - 1, int(3 * self.perplexity))),
            n_jobs=self.n_jobs,
        )
        told = _Told(progress, f"t-SNE of {len(rows):,} images")
        start = openTSNE.initialization.rescale(Components(points, 2, seed)(points))
        embedding = openTSNE.TSNE(
            n_iter=self.n_iter,
            n_jobs=self.n_jobs,
            random_state=seed,
            callbacks=told,
            callbacks_every_iters=_REPORT_EVERY,
        ).fit(affinities=affinities, initialization=start)
        # openTSNE centres a map in place before it places points into it: once here, so that both stay in register.
        embedding -= (embedding.max(0) + embedding.min(0)) / 2
        coordinates = np.array(embedding, dtype=np.float64)

        def transform(new: Array) -> Coordinates:
            told.what, told.with_error = f"t-SNE placing {len(new):,} images", False
            perplexity = min(_PLACING_PERPLEXITY, (len(rows) - 1) / 3)
            placed = embedding.transform(project(new), perplexity=perplexity, k=min(25, len(rows) - 1))
            return np.array(placed, dtype=np.float64)

        return Fitted(coordinates, transform)


def _as_floats(rows: Array) -> Coordinates:
    return rows.astype(np.float64)


class _Told:
    """Passes openTSNE's iterations on as progress; the error of points being placed is no KL divergence."""

    def __init__(self, progress: Progress, what: str) -> None:
        self.what = what
        self.with_error = True
        self._progress = progress

    def __call__(self, iteration: int, error: float, embedding: Any) -> bool:
        suffix = f", KL divergence {error:.2f}" if self.with_error else ""
        self._progress(f"{self.what}: iteration {iteration}{suffix}")
        return False  # go on


def _exact_index(points: Coordinates, k: int) -> Any:
    """Our exhaustive neighbour search in the shape that openTSNE asks for."""
    from openTSNE.nearest_neighbors import KNNIndex

    class ExactIndex(KNNIndex):  # type: ignore[misc]
        def check_metric(self, metric: str) -> str:
            return metric

        def build(self) -> tuple[Array, Array]:
            return nearest_rows(self.data, self.data, self.k, "euclidean", exclude_self=True)

        def query(self, query: Array, k: int) -> tuple[Array, Array]:
            return nearest_rows(self.data, query, k, "euclidean")

    return ExactIndex(points, k)
