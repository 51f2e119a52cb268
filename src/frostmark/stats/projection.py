"""Rows too wide for memory, made narrow: distances survive, coordinates do not.

project = SparseProjection(width=100_352, seed=0)
project(rows)          # (N, 100352) → (N, 2048) float32
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from sklearn.random_projection import SparseRandomProjection

PROJECTED_WIDTH = 2048
"""Features after the projection: squared distances keep to within about 3 % (standard deviation √(2/2048))."""


class SparseProjection:
    """A very sparse random projection (Li, Hastie & Church, KDD 2006): a few non-zeros a feature, drawn from the seed.

    Args:
        width: features D of the rows.
        seed: of the draw; the same for every backbone and layer of a run.
    """

    def __init__(self, width: int, seed: int) -> None:
        self._width = width
        self._seed = seed

    def __call__(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """(N, D) → (N, 2048) float32."""
        return np.asarray(self._fitted.transform(rows), dtype=np.float32)

    @property
    def matrix(self) -> csr_array:
        """(D, 2048): the rows times it are the projected rows."""
        return csr_array(self._fitted.components_.T)

    @cached_property
    def _fitted(self) -> SparseRandomProjection:
        projection = SparseRandomProjection(PROJECTED_WIDTH, random_state=np.random.RandomState(self._seed))
        return projection.fit(np.zeros((1, self._width), np.float32))
