"""Which metric decides between networks, and which stand beside it.

    rule = Rule.of("linear", "auto", train_labels)      # Rule(family="linear", balanced=False)
    ranked(kinds, rule, lambda name: f"test/{name}" in values)      # [("linear/accuracy", …), …]: the first decides
    short_metrics(values, kinds, rule)                  # {"accuracy": 0.81, "accuracy_lo": 0.79, …}

Of k-NN and the linear read-out one decides, the other stands beside it, and balanced accuracy is the third. Where the
classes are unequal, balanced accuracy decides: an accuracy can be high by naming the largest class alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from frostmark.metrics.kinds import Kind
from frostmark.metrics.lookup import headlines

FAMILIES: Mapping[str, str] = {"linear": "linear", "knn": "neighbours"}
"""Word of ``decide=`` → the family whose accuracy decides."""

MAX_EQUAL = 3
"""Times the images of the smallest class that the largest may have before balanced accuracy decides."""


@dataclass(frozen=True)
class Rule:
    """What decides.

    Attributes:
        family: a word of :data:`FAMILIES`.
        balanced: whether balanced accuracy decides, and not accuracy.
    """

    family: str = "linear"
    balanced: bool = False

    @classmethod
    def of(cls, family: str, balanced: bool | str, train_labels: NDArray[np.int64] | None) -> Rule:
        """The rule that the words of ``decide=`` mean on these train labels (N,); None where they are not known."""
        word = str(balanced).lower()
        unequal = train_labels is not None and are_unequal(train_labels)
        return cls(family, unequal if word == "auto" else word == "true")

    def owns(self, name: str) -> bool:
        """Whether a metric, ``linear/accuracy``, is of the family that is asked to decide."""
        return _family(name) == FAMILIES[self.family]


USUAL = Rule()
"""What decides where nothing else is asked for."""


def are_unequal(labels: NDArray[np.int64]) -> bool:
    """Whether the largest class that ``labels`` (N,) hold is over three times the smallest."""
    count = np.bincount(labels)
    return bool(len(labels)) and bool(count.max() > MAX_EQUAL * count[count > 0].min())


def ranked(kinds: Mapping[str, Kind], rule: Rule, has: Callable[[str], bool]) -> list[tuple[str, Kind]]:
    """The metrics of a verdict, by declared name: the one that decides, the other family's, the decider's other one.

    Args:
        has: whether a metric is there; what is not cannot decide.
    """
    there = [(name, kind) for name, kind in headlines(kinds) if has(name)]
    if not there:
        return []
    first, first_kind = min(there, key=lambda p: (not rule.owns(p[0]), p[1].balanced != rule.balanced))

    def place(placed: tuple[str, Kind]) -> tuple[bool, bool]:
        return placed[1].balanced != first_kind.balanced, _family(placed[0]) != _family(first)

    return sorted((p for p in there if not all(place(p))), key=place)


def why_other(rule: Rule, placed: list[tuple[str, Kind]]) -> str:
    """One line where another family decides than was asked for, because that one is not among the metrics."""
    if not placed or rule.owns(placed[0][0]):
        return ""
    family = FAMILIES[rule.family]
    return f"decide={rule.family}, but there is no accuracy of metrics=[{family}]: {placed[0][1].words} decides"


def short_metrics(values: Mapping[str, float], kinds: Mapping[str, Kind], rule: Rule) -> dict[str, float]:
    """What decides under keys that are the same whatever decides, for tables of many runs.

    ``accuracy``, ``accuracy_lo``, ``accuracy_hi`` and ``balanced_accuracy`` of the family that decides, and
    ``images_per_second``; without those that have no value.
    """
    placed = ranked(kinds, rule, lambda name: f"test/{name}" in values)
    keys = {"images_per_second": "cost/images_per_second"}
    for name, kind in placed:
        if _family(name) == _family(placed[0][0]):
            word = "balanced_accuracy" if kind.balanced else "accuracy"
            ends = ("",) if kind.balanced else ("", "_lo", "_hi")
            keys |= {f"{word}{end}": f"test/{name}{end}" for end in ends}
    return {short: values[key] for short, key in keys.items() if key in values}


def _family(name: str) -> str:
    return name.partition("/")[0]
