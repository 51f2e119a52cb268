"""What a family hands back is what it declares: checked where families of others are run.

scores = declared(family(splits), "dead")
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from frostmark.errors import ConfigError
from frostmark.metrics.kinds import SPLITS, base_of, kind_of
from frostmark.metrics.metric import Scores, Undefined, undeclared

_ROUNDING = 1e-6
"""How far beyond its range a value may lie, relative to the end of the range: rows are float32."""


def declared(scores: Scores, family: str) -> Scores:
    """The same ``scores``, whose values, tables, draws and outcomes are what ``family`` declares.

    Raises:
        ConfigError: naming the family and the key, if a value has no kind, is not finite or lies outside its range; if
            the columns of a table differ in length; if draws, chance levels or outcomes are of no metric of the family.
    """
    for check in _CHECKS:
        for problem in check(scores):
            raise ConfigError(f"the metric family {family!r}: {problem.problem}", fix=problem.fix)
    return scores


def _values(scores: Scores) -> Iterator[ConfigError]:
    for key, value in scores.values.items():
        kind = kind_of(key, scores.kinds)
        if kind is None and base_of(key, scores.kinds) is None:
            yield undeclared(key, scores.kinds)
        if isinstance(value, Undefined):
            continue
        if not math.isfinite(value):
            yield ConfigError(f"{key} is {value}", fix=f"scores.add({key!r}, Undefined('why there is no value'))")
        low, high = (-math.inf, math.inf) if kind is None else kind.range
        if value < low - _ROUNDING * max(abs(low), 1) or value > high + _ROUNDING * max(abs(high), 1):
            outside = f"{key} is {value}, outside its range {low} to {high}"
            yield ConfigError(outside, fix="range=(low, high) in its kind")


def _tables(scores: Scores) -> Iterator[ConfigError]:
    for name, table in scores.tables.items():
        lengths = {column: len(cells) for column, cells in table.items()}
        if len(set(lengths.values())) != 1:
            shown = ", ".join(f"{column} {length}" for column, length in lengths.items()) or "no column"
            yield ConfigError(f"the columns of the table {name} differ in length: {shown}", fix="one cell a line")


def _beside(scores: Scores) -> Iterator[ConfigError]:
    for what, keys in (("draws", scores.draws), ("a chance level", scores.chance)):
        for key in keys:
            if key not in scores.values:
                yield ConfigError(f"there are {what} of {key}, which has no value", fix=f"scores.add({key!r}, value)")


def _outcomes(scores: Scores) -> Iterator[ConfigError]:
    known = {kind.pairs for kind in scores.kinds.values()} | {name.rpartition("/")[2] for name in scores.kinds}
    for key in scores.outcomes:
        split, _, name = key.partition("/")
        if split not in SPLITS or name not in known:
            named = ", ".join(sorted(f"<split>/{word}" for word in known if word)) or "none"
            yield ConfigError(f"{key} are outcomes of no metric; there may be {named}", fix=f"pairs={name or key!r}")


_CHECKS: tuple[Callable[[Scores], Iterator[ConfigError]], ...] = (_values, _tables, _beside, _outcomes)
