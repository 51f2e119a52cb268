"""Principal components: linear, fast, deterministic, and the first step of the other reducers.

PCA().fit(Points.alone(rows), seed=0, progress=print).coordinates    # (N, 2)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from frostmark.reducers.reducer import Coordinates, Fitted, Points, Progress, Reducer
from frostmark.stats.moments import Array

_FEW_FEATURES = 1000
"""The covariance of so many is found and solved in a second."""


@dataclass(frozen=True, kw_only=True)
class PCA(Reducer):
    """The first two principal components, each with its largest loading positive."""

    reading: ClassVar[str] = (
        "Axes are the first two principal components; distances leave out the variance of all other components."
    )

    def fit(self, points: Points, seed: int, progress: Progress) -> Fitted:
        components = Components(points.rows, 2, seed)
        return Fitted(components(points.rows), lambda new: components(new.rows))


class Components:
    """The leading principal components of ``rows`` (N, D): a function from rows (M, D) to (M, count)."""

    def __init__(self, rows: Array, count: int, seed: int) -> None:
        from sklearn.decomposition import PCA as SklearnPCA

        available = min(count, *rows.shape)
        # Randomised where exact would be slow; the exact solvers have no use for the seed.
        solver = "covariance_eigh" if rows.shape[1] <= min(len(rows), _FEW_FEATURES) else "full"
        solver = "randomized" if min(rows.shape) > _FEW_FEATURES else solver
        self._pca = SklearnPCA(available, svd_solver=solver, random_state=seed).fit(rows.astype(np.float64))
        self._missing = max(0, 2 - available)

    def __call__(self, rows: Array) -> Coordinates:
        scores = self._pca.transform(rows.astype(np.float64))
        return np.pad(scores, ((0, 0), (0, self._missing)))


def shaken_start(rows: Array, seed: int) -> Coordinates:
    """Where a t-SNE of ``rows`` (N, D) starts: (N, 2), two principal components and a hundredth of noise.

    Their scale, 1e-4, is scikit-learn's and openTSNE's, the noise openTSNE's; but for it all seeds would give one map.
    """
    components = Components(rows, 2, seed)(rows)
    noise = np.random.default_rng(seed).standard_normal(components.shape)
    return 1e-4 * (components / (components[:, 0].std() or 1.0) + 0.01 * noise)
