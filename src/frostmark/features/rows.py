"""Feature sets: the rows of a split with the index and label of each.

feature_set = FeatureSet.ordered(index, labels, rows)
refuse_not_finite(not_finite(feature_set.rows).tolist(), len(feature_set.rows), layer="last_conv", split="test")
"""

from __future__ import annotations

from collections.abc import Sequence
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


def not_finite(rows: NDArray[Any]) -> NDArray[np.intp]:
    """Positions of the rows (N, D) that hold a value which is no number."""
    return np.flatnonzero(~np.isfinite(rows).all(1))


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
