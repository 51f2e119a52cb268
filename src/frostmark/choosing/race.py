"""The race: everybody reads a small sample of the train images, who is worse drops out, the sample doubles.

    race = run_race(entrants, plan, Clock(minutes=30), progress)
    race.left, race.rounds[0].dropped, race.spent

The test images stay untouched: they are for the report on those that are left (:mod:`frostmark.stats.racing` has the
rule).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from frostmark.benchmark.sampled import Plan
from frostmark.choosing.entering import Entrant, release
from frostmark.errors import FrostmarkError
from frostmark.stats.racing import LEVEL, Look, behind


@dataclass(frozen=True)
class Clock:
    """The time that may be spent.

    Attributes:
        minutes: None for as long as it takes.
        begun: when it was started.
    """

    minutes: float | None = None
    begun: float = field(default_factory=time.monotonic)

    @property
    def spent(self) -> float:
        """Minutes since the beginning."""
        return (time.monotonic() - self.begun) / 60

    @property
    def over(self) -> bool:
        """Whether the time is up."""
        return self.minutes is not None and self.spent >= self.minutes


@dataclass(frozen=True)
class Standing:
    """A candidate after a round: its title, and its accuracy on the sample, NaN where it has none."""

    title: str
    accuracy: float


@dataclass(frozen=True)
class Round:
    """One round that was finished.

    Attributes:
        images: of the sample.
        new: of them, images that the sample before did not have.
        standings: of all that ran, the best first.
        dropped: those that are significantly worse than another one will be on all images.
        minutes: since the beginning.
    """

    images: int
    new: int
    standings: Sequence[Standing]
    dropped: Sequence[Standing]
    minutes: float


@dataclass(frozen=True)
class Race:
    """A race that is over, or that the clock ended.

    Attributes:
        entrants: all that began.
        plan: of the samples.
        rounds: that were finished.
        left: the candidates that are left, the best first.
        failed: title → what went wrong with a candidate.
        stopped: whether the clock ended it.
    """

    entrants: Sequence[Entrant]
    plan: Plan
    rounds: Sequence[Round]
    left: Sequence[Entrant]
    failed: dict[str, str]
    stopped: bool

    @property
    def needed(self) -> int:
        """Forward passes that the race takes where nothing is stored; of the report, too, unless the clock ended it."""
        of_rounds = sum(one.new * len(one.standings) for one in self.rounds)
        if self.stopped:
            return of_rounds
        seen = self.rounds[-1].images if self.rounds else 0
        return of_rounds + len(self.left) * (len(self.plan.labels) - seen + self.plan.test)

    @property
    def full(self) -> int:
        """Forward passes of the full grid: every candidate, every image of train and test."""
        return len(self.entrants) * (len(self.plan.labels) + self.plan.test)

    @property
    def forwarded(self) -> int:
        """Train images that went through a network, of all candidates together; the others were stored."""
        return sum(entrant.samples.cost.forwarded for entrant in self.entrants)

    @property
    def full_minutes(self) -> float | None:
        """What the passes of the full grid would have taken, by each candidate's speed; None if one is not known."""
        images = len(self.plan.labels) + self.plan.test
        costs = [entrant.samples.cost for entrant in self.entrants]
        if not all(cost.forwarded for cost in costs):
            return None
        return sum(cost.seconds / cost.forwarded * images for cost in costs) / 60


def run_race(
    entrants: Sequence[Entrant],
    plan: Plan,
    clock: Clock,
    progress: Callable[[str], None],
    told: Callable[[Round], None] = lambda _: None,
) -> Race:
    """Race until one is left, all images are used, or the time is up.

    Args:
        told: hears of every round that is finished.

    Raises:
        FrostmarkError: if nobody can be forwarded; what was wrong with the first.
    """
    left, rounds, failed = list(entrants), list[Round](), dict[str, str]()
    looks: dict[str, list[Look | None]] = {entrant.title: [] for entrant in entrants}
    for number, images in enumerate(plan.sizes):
        problems = list[FrostmarkError]()
        for place, entrant in enumerate(left, 1):
            if clock.over:
                return Race(entrants, plan, rounds, _best_first(left, rounds), failed, stopped=True)
            progress(f"race: {images:,} images, candidate {place} of {len(left)}: {entrant.title}")
            try:
                looks[entrant.title].append(_look(entrant, plan, number))
            except FrostmarkError as problem:
                problems.append(problem)
                failed[entrant.title] = problem.problem.splitlines()[0]
            release(entrants)
        left = [entrant for entrant in left if entrant.title not in failed]
        if not left:
            raise problems[0]
        out = _out([looks[entrant.title] for entrant in left], len(plan.sizes) - 1 - number, len(plan.sizes))
        standings = [Standing(entrant.title, _accuracy(looks[entrant.title][-1])) for entrant in left]
        dropped = [standing for standing, drops in zip(standings, out, strict=True) if drops]
        rounds.append(Round(images, len(plan.pieces[number]), _ranked(standings), _ranked(dropped), clock.spent))
        left = [entrant for entrant, drops in zip(left, out, strict=True) if not drops]
        told(rounds[-1])
        if len(left) == 1:
            break
    return Race(entrants, plan, rounds, _best_first(left, rounds), failed, stopped=False)


def _look(entrant: Entrant, plan: Plan, number: int) -> Look | None:
    """One candidate's look (one column) at a sample; None where nothing can be left out."""
    found = entrant.samples.look(plan, number)
    if found is None:
        return None
    hits, halves = found
    return Look.of(hits[:, None], halves[:, None], plan.labels_of(number), plan.groups_of(number))


def _out(looks: Sequence[Sequence[Look | None]], left: int, rounds: int) -> list[bool]:
    """Who drops out, by the looks of each candidate so far; nobody at a look that tells nothing."""
    if any(mine[-1] is None for mine in looks):
        return [False] * len(looks)
    together = []
    for at in zip(*looks, strict=True):
        known = [look for look in at if look is not None]
        if len(known) == len(looks):
            columns = (np.concatenate([look.score for look in known], 1), np.concatenate([k.gain for k in known], 1))
            together.append(Look(*columns, known[0].freedom))
    return [bool(drops) for drops in behind(together, left, LEVEL / rounds)]


def _best_first(left: Sequence[Entrant], rounds: Sequence[Round]) -> list[Entrant]:
    """In the order of the last round that was finished; before there is one, as they are listed."""
    place = {standing.title: n for n, standing in enumerate(rounds[-1].standings)} if rounds else {}
    return sorted(left, key=lambda entrant: place.get(entrant.title, 0))


def _accuracy(look: Look | None) -> float:
    return float("nan") if look is None else float(look.score.sum())


def _ranked(standings: Sequence[Standing]) -> list[Standing]:
    return sorted(standings, key=lambda standing: -np.nan_to_num(standing.accuracy, nan=-1.0))
