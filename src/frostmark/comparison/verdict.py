"""Which network separates the classes better, by how much, and whether the data can tell.

    verdict = judge(group)
    verdict.sentence                    # "vgg16 · stage4 is better than resnet18 · last_conv: …"
    verdict.contenders, verdict.pairs, verdict.agreement

Of every network one layer stands for it: the best on train, by leave-one-out. What is reported of it comes from the
test images, so that the best of many layers is not flattered. The first metric decides, all its pairs together
(McNemar's exact test where there are hits, Holm over the pairs); the others explain, Holm over all that they compare.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from frostmark.comparison.groups import Group
from frostmark.comparison.runs import Run
from frostmark.metrics.kinds import Kind, kind_of, split_of, words_of
from frostmark.metrics.lookup import headlines as placed
from frostmark.metrics.lookup import own_keys
from frostmark.stats.paired import Difference, agreement, difference, groups, holm, mcnemar

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
    def words(self) -> str:
        """Its name for a person."""
        return self.kind.words

    @property
    def hits(self) -> str | None:
        """The outcomes it is the mean of, if it is one of hits."""
        return None if self.kind.pairs in (None, "draws") else f"test/{self.kind.pairs}"


def headlines(group: Group) -> list[Headline]:
    """What the verdict on a group rests on, of what all its runs have: the first decides, the others explain."""
    declared = [Headline(name, kind) for name, kind in placed(group.kinds)]
    return [h for h in declared if group.compares(h.key) and all(h.key in run.values for run in group.runs)]


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
        p: adjusted for all pairs of the family.
    """

    first: str
    second: str
    headline: Headline
    difference: Difference
    p: float

    @property
    def told(self) -> bool:
        """Whether the data tell them apart."""
        return self.p <= LEVEL

    @property
    def words(self) -> str:
        """``+2.9 points (95 %: +1.2 to +4.6; p = 0.003)``."""
        d = self.difference
        ends = f"{self.headline.kind.change(d.low)} to {self.headline.kind.change(d.high)}"
        p = "p < 0.001" if self.p < 0.001 else f"p = {self.p:.2g}"
        return f"{self.amount} (95 %: {ends}; {p})"

    @property
    def amount(self) -> str:
        """``+2.9 points``."""
        return self.headline.kind.change(self.difference.mean) + (" points" if self.headline.kind.share else "")


@dataclass(frozen=True)
class Verdict:
    """What a group of runs says.

    Attributes:
        sentence: the answer.
        contenders: the best first.
        pairs: every two contenders by every headline that all have.
        agreement: words of a metric → Kendall's τ of its order of all runs with that of the first headline.
        decides: the headline that decided; None if the runs have none.
    """

    sentence: str
    contenders: tuple[Contender, ...]
    pairs: tuple[PairedDifference, ...]
    agreement: Mapping[str, float]
    decides: Headline | None

    def pair(self, one: str, other: str, headline: Headline) -> PairedDifference | None:
        """Two contenders by one metric, if they were compared."""
        wanted = {one, other}
        return next((p for p in self.pairs if {p.first, p.second} == wanted and p.headline == headline), None)


def judge(group: Group) -> Verdict:
    """The verdict on runs that may be compared."""
    shared = [h for h in headlines(group) if all(_is_sure(run, h) for run in group.runs)]
    if not shared:
        words = ", ".join(kind.words for _, kind in placed(group.kinds))
        none = f"the runs have none of {words} in common, with their uncertainty"
        return Verdict(f"There is no verdict: {none}.", (), (), {}, None)
    first, *more = shared
    chosen = sorted(_chosen(group), key=lambda choice: -choice[1].values[first.key])
    decisive = _pairs(chosen, [first])
    pairs = (*decisive, *_pairs(chosen, more))
    told = {frozenset((p.first, p.second)) for p in decisive if p.told}
    tied = groups([name for name, _, _ in chosen], lambda one, other: frozenset((one, other)) not in told)
    place = {name: n for n, names in enumerate(tied, 1) for name in names}
    contenders = tuple(Contender(name, run, place[name], of) for name, run, of in chosen)
    return Verdict(_sentence(contenders, pairs, first), contenders, pairs, _agreement(group, first), first)


def _is_sure(run: Run, headline: Headline) -> bool:
    return headline.hits in run.outcomes or headline.key in run.draws


def _chosen(group: Group) -> list[tuple[str, Run, int]]:
    """(network and layer, run, number of layers) of what stands for each network; of one network every layer."""
    if len(set(group.names)) == 1:
        return [(title, run, 1) for title, run in zip(group.titles, group.runs, strict=True)]
    of_network: dict[str, list[int]] = {}
    for position, name in enumerate(group.names):
        of_network.setdefault(name, []).append(position)
    best = {name: max(those, key=lambda n: train_score(group.runs[n])) for name, those in of_network.items()}
    return [(group.titles[n], group.runs[n], len(of_network[name])) for name, n in best.items()]


def train_score(run: Run) -> float:
    """What a layer is chosen by: k-NN accuracy on train, each image left out of its own neighbours."""
    for name, _ in placed(run.kinds):
        score = run.values.get(f"train/{name}")
        if score is not None:
            return score
    return -np.inf


