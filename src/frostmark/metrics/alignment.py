"""Maps of the same images laid upon each other: turned, mirrored, moved and scaled, nothing more.

    fit = Alignment.of(reference, other)        # (N, 2) both
    fit(other_test), fit.disparity

t-SNE and UMAP fix neither direction nor handedness; what differs after this is a difference of the maps (Procrustes
analysis; Gower 1975).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from frostmark.stats.moments import Array, Float


@dataclass(frozen=True)
class Alignment:
    """The motion that lays one map upon another.

    Attributes:
        disparity: what is left, as a share of the reference's sum of squares: 0 for equal shapes, 1 for nothing shared.
    """

    centre: Float
    turned: Float
    target: Float
    disparity: float

    @classmethod
    def of(cls, reference: Array, other: Array) -> Alignment:
        """Fit ``other`` (N, 2) to ``reference`` (N, 2), point by point.

        Raises:
            ValueError: if the shapes differ, or all points of one of them coincide.
        """
        if reference.shape != other.shape:
            raise ValueError(f"maps of shapes {reference.shape} and {other.shape} do not show the same points")
        target, centre = reference.mean(0), other.mean(0)
        a, b = reference - target, other - centre
        size_a, size_b = np.linalg.norm(a), np.linalg.norm(b)
        if size_a == 0 or size_b == 0:
            raise ValueError("all points of a map coincide: there is nothing to align")
        u, kept, vt = np.linalg.svd(b.T @ a / (size_a * size_b))
        turned = (u @ vt) * kept.sum() * (size_a / size_b)
        return cls(centre, turned, target, max(0.0, 1.0 - float(kept.sum()) ** 2))

    def __call__(self, coordinates: Array) -> Float:
        """The points (M, 2) of the other map, where the reference would have them."""
        return np.asarray((coordinates - self.centre) @ self.turned + self.target)


def laid_upon(
    reference: Mapping[str, Array], other: Mapping[str, Array], *, together: bool
) -> tuple[dict[str, Array], dict[str, float]]:
    """The maps of several splits (N, 2) laid upon those of a reference, and the disparity that is left, by split.

    A map whose points all coincide stays as it is, without a disparity.

    Args:
        together: whether the splits lie in one coordinate system, and so are moved as one.
    """
    laid: dict[str, Array] = dict(other)
    left: dict[str, float] = {}
    for splits in [list(reference)] if together else [[split] for split in reference]:
        points = [np.concatenate([maps[split] for split in splits]) for maps in (reference, other)]
        if any(np.ptp(p, axis=0).max() == 0 for p in points):
            continue
        fit = Alignment.of(*points)
        laid |= {split: fit(other[split]) for split in splits}
        left |= dict.fromkeys(splits, fit.disparity)
    return laid, left
