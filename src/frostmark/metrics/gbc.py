"""GBC: the overlap of the classes as spherical Gaussians in principal components.

    gbc(*spherical(spectrum.coordinates(GBC_COMPONENTS), labels))

Pándy et al., arXiv 2111.12780.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import pdist, squareform

from frostmark.stats.moments import ClassMoments, Float

GBC_COMPONENTS = 64
"""Principal components that GBC sees, as in its paper."""


def spherical(points: Float, labels: NDArray[np.int64]) -> tuple[Float, Float]:
    """Means (C, d) and variances a dimension (C,), divided by n, of the classes of ``points`` (N, d)."""
    _, own = np.unique(labels, return_inverse=True)
    moments = ClassMoments.of(points, own, int(own.max()) + 1)
    return moments.mean, moments.variance / points.shape[1]


def gbc(means: Float, variances: Float, squared: Float | None = None) -> float:
    """−Σ exp(−D_B(i, j)) over ordered pairs i ≠ j of spherical Gaussians: the overlap of the classes, at most 0.

    Pándy et al., arXiv 2111.12780, on min(64, k) principal components. With σ̄² = (σ_i² + σ_j²)/2 in d dimensions

        D_B = ‖μ_i − μ_j‖²/(8 σ̄²) + d/2 ln(σ̄²/(σ_i σ_j))

    The released code has 1/2 in place of d/2: a variance that is one number is no longer summed over d dimensions.

    Args:
        means: (C, d).
        variances: (C,) σ² a dimension, positive.
        squared: (C, C) squared distances of the means, where they are at hand.
    """
    squared = squareform(pdist(means, "sqeuclidean")) if squared is None else squared
    pooled, root = (variances[:, None] + variances) / 2, np.log(variances) / 2
    distance = squared / (8 * pooled) + means.shape[1] / 2 * (np.log(pooled) - root[:, None] - root)
    np.fill_diagonal(distance, np.inf)
    return -float(np.exp(-distance).sum())
