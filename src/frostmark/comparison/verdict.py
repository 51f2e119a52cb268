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

from frostmark.comparison.contenders import (
    Contender,
    Headline,
    PairedDifference,
    best_layers,
    choosing_of,
    headlines_of,
)
from frostmark.comparison.deciding import AS_MADE, Asked, rule_of
from frostmark.comparison.groups import Group
from frostmark.comparison.paired import Basis, difference_of
from frostmark.comparison.runs import Run
from frostmark.comparison.sentence import sentence_of
from frostmark.metrics.deciding import why_other
from frostmark.metrics.kinds import Kind, kind_of, split_of, words_of
from frostmark.metrics.lookup import own_keys
from frostmark.stats.paired import agreement, groups, holm


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
    shared = headlines_of(group, rule)
    if not shared:
        none = "the runs have neither linear accuracy nor k-NN accuracy in common (metrics=[linear,neighbours])"
        return Verdict(f"There is no verdict: {none}.", (), (), {}, None)
    first, *more = shared
    notes += [told for told in [why_other(rule, [(h.name, h.kind) for h in shared])] if told]
    choosing = choosing_of(group, shared)
    chosen = sorted(_chosen(group, choosing), key=lambda choice: -choice[1].values[first.key])
    decisive = _pairs(chosen, [first])
    pairs = (*decisive, *_pairs(chosen, more))
    told = {frozenset((p.first, p.second)) for p in decisive if p.told}
    tied = groups([name for name, _, _ in chosen], lambda one, other: frozenset((one, other)) not in told)
    place = {name: n for n, names in enumerate(tied, 1) for name in names}
    contenders = tuple(Contender(name, run, place[name], of) for name, run, of in chosen)
    sentence = sentence_of(contenders, pairs, shared)
    return Verdict(sentence, contenders, pairs, _agreement(group, first), first, tuple(shared), choosing, tuple(notes))


def _chosen(group: Group, choosing: Headline | None) -> list[tuple[str, Run, int]]:
    """(network and layer, run, number of layers) of what stands for each network; of one network every layer.

    Args:
        choosing: by whose value on train, each image predicted without itself; without one the first layer counts.
    """
    if len(set(group.names)) == 1:
        return [(title, run, 1) for title, run in zip(group.titles, group.runs, strict=True)]
    best = best_layers(group, choosing)
    return [(group.titles[n], group.runs[n], group.names.count(name)) for name, n in best.items()]


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
