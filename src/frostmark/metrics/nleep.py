"""NLEEP: how well the Gaussians of a mixture, which knows no labels, tell the labels.

    posterior = mixture_posterior(points, components=50, rng=np.random.RandomState(0))
    nleep(posterior, labels)

Li et al., arXiv 2011.11200.
"""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

from frostmark.metrics.spectrum import row_blocks
from frostmark.stats.moments import Float
from frostmark.stats.permutation import class_sums

NLEEP_ENERGY = 0.8
"""Share of the variance in the principal components that NLEEP sees."""

NLEEP_COMPONENTS = 5
"""Gaussians of NLEEP's mixture a class."""

NLEEP_ROWS = 10
"""Rows a Gaussian must have on average: with fewer it fits single images, whose label it then seems to tell."""


def mixture_posterior(points: Float, components: int, rng: np.random.RandomState) -> Float:
    """(N, V) probability of each of V Gaussians given each of ``points`` (N, d).

    scikit-learn's mixture of full covariances, on points of unit variance a dimension on average: what it adds to the
    covariances (1e-6) is then the same for every scale.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    unit = points / np.sqrt(points.var(0).mean())
    with warnings.catch_warnings():
        # Where 100 steps do not settle it, the mixture after 100 steps is the one that is meant.
        warnings.simplefilter("ignore", ConvergenceWarning)
        mixture = GaussianMixture(components, random_state=rng).fit(unit)
    return np.asarray(mixture.predict_proba(unit))


def nleep(posterior: Float, labels: NDArray[np.int64]) -> float:
    """Mean log of the expected empirical prediction: Σ_v P(y|v) P(v|x) at each row's own label. In nats, at most 0.

    Li et al., arXiv 2011.11200, with P(y, v) the mean of P(v|x) over the rows with label y.

    Args:
        posterior: (N, V) P(v|x) of a mixture that knows no labels.
        labels: (N,).
    """
    present, own = np.unique(labels, return_inverse=True)
    joint = class_sums(posterior, own, len(present))
    total = joint.sum(0)
    given = np.divide(joint, total, out=np.zeros_like(joint), where=total > 0)
    parts = row_blocks(*posterior.shape)
    return float(sum(np.log(np.einsum("nv,nv->n", posterior[p], given[own[p]])).sum() for p in parts)) / len(own)


def too_few(rows: int, classes: int) -> bool:
    """Whether the mixture would fit single images."""
    return rows < NLEEP_ROWS * NLEEP_COMPONENTS * classes
