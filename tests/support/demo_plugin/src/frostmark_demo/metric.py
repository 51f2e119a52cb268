"""``metrics=[spread]``: the mean distance of a row from the origin."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from frostmark.metrics.metric import Scores, Splits


@dataclass(frozen=True)
class Spread:
    """One value per split."""

    def __call__(self, splits: Splits) -> Scores:
        scores = Scores()
        for name, split in splits.items():
            scores.add(f"{name}/spread/norm", float(np.linalg.norm(split.rows, axis=1).mean()))
        return scores
