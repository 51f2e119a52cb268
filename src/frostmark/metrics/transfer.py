"""How well labels can be told from the features, as a forecast of what transfer learning would reach.

    scores = Transfer()(splits)
    scores.values["test/transfer/logme"], scores.chance["test/transfer/logme"], scores.values["test/transfer/logme_p"]

A bare value means little: its level moves with N, D and C. So each comes with the values that permuted labels give, its
chance level and its p. For all of them higher is better. Rows are not resampled for intervals: a linear model tells
duplicates by heart, which inflates the evidence. The H-score above chance has an interval all the same, from the
influence of every row; NLEEP has the spread of its starts. The formulas are in
:mod:`~frostmark.metrics.evidence`, :mod:`~frostmark.metrics.h_scores`, :mod:`~frostmark.metrics.gbc` and
:mod:`~frostmark.metrics.nleep`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from importlib.metadata import version
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from frostmark.metrics.evidence import Evidence, mean_evidence
from frostmark.metrics.gbc import GBC_COMPONENTS, gbc, spherical
from frostmark.metrics.graphs import Arrays
from frostmark.metrics.h_scores import above_chance, explained, influence, shrinkage_weights
from frostmark.metrics.kept import kept_draws
from frostmark.metrics.kinds import Across, Kind
from frostmark.metrics.metric import ONE_CLASS, Scores, Split, Splits, Undefined
from frostmark.metrics.nleep import Mixtures, refusal
from frostmark.metrics.spectrum import Spectrum, squared_lengths
from frostmark.stats.bootstrap import Resamples
from frostmark.stats.moments import Array, Float, squared_distances
from frostmark.stats.permutation import Permutations, class_sums, in_threads

SCHEMA = "transfer1"
"""Names the way values and nulls are made; those that were kept under another name are made anew."""

EQUAL_ROWS = "all rows are equal"
NO_LEVEL = "the chance level of images in groups needs permuted labels: uncertainty.permutations is 0"
ROUND = "the rows vary equally in all directions, like pure noise: shrinking leaves nothing of the H-score"
BOUND_BY_CHANCE = "the H-score is C − 1, or nearly so, for any labels"
FLAT_CLASS = "a class has no spread: one image only, or copies of one"

_FLAT = 1e-20
"""A class whose variance is this share of the total has none: rounding of float64 leaves less."""

_EXCESS, _SPANNED = "h_score_excess", "h_score_spanned"
"""The H-score above chance, and the one that it is of: shrunk within the space that the rows span."""

_NO_ROOM = 1e-6
"""Share of the H-score's range above its chance level that is none."""

MIN_ROWS_PER_AXIS = 1.5
"""With fewer rows for each axis the interval of the H-score above chance would not hold what it should."""

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
        meaning="Pillai's trace with a Ledoit–Wolf covariance; it rises with the width, and so does its chance level",
    ),
    "transfer/h_score_excess": _higher(
        "H-score above chance",
        range=(-np.inf, 1),
        pairs="draws",
        meaning="(H − chance)/(C − 1 − chance), H shrunk within the space that the rows span: the H-score to read",
    ),
    "transfer/gbc": _of_width(
        "GBC",
        range=(-np.inf, 0),
        meaning="overlap of the classes as spherical Gaussians in 64 principal components; 0 means no overlap",
    ),
    "transfer/nleep": _higher(
        "NLEEP",
        range=(-np.inf, 0),
        meaning="mean log of the label's probability by a mixture of Gaussians that is fitted without labels; mean of "
        "3 starts (± their standard deviation)",
    ),
}


