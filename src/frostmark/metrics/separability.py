"""How far the classes stand apart compared with how far they spread: the family of both splits.

    scores = Separability()(splits)
    scores.values["test/separability/fisher_ratio"], scores.draws["test/separability/fisher_ratio"]

Free of scale. The formulas are in :mod:`~frostmark.metrics.class_ratios`, :mod:`~frostmark.metrics.collapse` and
:mod:`~frostmark.metrics.silhouette`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from typing import ClassVar

import numpy as np

from frostmark.metrics.class_ratios import OF_SUMMARY, class_spreads
from frostmark.metrics.class_tables import confused_table, separability_table, shift_table
from frostmark.metrics.collapse import nc1, nc1_of_noise, triangular_root
from frostmark.metrics.graphs import Arrays
from frostmark.metrics.kept import kept_draws
from frostmark.metrics.kinds import Across, Kind
from frostmark.metrics.metric import ONE_CLASS, Scores, Split, Splits, Undefined, Value, guarded, stacked
from frostmark.metrics.silhouette import MAX_EXACT, MAX_NULL, permuted_silhouettes, silhouettes
from frostmark.stats.bootstrap import Resamples, measured_draws, recentred, rescaled
from frostmark.stats.moments import Array, ClassSummary, Float
from frostmark.stats.permutation import Permutations, Unlabelled, in_threads
from frostmark.stats.sampling import seeded, some_of_each

SCHEMA = "separability1"
"""Names the way draws and nulls are made; those that were kept under another name are made anew."""

_ROUNDING = 1e-24
"""Squared distances below this share of the squared lengths are the rounding of float64 streams."""

_higher = partial(Kind, better="higher", across=Across.NETWORKS, range=(0, np.inf), pairs="draws")
_lower = partial(_higher, better="lower")

KINDS: Mapping[str, Kind] = {
    "separability/fisher_ratio": _higher(
        "Fisher ratio", meaning="variance between the classes over variance within the classes"
    ),
    "separability/eta_squared": _higher("η²", range=(0, 1), meaning="share of the variance that the classes explain"),
    "separability/omega_squared": _higher("ω²", range=(-np.inf, 1), meaning="η² minus its expected value by chance"),
    "separability/calinski_harabasz": _higher(
        "Calinski–Harabasz", meaning="the Fisher ratio by degrees of freedom: it grows with the number of images"
    ),
    "separability/davies_bouldin": _lower(
        "Davies–Bouldin", meaning="spread of two classes divided by their distance, for the worst partner of each class"
    ),
    "separability/cdnv": _lower(
        "CDNV", meaning="variance of two classes divided by their squared distance, mean over pairs"
    ),
    "separability/nc1": _lower(
        "NC1",
        across=Across.EQUAL_WIDTH,
        pairs=None,
        meaning="variance within the classes along the directions between the class means: 0 once every class is a "
        "point",
    ),
    "separability/silhouette": _higher(
        "silhouette",
        across=Across.EQUAL_WIDTH,  # below zero it rises with columns of noise
        range=(-1, 1),
        meaning="whether an image lies nearer to its own class than to the nearest other class",
    ),
}


@dataclass(frozen=True)
class Separability:
    """The separability family of both splits, with the tables of classes and of the pairs confused most."""

    kinds: ClassVar[Mapping[str, Kind]] = KINDS

    def __call__(self, splits: Splits) -> Scores:
        scores, classes, pairs = Scores(self.kinds), [], []
        for split in splits.values():
            of_rows = _with_spreads(split)
            exact = split.moments.summary if split.projected else of_rows
            reasons = _reasons(split, exact)
            _add_moment_measures(scores, split, exact, of_rows, reasons)
            _add_silhouette(scores, split, reasons["silhouette"])
            classes.append(separability_table(split, scores.outcomes.get(f"{split.name}/silhouette")))
            pairs.append(confused_table(split))
        scores.tables = {
            "class_separability": stacked(classes),
            "confusable_pairs": stacked(pairs),
            "class_shift": shift_table(splits),
        }
        return scores


def _with_spreads(split: Split) -> ClassSummary:
    """The classes of the rows that the split holds."""
    return replace(split.row_moments.summary, spread=class_spreads(split.rows, split.labels, split.row_moments))


def _nulls(split: Split) -> dict[str, Float]:
    """(1 + P,) values of every measure: under the labels as they are, and under each permutation."""
    if not len(split.permutations):
        return {}
    unlabelled, root = Unlabelled(split.rows, split.labels), triangular_root(split.scatter)

    def measured(orders: list[Array]) -> list[list[float]]:
        with np.errstate(divide="ignore", invalid="ignore"):  # two means may coincide by chance
            return [
                [
                    *(float(measure(summary)) for measure in OF_SUMMARY.values()),
                    nc1_of_noise(summary.mean, split.scatter, root, summary.count),
                ]
                for summary in unlabelled.summaries(orders)
            ]

    orders = chain([split.labels], split.permutations)
    measures = [values for some in in_threads(measured, unlabelled.several(orders)) for values in some]
    return dict(zip((*OF_SUMMARY, "nc1"), np.array(measures).T, strict=True))


def _reasons(split: Split, summary: ClassSummary) -> dict[str, dict[str, bool]]:
    """Why a measure may not exist: name → reasons that apply; none if it does. ``summary`` is that of the features."""
    m = split.moments
    single = {ONE_CLASS: len(m.present) < 2, "every class has one image only": bool((m.count <= 1).all())}
    flat = {**single, "no class varies within itself": m.no_spread}
    lengths = (summary.mean**2).sum(1)
    one_mean = bool(summary.between <= _ROUNDING * (summary.count * lengths).sum())
    touches = summary.squared <= _ROUNDING * (lengths[:, None] + lengths)
    touching = int(touches.sum()) > len(m.present)  # a mean touches itself
    equal = {**single, "two classes have the same mean": touching}
    constant = {**single, "all rows are equal": m.no_spread and one_mean}
    reasons = {
        "fisher_ratio": flat,
        "eta_squared": constant,
        "omega_squared": flat,
        "calinski_harabasz": flat,
        "davies_bouldin": equal,
        "cdnv": equal,
        "nc1": {**single, "all classes have the same mean": one_mean},
        "silhouette": constant,
    }
    return {name: {why: True for why, applies in of_name.items() if applies} for name, of_name in reasons.items()}


def _chance(split: Split) -> dict[str, float]:
    """What independent images would give by chance; of images in groups the null alone knows."""
    n, classes = len(split.labels), len(split.moments.present)
    if n <= classes or split.groups is not None:
        return {}
    return {
        "fisher_ratio": (classes - 1) / (n - classes),
        "eta_squared": (classes - 1) / (n - 1),
        "omega_squared": 0.0,
        "calinski_harabasz": 1.0,
    }


def _add_moment_measures(
    scores: Scores,
    split: Split,
    exact: ClassSummary,
    of_rows: ClassSummary,
    reasons: Mapping[str, Mapping[str, bool]],
) -> None:
    # A spread needs rows: where they are a projection, so are the distances that it is compared with.
    seen = {name: of_rows if name == "davies_bouldin" else exact for name in OF_SUMMARY}
    values: dict[str, Value] = {
        name: guarded(lambda name=name: float(OF_SUMMARY[name](seen[name])), reasons[name])  # type: ignore[misc]
        for name in OF_SUMMARY
    }
    values["nc1"] = guarded(lambda: nc1(of_rows.mean, split.scatter, of_rows.count), reasons["nc1"])
    defined = {name: value for name, value in values.items() if not isinstance(value, Undefined)}
    draws = _draws(split, defined)
    nulls = kept_draws(split, SCHEMA, partial(_nulls, split), "nulls") if defined else {}
    chance = _chance(split)
    for name, value in values.items():
        key = f"{split.name}/separability/{name}"
        scores.add(key, value, draws=draws.get(name), chance=chance.get(name))
        if name in nulls and name in defined:
            # The null is one of the rows, in float32, and so is what it is compared with.
            scores.add_null(key, float(nulls[name][0]), nulls[name][1:])


def _draws(split: Split, values: Mapping[str, float]) -> dict[str, Float]:
    """Bootstrap draws of the measures that have a value, about that value."""
    measures = {name: measure for name, measure in OF_SUMMARY.items() if name in values}
    drawn = partial(measured_draws, split.rows, split.row_moments, split.resamples, measures, spread=True)
    draws = kept_draws(split, SCHEMA, drawn, "draws", *measures)
    return {name: _centred(name, of, values[name]) for name, of in draws.items() if np.isfinite(of).all()}


def _centred(name: str, draws: Float, value: float) -> Float:
    """Draws about the estimate, within the range of the measure."""
    if name == "omega_squared":  # the one that may be negative
        return recentred(draws, value)
    if name == "eta_squared":
        if value >= 1 or draws.max() >= 1:
            return draws
        odds = rescaled(draws / (1 - draws), value / (1 - value))
        return odds / (1 + odds)
    return rescaled(draws, value)


def _add_silhouette(scores: Scores, split: Split, reasons: Mapping[str, bool]) -> None:
    key = f"{split.name}/separability/silhouette"
    if reasons:
        scores.add(key, Undefined(next(iter(reasons))))
        return
    sample, resamples, _ = _sampled(split, MAX_EXACT)
    silhouette = silhouettes(split.rows[sample], split.labels[sample])
    value = float(silhouette.values.mean())
    draws = recentred(resamples.means(silhouette.influence), value) if resamples.draws else None
    scores.add(key, value, draws=draws)
    if len(split.permutations):
        permuted = kept_draws(split, SCHEMA, partial(_permuted_silhouettes, split), "silhouette", str(MAX_NULL))
        scores.add_null(key, float(permuted["observed"][0]), permuted["null"])
    if len(sample) < len(split.labels):
        scores.add_end(key, "_images", float(len(sample)))
    outcomes = np.full(len(split.labels), np.nan)
    outcomes[sample] = silhouette.values
    scores.outcomes[f"{split.name}/silhouette"] = outcomes


def _permuted_silhouettes(split: Split) -> Arrays:
    few, _, permutations = _sampled(split, MAX_NULL)
    observed, null = permuted_silhouettes(split.rows[few], permutations)
    return {"observed": np.array([observed]), "null": null}


def _sampled(split: Split, most: int) -> tuple[Array, Resamples, Permutations]:
    """About so many rows, some of each class, with resamples and permutations of their own."""
    if len(split.labels) <= most:
        return np.arange(len(split.labels)), split.resamples, split.permutations
    context = (*split.resamples.context, f"silhouette {most}")
    sample = some_of_each(split.labels, most, 4, seeded(0, *context))
    return sample, split.resamples.among(sample, context), split.permutations.among(sample, context)
