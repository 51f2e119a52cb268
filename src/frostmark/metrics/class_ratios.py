"""What lies between the classes against what lies within them: ratios that no scale and no rotation change.

    summary = moments.summary
    fisher_ratio(summary)              # tr S_B / tr S_W
    eta_squared(summary)               # tr S_B / tr S_T, between 0 and 1

Every measure is one formula of a :class:`~frostmark.stats.moments.ClassSummary`, which holds one data set or many
draws of it: the same function gives the estimate, its interval and its null.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from frostmark.stats.moments import Array, ClassMoments, ClassSummary, Float

_CELLS = 1 << 22
"""Numbers of one block of rows in float64."""


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
    classes, n = summary.count.shape[-1], summary.count.sum(-1)
    within_mean = summary.within / (n - classes)
    total = summary.between + summary.within
    return np.asarray((summary.between - (classes - 1) * within_mean) / (total + within_mean))


def calinski_harabasz(summary: ClassSummary) -> Float:
    """(tr S_B / (C − 1)) / (tr S_W / (N − C)): PERMANOVA's pseudo-F; about 1 by chance.

    Caliński & Harabasz, Communications in Statistics 3 (1974).
    """
    classes, n = summary.count.shape[-1], summary.count.sum(-1)
    return np.asarray(fisher_ratio(summary) * (n - classes) / (classes - 1))


def cdnv(summary: ClassSummary) -> Float:
    """Class-distance-normalised variance: mean over pairs of (σ_i² + σ_j²) / (2‖μ_i − μ_j‖²); smaller is better.

    Galanti et al., arXiv 2112.15121.
    """
    # Each σ_i² comes once with every other class: the sum over pairs is one over classes.
    classes = summary.count.shape[-1]
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
    step = max(_CELLS // max(rows.shape[1], 1), 1)

    def spread(c: int) -> float:
        members = np.flatnonzero(labels == c)
        parts = (members[start : start + step] for start in range(0, len(members), step))
        return float(np.concatenate([np.linalg.norm(rows[part] - moments.mean[c], axis=1) for part in parts]).mean())

    return np.array([spread(c) for c in moments.present])


OF_SUMMARY: Mapping[str, Callable[[ClassSummary], Float]] = {
    f.__name__: f for f in (fisher_ratio, eta_squared, omega_squared, calinski_harabasz, davies_bouldin, cdnv)
}
