"""What a verdict compares: one layer of each network, in pairs, by the metrics that it rests on.

headline.key, headline.words        # "test/linear/accuracy", "linear accuracy"
pair.told, pair.words               # True, "+2.9 points (95% CI +1.2 to +4.6; p = 0.003)"
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from frostmark.comparison.groups import Group
from frostmark.comparison.paired import INDEPENDENT, Basis
from frostmark.comparison.runs import Run
from frostmark.metrics.deciding import Rule, ranked
from frostmark.metrics.kinds import Kind
from frostmark.stats.paired import Difference

LEVEL = 0.05
"""Chance of any false claim among all pairs of one family."""


@dataclass(frozen=True)
class Headline:
    """A metric that a verdict rests on; the larger the better.

    Attributes:
        name: for which its kind is declared: ``neighbours/knn_accuracy``.
        kind: what it is.
    """

    name: str
    kind: Kind

    @property
    def key(self) -> str:
        """Of the test split."""
        return f"test/{self.name}"

    @property
    def train_key(self) -> str:
        """Of the train split."""
        return f"train/{self.name}"

    @property
    def words(self) -> str:
        """Its name for a person."""
        return self.kind.words

    @property
    def hits(self) -> str | None:
        """The outcomes it is the mean of, if it is one of hits."""
        return None if self.kind.pairs in (None, "draws") else f"test/{self.kind.pairs}"

    @property
    def family(self) -> str:
        """``neighbours``."""
        return self.name.partition("/")[0]


@dataclass(frozen=True)
class Contender:
    """One network, or one layer where only one network was run.

    Attributes:
        name: network and layer.
        run: what stands for it.
        place: 1 for those that cannot be told from the best, 2 for those behind …
        of: number of layers that it was chosen among.
    """

    name: str
    run: Run
    place: int
    of: int


@dataclass(frozen=True)
class PairedDifference:
    """Two contenders by one metric.

    Attributes:
        difference: first less second, with its own p.
        p: adjusted for all pairs of the family; NaN where there is none.
        basis: what p rests on, or why there is none.
    """

    first: str
    second: str
    headline: Headline
    difference: Difference
    p: float
    basis: Basis = INDEPENDENT

    @property
    def told(self) -> bool:
        """Whether the data tell them apart."""
        return self.p <= LEVEL

    @property
    def words(self) -> str:
        """``+2.9 points (95% CI +1.2 to +4.6; p = 0.003)``, without what is not known."""
        d, change = self.difference, self.headline.kind.change
        ends = f"95% CI {change(d.low)} to {change(d.high)}" if np.isfinite(d.low) else ""
        known = "; ".join(part for part in (ends, self.basis.words(self.p)) if part)
        return f"{self.amount} ({known})" if known else self.amount

    @property
    def none(self) -> bool:
        """Whether both are right on the same images: no resample of them differs."""
        d = self.difference
        return d.mean == d.low == d.high == 0

    @property
    def unknown(self) -> bool:
        """Whether nothing in the runs says if they differ: neither hits nor draws."""
        return bool(np.isnan(self.p)) and self.basis.groups is None

    @property
    def turned(self) -> PairedDifference:
        """The second less the first."""
        d = self.difference
        back = Difference(-d.mean, -d.high, -d.low, d.p)
        return PairedDifference(self.second, self.first, self.headline, back, self.p, self.basis)

    @property
    def amount(self) -> str:
        """``+2.9 points``."""
        return self.headline.kind.change(self.difference.mean) + (" points" if self.headline.kind.share else "")


def headlines_of(group: Group, rule: Rule) -> list[Headline]:
    """What the verdict on a group rests on, of what all its runs have: the first decides."""

    def has(name: str) -> bool:
        key = f"test/{name}"
        return group.compares(key) and all(key in run.values for run in group.runs)

    return [Headline(name, kind) for name, kind in ranked(group.kinds, rule, has)]


def best_layers(group: Group, choosing: Headline | None) -> dict[str, int]:
    """Network → position of the run that stands for it.

    Args:
        choosing: by whose value on train, each image predicted without itself; without one the first layer counts.
    """
    of_network: dict[str, list[int]] = {}
    for position, name in enumerate(group.names):
        of_network.setdefault(name, []).append(position)

    def score(position: int) -> float:
        return -np.inf if choosing is None else group.runs[position].values[choosing.train_key]

    return {name: max(those, key=score) for name, those in of_network.items()}


def choosing_of(group: Group, shared: Sequence[Headline]) -> Headline | None:
    """The headline by whose train value layers are chosen: the first that all runs have."""
    return next((h for h in shared if all(h.train_key in run.values for run in group.runs)), None)
