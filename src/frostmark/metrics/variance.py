"""The report's variances: within each class, between classes, of pooled pairs of classes.

    moments = ClassMoments.of(rows, labels, classes=10)
    intra_variance(moments.summary)  # mean over classes of the trace of the class covariance
    pair_variance(moments)[2, 6]     # variance of classes 2 and 6 pooled into one set

All of them grow with ‖x‖² and with the number of features: they compare splits and classes of one network, never two
networks. Variances are in population form (divided by n). With n_c rows of mean μ_c in class c of C:
σ_c² = (1/n_c) Σ ‖x_i − μ_c‖².
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import numpy as np

from frostmark.metrics.kinds import Across, Kind
from frostmark.metrics.map_kinds import MAP_KINDS
from frostmark.metrics.metric import (
    CLASSES_AS_SCALARS,
    ONE_CLASS,
    PAIRS_AS_SCALARS,
    Scores,
    Split,
    Splits,
    Table,
    Undefined,
    Value,
    class_key,
    guarded,
    stacked,
)
from frostmark.stats.bootstrap import measured_draws, recentred
from frostmark.stats.moments import Array, ClassMoments, ClassSummary, Float

NO_ROWS = "the class has no image in this split"
ONE_ROW = "a class has one image only"


def intra_variance(summary: ClassSummary) -> Float:
    """Mean of σ_c² over the classes."""
    return np.asarray(summary.variance.mean(-1))


def inter_variance(summary: ClassSummary) -> Float:
    """(1/C) Σ_c ‖μ_c − μ̄‖², μ̄ the unweighted mean of the class means."""
    # Steiner: about the mean of all rows, less what lies between the two centres.
    between_centres = (summary.offset**2).sum(-1)
    return np.asarray(np.maximum(summary.lengths.mean(-1, dtype=np.float64) - between_centres, 0))


def inter_variance_debiased(summary: ClassSummary) -> Float:
    """Inter-class variance without what the noise of the class means adds to it; may be negative.

    inter − (1 − 1/C)(1/C) Σ_c s_c²/n_c with s_c² = σ_c² n_c/(n_c − 1): each estimated mean scatters by s_c²/n_c
    around its true place, which on pure noise is all there is.

    Raises:
        ZeroDivisionError: if a class has one row only. In draws of groups, which may leave a class one row, nothing is
            known of its noise, and none is taken off.
    """
    if summary.count.ndim == 1 and (summary.count < 2).any():
        raise ZeroDivisionError(ONE_ROW)
    noise = (summary.variance / np.maximum(summary.count - 1, 1)).mean(-1)
    return np.asarray(inter_variance(summary) - (1 - 1 / summary.count.shape[-1]) * noise)


def total_variance(summary: ClassSummary) -> Float:
    """tr S_T / N: mean squared distance of a row to the mean of all rows."""
    return np.asarray((summary.within + summary.between) / summary.count.sum(-1))


def pair_variance(moments: ClassMoments) -> Float:
    """(C, C) variance of classes i and j pooled into one set; the class's own on the diagonal; NaN without rows.

    (n_i σ_i² + n_j σ_j²)/(n_i + n_j) + n_i n_j/(n_i + n_j)² ‖μ_i − μ_j‖²
    """
    return pooled_variance(moments, moments.mean_distances)


def pooled_variance(moments: ClassMoments, distances: Float) -> Float:
    """:func:`pair_variance` where the ``distances`` (C, C) of the class means are at hand."""
    n, variance = moments.count.astype(float), moments.variance
    with np.errstate(invalid="ignore", divide="ignore"):
        total = n[:, None] + n[None, :]
        within = ((n * variance)[:, None] + (n * variance)[None, :]) / total
        between = np.outer(n, n) / total**2 * distances**2
        return np.asarray(within + between)


OF_SUMMARY: Mapping[str, Callable[[ClassSummary], Float]] = {
    "intra": intra_variance,
    "inter": inter_variance,
    "inter_debiased": inter_variance_debiased,
    "total": total_variance,
}

_of_run = partial(Kind, better="neither", across=Across.RUN, range=(0, np.inf))

KINDS: Mapping[str, Kind] = {
    "variance/intra": _of_run(
        "within-class variance",
        pairs="draws",
        meaning="mean over the classes of σ_c², the trace of the class covariance (divided by n)",
    ),
    "variance/inter": _of_run(
        "between-class variance",
        pairs="draws",
        meaning="mean squared distance of the class means to the mean of the class means",
    ),
    "variance/inter_debiased": _of_run(
        "between-class variance, debiased",
        range=(-np.inf, np.inf),
        pairs="draws",
        meaning="between-class variance minus the noise of the means: 0 on pure noise",
    ),
    "variance/total": _of_run(
        "total variance", pairs="draws", meaning="mean squared distance of an image to the mean of all images"
    ),
    "intra_variance/<class>": _of_run("variance of <class>", per="class", meaning="variance σ_c² of one class"),
    "pair_variance/<i>-<j>": _of_run(
        "variance of classes <i> and <j>", per="pair", meaning="variance of two classes pooled into one set"
    ),
}


@dataclass(frozen=True)
class Variance:
    """The variance family of both splits, with the tables of classes and pairs."""

    kinds: ClassVar[Mapping[str, Kind]] = KINDS

    def __call__(self, splits: Splits) -> Scores:
        scores = Scores(self.kinds, tables=_tables(splits))
        for name, split in splits.items():
            draws = _draws(split)
            for key, value in split_values(split.moments, split.classes, name, f"{name}/variance").items():
                scores.add(key, value, draws=draws.get(key))
        return scores


def _draws(split: Split) -> dict[str, Float]:
    """Bootstrap draws of every scalar of the family, by metric key."""
    estimate = split.moments.summary
    if (estimate.count < 2).all():
        return {}
    one_row = bool((estimate.count < 2).any())
    wanted = {name: measure for name, measure in OF_SUMMARY.items() if not (one_row and name == "inter_debiased")}
    draws = measured_draws(split.rows, split.row_moments, split.resamples, wanted)
    return {
        f"{split.name}/variance/{name}": recentred(of_name, float(OF_SUMMARY[name](estimate)))
        for name, of_name in draws.items()
    }


@dataclass(frozen=True)
class MapVariance:
    """The same in the coordinates of a map, where they compare nothing between runs.

    The scale of a map grows with the number of its points and changes with the seed.
    """

    kinds: ClassVar[Mapping[str, Kind]] = MAP_KINDS

    def __call__(self, splits: Splits) -> Scores:
        # Half a million pairs of a thousand classes, in coordinates that compare nothing, would only fill the disk.
        few = all(len(split.classes) <= CLASSES_AS_SCALARS for split in splits.values())
        scores = Scores(self.kinds, tables=_tables(splits, pairs=few))
        for name, split in splits.items():
            values = split_values(split.moments, split.classes, f"{name}/map", f"{name}/map/variance")
            keep = {f"{name}/map/variance/{k}": f"{name}/map/variance_{k}" for k in ("intra", "inter")}
            dropped = {f"{name}/map/variance/{k}" for k in ("inter_debiased", "total")}
            for key, value in values.items():
                if key not in dropped:
                    scores.add(keep.get(key, key), value)
        return scores


def split_values(moments: ClassMoments, classes: tuple[str, ...], prefix: str, family: str) -> dict[str, Value]:
    """Every scalar of one split: the four of ``family``, and one a class and one a pair under ``prefix``."""
    summary = moments.summary
    alone = {ONE_CLASS: len(moments.present) < 2}
    single = {**alone, ONE_ROW: bool((summary.count < 2).any())}
    reasons = {"inter": alone, "inter_debiased": single}
    values: dict[str, Value] = {
        f"{family}/{name}": guarded(lambda measure=measure: measure(summary), reasons.get(name, {}))  # type: ignore[misc]
        for name, measure in OF_SUMMARY.items()
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
    distances = moments.mean_distances
    distance = distances[i, j]
    spread = np.sqrt((moments.variance[i] + moments.variance[j]) / 2)
    return {
        "split": [name] * len(i),
        "class_i": i.tolist(),
        "class_j": j.tolist(),
        "name_i": [split.classes[c] for c in i],
        "name_j": [split.classes[c] for c in j],
        "pooled_variance": pooled_variance(moments, distances)[i, j].tolist(),
        "mean_distance": distance.tolist(),
        "standardised_distance": _ratio(distance, spread).tolist(),
        "directional_cdnv": split.confusability[i, j].tolist(),
    }


def _ratio(numerator: Array, denominator: Array) -> Array:
    """Quotient, NaN (an empty cell of the table) where the denominator is zero."""
    return np.divide(numerator, denominator, out=np.full_like(numerator, np.nan), where=denominator > 0)


def _tables(splits: Splits, *, pairs: bool = True) -> dict[str, Table]:
    tables = {"class_variance": stacked([class_table(s.moments, s.classes, n) for n, s in splits.items()])}
    if pairs:
        tables["pair_variance"] = stacked([pair_table(s, n) for n, s in splits.items()])
    return tables
