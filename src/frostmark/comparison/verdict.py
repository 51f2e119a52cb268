"""Which network separates the classes better, by how much, and whether the data can tell.

    verdict = judge(group)
    verdict.sentence                    # "vgg16 · stage4 is better than resnet18 · last_conv: …"
    verdict.contenders, verdict.pairs, verdict.agreement

Of every network one layer stands for it: the best on train, by leave-one-out. What is reported of it comes from the
test images, so that the best of many layers is not flattered. One metric decides
(:mod:`~frostmark.comparison.deciding`), all its pairs together (:mod:`~frostmark.comparison.paired`, Holm over the
pairs); the other accuracies stand beside it, Holm over all that they compare. Metrics that describe the features
(variances, separability) explain no verdict.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from frostmark.comparison.deciding import AS_MADE, Asked, rule_of
from frostmark.comparison.groups import Group
from frostmark.comparison.paired import INDEPENDENT, Basis, difference_of
from frostmark.comparison.runs import Run
from frostmark.metrics.deciding import Rule, ranked, why_other
from frostmark.metrics.kinds import Kind, kind_of, split_of, words_of
from frostmark.metrics.lookup import own_keys
from frostmark.stats.paired import Difference, agreement, groups, holm

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
        """``+2.9 points (95 %: +1.2 to +4.6; p = 0.003)``, without what is not known."""
        d, change = self.difference, self.headline.kind.change
        ends = f"95 %: {change(d.low)} to {change(d.high)}" if np.isfinite(d.low) else ""
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


@dataclass(frozen=True)
class Verdict:
    """What a group of runs says.

    Attributes:
        sentence: the answer.
        contenders: the best first.
        pairs: every two contenders by every headline that all have.
        agreement: words of a metric → Kendall's τ of its order of all runs with that of the first headline.
        decides: the headline that decided; None if the runs have none.
        headlines: what the verdict rests on: the first decides.
        chosen_by: the headline by whose train value the layer of each network is chosen.
        notes: what must be said of how it was decided.
    """

    sentence: str
    contenders: tuple[Contender, ...]
    pairs: tuple[PairedDifference, ...]
    agreement: Mapping[str, float]
    decides: Headline | None
    headlines: tuple[Headline, ...] = ()
    chosen_by: Headline | None = None
    notes: tuple[str, ...] = ()

    def pair(self, one: str, other: str, headline: Headline) -> PairedDifference | None:
        """Two contenders by one metric, if they were compared."""
        wanted = {one, other}
        return next((p for p in self.pairs if {p.first, p.second} == wanted and p.headline == headline), None)


def judge(group: Group, asked: Asked = AS_MADE) -> Verdict:
    """The verdict on runs that may be compared.

    Args:
        asked: what decides, in place of what the runs were made with.
    """
    rule, notes = rule_of(group, asked)
    shared = _headlines(group, rule)
    if not shared:
        none = "the runs have neither linear accuracy nor k-NN accuracy in common (metrics=[linear,neighbours])"
        return Verdict(f"There is no verdict: {none}.", (), (), {}, None)
    first, *more = shared
    notes += [told for told in [why_other(rule, [(h.name, h.kind) for h in shared])] if told]
    choosing = next((h for h in shared if all(h.train_key in run.values for run in group.runs)), None)
    chosen = sorted(_chosen(group, choosing), key=lambda choice: -choice[1].values[first.key])
    decisive = _pairs(chosen, [first])
    pairs = (*decisive, *_pairs(chosen, more))
    told = {frozenset((p.first, p.second)) for p in decisive if p.told}
    tied = groups([name for name, _, _ in chosen], lambda one, other: frozenset((one, other)) not in told)
    place = {name: n for n, names in enumerate(tied, 1) for name in names}
    contenders = tuple(Contender(name, run, place[name], of) for name, run, of in chosen)
    sentence = _sentence(contenders, pairs, shared)
    return Verdict(sentence, contenders, pairs, _agreement(group, first), first, tuple(shared), choosing, tuple(notes))


def _headlines(group: Group, rule: Rule) -> list[Headline]:
    """What the verdict on a group rests on, of what all its runs have: the first decides."""

    def has(name: str) -> bool:
        key = f"test/{name}"
        return group.compares(key) and all(key in run.values for run in group.runs)

    return [Headline(name, kind) for name, kind in ranked(group.kinds, rule, has)]


def _chosen(group: Group, choosing: Headline | None) -> list[tuple[str, Run, int]]:
    """(network and layer, run, number of layers) of what stands for each network; of one network every layer.

    Args:
        choosing: by whose value on train, each image predicted without itself; without one the first layer counts.
    """
    if len(set(group.names)) == 1:
        return [(title, run, 1) for title, run in zip(group.titles, group.runs, strict=True)]
    of_network: dict[str, list[int]] = {}
    for position, name in enumerate(group.names):
        of_network.setdefault(name, []).append(position)

    def score(position: int) -> float:
        return -np.inf if choosing is None else group.runs[position].values[choosing.train_key]

    best = {name: max(those, key=score) for name, those in of_network.items()}
    return [(group.titles[n], group.runs[n], len(of_network[name])) for name, n in best.items()]


def _pairs(chosen: Sequence[tuple[str, Run, int]], by: Sequence[Headline]) -> list[PairedDifference]:
    """All pairs ``by`` all these metrics: one family, adjusted together."""
    compared = [
        (a, b, headline, difference_of(one, other, headline), Basis.of(one))
        for headline in by
        for (a, one, _), (b, other, _) in combinations(chosen, 2)
    ]
    known = [number for number, (*_, apart, _) in enumerate(compared) if np.isfinite(apart.p)]
    adjusted = dict(zip(known, holm([compared[number][3].p for number in known]), strict=True))
    return [
        PairedDifference(a, b, headline, apart, adjusted.get(number, np.nan), basis)
        for number, (a, b, headline, apart, basis) in enumerate(compared)
    ]


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


def _sentence(contenders: Sequence[Contender], pairs: Sequence[PairedDifference], shared: Sequence[Headline]) -> str:
    """The answer; and where the other family names another winner that the data tell apart, that it does."""
    opposed = _opposed(contenders, pairs, shared)
    if opposed is None:
        return f"{_answer(contenders, pairs, shared[0])}."
    others = [p for p in pairs if p is not opposed]
    by, turned = opposed.headline.words, opposed.turned
    return (
        f"{_answer(contenders, others, shared[0])}. By {by}, however, {turned.first} is better than "
        f"{turned.second} by {turned.words}."
    )


def _opposed(
    contenders: Sequence[Contender], pairs: Sequence[PairedDifference], shared: Sequence[Headline]
) -> PairedDifference | None:
    """The best contender less the one that the other family puts first, if by that the data tell them apart."""
    first, best = shared[0], contenders[0]
    for other in shared:
        if other.family != first.family:
            winner = max(contenders, key=lambda c: c.run.values[other.key])
            if winner is not best and (pair := _of(pairs, best.name, winner.name, other)).told:
                return pair
    return None


def _answer(contenders: Sequence[Contender], pairs: Sequence[PairedDifference], first: Headline) -> str:
    best, *others = contenders
    shown_value = first.kind.shown(best.run.values[first.key])
    shown = f"{best.name} ({first.words} {shown_value})"
    if not others:
        return f"{shown} is all there is: nothing to compare it with"
    against = {o.name: _of(pairs, best.name, o.name, first) for o in others}
    level = [o for o in others if not against[o.name].told]
    behind = [o for o in others if against[o.name].told]
    if all(pair.unknown for pair in against.values()):
        ahead = against[others[0].name].amount
        unsure = "the runs hold neither hits nor draws, so that nothing says whether that is more than chance"
        return f"{shown} has the highest value, by {ahead} before {others[0].name}; {unsure}"
    if not level:
        next_one = behind[0]
        lead = f"{shown} is better than {_listed([o.name for o in behind])}"
        several = len(behind) > 1
        ahead = f"than {next_one.name}, the next, " if several else ""
        also = _also(_told(pairs, best.name, next_one.name, first), "than that one " if several else "")
        return f"{lead}: {first.words} higher {ahead}by {against[next_one.name].words}{also}"
    tied = _listed([best.name, *(o.name for o in level)])
    largest = against[level[-1].name]
    if largest.none:
        said = f"{tied} are right and wrong on the same test images: {first.words} {shown_value}"
    else:
        said = f"The data cannot tell {tied} apart: {first.words} of the first is higher by {largest.words}"
        said += " than of the last of them" if len(level) > 1 else ""
    if behind:
        said += f". {_listed([o.name for o in behind])} {'is' if len(behind) == 1 else 'are'} worse than {best.name}"
    elif len(level) == 1:
        said += _but(best.name, _told(pairs, best.name, level[0].name, first))
    return said


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
