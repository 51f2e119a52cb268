"""NLEEP: how well the Gaussians of a mixture, which knows no labels, tell the labels.

    posterior = mixture_posterior(points, components=50, rng=np.random.RandomState(0))
    nleep(posterior, labels)

Li et al., arXiv 2011.11200. One mixture depends on where its fit starts, by as much as networks differ: several are
fitted, and their mean is what counts.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from frostmark.metrics.spectrum import Spectrum, row_blocks
from frostmark.stats.moments import Float
from frostmark.stats.permutation import class_sums, in_threads
from frostmark.stats.sampling import seeded, stratified

NLEEP_ENERGY = 0.8
"""Share of the variance in the principal components that NLEEP sees."""

NLEEP_COMPONENTS = 5
"""Gaussians of NLEEP's mixture a class."""

NLEEP_STARTS = 3
"""Mixtures that are fitted, each from a start of its own."""

NLEEP_IMAGES = 2_000
"""Images that are enough; of more, so many are taken, or as many as the Gaussians need."""

MAX_NLEEP_WORK = 3e9
"""Multiplications of one step of a fit, N · V · d²: more take minutes."""

NLEEP_ROWS = 10
"""Rows a Gaussian must have on average: with fewer it fits single images, whose label it then seems to tell."""


@dataclass(frozen=True)
class Mixtures:
    """Mixtures of the same images, each from a start of its own.

    Attributes:
        images: (n,) positions of the rows that they are fitted to: all, or a sample with the classes in proportion.
        posteriors: of each start (n, V) the probability of each of V Gaussians given each image.
    """

    images: NDArray[np.int64]
    posteriors: tuple[Float, ...]

    @classmethod
    def of(cls, spectrum: Spectrum, labels: NDArray[np.int64], context: tuple[str, ...]) -> Mixtures:
        """Of the rows of ``spectrum`` with ``labels`` (N,); every draw follows from the words of ``context``."""
        classes = len(np.unique(labels))
        images = stratified(labels, nleep_images(classes), seeded(0, *context, "gmm images"))
        points = spectrum.coordinates(spectrum.energy(NLEEP_ENERGY), images)

        def fitted(start: int) -> Float:
            rng = np.random.RandomState(seeded(0, *context, "gmm", str(start)).bit_generator)
            return mixture_posterior(points, NLEEP_COMPONENTS * classes, rng)

        return cls(images, tuple(in_threads(fitted, range(NLEEP_STARTS))))

    def nleep(self, labels: NDArray[np.int64]) -> Float:
        """(starts,) :func:`nleep` of ``labels`` (N,) by every mixture."""
        return np.array([nleep(posterior, labels[self.images]) for posterior in self.posteriors])


def refusal(spectrum: Spectrum, classes: int) -> str:
    """Why there are no mixtures; empty if there are."""
    rows, dimensions = spectrum.rows, spectrum.energy(NLEEP_ENERGY)
    return too_few(rows, classes) or too_much(min(rows, nleep_images(classes)), classes, dimensions)


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
    logs = sum(np.log(np.einsum("nv,nv->n", posterior[p], given[own[p]])).sum() for p in parts)
    return min(float(logs) / len(own), 0.0)  # probabilities of 1 are that but for rounding


def nleep_images(classes: int) -> int:
    """How many images are taken, of as many or more."""
    return max(NLEEP_IMAGES, NLEEP_ROWS * NLEEP_COMPONENTS * classes)


def too_few(rows: int, classes: int) -> str:
    """Why there is no mixture of so few rows, which would fit single images; empty if there is."""
    gaussians = NLEEP_COMPONENTS * classes
    few = rows < NLEEP_ROWS * gaussians
    return f"{rows} rows are fewer than {NLEEP_ROWS} for each of {gaussians} Gaussians" if few else ""


def too_much(rows: int, classes: int, dimensions: int) -> str:
    """Why a mixture is not fitted that would take minutes; empty if it is."""
    gaussians = NLEEP_COMPONENTS * classes
    much = rows * gaussians * dimensions**2 > MAX_NLEEP_WORK
    return f"{gaussians:,} Gaussians of {dimensions} dimensions take too long to fit" if much else ""
