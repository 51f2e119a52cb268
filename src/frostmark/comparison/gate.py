"""Whether a network is no worse than another one by more than a margin: the question of a team before it ships.

    gate = gate_of(run, baseline, margin=0.005)
    gate.answer, gate.sentence              # "holds", "mine · stage4 is not worse than …"
    gate.record                             # what a program reads

A difference that is not significant says nothing of this kind: few images can never tell. The test is one-sided, at 5 %
(:mod:`~frostmark.stats.non_inferiority`), of the accuracy that decides, over groups where the images come in groups.
"""

from __future__ import annotations

from dataclasses import dataclass

from frostmark.comparison.contenders import Headline, headlines_of
from frostmark.comparison.deciding import AS_MADE, Asked, rule_of
from frostmark.comparison.groups import comparable, differences
from frostmark.comparison.paired import difference_of
from frostmark.comparison.runs import Run
from frostmark.errors import ConfigError
from frostmark.stats.grouped import count_groups, why_too_few
from frostmark.stats.non_inferiority import NoWorse, class_weights, no_worse
from frostmark.stats.paired import Difference

LEVEL = 0.05
"""Chance of saying "holds" of a network that is worse by the margin, and of "does not" of one that is not."""

HOLDS, FAILS, UNSURE = "holds", "does not hold", "undecided"


@dataclass(frozen=True)
class Gate:
    """The answer.

    Attributes:
        names: of both, the baseline last.
        headline: the accuracy that decides.
        margin: as a share.
        difference: with its 95 % interval.
        found: both one-sided p values; None where the images cannot tell, and ``why``.
        images, groups: of the test split; no groups of independent images.
    """

    names: tuple[str, str]
    headline: Headline
    margin: float
    difference: Difference
    found: NoWorse | None
    why: str
    images: int
    groups: int | None

    @property
    def answer(self) -> str:
        """``holds``, ``does not hold`` or ``undecided``."""
        if self.found is None:
            return UNSURE
        return HOLDS if self.found.holds <= LEVEL else FAILS if self.found.fails <= LEVEL else UNSURE

    @property
    def sentence(self) -> str:
        """The answer for a person."""
        mine, baseline = self.names
        margin, change = f"{100 * self.margin:g} points", self.headline.kind.change
        seen = f"{self.headline.words} {change(self.difference.mean)} points"
        if self.difference.low == self.difference.low:
            seen += f" (95% CI {change(self.difference.low)} to {change(self.difference.high)})"
        said = {
            HOLDS: f"{mine} is not worse than {baseline} by more than {margin}",
            FAILS: f"{mine} is worse than {baseline} by more than {margin}",
            UNSURE: f"Undecided whether {mine} is worse than {baseline} by more than {margin}",
        }[self.answer]
        return f"{said}: {seen}, {self.images:,} test images" + (f"; {self.why}" if self.why else "") + "."

    @property
    def record(self) -> dict[str, object]:
        """The answer for a program: points are hundredths."""
        d, found = self.difference, self.found
        known = d.low == d.low
        return {
            "answer": self.answer,
            "run": self.names[0],
            "baseline": self.names[1],
            "metric": self.headline.key,
            "difference_points": 100 * d.mean,
            "low_points": 100 * d.low if known else None,
            "high_points": 100 * d.high if known else None,
            "margin_points": 100 * self.margin,
            "p_holds": None if found is None else found.holds,
            "p_fails": None if found is None else found.fails,
            "test_images": self.images,
            "test_groups": self.groups,
            "why": self.why or None,
        }


def gate_of(run: Run, baseline: Run, margin: float, asked: Asked = AS_MADE) -> Gate:
    """The answer from the hits of two runs on the same images.

    Args:
        margin: by which the run may be worse, as a share of the images.
        asked: what decides, in place of what the runs were made with.

    Raises:
        ConfigError: if the runs cannot be compared, or have no hits in common.
    """
    unlike = differences(run, baseline)
    if unlike:
        raise ConfigError(
            f"the runs cannot be compared: they differ in {'; '.join(unlike)}", fix="run both on the same images"
        )
    group = comparable([run, baseline])[0]
    if len(group.runs) < 2:
        raise ConfigError("both are runs of the same layer of the same network", fix="name two different runs")
    rule, _ = rule_of(group, asked)
    headline = next((h for h in headlines_of(group, rule) if h.hits in run.outcomes.keys() & baseline.outcomes), None)
    if headline is None or headline.hits is None:
        raise ConfigError("the runs have no accuracy in common", fix="run both with metrics=[linear,neighbours]")
    hits, groups = run.outcomes[headline.hits], run.groups.get("test")
    if headline.kind.balanced and "test" not in run.labels:
        raise ConfigError(f"{run.title} does not contain the labels of its test images", fix="decide.balanced=false")
    weights = class_weights(run.labels["test"]) if headline.kind.balanced else None
    count = None if groups is None else count_groups(groups)
    why = "" if count is None else why_too_few(count)
    found = None if why else no_worse(hits, baseline.outcomes[headline.hits], margin, weights, groups)
    names = group.titles if group.runs[0] is run else group.titles[::-1]
    apart = difference_of(run, baseline, headline)
    return Gate((names[0], names[1]), headline, margin, apart, found, why, len(hits), count)
