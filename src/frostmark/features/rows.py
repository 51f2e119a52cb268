"""Feature sets: the rows of a split with the index and label of each.

feature_set = FeatureSet.ordered(index, labels, rows)
require_finite(feature_set, layer="last_conv", split="test")
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from frostmark.errors import DataError


@dataclass(frozen=True)
class FeatureSet:
    """Rows in the order of their index.

    Attributes:
        index: (N,) int64, position in the split.
        labels: (N,) int64.
        rows: (N, D) float32.
    """

    index: NDArray[np.int64]
    labels: NDArray[np.int64]
    rows: NDArray[np.float32]

    @classmethod
    def ordered(cls, index: NDArray[Any], labels: NDArray[Any], rows: NDArray[Any]) -> FeatureSet:
        """Put rows in order, whatever the workers and ranks did to it."""
        order = np.argsort(index, kind="stable")
        return cls(index[order], labels[order], rows[order])


def require_finite(features: FeatureSet, layer: str, split: str) -> None:
    """Refuse rows that are not numbers.

    Raises:
        DataError: naming layer, split, how many rows, and the first of them.
    """
    bad = np.flatnonzero(~np.isfinite(features.rows).all(1))
    if len(bad):
        first = ", ".join(str(i) for i in features.index[bad[:5]])
        raise DataError(
            f"{len(bad)} of {len(features.rows)} rows of layer {layer}, split {split}, are not finite; "
            f"first images: {first}",
            fix="trainer.precision=32-true; if it stays, the weights or these images are damaged",
        )
