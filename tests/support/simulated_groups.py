"""Two networks that are equally good, on images in groups: how often intervals hold the truth and tests err.

hits, other = drawn(World(groups=20, icc=0.3, shared=False), rng)      # (G, 50) each
false_claims(world, QUICK), coverage(world, QUICK)
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import product

import numpy as np

from frostmark.metrics.predictions import wilson
from frostmark.stats.bootstrap import Resamples, interval
from frostmark.stats.grouped import effective_images
from frostmark.stats.paired import mcnemar
from frostmark.stats.sign_flips import balanced_test, hits_test

ACCURACY, SIZE = 0.8, 50


@dataclass(frozen=True)
class World:
    """Images in groups of 50.

    Attributes:
        groups: how many.
        icc: intra-class correlation of the hits: the share of their variance that lies between groups.
        shared: whether a group is as hard for the one network as for the other.
    """

    groups: int
    icc: float
    shared: bool

    def __str__(self) -> str:
        return f"{self.groups} groups, ICC {self.icc}, {'shared' if self.shared else 'own'} effects"


WORLDS = tuple(World(*of) for of in product((20, 50), (0.1, 0.3), (False, True)))


@dataclass(frozen=True)
class Counts:
    """How many data sets are drawn, and resamples of each."""

    sets: int
    draws: int


QUICK, WHOLE = Counts(300, 300), Counts(2000, 1000)


def drawn(world: World, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """(G·50,) hits of both networks. Accuracies of groups are Beta distributed, which gives just this correlation."""
    both = 1 / world.icc - 1
    rates = rng.beta(ACCURACY * both, (1 - ACCURACY) * both, (2, world.groups))
    if world.shared:
        rates[1] = rates[0]
    hits = rng.random((2, world.groups, SIZE)) < rates[..., None]
    return hits[0].ravel(), hits[1].ravel()


def groups_of(world: World) -> np.ndarray:
    return np.repeat(np.arange(world.groups), SIZE)


@cache
def coverage(world: World, counts: Counts, *, by_group: bool = True) -> tuple[float, float]:
    """How often the intervals of an accuracy and of a difference of two hold the truth."""
    groups = groups_of(world)
    held = np.zeros(2)
    for s in range(counts.sets):
        one, other = drawn(world, np.random.default_rng((6, s)))
        labels = np.arange(len(one)) % 2
        resamples = Resamples(labels, counts.draws, ("groups", str(s)), groups if by_group else None)
        of_one, of_other = resamples.means(one), resamples.means(other)
        for i, (draws, truth) in enumerate(((of_one, ACCURACY), (of_one - of_other, 0.0))):
            low, high = interval(draws)
            held[i] += low <= truth <= high
    return float(held[0] / counts.sets), float(held[1] / counts.sets)


@cache
def recall_coverage(groups: int, icc: float, recall: float, sets: int) -> tuple[float, float]:
    """How often intervals of a class's recall hold it, of 3 to 11 images a group: by group, and by image."""
    held, both = np.zeros(2), 1 / icc - 1
    for s in range(sets):
        rng = np.random.default_rng((8, s))
        of = np.repeat(np.arange(groups), rng.integers(3, 12, groups))
        hits = rng.random(len(of)) < rng.beta(recall * both, (1 - recall) * both, groups)[of]
        for i, known in enumerate((effective_images(hits, of), len(of))):
            low, high = wilson(np.array(hits.mean() * known), np.array(known))
            held[i] += low <= recall <= high
    return float(held[0] / sets), float(held[1] / sets)


@dataclass(frozen=True)
class Claims:
    """How often each test claims, at p ≤ 0.05, that two networks differ which do not."""

    by_group: float
    balanced: float
    by_image: float


@cache
def false_claims(world: World, counts: Counts, *, minority: float = 0.2) -> Claims:
    """Of the sign flips of hits and of balanced accuracy over groups, and of McNemar's test over images.

    Args:
        minority: share of the second class; groups hold images of both.
    """
    groups = groups_of(world)
    p = np.zeros((counts.sets, 3))
    for s in range(counts.sets):
        rng = np.random.default_rng((7, s))
        one, other = drawn(world, rng)
        labels = (rng.random(len(one)) < minority).astype(np.int64)
        p[s] = hits_test(one, other, groups), balanced_test(one, other, labels, groups), mcnemar(one, other)
    return Claims(*(p <= 0.05).mean(0).tolist())
