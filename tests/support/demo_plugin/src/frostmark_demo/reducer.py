"""``reducer=two_features``: the two features that vary most, as they are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from frostmark.reducers.reducer import Coordinates, Fitted, Points, Progress, Reducer


@dataclass(frozen=True, kw_only=True)
class TwoFeatures(Reducer):
    """A map without any fitting."""

    def fit(self, points: Points, seed: int, progress: Progress) -> Fitted:
        first, second = np.argsort(points.rows.var(axis=0))[-2:]

        def chosen(new: Points) -> Coordinates:
            return new.rows[:, [first, second]].astype(np.float64)

        return Fitted(chosen(points), chosen)
