"""How well labels can be told from the features, as a forecast of what transfer learning would reach.

    scores = Transfer()(splits)
    scores.values["test/transfer/logme"], scores.chance["test/transfer/logme"], scores.values["test/transfer/logme_p"]

A bare value means little: its level moves with N, D and C. So each comes with the values that permuted labels give, its
chance level and its p. For all of them higher is better. There are no bootstrap intervals: resampling duplicates rows,
which lets a linear model tell them by heart and inflates the evidence. The formulas are in
:mod:`~frostmark.metrics.evidence`, :mod:`~frostmark.metrics.h_scores`, :mod:`~frostmark.metrics.gbc` and
:mod:`~frostmark.metrics.nleep`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from frostmark.metrics.evidence import Evidence, mean_evidence
from frostmark.metrics.gbc import GBC_COMPONENTS, gbc, spherical
from frostmark.metrics.h_scores import explained, shrinkage_weights
from frostmark.metrics.kinds import Across, Kind
from frostmark.metrics.metric import ONE_CLASS, Scores, Split, Splits, Undefined, Value
from frostmark.metrics.nleep import NLEEP_COMPONENTS, NLEEP_ENERGY, NLEEP_ROWS, mixture_posterior, nleep, too_few
from frostmark.metrics.spectrum import Spectrum, squared_lengths
from frostmark.stats.moments import Float, squared_distances
from frostmark.stats.permutation import Permutations, class_sums, in_threads
from frostmark.stats.sampling import seeded

EQUAL_ROWS = "all rows are equal"
FLAT_CLASS = "a class has no spread: one image only, or copies of one"

_FLAT = 1e-20
"""A class whose variance is this share of the total has none: rounding of float64 leaves less."""

_higher = partial(Kind, better="higher", across=Across.NETWORKS)
_of_width = partial(_higher, across=Across.EQUAL_WIDTH)

KINDS: Mapping[str, Kind] = {
    "transfer/logme": _higher(
        "LogME", meaning="log evidence per image of a Bayesian linear model of the labels, at its exact maximum"
    ),
    "transfer/h_score": _of_width(
        "H-score",
        range=(0, np.inf),
        meaning="Pillai's trace, at most C − 1; undefined with as few images as features",
    ),
    "transfer/h_score_shrunk": _of_width(
        "H-score, shrunk",
        range=(0, np.inf),
        meaning="Pillai's trace with a Ledoit–Wolf covariance: the one to read, beside its chance level",
    ),
    "transfer/gbc": _of_width(
        "GBC",
        range=(-np.inf, 0),
        meaning="overlap of the classes as spherical Gaussians in 64 principal components; 0 is none",
    ),
    "transfer/nleep": _of_width(
        "NLEEP",
        range=(-np.inf, 0),
        meaning="mean log of the label's probability by the Gaussians of a mixture that knows no labels",
    ),
}


@dataclass(frozen=True)
class Transfer:
    """LogME, H-score, shrunk H-score, GBC and, if asked for, NLEEP of both splits, each with its null.

    Args:
        nleep: whether to fit NLEEP's Gaussian mixture, which takes longer than all the rest.
    """

    kinds: ClassVar[Mapping[str, Kind]] = KINDS

    nleep: bool = False

    def __call__(self, splits: Splits) -> Scores:
        scores = Scores(self.kinds)
        for name, split in splits.items():
            for key, (value, null, chance) in self._found(split).items():
                scores.add(f"{name}/transfer/{key}", value, null=null, chance=chance)
        return scores

    def _found(self, split: Split) -> dict[str, tuple[Value, Float | None, float | None]]:
        """Key → value, null and analytic chance level."""
        names = ("logme", "h_score", "h_score_shrunk", "gbc", *(["nleep"] if self.nleep else []))
        present, own, count = np.unique(split.labels, return_inverse=True, return_counts=True)
        spectrum = Spectrum.of(split.rows, split.scatter) if len(present) > 1 else None
        if spectrum is None or not spectrum.rank:
            return {name: (Undefined(ONE_CLASS if spectrum is None else EQUAL_ROWS), None, None) for name in names}
        unlabelled = _Unlabelled.of(spectrum, split, count, with_mixture=self.nleep)
        observed, refused = unlabelled.observed(own), unlabelled.refused(own)
        null = unlabelled.null(split.permutations, present)
        value = {name: Undefined(refused[name]) if name in refused else observed[name] for name in names}
        return {name: (value[name], null.get(name), unlabelled.chance.get(name)) for name in names}


@dataclass(frozen=True)
class _Unlabelled:
    """What permuting the labels of a split leaves alone.

    Attributes:
        spectrum: of the N rows.
        count: (C,) rows of the classes that have any.
        points: (N, d) principal components for GBC.
        posterior: (N, V) of NLEEP's mixture; None where there is none.
    """

    spectrum: Spectrum
    count: NDArray[np.int64]
    points: Float
    posterior: Float | None

    @classmethod
    def of(cls, spectrum: Spectrum, split: Split, count: NDArray[np.int64], *, with_mixture: bool) -> _Unlabelled:
        posterior = None
        if with_mixture and not too_few(len(split.labels), len(count)):
            rng = np.random.RandomState(seeded(0, *split.permutations.context, "gmm").bit_generator)
            points = spectrum.coordinates(spectrum.energy(NLEEP_ENERGY))
            posterior = mixture_posterior(points, NLEEP_COMPONENTS * len(count), rng)
        return cls(spectrum, count, spectrum.coordinates(GBC_COMPONENTS), posterior)

    @cached_property
    def evidence(self) -> Evidence:
        return Evidence(self.spectrum.values, self.spectrum.rows)

    @cached_property
    def squares(self) -> Float:
        """(N,) squared lengths of ``points``."""
        return squared_lengths(self.points)

    @cached_property
    def shrunk(self) -> Float:
        return shrinkage_weights(self.spectrum)

    @property
    def chance(self) -> dict[str, float]:
        """Expectation over all permutations: each axis explains (C − 1)/(N − 1) of its variance."""
        axis = (len(self.count) - 1) / (self.spectrum.rows - 1)
        return {"h_score": axis * self.spectrum.rank, "h_score_shrunk": axis * float(self.shrunk.sum())}

    def refused(self, labels: NDArray[np.int64]) -> dict[str, str]:
        """Why which values are undefined."""
        n, d = self.spectrum.rows, self.spectrum.width
        variances = spherical(self.points, labels)[1]
        reasons = {
            "h_score": n <= d or self.spectrum.rank >= n - 1,
            "gbc": bool((variances <= self._flat).any()),
            "nleep": too_few(n, len(self.count)),
        }
        words = {
            "h_score": f"{n} rows are too few for {d} features: it is C − 1, or nearly so, for any labels",
            "gbc": FLAT_CLASS,
            "nleep": f"{n} rows are fewer than {NLEEP_ROWS} for each of {NLEEP_COMPONENTS * len(self.count)} Gaussians",
        }
        return {name: words[name] for name, applies in reasons.items() if applies}

    def observed(self, labels: NDArray[np.int64]) -> dict[str, float]:
        """The values of ``labels`` (N,) in 0 … C − 1."""
        means, variances = spherical(self.points, labels)
        return self._values(labels, self.spectrum.targets(labels, len(self.count)), means, variances)

    def null(self, permutations: Permutations, present: NDArray[np.int64]) -> dict[str, Float]:
        """(P,) values under permuted labels."""
        targets = self.spectrum.roughly(len(present), len(permutations))

        def values(shuffled: NDArray[np.int64]) -> dict[str, float]:
            labels = np.searchsorted(present, shuffled).astype(np.int64)
            return self._values(labels, targets(labels), *self._spherical(labels), by_products=True)

        permuted = in_threads(values, permutations)
        return {name: np.array([values[name] for values in permuted]) for name in (permuted[0] if permuted else ())}

    def _values(
        self, labels: NDArray[np.int64], z: Float, means: Float, variances: Float, *, by_products: bool = False
    ) -> dict[str, float]:
        shares = explained(z, self.count)
        values = {
            "logme": mean_evidence(self.evidence, z, self.count),
            "h_score": float(shares.sum()),
            "h_score_shrunk": float(shares @ self.shrunk),
            "gbc": gbc(means, np.maximum(variances, self._flat), squared_distances(means) if by_products else None),
        }
        return values if self.posterior is None else {**values, "nleep": nleep(self.posterior, labels)}

    def _spherical(self, labels: NDArray[np.int64]) -> tuple[Float, Float]:
        """As :func:`spherical`, in one pass, for permuted labels: no class lies far from the centre of all."""
        means = class_sums(self.points, labels, len(self.count)) / self.count[:, None]
        second = np.bincount(labels, self.squares) / self.count
        return means, (second - (means**2).sum(1)) / means.shape[1]

    @property
    def _flat(self) -> float:
        return float(_FLAT * self.squares.mean() / self.points.shape[1])
