"""Principal components: linear, fast, deterministic, and the first step of the other reducers.

PCA().fit(rows, seed=0, progress=print).coordinates     # (N, 2)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from frostmark.reducers.reducer import Coordinates, Fitted, Progress, Reducer
from frostmark.stats.moments import Array


@dataclass(frozen=True, kw_only=True)
class PCA(Reducer):
    """The first two principal components, each with its largest loading positive."""

    reading: ClassVar[str] = (
        "Axes are the first two principal components; distances are the features' own, less what the others hold."
    )

    def fit(self, rows: Array, seed: int, progress: Progress) -> Fitted:
        components = Components(rows, 2, seed)
        return Fitted(components(rows), components)


class Components:
    """The leading principal components of ``rows`` (N, D): a function from rows (M, D) to (M, count)."""

    def __init__(self, rows: Array, count: int, seed: int) -> None:
        from sklearn.decomposition import PCA as SklearnPCA

        available = min(count, *rows.shape)
        # Randomised where exact would be slow; the exact solver has no use for the seed.
        solver = "randomized" if min(rows.shape) > 1000 and available < 0.2 * min(rows.shape) else "full"
        self._pca = SklearnPCA(available, svd_solver=solver, random_state=seed).fit(rows.astype(np.float64))
        self._missing = max(0, 2 - available)

    def __call__(self, rows: Array) -> Coordinates:
        scores = self._pca.transform(rows.astype(np.float64))
        return np.pad(scores, ((0, 0), (0, self._missing)))
