"""Rows become scores: every metric family, one after the other.

measurement = Measurement({"variance": Variance(), "neighbours": Neighbours()}, progress=print)
for scores in measurement.scores(observed.splits):
    ...                                 # of one family, as soon as it is there
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from frostmark.metrics.contract import measured
from frostmark.metrics.cost import COST_KINDS
from frostmark.metrics.metric import Metric, Scores, Splits


@dataclass(frozen=True)
class Measurement:
    """The chosen families.

    Attributes:
        families: name → family, in the order in which they are asked.
        progress: told which family is at work.
    """

    families: Mapping[str, Metric]
    progress: Callable[[str], None]

    def scores(self, splits: Splits) -> Iterator[Scores]:
        """What each family says of ``splits``, and how long it took (``cost/<family>_seconds``).

        Raises:
            ConfigError: if a family hands back what it does not declare, or one that is not ours raises something.
        """
        for name, family in self.families.items():
            self.progress(f"metrics: {name}")
            start = time.perf_counter()
            scores = measured(family, name, splits)
            took = Scores(COST_KINDS)
            took.add(f"cost/{name}_seconds", time.perf_counter() - start)
            scores.take(took)
            yield scores


def joined(parts: Iterable[Scores] = ()) -> Scores:
    """Scores of several families as one; the tables of one name come from one family."""
    whole = Scores({})
    for part in parts:
        whole.take(part)
    return whole
