"""``metrics=[spread]``: the mean distance of a row from the origin."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from frostmark.metrics.kinds import Across, Kind
from frostmark.metrics.metric import Scores, Splits

KINDS: Mapping[str, Kind] = {
    "spread/norm": Kind("row norm", better="neither", across=Across.RUN, meaning="mean length of a row"),
}


@dataclass(frozen=True)
class Spread:
    """One value per split."""

    kinds: ClassVar[Mapping[str, Kind]] = KINDS

    def __call__(self, splits: Splits) -> Scores:
        scores = Scores(self.kinds)
        for name, split in splits.items():
            scores.add(f"{name}/spread/norm", float(np.linalg.norm(split.rows, axis=1).mean()))
        return scores
