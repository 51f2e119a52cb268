"""How far the classes stand apart compared with how far they spread: free of scale, so these decide.

    summary = moments.summary
    fisher_ratio(summary)              # tr S_B / tr S_W
    eta_squared(summary)               # tr S_B / tr S_T, between 0 and 1

Every measure is one formula of a :class:`~frostmark.stats.moments.ClassSummary`, which holds one data set or many
draws of it: the same function gives the estimate, its interval and its null.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from scipy.linalg import get_blas_funcs, lapack

from frostmark.metrics.confusability import confused_pairs, nearest_between
from frostmark.metrics.metric import (
    ONE_CLASS,
    Scores,
    Split,
    Splits,
    Table,
    Undefined,
    Value,
    columns,
    guarded,
    stacked,
)
from frostmark.metrics.silhouette import EXACT_MOST, NULL_MOST, permuted_silhouettes, silhouettes
from frostmark.stats.bootstrap import Resamples, measured_draws, recentred, rescaled
from frostmark.stats.moments import Array, ClassMoments, ClassSummary, Float
from frostmark.stats.permutation import Permutations, Unlabelled, in_threads
from frostmark.stats.sampling import seeded, some_of_each

_ROUNDING = 1e-24
"""Squared distances below this share of the squared lengths are the rounding of float64 streams."""

_SPANNED = ((np.float32, 0.3), (np.float64, 1e-4))
"""Smallest pivot of a Cholesky factor over the largest from which a precision will do for the class means: below the
last they hardly span some direction."""

PAIRS_LISTED = 20
"""Pairs of classes in the table of the most confusable ones."""


def fisher_ratio(summary: ClassSummary) -> Float:
    """tr S_B / tr S_W: variance between classes over variance within; (C − 1)/(N − C) by chance."""
    return summary.between / summary.within


def eta_squared(summary: ClassSummary) -> Float:
    """tr S_B / tr S_T: share of the total variance that the classes explain, in 0 … 1; (C − 1)/(N − 1) by chance."""
    return summary.between / (summary.between + summary.within)


def omega_squared(summary: ClassSummary) -> Float:
    """η² without what chance adds: (SSB − (C − 1)·MSW) / (SST + MSW); 0 by chance, so that it may be negative.

    Hays, Statistics for Psychologists (1963).
    """
    classes, n = len(summary.count), int(summary.count.sum())
    within_mean = summary.within / (n - classes)
    return (summary.between - (classes - 1) * within_mean) / (summary.between + summary.within + within_mean)


def calinski_harabasz(summary: ClassSummary) -> Float:
    """(tr S_B / (C − 1)) / (tr S_W / (N − C)): PERMANOVA's pseudo-F; about 1 by chance.

    Caliński & Harabasz, Communications in Statistics 3 (1974).
    """
    classes, n = len(summary.count), int(summary.count.sum())
    return fisher_ratio(summary) * (n - classes) / (classes - 1)


def cdnv(summary: ClassSummary) -> Float:
    """Class-distance-normalised variance: mean over pairs of (σ_i² + σ_j²) / (2‖μ_i − μ_j‖²); smaller is better.

    Galanti et al., arXiv 2112.15121.
    """
    # Each σ_i² comes once with every other class: the sum over pairs is one over classes.
    classes = len(summary.count)
    nearby = summary.closeness.sum(-1, dtype=np.float64)
    return np.asarray((summary.variance * nearby).sum(-1) / (classes * (classes - 1)))


def davies_bouldin(summary: ClassSummary) -> Float:
    """Mean over the classes of max_j (s_i + s_j) / ‖μ_i − μ_j‖, s the mean distance to the class mean; small is good.

    Davies & Bouldin, IEEE PAMI 1 (1979).

    Raises:
        ValueError: if the summary has no spreads.
    """
    if summary.spread is None:
        raise ValueError("the summary has no spreads")
    spread = summary.spread.astype(summary.closeness.dtype)
    ratio = np.sqrt(summary.closeness)
    ratio *= spread[..., :, None] + spread[..., None, :]
    return np.asarray(ratio.max(-1).mean(-1, dtype=np.float64))


def class_spreads(rows: Array, labels: Array, moments: ClassMoments) -> Float:
    """(C,) mean distance of the rows of each class that has any to their mean."""
    return np.array([np.linalg.norm(rows[labels == c] - moments.mean[c], axis=1).mean() for c in moments.present])


def nc1(means: Array, scatter: Float, count: Array) -> float:
    """Variability collapse tr(Σ_W Σ_B⁺) / C: 0 once every class has shrunk to a point.

    Σ_W = S_W / N, Σ_B = (1/C) Σ (μ_c − μ̄)(μ_c − μ̄)ᵀ of rank C − 1 at most: of its eigenvalues those below 1e-12 of
    the largest count as zero. After Papyan, Han & Donoho, PNAS 117 (2020); worked out in the Gram matrix of the means.

    Args:
        means: (C, D) class means.
        scatter: (D, D) total scatter S_T = S_W + S_B of the rows.
        count: (C,) rows of each class.
    """
    n = count.sum()
    means = means.astype(np.float64)
    centred = means - means.mean(0)
    values, vectors = np.linalg.eigh(centred @ centred.T)
    kept = values > 1e-12 * values[-1]
    directions = vectors[:, kept].T @ centred  # (k, D), each as long as the root of its eigenvalue
    from_centre = (means - (count / n) @ means) @ directions.T
    within = np.einsum("kd,kd->k", directions @ scatter, directions) - (count[:, None] * from_centre**2).sum(0)
    return float((np.maximum(within, 0) / n / values[kept] ** 2).sum())


def nc1_of_noise(means: Array, scatter: Float, root: Float, count: Array) -> float:
    """:func:`nc1` without eigenvectors, where the class means span all directions that C of them in D features can.

    Those of permuted labels do, and of these there are many. With M the means about μ̄, w_c = n_c/N and S_W = S_T − S_B:
    if C ≤ D, M M⁺ leaves out but the direction (1, …, 1), and N·nc1 = ‖M⁺ᵀ S_T^½‖² − N(1 − ‖w‖²); otherwise MᵀM has an
    inverse, and N·nc1 = tr(S_W (MᵀM)⁻¹). Where the means do not span so much, the eigenvectors it is.

    Args:
        means, scatter, count: as of :func:`nc1`.
        root: (D, D) :func:`triangular_root` of the scatter.
    """
    n, (classes, width) = count.sum(), means.shape
    exact = means - means.mean(0, dtype=np.float64)
    few = classes <= width
    for kind, enough in _SPANNED:
        centred = exact.astype(kind, copy=False)
        gram = centred @ centred.T if few else centred.T @ centred
        if few:
            gram += np.trace(gram) / classes**2  # the direction (1, …, 1), in which M is 0, as long as the others
        inverse, pivots = _inverse(gram)
        if pivots < enough:
            continue
        if few:
            trmm, symm = get_blas_funcs("trmm", dtype=kind), get_blas_funcs("symm", dtype=kind)
            across = trmm(1.0, root.T.astype(kind, copy=False), centred.T)  # R is triangular: half of a product
            reached = symm(1.0, inverse, across, side=1, lower=1, overwrite_c=1)  # Rᵀ M⁺
            return float(np.einsum("dc,dc->", reached, reached, dtype=np.float64) / n - (1 - ((count / n) ** 2).sum()))
        from_centre = np.sqrt(count)[:, None] * (means - (count / n) @ means)
        within = scatter - from_centre.T @ from_centre
        np.fill_diagonal(within, np.diagonal(within) / 2)  # both are symmetric, of one there is but half
        return float(2 * np.einsum("de,de->", within, inverse) / n)
    return nc1(means, scatter, count)


def _inverse(gram: Array) -> tuple[Array, float]:
    """Lower half of the inverse of a symmetric matrix; the smallest pivot of its factor over the largest, or 0."""
    single = gram.dtype == np.float32
    potrf, potri = (lapack.spotrf, lapack.spotri) if single else (lapack.dpotrf, lapack.dpotri)
    factor, failed = potrf(gram, lower=True)
    pivots = np.diagonal(factor)
    if failed or pivots.min() <= 0:
        return gram, 0.0
    ratio = float(pivots.min() / pivots.max())
    return np.asarray(potri(factor, lower=True, overwrite_c=True)[0]), ratio


def triangular_root(scatter: Float) -> Float:
    """(D, D) lower triangular R of R Rᵀ = ``scatter``, but for 1e-13 of its trace, which makes it definite."""
    ridge = 1e-13 * np.trace(scatter) + np.finfo(float).tiny
    return np.asarray(np.linalg.cholesky(scatter + ridge * np.eye(len(scatter))))


OF_SUMMARY: Mapping[str, Callable[[ClassSummary], Float]] = {
    f.__name__: f for f in (fisher_ratio, eta_squared, omega_squared, calinski_harabasz, davies_bouldin, cdnv)
}
SMALLER_IS_BETTER = frozenset({"davies_bouldin", "cdnv", "nc1"})


@dataclass(frozen=True)
class Separability:
    """The separability family of both splits, with the tables of classes and of the pairs confused most."""

    def __call__(self, splits: Splits) -> Scores:
        scores, classes, pairs = Scores(), [], []
        for split in splits.values():
            of_rows = _with_spreads(split)
            exact = split.moments.summary if split.projected else of_rows
            reasons = _reasons(split, exact)
            _add_moment_measures(scores, split, exact, of_rows, reasons)
            _add_silhouette(scores, split, reasons["silhouette"])
            classes.append(_class_table(split, scores.outcomes.get(f"{split.name}/silhouette")))
            pairs.append(_pair_table(split))
        scores.tables = {
            "class_separability": stacked(classes),
            "confusable_pairs": stacked(pairs),
            "class_shift": _shift_table(splits),
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

    def measured(labels: Array) -> list[float]:
        summary = unlabelled.summary(labels)
        with np.errstate(divide="ignore", invalid="ignore"):  # two means may coincide by chance
            values = [float(measure(summary)) for measure in OF_SUMMARY.values()]
            return [*values, nc1_of_noise(summary.mean, split.scatter, root, summary.count)]

    found = [measured(split.labels), *in_threads(measured, split.permutations)]
    return dict(zip((*OF_SUMMARY, "nc1"), np.array(found).T, strict=True))


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
    n, classes = len(split.labels), len(split.moments.present)
    if n <= classes:
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
    nulls = _nulls(split) if defined else {}
    chance = _chance(split)
    for name, value in values.items():
        key = f"{split.name}/separability/{name}"
        scores.add(key, value, draws=draws.get(name), chance=chance.get(name))
        if name in nulls and name in defined:
            # The null is one of the rows, in float32, and so is what it is compared with.
            scores.add_null(key, float(nulls[name][0]), nulls[name][1:], higher=name not in SMALLER_IS_BETTER)


def _draws(split: Split, values: Mapping[str, float]) -> dict[str, Float]:
    """Bootstrap draws of the measures that have a value, about that value."""
    measures = {name: measure for name, measure in OF_SUMMARY.items() if name in values}
    draws = measured_draws(split.rows, split.row_moments, split.resamples, measures, spread=True)
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
    sample, resamples, _ = _sampled(split, EXACT_MOST)
    found = silhouettes(split.rows[sample], split.labels[sample])
    value = float(found.values.mean())
    draws = recentred(resamples.means(found.influence), value) if resamples.draws else None
    scores.add(key, value, draws=draws)
    if len(split.permutations):
        few, _, permutations = _sampled(split, NULL_MOST)
        scores.add_null(key, *permuted_silhouettes(split.rows[few], permutations))
    if len(sample) < len(split.labels):
        scores.values[f"{key}_images"] = float(len(sample))
    outcomes = np.full(len(split.labels), np.nan)
    outcomes[sample] = found.values
    scores.outcomes[f"{split.name}/silhouette"] = outcomes


def _sampled(split: Split, most: int) -> tuple[Array, Resamples, Permutations]:
    """About so many rows, some of each class, with resamples and permutations of their own."""
    if len(split.labels) <= most:
        return np.arange(len(split.labels)), split.resamples, split.permutations
    context = (*split.resamples.context, f"silhouette {most}")
    sample = some_of_each(split.labels, most, 4, seeded(0, *context))
    labels = split.labels[sample]
    return (
        sample,
        replace(split.resamples, labels=labels, context=context),
        replace(split.permutations, labels=labels, context=context),
    )


def _class_table(split: Split, silhouette: Float | None) -> Table:
    """One line a class: its mean silhouette, and the class it is confused with most."""
    present, matrix = split.moments.present, split.confusability
    partner = [_worst(matrix[c]) for c in present]
    of_class = [np.nan if silhouette is None else _mean_of_known(silhouette[split.labels == c]) for c in present]
    return {
        "split": [split.name] * len(present),
        "class": present.tolist(),
        "name": [split.classes[c] for c in present],
        "images": split.moments.count[present].tolist(),
        "silhouette": of_class,
        "most_confused_with": ["" if p is None else split.classes[p] for p in partner],
        "directional_cdnv": [
            np.nan if p is None else float(matrix[c, p]) for c, p in zip(present, partner, strict=True)
        ],
    }


def _worst(line: Float) -> int | None:
    return int(np.nanargmax(line)) if np.isfinite(line).any() else None


def _mean_of_known(values: Float) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")


def _pair_table(split: Split) -> Table:
    """The pairs confused most, each with the two images that look most alike (positions in the split)."""
    matrix = split.confusability
    lines = []
    for i, j in confused_pairs(matrix, PAIRS_LISTED):
        image_i, image_j, cosine = nearest_between(split.rows, split.labels, i, j)
        lines.append((split.name, split.classes[i], split.classes[j], float(matrix[i, j]), image_i, image_j, cosine))
    return columns(("split", "name_i", "name_j", "directional_cdnv", "image_i", "image_j", "cosine"), lines)


def class_shift(one: ClassMoments, other: ClassMoments) -> Float:
    """(C,) how far each class mean moves between two splits, in units of the class's own spread.

    ‖μ_c − μ'_c‖ / √((σ_c² + σ'_c²)/2), from the squared distance less the scatter s²/n of both estimated means; 0 where
    nothing is left of it, NaN for a class with fewer than two rows in either split, or without spread.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        noise = one.variance / (one.count - 1) + other.variance / (other.count - 1)
        squared = ((one.mean - other.mean) ** 2).sum(1) - noise
        shift = np.sqrt(np.maximum(squared, 0) / ((one.variance + other.variance) / 2))
    return np.where((one.count > 1) & (other.count > 1) & np.isfinite(shift), shift, np.nan)


def _shift_table(splits: Splits) -> Table:
    train, test = splits["train"], splits["test"]
    shift = class_shift(train.moments, test.moments)
    lines = [(c, name, float(value)) for c, (name, value) in enumerate(zip(train.classes, shift, strict=True))]
    return columns(("class", "name", "shift_in_spreads"), lines)
