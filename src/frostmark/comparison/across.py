"""Networks over many data sets, as a value: which data sets count, what each network has there, and the ranking.

    across = across_of(runs, AS_MADE)
    across.sentence, across.places, across.ranking      # ranking is None with fewer than three data sets

Runs of one data set are those that may be compared (:mod:`~frostmark.comparison.groups`); of each network one layer
stands for it, the best on train, chosen on each data set anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from frostmark.comparison.contenders import Headline, best_layers, choosing_of, headlines_of
from frostmark.comparison.deciding import AS_MADE, Asked, rule_of
from frostmark.comparison.groups import Group, comparable, differences, network_names
from frostmark.comparison.runs import Run
from frostmark.errors import ConfigError
from frostmark.stats.moments import Float
from frostmark.stats.paired import groups
from frostmark.stats.ranks import CALIBRATED_DATA_SETS, MIN_DATA_SETS, Ranking, bradley_terry, over_data_sets
from frostmark.stats.sampling import seeded


@dataclass(frozen=True)
class Stand:
    """What stands for a network on a data set: its layer there, and the run of that layer."""

    layer: str
    run: Run


@dataclass(frozen=True)
class DataSet:
    """One data set.

    Attributes:
        name: for a person; no two have one name.
        decides: the metric that decides there.
        stands: network → its layer.
    """

    name: str
    decides: Headline
    stands: Mapping[str, Stand]

    def score(self, network: str) -> float:
        """The value on test that decides."""
        return self.stands[network].run.values[self.decides.key]

    def draws(self, networks: Sequence[str]) -> Float:
        """(B, K) the same on shared resamples of the images; (0, K) where not all networks have them."""
        key, runs = self.decides.key, [self.stands[network].run for network in networks]
        of = [run.draws.get(key, np.empty(0)) for run in runs]
        return np.stack(of, axis=1) if len({len(d) for d in of}) == 1 else np.empty((0, len(networks)))


@dataclass(frozen=True, eq=False)
class AcrossSets:
    """Networks side by side over data sets.

    Attributes:
        networks: those that are compared, the best first where there is a ranking.
        data_sets: those on which all of them were run; all data sets where there is no ranking.
        ranking: of the networks in their order; None with fewer than three data sets.
        strengths: Bradley and Terry's; empty without a ranking.
        notes: what a reader must know.
    """

    networks: tuple[str, ...]
    data_sets: tuple[DataSet, ...]
    ranking: Ranking | None
    strengths: tuple[float, ...]
    notes: tuple[str, ...] = field(default=())

    @property
    def title(self) -> str:
        """``8 networks over 12 data sets``."""
        return f"{len(self.networks)} networks over {len(self.data_sets)} data sets"

    @cached_property
    def words(self) -> str:
        """What the scores are, for a person."""
        return " or ".join(dict.fromkeys(of.decides.words for of in self.data_sets))

    @property
    def in_percent(self) -> bool:
        """Whether the scores are read in percent."""
        return self.data_sets[0].decides.kind.share

    def shown(self, value: float) -> str:
        """A score as it is printed."""
        return self.data_sets[0].decides.kind.shown(value)

    @cached_property
    def places(self) -> dict[str, int]:
        """Network → its place: 1 for those without a significant difference from the best, 2 for those behind …"""
        if self.ranking is None:
            return {}
        rank, critical = dict(zip(self.networks, self.ranking.mean_rank, strict=True)), self.ranking.critical
        tied = groups(self.networks, lambda one, other: abs(rank[one] - rank[other]) <= critical)
        return {name: place for place, names in enumerate(tied, 1) for name in names}

    @property
    def sentence(self) -> str:
        """The answer."""
        if self.ranking is None:
            complete = sum(all(n in of.stands for n in self.networks) for of in self.data_sets)
            sets = "1 data set" if complete == 1 else f"{complete} data sets"
            all_of = f"all {len(self.networks)} networks were run on {sets}"
            return f"There is no ranking: {all_of}, and a ranking needs {MIN_DATA_SETS}."
        r, first = self.ranking, [name for name, place in self.places.items() if place == 1]
        over = f"over {len(self.data_sets)} data sets"
        best = f"mean rank {r.mean_rank[0]:.2f} of {len(self.networks)}, 95% CI {r.low[0]:.2f}–{r.high[0]:.2f}"
        best += f"; mean {self.words} {self.shown(float(r.mean_score[0]))}"
        if len(first) == 1:
            return f"{self.networks[0]} ranks significantly better than all other networks {over} ({best})."
        others = f"{len(first)} networks" if len(first) > 4 else f"{', '.join(first[:-1])} and {first[-1]}"
        return (
            f"No significant difference between the ranks of {others} {over}; {self.networks[0]} has the best ({best})."
        )


def across_of(runs: Sequence[Run], asked: Asked = AS_MADE) -> AcrossSets:
    """The ranking of the networks that ``runs`` are of, or why there is none.

    Args:
        asked: what decides, in place of what the runs were made with.

    Raises:
        ConfigError: if there are fewer than two networks.
    """
    known, notes = _data_sets(runs, asked)
    networks = list(dict.fromkeys(name for of in known for name in of.stands))
    if len(networks) < 2:
        only = f"{runs[0].title} is of one network and one layer" if networks else "no finished run has an accuracy"
        raise ConfigError(
            f"there is nothing to rank: {only}", fix="name experiments, sweeps or runs of two networks or more"
        )
    kept, complete, dropped = _complete(networks, known)
    if len(complete) < MIN_DATA_SETS or len(kept) < 2:
        missing = [
            f"{of.name} lacks {_some([n for n in networks if n not in of.stands])}"
            for of in known
            if len(of.stands) < len(networks)
        ]
        return AcrossSets(tuple(networks), tuple(known), None, (), (*notes, *missing))
    notes += [*dropped, *_uncertain(kept, complete)]
    return _ranked(kept, complete, notes)


def _ranked(networks: Sequence[str], data_sets: Sequence[DataSet], notes: Sequence[str]) -> AcrossSets:
    prints = sorted(of.stands[networks[0]].run.tags.get("dataset_fingerprint", "") for of in data_sets)
    scores = np.array([[of.score(network) for network in networks] for of in data_sets])
    rough = over_data_sets(scores, [np.empty((0, len(networks)))] * len(data_sets), seeded(0, "order"), 2)
    order = sorted(range(len(networks)), key=lambda k: (rough.mean_rank[k], -rough.mean_score[k], networks[k]))
    named = tuple(networks[k] for k in order)
    ranking = over_data_sets(scores[:, order], [of.draws(named) for of in data_sets], seeded(0, "across", *prints))
    strengths = tuple(float(s) for s in bradley_terry(scores[:, order]))
    return AcrossSets(named, tuple(data_sets), ranking, strengths, tuple(notes))


def _complete(networks: Sequence[str], known: Sequence[DataSet]) -> tuple[list[str], list[DataSet], list[str]]:
    """The networks with data sets enough, the data sets on which all of these were run, and what was left out."""
    kept = [n for n in networks if sum(n in of.stands for of in known) >= MIN_DATA_SETS]
    complete = [of for of in known if all(n in of.stands for n in kept)]
    dropped = [
        f"left out, run on fewer than {MIN_DATA_SETS} data sets: {_some([n for n in networks if n not in kept])}"
    ]
    told = dropped if len(kept) < len(networks) else []
    told += [
        f"left out: {of.name}, on which {_some([n for n in kept if n not in of.stands])} was not run"
        for of in known
        if of not in complete
    ]
    return kept, complete, told


def _uncertain(networks: Sequence[str], data_sets: Sequence[DataSet]) -> list[str]:
    """What must be said of intervals and scores."""
    told = []
    if len(data_sets) < CALIBRATED_DATA_SETS:
        told.append(
            f"{len(data_sets)} data sets are fewer than {CALIBRATED_DATA_SETS}: the intervals of ranks and mean scores "
            "are not calibrated"
        )
    without = [of.name for of in data_sets if not len(of.draws(networks))]
    if without:
        told.append(f"no resamples of the images of {_some(without)}: the bootstrap draws only the data sets there")
    if len({of.decides for of in data_sets}) > 1:
        by: dict[str, list[str]] = {}
        for of in data_sets:
            by.setdefault(of.decides.words, []).append(of.name)
        told.append(
            "the metric that decides differs: " + "; ".join(f"{w} on {_some(names)}" for w, names in by.items())
        )
    return told


def _data_sets(runs: Sequence[Run], asked: Asked) -> tuple[list[DataSet], list[str]]:
    """What the runs are of, and what was left out; of one data set the runs of most networks count."""
    named = dict(zip(map(id, runs), network_names(runs), strict=True))
    alone = len(set(named.values())) == 1
    largest: dict[tuple[str, tuple[str, ...]], Group] = {}
    notes: list[str] = []
    for found in comparable(runs):
        names = found.layers if alone else tuple(named[id(run)] for run in found.runs)
        group = replace(found, names=names)
        first = largest.setdefault((group.dataset, group.runs[0].classes), group)
        if first is not group:
            unlike = "; ".join(differences(first.runs[0], group.runs[0]))
            notes.append(f"left out of {group.dataset}: {_some(list(dict.fromkeys(names)))} ({unlike})")
    several = [name for name, _ in largest]
    data_sets = []
    order = {id(run): n for n, run in enumerate(runs)}
    for (name, _), group in sorted(largest.items(), key=lambda of: min(order[id(run)] for run in of[1].runs)):
        label = f"{name} {group.runs[0].tags.get('dataset_fingerprint', '')[:6]}" if several.count(name) > 1 else name
        of, told = _data_set(label, group, asked)
        data_sets += [of] if of is not None else []
        notes += told
    return data_sets, notes


def _data_set(name: str, group: Group, asked: Asked) -> tuple[DataSet | None, list[str]]:
    rule, told = rule_of(group, asked)
    notes = [f"{name}: {line}" for line in told]
    shared = headlines_of(group, rule)
    if not shared:
        return None, [*notes, f"left out: {name}, whose runs have no accuracy in common"]
    best = best_layers(group, choosing_of(group, shared))
    return DataSet(name, shared[0], {of: Stand(group.layers[n], group.runs[n]) for of, n in best.items()}), notes


def _some(names: Sequence[str]) -> str:
    shown = list(names) if len(names) <= 6 else [*names[:5], f"{len(names) - 5} more"]
    return ", ".join(shown)
