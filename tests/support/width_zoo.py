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
from threadpoolctl import threadpool_limits

from frostmark.metrics.geometry import Geometry
from frostmark.metrics.kinds import Across, Kind, kind_of, split_of, words_of
from frostmark.metrics.linear import Linear
from frostmark.metrics.lookup import own_keys
from frostmark.metrics.metric import Metric, Scores, make_splits
from frostmark.metrics.neighbours import Neighbours
from frostmark.metrics.separability import Separability
from frostmark.metrics.transfer import Transfer
from support.metric_kit import Kit

Array = np.ndarray[Any, Any]

WIDTHS = (256, 512, 1024, 2048, 4096)
GRADES = tuple(np.geomspace(0.1, 0.7, 8))
"""Variance of the blur, as a share of the latent's. Linear accuracy falls from 88 % to 76 %: networks in
docs/published/knn_and_linear.csv are up to 30 points apart (median of 42 cells)."""

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

CHANGES = {"copies": "every column twice", "40 of noise": "40 columns of noise", "160 of noise": "160 columns of noise"}
"""What the kit does to the width of 40 columns, and what the page calls it."""

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
    with threadpool_limits(1):  # of rows as few as these, threads wait for each other
        for rows, labels in networks(seed, grades):
            splits = make_splits(rows, labels, tuple("abcd"), resamples=0, permutations=0)
            for scores in (FAMILIES[family](splits) for family in families):
                for key, value in _of_test(scores):
                    values.setdefault(key, []).append(value)
    shape = len(grades), len(WIDTHS)
    return {key: np.reshape(of, shape) for key, of in values.items() if len(of) == np.prod(shape)}


def _of_test(scores: Scores) -> Iterator[tuple[str, float]]:
    for key in own_keys(scores.values, scores.kinds):
        if split_of(key) == "test" and isinstance(value := scores.values[key], float):
            yield key, value
    if "test/transfer/h_score_shrunk" in scores.values:
        yield BY_PUBLISHED_SHRINKAGE, _above_chance(scores)


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


def _across(key: str) -> str:
    kind = kind_of(key, KINDS)
    return "–" if kind is None else kind.across.value


def changes() -> dict[str, tuple[float, ...]]:
    """Metric of test → its relative changes by what the kit does to the width, with the classes apart."""
    moved = {key: of for family in FAMILIES.values() for key, of in Kit().measure(family).moved.items()}
    by_test = {key: of for key, of in moved.items() if split_of(key) == "test"}
    pairs = {key: [of[f"{change}, classes apart"] for change in CHANGES] for key, of in by_test.items()}
    return {key: tuple((new - old) / abs(old) for old, new in of) for key, of in pairs.items()}


def table(changed: Mapping[str, Sequence[float]], found: Mapping[str, Following]) -> str:
    """The table of docs/validity.md: a line per score, by how far it follows the width."""
    head = ["score", "compares", *CHANGES.values(), "mean \\|τ\\| with the width", "τ among those that know the same"]
    lines = [f"| {' | '.join(head)} |", "|---|---|" + "--:|" * (len(head) - 2)]
    for key, of in sorted(found.items(), key=lambda item: item[1].strength):
        shares = [_signed(100 * share, ".1f") + " %" for share in changed.get(key, ())] or ["–"] * len(CHANGES)
        cells = [words_of(key, KINDS), _across(key), *shares, f"{of.strength:.2f}", _signed(of.alike, ".2f")]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _signed(value: float, digits: str) -> str:
    text = f"{value:+{digits}}".replace("-", "−")
    return text if text.strip("+−0.") else text[1:]


def main() -> None:
    """Print the table."""
    seeds = []
    for seed in range(SEEDS):
        seeds.append(measured(seed, tuple(FAMILIES)))
        print(f"seed {seed}", file=sys.stderr, flush=True)
    print(table(changes(), following(seeds)))


if __name__ == "__main__":
    main()
