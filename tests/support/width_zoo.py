"""Networks whose width has nothing to do with what they know: how far each score follows the width.

    PYTHONPATH=src:tests python -m support.width_zoo        # the table of docs/validity.md: 20 seeds of 40 networks

One latent of 64 dimensions holds the classes. A network blurs it, as much as its grade says, puts noise whose total
variance is the same for every width D into D − 64 dimensions more, and turns the whole. There is one network of every
grade at every width. (Noise in all D dimensions would leave less within the 64 the more there are: wide networks would
know more.)
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.fft import dct
from scipy.stats import kendalltau

from frostmark.metrics.geometry import Geometry
from frostmark.metrics.kinds import Across, Kind, kind_of, split_of, words_of
from frostmark.metrics.linear import Linear
from frostmark.metrics.lookup import own_keys
from frostmark.metrics.metric import Metric, Scores, make_splits
from frostmark.metrics.neighbours import Neighbours
from frostmark.metrics.separability import Separability
from frostmark.metrics.transfer import Transfer

Array = np.ndarray[Any, Any]

WIDTHS = (256, 512, 1024, 2048, 4096)
GRADES = tuple(np.geomspace(0.1, 0.7, 8))
"""Variance of the blur, as a share of the latent's. Linear accuracy falls by ten points from the first to the last: a
third of the 30 points that networks are apart in docs/published/knn_and_linear.csv (median of 42 cells)."""

NOISE = 0.5
"""Variance of the noise outside of the latent, as a share of the latent's."""

CLASSES, LATENT, ROWS, SEEDS = 4, 64, 200, 20

FAMILIES: Mapping[str, Metric] = {
    "linear": Linear(),
    "neighbours": Neighbours(),
    "separability": Separability(),
    "transfer": Transfer(),
    "geometry": Geometry(),
}
KINDS: Mapping[str, Kind] = {name: kind for family in FAMILIES.values() for name, kind in family.kinds.items()}

BY_PUBLISHED_SHRINKAGE = "shrunk H-score above chance"
"""(H − chance)/(C − 1 − chance) of the H-score that is shrunk as published, in all D dimensions: not a metric."""


def networks(seed: int, grades: Sequence[float] = GRADES) -> Iterator[tuple[dict[str, Array], dict[str, Array]]]:
    """Rows and labels, split by split, of a network of every grade at every width, of the same images; widths within
    grades."""
    rng = np.random.default_rng((11, seed))
    centres = 0.35 * rng.standard_normal((CLASSES, LATENT))
    labels = {split: np.arange(ROWS) % CLASSES for split in ("train", "test")}
    latent = {split: centres[of] + rng.standard_normal((ROWS, LATENT)) for split, of in labels.items()}
    for blur in grades:
        for width in WIDTHS:
            signs = rng.choice([-1.0, 1.0], (2, width))
            yield {split: _features(of, blur, signs, rng) for split, of in latent.items()}, labels


def _features(latent: Array, blur: float, signs: Array, rng: np.random.Generator) -> Array:
    """(N, D) rows of a network from the latent (N, 64); ``signs`` (2, D) say how it turns."""
    total, (count, width) = float(latent.var(0).sum()), (len(latent), signs.shape[1])
    blurred = latent + np.sqrt(blur * total / LATENT) * rng.standard_normal((count, LATENT))
    others = np.sqrt(NOISE * total / (width - LATENT)) * rng.standard_normal((count, width - LATENT))
    turned = np.hstack([blurred, others])
    for sign in signs:  # an orthogonal map that mixes every feature with all others, in D log D steps
        turned = dct(turned * sign, norm="ortho")
    return turned.astype(np.float32)


def measured(seed: int, families: Sequence[str], grades: Sequence[float] = GRADES) -> dict[str, Array]:
    """Metric of test → (grades, widths) its values; only of metrics that have one for every network."""
    values: dict[str, list[float]] = {}
    for rows, labels in networks(seed, grades):
        splits = make_splits(rows, labels, tuple("abcd"), resamples=0, permutations=0)
        for family in families:
            scores = FAMILIES[family](splits)
            for key in own_keys(scores.values, scores.kinds):
                if split_of(key) == "test" and isinstance(value := scores.values[key], float):
                    values.setdefault(key, []).append(value)
            if family == "transfer":
                values.setdefault(BY_PUBLISHED_SHRINKAGE, []).append(_above_chance(scores))
    shape = len(grades), len(WIDTHS)
    return {key: np.reshape(of, shape) for key, of in values.items() if len(of) == np.prod(shape)}


def _above_chance(scores: Scores) -> float:
    key = "test/transfer/h_score_shrunk"
    score, chance = scores.values[key], scores.chance[key]
    assert isinstance(score, float)
    return (score - chance) / (CLASSES - 1 - chance)


@dataclass(frozen=True)
class Following:
    """How far a score follows the width.

    Attributes:
        strength: mean over the seeds of |τ| with the width, of all networks.
        alike: mean τ with the width among networks of one grade, which know the same.
    """

    strength: float
    alike: float


def following(seeds: Sequence[Mapping[str, Array]]) -> dict[str, Following]:
    """Metric → how far it follows the width, from what each seed's networks gave."""
    return {key: _following([of[key] for of in seeds]) for key in seeds[0]}


def _following(seeds: Sequence[Array]) -> Following:
    strength = [abs(_tau(of.ravel(), np.tile(WIDTHS, len(of)))) for of in seeds]
    alike = [_tau(of_grade, np.array(WIDTHS)) for of in seeds for of_grade in of]
    return Following(float(np.mean(strength)), float(np.mean(alike)))


def _tau(values: Array, widths: Array) -> float:
    return float(kendalltau(values, widths).statistic) if np.ptp(values) else 0.0


def compares_networks(key: str) -> bool:
    """Whether a metric claims to compare any networks."""
    kind = kind_of(key, KINDS)
    return kind is not None and kind.across is Across.NETWORKS


def table(found: Mapping[str, Following]) -> str:
    """The table of docs/validity.md."""
    lines = [
        "| score | mean \\|τ\\| with the width | τ among networks that know the same | compares |",
        "|---|--:|--:|---|",
    ]
    for key, of in sorted(found.items(), key=lambda item: item[1].strength):
        kind = kind_of(key, KINDS)
        across = "–" if kind is None else kind.across.value
        lines.append(f"| {words_of(key, KINDS)} | {of.strength:.2f} | {of.alike:+.2f} | {across} |".replace("-0", "−0"))
    return "\n".join(lines)


def main() -> None:
    """Print the table."""
    seeds = []
    for seed in range(SEEDS):
        seeds.append(measured(seed, tuple(FAMILIES)))
        print(f"seed {seed}", file=sys.stderr, flush=True)
    print(table(following(seeds)))


if __name__ == "__main__":
    main()
