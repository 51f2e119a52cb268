"""Who enters a race: the candidates of a list whose weights are on this machine, or can be fetched.

entrants, absent = enter(read_candidates("base"), ["dataset=digits"], None, progress)
entrants[0].title, absent[0].why
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from frostmark.benchmark.sampled import SharedSource, TrainSamples
from frostmark.benchmark.subject import Given
from frostmark.config.candidates import Candidate, distinct_titles
from frostmark.config.compose import compose
from frostmark.config.words import conf_dir
from frostmark.errors import ConfigError, DataError, MissingExtraError

MAX_HELD = 500_000_000
"""Parameters of all networks that stay in memory between two rounds: 2 GB."""


@dataclass(frozen=True)
class Entrant:
    """A candidate that can be forwarded.

    Attributes:
        title: what a person calls it.
        words: the overrides of its benchmark.
        samples: what it gets right.
    """

    title: str
    words: Sequence[str]
    samples: TrainSamples


@dataclass(frozen=True)
class Absent:
    """A candidate whose weights are not here and cannot be fetched, or whose package is not installed.

    Attributes:
        title: what a person calls it.
        why: what is missing.
        fix: the command that brings it; empty for weights, which ``choose … --fetch`` downloads.
    """

    title: str
    why: str
    fix: str = ""


def enter(
    candidates: Sequence[Candidate], words: Sequence[str], own: Path | None, progress: Callable[[str], None]
) -> tuple[list[Entrant], list[Absent]]:
    """Those that can race, and those that cannot; weights that can be downloaded are.

    Args:
        words: the overrides that all of them share.
        own: a folder of the user's own YAMLs.

    Raises:
        ConfigError: naming the candidate that makes no benchmark.
    """
    entrants: list[Entrant] = []
    absent: list[Absent] = []
    unreachable: set[str] = set()
    given = Given()
    for candidate, title in zip(candidates, distinct_titles(candidates), strict=True):
        progress(f"candidates: {title}")
        mine = [*candidate.words, *words]
        try:
            samples = TrainSamples(compose(conf_dir(), mine, own), given, progress)
            subject = samples.subject
            missing = samples.missing_weights
        except MissingExtraError as problem:
            absent.append(Absent(title, problem.problem, problem.fix))
            continue
        except ConfigError as problem:
            raise ConfigError(f"candidate {title}: {problem.problem}", fix=problem.fix) from problem
        if given.source is None:  # the images are listed once, and read once
            given = Given(source=SharedSource(subject.source, dict(subject.splits)))
        why = _missing(samples, missing, candidate.backbone, unreachable)
        if why:
            absent.append(Absent(title, why))
        else:
            entrants.append(Entrant(title, mine, samples))
        release(entrants)
    return entrants, absent


def _missing(samples: TrainSamples, missing: str, kind: str, unreachable: set[str]) -> str:
    """What a candidate lacks; empty once its weights are here.

    Args:
        unreachable: words of ``backbone=`` whose weights could not be fetched before: they are not asked for again.
    """
    place = kind if kind in ("timm", "open_clip") else "torchvision"
    if not missing or place in unreachable:
        return missing
    try:
        _ = samples.network
    except DataError:
        unreachable.add(place)
        return missing
    return ""


def release(entrants: Sequence[Entrant]) -> None:
    """Let the networks go if all together are too large to be held."""
    if sum(entrant.samples.held for entrant in entrants) > MAX_HELD:
        for entrant in entrants:
            entrant.samples.release()


def refuse_too_few(entrants: Sequence[Entrant], absent: Sequence[Absent], fetch: str) -> None:
    """A race needs two.

    Args:
        fetch: the command that fetches the weights.

    Raises:
        FrostmarkError: with what is missing.
    """
    if len(entrants) > 1:
        return
    here = f"{len(entrants)} of {len(entrants) + len(absent)} candidates can race, and a race needs two"
    if not absent:
        raise ConfigError(here, fix="candidates=<a longer list>")
    raise DataError(f"{here}. Missing for {absent[0].title}: {absent[0].why}", fix=absent[0].fix or fetch)
