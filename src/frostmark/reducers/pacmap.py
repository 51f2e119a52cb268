"""PaCMAP: pairs that are near, further and far keep local and global structure at once; fast.

    fitted = PaCMAP().fit(Points.alone(train_rows), seed=0, progress=print)    # pip install 'frostmark[pacmap]'
    fitted.transform(Points.among(test_rows, train_rows))

Near pairs come from the shared graph. New rows are placed by the attraction of their neighbours alone, as in PaCMAP's
own ``transform``, but where that has settled instead of after a fixed number of steps.
"""

from __future__ import annotations

import importlib.util
import logging
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from frostmark.errors import MissingExtraError
from frostmark.reducers.reducer import Coordinates, Fitted, Points, Progress, Reducer
from frostmark.stats.neighbours import Graph, unit_rows

_CANDIDATES = 50
"""So many more neighbours are looked at than pairs are made: those near on the scale of both ends are chosen."""

_SETTLED = 100
"""Steps after which placed points stand still to within single precision."""


@dataclass(frozen=True, kw_only=True)
class PaCMAP(Reducer):
    """Pairwise controlled manifold approximation (Wang, Huang, Rudin & Shaposhnik 2021).

    Args:
        n_neighbors: near pairs of each row; lowered where there are fewer than four times as many rows.
        mn_ratio: pairs of middling distance for each near one; they hold the whole together.
        fp_ratio: far pairs for each near one; they push apart.

    Raises:
        ConfigError: if the package is not installed.
    """

    n_neighbors: int = 10
    mn_ratio: float = 0.5
    fp_ratio: float = 2.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.n_neighbors < 1 or self.mn_ratio < 0 or self.fp_ratio <= 0:
            wrong = f"n_neighbors={self.n_neighbors}, mn_ratio={self.mn_ratio}, fp_ratio={self.fp_ratio}"
            raise ValueError(f"{wrong} must reach 1, reach 0, exceed 0")
        if importlib.util.find_spec("pacmap") is None:
            raise MissingExtraError("reducer=pacmap", "the package pacmap", "pacmap")

    def fit(self, points: Points, seed: int, progress: Progress) -> Fitted:
        count = len(points.rows)
        progress(f"PaCMAP of {count:,} images")
        logging.getLogger("pacmap").setLevel(logging.ERROR)  # it warns of having been given a seed
        from pacmap import PaCMAP as Pacmap

        # All pairs of a row must differ, of which it has count - 1.
        near = max(1, min(self.n_neighbors, int((count - 1) / (1 + self.mn_ratio + self.fp_ratio))))
        made = Pacmap(
            n_neighbors=near,
            MN_ratio=self.mn_ratio,
            FP_ratio=self.fp_ratio,
            pair_neighbors=_near_pairs(points.nearest(min(near + _CANDIDATES, count - 1)), near),
            random_state=seed,
        )
        rows = unit_rows(points.rows)
        # Its first step are two principal components, which one feature has not.
        rows = np.pad(rows, ((0, 0), (0, max(0, 2 - rows.shape[1]))))
        coordinates = np.asarray(made.fit_transform(rows), dtype=np.float64)

        def transform(new: Points) -> Coordinates:
            return _settle(coordinates[new.nearest(near).index])

        return Fitted(coordinates, transform)


def _near_pairs(graph: Graph, near: int) -> NDArray[np.int32]:
    """(N·near, 2) each row with those neighbours that are near on the scale of both ends, as PaCMAP chooses them."""
    distances = graph.distance
    scale = np.maximum(distances[:, min(3, graph.index.shape[1] - 1) : 6].mean(1), 1e-10)
    scaled = distances**2 / scale[:, None] / scale[graph.index]
    chosen = np.take_along_axis(graph.index, np.argsort(scaled, 1, kind="stable")[:, :near], 1)
    return np.stack([np.repeat(np.arange(len(chosen)), near), chosen.ravel()], 1).astype(np.int32)


def _settle(neighbours: Coordinates) -> Coordinates:
    """Where (M, 2) the attraction of ``neighbours`` (M, K, 2) lets new points rest, starting at their median.

    The loss of a near pair is (1 + d²) / (11 + d²); each step goes to the weighted mean that bounds it from above.
    """
    places = np.median(neighbours, axis=1)
    for _ in range(_SETTLED):
        squared = ((neighbours - places[:, None]) ** 2).sum(2)
        weights = 1 / (11 + squared) ** 2
        places = (weights[:, :, None] * neighbours).sum(1) / weights.sum(1, keepdims=True)
    return places
