"""What a family hands back is what it declares: checked where families of others are run.

scores = measured(Variance(), "variance", splits)
scores = declared(scores, "variance")
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np

from frostmark.errors import ConfigError, breach, defined_as, foreign
from frostmark.metrics.kinds import SPLITS, Kind, base_of, kind_of
from frostmark.metrics.metric import Metric, Scores, Splits, Undefined, undeclared

_ROUNDING = 1e-6
"""How far beyond its range a value may lie, relative to the end of the range: rows are float32."""


def measured(family: Metric, name: str, splits: Splits) -> Scores:
    """What a family says of ``splits``.

    Args:
        name: what the configuration calls the family.

    Raises:
        ConfigError: if the family's class is not ours and raises something, or hands back something else than the
            scores that it declares.
    """
    group = f"metrics.{name}"
    told = f"{name} ({defined_as(family)})"
    with foreign(family, group, "__call__()"):
        try:
            scores: object = family(splits)
        except ConfigError as problem:  # of Scores.add, which does not know whose scores they are
            raise _of_family(told, problem) from problem
    if not isinstance(scores, Scores):
        gave = f"gave a {type(scores).__name__}"
        raise breach(family, group, gave, "give a frostmark.metrics.metric.Scores")
    for key, outcomes in scores.outcomes.items():
        split = splits.get(key.partition("/")[0])
        if split is not None and len(outcomes) != len(split.labels):
            gave = f"gave {len(outcomes)} outcomes as {key}"
            raise breach(family, group, gave, f"give one per image: {len(split.labels)}")
    return declared(scores, told)


def declared(scores: Scores, family: str) -> Scores:
    """The same ``scores``, whose values, tables, draws and outcomes are what ``family`` declares.

    Raises:
        ConfigError: naming the family and the key, if a value has no kind, is not finite or lies outside its range; if
            the columns of a table differ in length; if draws, chance levels or outcomes are of no metric of the family.
    """
    for check in _CHECKS:
        for problem in check(scores):
            raise _of_family(family, problem)
    return scores


def _of_family(family: str, problem: ConfigError) -> ConfigError:
    return ConfigError(f"the metric family {family}: {problem.problem}", fix=problem.fix)


def _kinds(scores: Scores) -> Iterator[ConfigError]:
    for name, kind in scores.kinds.items():
        if not isinstance(kind, Kind) or name.count("/") != 1:
            yield ConfigError(
                f"kinds has {name!r}: {kind!r}, which is not a <family>/<name> with its Kind",
                fix='kinds = {"family/name": Kind("words for a person", better="higher", across=Across.RUN)}',
            )


def _values(scores: Scores) -> Iterator[ConfigError]:
    for key, value in scores.values.items():
        kind = kind_of(key, scores.kinds)
        if kind is None and base_of(key, scores.kinds) is None:
            yield undeclared(key, scores.kinds)
        if isinstance(value, Undefined):
            continue
        if not isinstance(value, int | float | np.number) or isinstance(value, bool):
            yield ConfigError(f"{key} is a {type(value).__name__}", fix=f"scores.add({key!r}, float(value))")
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


_CHECKS: tuple[Callable[[Scores], Iterator[ConfigError]], ...] = (_kinds, _values, _tables, _beside, _outcomes)