@dataclass(frozen=True)
class Transfer:
    """LogME, the H-scores, GBC and NLEEP of both splits, each with its null.

    Args:
        nleep: whether to fit NLEEP's Gaussian mixtures, which takes longer than all the rest.
    """

    kinds: ClassVar[Mapping[str, Kind]] = KINDS

    nleep: bool = True

    def __call__(self, splits: Splits) -> Scores:
        scores = Scores(self.kinds)
        for split in splits.values():
            self._add(scores, split)
        return scores

    def _add(self, scores: Scores, split: Split) -> None:
        """Take in every value of a split with its null, chance level and draws."""
        names = ("logme", "h_score", "h_score_shrunk", _EXCESS, "gbc", *(["nleep"] if self.nleep else []))
        keys = {name: f"{split.name}/transfer/{name}" for name in names}
        present, own, count = np.unique(split.labels, return_inverse=True, return_counts=True)
        spectrum = _spectrum(split) if len(present) > 1 else None
        if spectrum is None or not spectrum.rank:
            for key in keys.values():
                scores.add(key, Undefined(ONE_CLASS if spectrum is None else EQUAL_ROWS))
            return
        why_no_nleep = refusal(spectrum, len(present)) if self.nleep else "not asked for"
        unlabelled = _Unlabelled(spectrum, count, spectrum.coordinates(GBC_COMPONENTS), why_no_nleep)
        found = _measured(split, unlabelled, own, present)
        null, observed = found["null"], {name: float(of[0]) for name, of in found["observed"].items()}
        # Of whole groups the null alone knows what chance gives.
        chance = unlabelled.chance if split.groups is None else {name: float(of.mean()) for name, of in null.items()}
        level = chance.get(_SPANNED)
        refused, draws = unlabelled.refused(own, level), {}
        if level is not None and _EXCESS not in refused:
            above = partial(above_chance, chance=level, classes=len(present))
            draws = {_EXCESS: above(unlabelled.draws(own, split.resamples, observed[_SPANNED]))}
            observed[_EXCESS], chance[_EXCESS] = above(observed[_SPANNED]), 0.0
            null |= {_EXCESS: above(null[_SPANNED])} if null else {}
        for name, key in keys.items():
            value = Undefined(refused[name]) if name in refused else observed[name]
            scores.add(key, value, draws=draws.get(name), null=null.get(name), chance=chance.get(name))
        if found["starts"]:
            _add_spread(scores, keys["nleep"], found["starts"], len(own))


def _spectrum(split: Split) -> Spectrum:
    """Of the rows; where there are fewer of them than features, nothing D×D is made."""
    rows, width = split.rows.shape
    return Spectrum.of(split.rows, split.scatter if rows >= width else None)


def _measured(
    split: Split, unlabelled: _Unlabelled, labels: NDArray[np.int64], present: NDArray[np.int64]
) -> dict[str, dict[str, Array]]:
    """Values under the labels (``observed``, one each), permuted ones (``null``), and NLEEP's ``starts``: kept."""

    def measured() -> Arrays:
        spectrum, context = unlabelled.spectrum, split.permutations.context
        mixed = unlabelled
        if not unlabelled.why_no_nleep:
            mixed = replace(unlabelled, mixtures=Mixtures.of(spectrum, labels, context))
        observed = {f"observed/{name}": np.array([value]) for name, value in mixed.observed(labels).items()}
        null = {f"null/{name}": of for name, of in mixed.null(split.permutations, present).items()}
        return observed | null | mixed.starts(labels)

    # NLEEP's mixtures are scikit-learn's.
    words = () if unlabelled.why_no_nleep else ("nleep", version("scikit-learn"))
    kept = kept_draws(split, SCHEMA, measured, *words)
    groups: dict[str, dict[str, Array]] = {"observed": {}, "null": {}, "starts": {}}
    for key, of in kept.items():
        kind, _, name = key.partition("/")
        groups[kind][name] = of
    return groups


def _add_spread(scores: Scores, key: str, starts: Arrays, images: int) -> None:
    """How far NLEEP's starts lie apart, and of how many images it is where it is of a sample."""
    scores.add_end(key, "_std", float(starts["nleep"].std(ddof=1)))
    if (sampled := int(starts["images"][0])) < images:
        scores.add_end(key, "_images", sampled)


