"""Two runs of the same images by one metric: their difference, its interval, and whether there is one.

    apart = difference_of(one, other, headline)         # Difference(mean, low, high, p)
    Basis.of(one).words(apart.p)                        # "p = 0.003 over 20 groups"
    Basis.of(one).tests                                 # the tests, in words

Hits are compared by McNemar's exact test, hits that count by their class by signs of the discordant images, hits of
images in groups by signs of the groups' differences; whatever has no hits, by the draws that both runs share.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from frostmark.comparison.runs import Run
from frostmark.metrics.kinds import Kind
from frostmark.stats.grouped import count_groups, few_groups, why_too_few
from frostmark.stats.paired import Difference, difference, mcnemar
from frostmark.stats.sign_flips import balanced_test, hits_test

BY_IMAGE = (
    "Accuracies are compared by McNemar's exact test, balanced accuracies by a sign-flip test of the images that only "
    "one of two networks classifies correctly, other metrics by shared bootstrap resamples. Intervals assume that "
    "images are independent of each other and that the number of images per class is fixed."
)


class ComparedBy(Protocol):
    """What two runs are compared by."""

    @property
    def key(self) -> str: ...

    @property
    def hits(self) -> str | None: ...

    @property
    def kind(self) -> Kind: ...


def difference_of(one: Run, other: Run, metric: ComparedBy) -> Difference:
    """The difference of two runs, on the same images; NaN for ends and p that are not known."""
    key = metric.key
    value = one.values[key] - other.values[key]
    low = high = p = np.nan
    if key in one.draws and key in other.draws and len(one.draws[key]) == len(other.draws[key]):
        by_draws = difference(one.draws[key], other.draws[key])
        low, high, p = by_draws.low, by_draws.high, by_draws.p
    if metric.hits is not None and metric.hits in one.outcomes and metric.hits in other.outcomes:
        p = _p_of_hits(one, other, metric.hits, balanced=metric.kind.balanced)
    return Difference(value, low, high, p)


def _p_of_hits(one: Run, other: Run, name: str, *, balanced: bool) -> float:
    split = name.partition("/")[0]
    hits, of_other, groups = one.outcomes[name], other.outcomes[name], one.groups.get(split)
    if balanced:
        return balanced_test(hits, of_other, one.labels[split], groups) if split in one.labels else np.nan
    return mcnemar(hits, of_other) if groups is None else hits_test(hits, of_other, groups)


@dataclass(frozen=True)
class Basis:
    """What a p of the test images rests on.

    Attributes:
        groups: how many groups the images come in; None if they are taken to be independent.
    """

    groups: int | None = None

    @classmethod
    def of(cls, run: Run) -> Basis:
        """That of runs with the images and groups of ``run``."""
        return cls(count_groups(run.groups["test"]) if "test" in run.groups else None)

    def words(self, p: float) -> str:
        """``p = 0.003``, ``p = 0.003 over 20 groups``, why there is none, or nothing where that is not known."""
        if np.isnan(p):
            return "" if self.groups is None else why_too_few(self.groups)
        shown = "p < 0.001" if p < 0.001 else f"p = {p:.2g}"
        return shown if self.groups is None else f"{shown} over {self.groups:,} groups"

    @property
    def tests(self) -> str:
        """The paired tests, in words."""
        if self.groups is None:
            return BY_IMAGE
        warning = few_groups(self.groups)
        return (
            f"The test images come in {self.groups:,} groups: accuracies are compared by a sign-flip test of the "
            "groups' differences, other metrics by shared bootstrap resamples of whole groups."
            + (f" Note: {warning}." if warning else "")
        )


INDEPENDENT = Basis()
"""Of images that are taken to be independent of each other."""
