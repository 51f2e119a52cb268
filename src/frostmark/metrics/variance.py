"""The report's variances: within each class, between classes, of pooled pairs of classes.

    moments = ClassMoments.of(rows, labels, classes=10)
    intra_variance(moments)          # mean over classes of the trace of the class covariance
    pair_variance(moments)[2, 6]     # variance of classes 2 and 6 pooled into one set

All of them grow with ‖x‖² and with the number of features: they compare splits and classes of one network, never two
networks. Variances are in population form (divided by n). With n_c rows of mean μ_c in class c of C:
σ_c² = (1/n_c) Σ ‖x_i − μ_c‖².
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from frostmark.metrics.metric import (
    CLASSES_AS_SCALARS,
    PAIRS_AS_SCALARS,
    Scores,
    Split,
    Splits,
    Table,
    Undefined,
    Value,
    class_key,
    guarded,
)
from frostmark.metrics.separability import directional_cdnv
from frostmark.stats.moments import Array, ClassMoments, Float

NO_ROWS = "the class has no image in this split"
ONE_CLASS = "the split holds one class only"
ONE_ROW = "a class has one image only"


def intra_variance(moments: ClassMoments) -> float:
    """Mean of σ_c² over the classes that have rows."""
    return float(moments.variance[moments.present].mean())


def inter_variance(moments: ClassMoments) -> float:
    """(1/C) Σ_c ‖μ_c − μ̄‖², μ̄ the unweighted mean of the class means."""
    means = moments.mean[moments.present]
    return float(((means - means.mean(0)) ** 2).sum(1).mean())


def inter_variance_debiased(moments: ClassMoments) -> float:
    """Inter-class variance without what the noise of the class means adds to it; may be negative.

    inter − (1 − 1/C)(1/C) Σ_c s_c²/n_c with s_c² = σ_c² n_c/(n_c − 1): each estimated mean scatters by s_c²/n_c
    around its true place, which on pure noise is all there is.

    Raises:
        ZeroDivisionError: if a class has one row only.
    """
    n = moments.count[moments.present]
    if (n < 2).any():
        raise ZeroDivisionError(ONE_ROW)
    noise = (moments.variance[moments.present] / (n - 1)).mean()
    return inter_variance(moments) - (1 - 1 / len(n)) * float(noise)


def total_variance(moments: ClassMoments) -> float:
    """tr S_T / N: mean squared distance of a row to the mean of all rows."""
    return (moments.within + moments.between) / int(moments.count.sum())


def pair_variance(moments: ClassMoments) -> Float:
    """(C, C) variance of classes i and j pooled into one set; the class's own on the diagonal; NaN without rows.

    (n_i σ_i² + n_j σ_j²)/(n_i + n_j) + n_i n_j/(n_i + n_j)² ‖μ_i − μ_j‖²
    """
    n, variance = moments.count.astype(float), moments.variance
    with np.errstate(invalid="ignore", divide="ignore"):
        total = n[:, None] + n[None, :]
        within = ((n * variance)[:, None] + (n * variance)[None, :]) / total
        between = np.outer(n, n) / total**2 * moments.mean_distances**2
        return np.asarray(within + between)


@dataclass(frozen=True)
class Variance:
    """The variance family of both splits, with the tables of classes and pairs."""

    def __call__(self, splits: Splits) -> Scores:
        scores = Scores(tables=_tables(splits))
        for name, split in splits.items():
            scores.values |= split_values(split.moments, split.classes, name, f"{name}/variance")
        return scores


@dataclass(frozen=True)
class MapVariance:
    """The same in the coordinates of a map, where they compare nothing between runs.

    The scale of a map grows with the number of its points and changes with the seed.
    """

    def __call__(self, splits: Splits) -> Scores:
        scores = Scores(tables=_tables(splits))
        for name, split in splits.items():
            found = split_values(split.moments, split.classes, f"{name}/map", f"{name}/map/variance")
            keep = {f"{name}/map/variance/{k}": f"{name}/map/variance_{k}" for k in ("intra", "inter")}
            dropped = {f"{name}/map/variance/{k}" for k in ("inter_debiased", "total")}
            scores.values |= {keep.get(k, k): v for k, v in found.items() if k not in dropped}
        return scores


def split_values(moments: ClassMoments, classes: tuple[str, ...], prefix: str, family: str) -> dict[str, Value]:
    """Every scalar of one split: the four of ``family``, and one a class and one a pair under ``prefix``."""
    alone = {ONE_CLASS: len(moments.present) < 2}
    single = {**alone, ONE_ROW: bool((moments.count[moments.present] < 2).any())}
    values: dict[str, Value] = {
        f"{family}/intra": intra_variance(moments),
        f"{family}/inter": guarded(lambda: inter_variance(moments), alone),
        f"{family}/inter_debiased": guarded(lambda: inter_variance_debiased(moments), single),
        f"{family}/total": total_variance(moments),
    }
    if len(classes) <= CLASSES_AS_SCALARS:
        for c, name in enumerate(classes):
            values[f"{prefix}/intra_variance/{class_key(c, name)}"] = _or_undefined(moments.variance[c])
    if len(classes) <= PAIRS_AS_SCALARS:
        pooled = pair_variance(moments)
        for i, j in zip(*np.triu_indices(len(classes), 1), strict=True):
            values[f"{prefix}/pair_variance/{i}-{j}"] = _or_undefined(pooled[i, j])
    return values


def _or_undefined(value: float) -> Value:
    return Undefined(NO_ROWS) if np.isnan(value) else float(value)


def class_table(moments: ClassMoments, classes: tuple[str, ...], split: str) -> Table:
    """One line a class that has rows: split, class, name, images, variance."""
    present = moments.present
    return {
        "split": [split] * len(present),
        "class": present.tolist(),
        "name": [classes[c] for c in present],
        "images": moments.count[present].tolist(),
        "variance": moments.variance[present].tolist(),
    }


def pair_table(split: Split, name: str) -> Table:
    """One line a pair of classes that have rows.

    Besides the pooled variance: the distance of the means; the same in units of the classes' root mean variance
    √((σ_i² + σ_j²)/2); and the directional CDNV, which alone is free of scale.
    """
    moments, present = split.moments, split.moments.present
    upper = np.triu_indices(len(present), 1)
    i, j = present[upper[0]], present[upper[1]]
    distance = moments.mean_distances[i, j]
    spread = np.sqrt((moments.variance[i] + moments.variance[j]) / 2)
    return {
        "split": [name] * len(i),
        "class_i": i.tolist(),
        "class_j": j.tolist(),
        "name_i": [split.classes[c] for c in i],
        "name_j": [split.classes[c] for c in j],
        "pooled_variance": pair_variance(moments)[i, j].tolist(),
        "mean_distance": distance.tolist(),
        "standardised_distance": _ratio(distance, spread).tolist(),
        "directional_cdnv": directional_cdnv(split.rows, split.labels, split.row_moments)[i, j].tolist(),
    }


def _ratio(numerator: Array, denominator: Array) -> Array:
    """Quotient, NaN (an empty cell of the table) where the denominator is zero."""
    return np.divide(numerator, denominator, out=np.full_like(numerator, np.nan), where=denominator > 0)


def _tables(splits: Splits) -> dict[str, Table]:
    return {
        "class_variance": stacked([class_table(s.moments, s.classes, n) for n, s in splits.items()]),
        "pair_variance": stacked([pair_table(s, n) for n, s in splits.items()]),
    }


def stacked(tables: list[Table]) -> Table:
    """Tables of the same columns, one under the other."""
    return {column: [cell for table in tables for cell in table[column]] for column in tables[0]}  # type: ignore[misc]
