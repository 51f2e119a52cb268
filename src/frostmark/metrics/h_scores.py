"""H-scores: what share of the variance along each axis the class means explain.

spectrum = Spectrum.of(rows)
h_score(spectrum, labels)                # Pillai's trace
h_score_shrunk(spectrum, labels)         # the same, the covariance shrunk
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from frostmark.metrics.spectrum import Spectrum, targets_of
from frostmark.stats.moments import Float


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


def shrinkage_weights(spectrum: Spectrum) -> Float:
    """(k,) what each axis counts for after shrinkage: (1 − α) s/((1 − α) s + α s̄), s̄ the mean over all D."""
    alpha = spectrum.shrinkage
    kept = (1 - alpha) * spectrum.values
    return np.asarray(kept / (kept + alpha * spectrum.values.sum() / spectrum.width))
