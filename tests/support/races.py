"""Races of small candidates: what their benchmarks share, and a race that is over without one being forwarded."""

from __future__ import annotations

import numpy as np

from frostmark.benchmark.making import Cost
from frostmark.benchmark.sampled import Plan, TrainSamples
from frostmark.benchmark.subject import Given
from frostmark.choosing.entering import Entrant
from frostmark.choosing.race import Race, Round, Standing
from frostmark.config.compose import compose
from frostmark.config.words import conf_dir
from frostmark.metrics.deciding import Rule
from support.runs import TINY

WORDS = [
    *(word for word in TINY if not word.startswith("backbone")), "dataset.train=300", "metrics=[linear]",
    "tracking=none", "dataset.separation=40",
]  # fmt: skip


def made(titles: list[str], left: list[str], *, stopped: bool = False) -> Race:
    """A race of one round over 100 of 400 images, in which whoever is not left dropped out."""
    config = compose(conf_dir(), WORDS)
    entrants = [Entrant(title, [], TrainSamples(config, Given(), lambda _: None)) for title in titles]
    for one in entrants:
        one.samples.cost = Cost(forwarded=100, seconds=6.0)
    labels = np.zeros(400, np.int64)
    plan = Plan([np.arange(100), np.arange(100, 400)], labels, None, 50, 2, Rule(balanced=True), 0)
    standings = [Standing(title, 0.9 - n / 10) for n, title in enumerate(titles)]
    dropped = [standing for standing in standings if standing.title not in left]
    rounds = [Round(100, 100, standings, dropped, 2.5)]
    return Race(entrants, plan, rounds, [e for e in entrants if e.title in left], {}, stopped)
