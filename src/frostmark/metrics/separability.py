"""How far the classes stand apart compared with how far they spread: free of scale, so these decide.

fisher_ratio(moments)      # tr S_B / tr S_W
eta_squared(moments)       # tr S_B / tr S_T, between 0 and 1
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from frostmark.metrics.metric import Scores, Splits, Value, guarded
from frostmark.stats.moments import Array, ClassMoments, Float


def fisher_ratio(moments: ClassMoments) -> float:
    """tr S_B / tr S_W: variance between classes over variance within; (C − 1)/(N − C) by chance."""
    return moments.between / moments.within


def eta_squared(moments: ClassMoments) -> float:
    """tr S_B / tr S_T: share of the total variance that the classes explain, between 0 and 1."""
    return moments.between / (moments.between + moments.within)


def directional_cdnv(rows: Array, labels: Array, moments: ClassMoments) -> Float:
    """(C, C) class-distance-normalised variance along the line that joins two class means.

    (uᵀΣ_i u + uᵀΣ_j u) / (2 ‖μ_i − μ_j‖²), u the unit vector along μ_i − μ_j; the smaller, the better the pair is
    told apart. NaN on the diagonal, for coinciding means and for classes without rows. All projections come from one
    product of the rows (N, D) with the class means (C, D). After Galanti et al., arXiv 2112.15121.
    """
    classes = len(moments.count)
    centre = moments.grand_mean
    along = np.full((classes, classes), np.nan)  # [i, j]: variance of class i along μ_i − μ_j, times ‖μ_i − μ_j‖²
    means = np.where(moments.count[:, None] > 0, moments.mean - centre, np.nan)
    for c in moments.present:
        deviations = rows[labels == c] - moments.mean[c]
        projected = deviations @ (means[c] - means).T
        along[c] = (projected**2).mean(0)
    squared = moments.mean_distances**2
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(squared > 0, (along + along.T) / (2 * squared**2), np.nan)


@dataclass(frozen=True)
class Separability:
    """The separability family of both splits."""

    def __call__(self, splits: Splits) -> Scores:
        values: dict[str, Value] = {}
        for name, split in splits.items():
            m = split.moments
            alone = {"the split holds one class only": len(m.present) < 2}
            flat = {**alone, "no class varies within itself": m.no_spread}
            constant = {**alone, "all rows are equal": m.no_spread and m.between == 0}
            values[f"{name}/separability/fisher_ratio"] = guarded(lambda m=m: fisher_ratio(m), flat)  # type: ignore[misc]
            values[f"{name}/separability/eta_squared"] = guarded(lambda m=m: eta_squared(m), constant)  # type: ignore[misc]
        return Scores(values)
