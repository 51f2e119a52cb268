"""H-scores: what share of the variance along each axis the class means explain.

spectrum = Spectrum.of(rows)
h_score(spectrum, labels)                # Pillai's trace
h_score_shrunk(spectrum, labels)         # the same, the covariance shrunk
above_chance(2.1, chance=1.3, classes=4) # what of it lies above chance: 0.47 of what could
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from frostmark.metrics.spectrum import Spectrum, row_blocks, targets_of
from frostmark.stats.moments import Float

_Scores = TypeVar("_Scores", float, Float)


def h_score(spectrum: Spectrum, labels: NDArray[np.int64]) -> float:
    """tr(cov(x)⁺ cov(E[x|y])), Pillai's trace: at most C − 1, by chance (C − 1) k/(N − 1), exactly.

    Bao et al., ICIP 2019. The pseudo-inverse leaves out the axes that :class:`Spectrum` does. With as many axes as
    centred rows can have (k = N − 1) it is C − 1 for *any* labels, and says nothing.
    """
    z, count = targets_of(spectrum, labels)
    return float(explained(z, count).sum())


def h_score_shrunk(spectrum: Spectrum, labels: NDArray[np.int64]) -> float:
    """tr(cov_α(x)⁻¹ (1 − α) cov(E[x|y])) with Ledoit–Wolf's cov_α = (1 − α) cov(x) + α tr(cov(x))/D · 1; at most C − 1.

    Ibrahim et al., arXiv 2110.06893. The factor 1 − α is theirs and is kept: then the between-class part is never more
    than (1 − α) cov(x) ≤ cov_α(x), which bounds the value by C − 1 and makes it 0 at α = 1. The code in circulation
    divides cov_α by N and the other by N − 1; here N divides both. Where D ≫ N it too comes close to C − 1 for
    any labels (0.92 of 1 for noise at N = 20, D = 2000): read it against its chance level.
    """
    z, count = targets_of(spectrum, labels)
    return float(explained(z, count) @ shrinkage_weights(spectrum))


def explained(z: Float, count: NDArray[np.int64]) -> Float:
    """(k,) share of the variance along each axis that the class means explain."""
    return np.asarray((1 / count) @ z**2)


def shrinkage_weights(spectrum: Spectrum, dimensions: int | None = None) -> Float:
    """(k,) what each axis counts for after shrinkage: (1 − α) s/((1 − α) s + α s̄), s̄ the mean over all dimensions.

    Args:
        dimensions: D, if not given; or k, those that the rows span: then neither copies of columns nor columns of zeros
            change anything.
    """
    d = spectrum.width if dimensions is None else dimensions
    alpha = spectrum.shrinkage(d)
    kept = (1 - alpha) * spectrum.values
    return np.asarray(kept / (kept + alpha * spectrum.values.sum() / d))


def above_chance(score: _Scores, chance: float, classes: int) -> _Scores:
    """What of an H-score lies above its chance level, as a share of what could: (H − chance)/(C − 1 − chance).

    An H-score rises with the number of features whatever they hold, and so does its chance level.
    """
    return (score - chance) / (classes - 1 - chance)


def influence(spectrum: Spectrum, labels: NDArray[np.int64], weights: Float) -> Float:
    """(N,) what each image adds to H = Σ_k w_k e_k, where e is the variance :func:`explained`.

    Resampled images change H by the mean of what they add, less that of all. It is the derivative of N · H by the
    weight of an image, Ledoit and Wolf's α held fixed. With c the class of i, and with g_c(i) = N Σ_k u_ik w_k z_ck/n_c
    the fit of class c to image i,

        2 g_c(i) − N Σ_k w_k z_ck²/n_c² − Σ_b (n_b/N) g_b(i)² − ‖x_i‖² N Σ_k w_k (1 − w_k) e_k / Σ_k s_k

    Its distance from the mean of its class is divided by 1 − Σ_k w_k/N, because an image draws the fit towards itself.
    Rows that are drawn twice would be their own twins, which a linear fit knows by heart.

    Args:
        labels: (N,) in 0 … C − 1, every class with rows.
        weights: (k,) w of the axes.
    """
    z, count = targets_of(spectrum, labels)
    n = spectrum.rows
    fits = (n * weights * z / count[:, None]).T  # (k, C)
    of_class = n * (z**2 @ weights) / count**2
    shrunk = n * float(explained(z, count) @ (weights * (1 - weights))) / spectrum.values.sum()
    # The source of the spectrum is X, or U.
    axes, ones = spectrum.axes, np.ones(len(spectrum.centre))
    turn, lengths = (fits, spectrum.values) if axes is None else (axes @ fits, ones)
    added = np.empty(n)
    for part in row_blocks(n, spectrum.width):
        x, own = spectrum.source[part] - spectrum.centre, labels[part]
        fitted = x @ turn
        added[part] = 2 * fitted[np.arange(len(own)), own] - of_class[own] - fitted**2 @ (count / n)
        added[part] -= shrunk * (x**2 @ lengths)
    mean = (np.bincount(labels, added) / count)[labels]
    return np.asarray(mean + (added - mean) / (1 - weights.sum() / n))
