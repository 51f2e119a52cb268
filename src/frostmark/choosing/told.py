"""A race in words: its sentence, the table of its rounds, and what it cost.

sentence(race), advice(race), spending(race, minutes), rounds_csv(race)
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Sequence

from frostmark.benchmark.costs import compute_of
from frostmark.choosing.entering import Absent, Entrant
from frostmark.choosing.race import Race, Round
from frostmark.names import span, visible

HEAD = ("images", "in the race", "dropped", "best so far", "accuracy")
"""Columns of the table of rounds."""

MAX_NAMED = 6
"""Candidates that a sentence names."""


def sentence(race: Race) -> str:
    """Who is left, of how many, and by what."""
    count, names = len(race.entrants), [entrant.title for entrant in race.left]
    images = len(race.plan.labels)
    if race.stopped:
        seen = f"after {race.rounds[-1].images:,} of {images:,} train images" if race.rounds else "in the first round"
        return (
            f"The budget ended the race {seen}: {len(names)} of {count} candidates are left, {_listed(names)}. "
            "The best candidate is not known."
        )
    seen_images = race.rounds[-1].images
    if len(names) == 1:
        others = count - 1 - len(race.failed)
        worse = "the other one is" if others == 1 else f"the other {others} are"
        return (
            f"{names[0]} is the best of {count} candidates: {worse} significantly worse by {race.plan.decider} on "
            f"{seen_images:,} train images."
        )
    dropped = count - len(names) - len(race.failed)
    rest = f"; the other {dropped} are significantly worse" if dropped > 1 else ""
    rest = "; the other one is significantly worse" if dropped == 1 else rest
    return (
        f"There is no significant difference between the best {len(names)} of {count} candidates by "
        f"{race.plan.decider} on {seen_images:,} train images: {_listed(names)}{rest}."
    )


def advice(race: Race) -> list[str]:
    """What to take of a tie, and which images the accuracies are of."""
    if race.stopped:
        return ["The accuracies of the race are on train images. No test image was forwarded."]
    whose = "The accuracies of the race are on train images; those of the reports are on test images."
    return [*_cheapest(race.left), whose]


def _cheapest(left: Sequence[Entrant]) -> Iterator[str]:
    """Of several, the one that needs the least compute, then the fewest parameters; nothing if all need the same."""
    needs = [compute_of(entrant.samples.subject) for entrant in left]
    if len(set(needs)) < 2:
        return
    gmacs, params = min(needs)
    yield (
        f"Among the candidates without a significant difference on train, {left[needs.index((gmacs, params))].title} "
        f"costs least ({gmacs:,.2f} GMACs, {params / 1e6:,.1f} M parameters)."
    )


def spending(race: Race, minutes: float) -> str:
    """What the race took, and what the full grid would have taken."""
    share = f"{race.needed:,} forward passes ({race.needed / race.full:.1%} of the {race.full:,} of the full grid)"
    train = sum(one.new * len(one.standings) for one in race.rounds)
    stored = train - race.forwarded
    known = f"; the rows of {stored:,} images were already stored" if stored > 0 else ""
    full = race.full_minutes
    grid = "" if full is None else f" The passes of the full grid would have taken about {span(60 * full)}."
    of_race = race.rounds[-1].minutes if race.rounds and not race.stopped else minutes
    rest = "" if race.stopped else f", {span(60 * (minutes - of_race))} for the rest"
    took = f"{span(60 * of_race)} for the race{rest}"
    return f"Cost: {share}{known}; {took}.{grid}"


def lines(rounds: Sequence[Round]) -> list[tuple[str, ...]]:
    """The table of rounds, one line each, under :data:`HEAD`."""
    return [line(one) for one in rounds]


def line(one: Round) -> tuple[str, ...]:
    """One round."""
    best = one.standings[0]
    told = "–" if math.isnan(best.accuracy) else f"{best.accuracy:.1%}"
    dropped = _listed([standing.title for standing in one.dropped]) if one.dropped else "–"
    many = f"{len(one.dropped)}: {dropped}" if len(one.dropped) > 1 else dropped
    return f"{one.images:,}", str(len(one.standings)), many, best.title, told


def notes(race: Race, absent: Sequence[Absent], fetch: str) -> list[str]:
    """Who did not take part, and why."""
    skipped = [f"skipped: {one.title}; missing here: {one.why}" for one in absent]
    failed = [f"failed: {title}; {problem}" for title, problem in race.failed.items()]
    weights = [f"fetch the missing weights where there is a network: {fetch}"] if _unfetched(absent) else []
    extras = [f"install what is missing: {fix}" for fix in dict.fromkeys(one.fix for one in absent if one.fix)]
    return [*skipped, *weights, *extras, *failed]


def _unfetched(absent: Sequence[Absent]) -> bool:
    return any(not one.fix for one in absent)


def rounds_csv(race: Race) -> str:
    """One line per candidate and round: images, candidate, accuracy, whether it dropped out."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("round", "images", "candidate", "accuracy", "dropped", "minutes"))
    for number, one in enumerate(race.rounds, 1):
        dropped = {standing.title for standing in one.dropped}
        for standing in one.standings:
            value = "" if math.isnan(standing.accuracy) else f"{standing.accuracy:.6f}"
            out = int(standing.title in dropped)
            writer.writerow((number, one.images, visible(standing.title), value, out, f"{one.minutes:.3f}"))
    return text.getvalue()


def _listed(names: Sequence[str]) -> str:
    if len(names) == 1:
        return names[0]
    shown = list(names) if len(names) <= MAX_NAMED else [*names[: MAX_NAMED - 1], f"{len(names) - MAX_NAMED + 1} more"]
    return f"{', '.join(shown[:-1])} and {shown[-1]}"