def _pairs(chosen: Sequence[tuple[str, Run, int]], headlines: Sequence[Headline]) -> list[PairedDifference]:
    """All pairs by all ``headlines``: one family, adjusted together."""
    compared = [
        (a, b, headline, _apart(one, other, headline))
        for headline in headlines
        for (a, one, _), (b, other, _) in combinations(chosen, 2)
    ]
    adjusted = holm([apart.p for *_, apart in compared])
    return [PairedDifference(*pair, p) for pair, p in zip(compared, adjusted, strict=True)]


def _apart(one: Run, other: Run, headline: Headline) -> Difference:
    """The difference of two runs, on the same images: p of hits by McNemar, of other metrics by the draws."""
    key, hits = headline.key, headline.hits
    value = one.values[key] - other.values[key]
    apart = Difference(value, np.nan, np.nan, np.nan)
    if key in one.draws and key in other.draws:
        by_draws = difference(one.draws[key], other.draws[key])
        apart = Difference(value, by_draws.low, by_draws.high, by_draws.p)
    if hits is not None and hits in one.outcomes and hits in other.outcomes:
        apart = Difference(value, apart.low, apart.high, mcnemar(one.outcomes[hits], other.outcomes[hits]))
    return apart


def _agreement(group: Group, first: Headline) -> dict[str, float]:
    """How far each other metric of the test split that compares the runs puts them in the same order."""
    of_first = np.array([run.values[first.key] for run in group.runs])
    taus = {}
    for key in own_keys(group.runs[0].values, group.kinds):
        kind = kind_of(key, group.kinds)
        if kind is None or key == first.key or not _orders(group, key, kind):
            continue
        sign = -1 if kind.better == "lower" else 1
        tau = agreement(of_first, np.array([sign * run.values[key] for run in group.runs]))
        if tau is not None:
            taus[words_of(key, group.kinds) + (" (negative)" if sign < 0 else "")] = tau
    return taus


def _orders(group: Group, key: str, kind: Kind) -> bool:
    """Whether a metric of the features puts the runs in an order."""
    telling = split_of(key) == "test" and kind.better != "neither" and not kind.of_map
    return telling and group.compares(key) and all(key in run.values for run in group.runs)


# ---------------------------------------------------------------- words


def _sentence(contenders: Sequence[Contender], pairs: Sequence[PairedDifference], first: Headline) -> str:
    best, *others = contenders
    shown = f"{best.name} ({first.words} {first.kind.shown(best.run.values[first.key])})"
    if not others:
        return f"{shown} is all there is: nothing to compare it with."
    against = {o.name: _of(pairs, best.name, o.name, first) for o in others}
    level = [o for o in others if not against[o.name].told]
    behind = [o for o in others if against[o.name].told]
    if not level:
        next_one = behind[0]
        lead = f"{shown} is better than {_listed([o.name for o in behind])}"
        several = len(behind) > 1
        ahead = f"than {next_one.name}, the next, " if several else ""
        also = _also(_told(pairs, best.name, next_one.name, first), "than that one " if several else "")
        return f"{lead}: {first.words} higher {ahead}by {against[next_one.name].words}{also}."
    tied = _listed([best.name, *(o.name for o in level)])
    largest = against[level[-1].name]
    said = f"The data cannot tell {tied} apart: {first.words} of the first is higher by {largest.words}"
    said += " than of the last of them" if len(level) > 1 else ""
    if behind:
        said += f". {_listed([o.name for o in behind])} {'is' if len(behind) == 1 else 'are'} worse than {best.name}"
    elif len(level) == 1:
        said += _but(best.name, _told(pairs, best.name, level[0].name, first))
    return f"{said}."


def _of(pairs: Sequence[PairedDifference], one: str, other: str, headline: Headline) -> PairedDifference:
    return next(p for p in pairs if (p.first, p.second, p.headline) == (one, other, headline))


def _told(pairs: Sequence[PairedDifference], one: str, other: str, first: Headline) -> tuple[list[str], list[str]]:
    """By what else the first of two is better, and by what it is worse."""
    more = [p for p in pairs if (p.first, p.second) == (one, other) and p.headline != first and p.told]
    words = [(p.difference.mean > 0, f"{p.headline.words} ({p.amount})") for p in more]
    return [said for better, said in words if better], [said for better, said in words if not better]


def _also(told: tuple[list[str], list[str]], than: str) -> str:
    better, worse = told
    said = f"; it is also better {than}by {_listed(better)}" if better else ""
    return said + (f"; but it is worse {than}by {_listed(worse)}" if worse else "")


def _but(name: str, told: tuple[list[str], list[str]]) -> str:
    parts = [f"{what} by {_listed(by)}" for what, by in zip(("better", "worse"), told, strict=True) if by]
    return f"; {name} is {' and '.join(parts)}" if parts else ""


def _listed(names: Sequence[str]) -> str:
    if len(names) < 2:
        return "".join(names)
    shown = list(names) if len(names) <= 6 else [*names[:5], f"{len(names) - 5} more"]
    return f"{', '.join(shown[:-1])} and {shown[-1]}"
