"""Feature sets: the rows of a split with the label of each.

feature_set = FeatureSet.empty(count=4000, width=512)
feature_set.put(index, labels, rows)          # batches, in any order
refuse_not_finite(not_finite(feature_set.rows).tolist(), len(feature_set.rows), layer="last_conv", split="test")
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from frostmark.errors import DataError

_CELLS = 1 << 22
"""Numbers that are looked at at once."""


@dataclass(frozen=True)
class FeatureSet:
    """Rows in the order of their images, put in as they come.

    Attributes:
        labels: (N,) int64.
        rows: (N, D) float32.
        there: (N,) bool, whether the row was put in yet.
    """

    labels: NDArray[np.int64]
    rows: NDArray[np.float32]
    there: NDArray[np.bool_]

    @classmethod
    def empty(cls, count: int, width: int) -> FeatureSet:
        """Room for N rows of D features, taken at once: thousands of small arrays would tear the heap to pieces."""
        return cls(np.zeros(count, np.int64), np.empty((count, width), np.float32), np.zeros(count, bool))

    def put(self, index: NDArray[np.integer], labels: NDArray[np.integer], rows: NDArray[np.floating]) -> None:
        """Take in the ``rows`` (n, D) with ``labels`` (n,) of the images at the positions ``index`` (n,)."""
        self.labels[index] = labels
        self.rows[index] = rows
        self.there[index] = True


def not_finite(rows: NDArray[np.floating]) -> NDArray[np.intp]:
    """Positions of the rows (N, D) that hold a value which is no number."""
    step = max(_CELLS // max(rows.shape[1], 1), 1)
    parts = [np.isfinite(rows[start : start + step]).all(1) for start in range(0, len(rows), step)]
    return np.flatnonzero(~np.concatenate(parts)) if parts else np.empty(0, np.intp)


def refuse_not_finite(bad: Sequence[int], count: int, layer: str, split: str) -> None:
    """Refuse rows that are not numbers, if there are any.

    Args:
        bad: positions of their images in the split.
        count: images of the split.

    Raises:
        DataError: naming layer, split, how many rows, and the first of them.
    """
    if bad:
        first = ", ".join(str(i) for i in bad[:5])
        raise DataError(
            f"{len(bad)} of {count} rows of layer {layer}, split {split}, are not finite; first images: {first}",
            fix="trainer.precision=32-true; if it stays, the weights or these images are damaged",
        )