@dataclass(frozen=True)
class _Unlabelled:
    """What permuting the labels of a split leaves alone.

    Attributes:
        spectrum: of the N rows.
        count: (C,) rows of the classes that have any.
        points: (N, d) principal components for GBC.
        why_no_nleep: why there are no mixtures; empty if there are.
        mixtures: NLEEP's; None without them.
    """

    spectrum: Spectrum
    count: NDArray[np.int64]
    points: Float
    why_no_nleep: str
    mixtures: Mixtures | None = None

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

    @cached_property
    def spanned(self) -> Float:
        return shrinkage_weights(self.spectrum, self.spectrum.rank)

    @property
    def chance(self) -> dict[str, float]:
        """Expectation over all permutations: each axis explains (C − 1)/(N − 1) of its variance."""
        axis = (len(self.count) - 1) / (self.spectrum.rows - 1)
        return {
            "h_score": axis * self.spectrum.rank,
            "h_score_shrunk": axis * float(self.shrunk.sum()),
            _SPANNED: axis * float(self.spanned.sum()),
        }

    def refused(self, labels: NDArray[np.int64], level: float | None) -> dict[str, str]:
        """Why which values are undefined.

        Args:
            level: chance level of the H-score within the span; None where it is not known.
        """
        n, d = self.spectrum.rows, self.spectrum.width
        variances = spherical(self.points, labels)[1]
        reasons = {
            "h_score": n <= d or self.spectrum.rank >= n - 1,
            _EXCESS: self._no_excess(level),
            "gbc": bool((variances <= self._flat).any()),
            "nleep": bool(self.why_no_nleep),
        }
        words = {
            "h_score": f"{n} rows are too few for {d} features: it is C − 1, or nearly so, for any labels",
            _EXCESS: self._no_excess(level),
            "gbc": FLAT_CLASS,
            "nleep": self.why_no_nleep,
        }
        return {name: words[name] for name, applies in reasons.items() if applies}

    def _no_excess(self, level: float | None) -> str:
        """Why nothing is known of the H-score above chance; empty if it is."""
        most = len(self.count) - 1
        if level is None:
            return NO_LEVEL
        if not self.spanned.any():
            return ROUND
        return BOUND_BY_CHANCE if most - level < _NO_ROOM * most else ""

    def observed(self, labels: NDArray[np.int64]) -> dict[str, float]:
        """The values of ``labels`` (N,) in 0 … C − 1."""
        means, variances = spherical(self.points, labels)
        return self._values(labels, self.spectrum.targets(labels, len(self.count)), means, variances)

    def draws(self, labels: NDArray[np.int64], resamples: Resamples, score: float) -> Float:
        """(B,) the H-score within the span, ``score``, of resampled images; none of too few rows."""
        if not resamples.draws or self.spectrum.rows < MIN_ROWS_PER_AXIS * self.spectrum.rank:
            return np.empty(0)
        added = influence(self.spectrum, labels, self.spanned)
        return np.asarray(np.minimum(score + resamples.means(added) - added.mean(), len(self.count) - 1))

    def null(self, permutations: Permutations, present: NDArray[np.int64]) -> dict[str, Float]:
        """(P,) values under permuted labels."""
        targets = self.spectrum.roughly(len(present), len(permutations))

        def values(shuffled: NDArray[np.int64]) -> dict[str, float]:
            labels = np.searchsorted(present, shuffled).astype(np.int64)
            return self._values(labels, targets(labels), *self._spherical(labels), by_products=True)

        permuted = in_threads(values, permutations)
        return {name: np.array([values[name] for values in permuted]) for name in (permuted[0] if permuted else ())}

    def starts(self, labels: NDArray[np.int64]) -> dict[str, Array]:
        """NLEEP of every start, and of how many images; nothing without mixtures."""
        if self.mixtures is None:
            return {}
        return {"starts/nleep": self.mixtures.nleep(labels), "starts/images": np.array([len(self.mixtures.images)])}

    def _values(
        self, labels: NDArray[np.int64], z: Float, means: Float, variances: Float, *, by_products: bool = False
    ) -> dict[str, float]:
        count = np.bincount(labels, minlength=len(self.count))  # orders of whole groups change it
        shares = explained(z, count)
        values = {
            "logme": mean_evidence(self.evidence, z, count),
            "h_score": float(shares.sum()),
            "h_score_shrunk": float(shares @ self.shrunk),
            _SPANNED: float(shares @ self.spanned),
            "gbc": gbc(means, np.maximum(variances, self._flat), squared_distances(means) if by_products else None),
        }
        if self.mixtures is not None:
            values["nleep"] = float(self.mixtures.nleep(labels).mean())
        return values

    def _spherical(self, labels: NDArray[np.int64]) -> tuple[Float, Float]:
        """As :func:`spherical`, in one pass, for permuted labels: no class lies far from the centre of all."""
        count = np.bincount(labels, minlength=len(self.count))
        means = class_sums(self.points, labels, len(count)) / count[:, None]
        second = np.bincount(labels, self.squares) / count
        return means, (second - (means**2).sum(1)) / means.shape[1]

    @property
    def _flat(self) -> float:
        return float(_FLAT * self.squares.mean() / self.points.shape[1])
