"""What one run found, for whoever puts it into words.

findings = Findings(values, undefined, tables, skipped, chance)
findings.ranked[0]                      # ("linear/accuracy", Kind(…)): what decides
with_interval("test/linear/accuracy", findings.values, percent)         # "84.1% (81.7–86.3)"
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from frostmark.metrics.deciding import USUAL, Rule, ranked
from frostmark.metrics.kinds import Kind
from frostmark.metrics.lookup import known_kinds

Columns = Mapping[str, Sequence[Any]]
Line = dict[str, Any]
"""A line of a table: column → cell."""


@dataclass(frozen=True)
class Findings:
    """What a run found.

    Attributes:
        values: metric key → value.
        undefined: metric key → why it has no value.
        tables: artifact name → columns.
        skipped: artifact → why it was not made.
        chance: metric key → what labels that mean nothing would give.
        kinds: what the metrics are; those of this version if not given.
        remarks: what must be said beside the metrics.
        rule: which metric decides.
    """

    values: Mapping[str, float]
    undefined: Mapping[str, str]
    tables: Mapping[str, Columns]
    skipped: Mapping[str, str]
    chance: Mapping[str, float] = field(default_factory=dict)
    kinds: Mapping[str, Kind] | None = None
    remarks: Sequence[str] = ()
    rule: Rule = USUAL

    @property
    def ranked(self) -> list[tuple[str, Kind]]:
        """What a verdict on the run rests on, by declared name: the first decides."""
        kinds = known_kinds() if self.kinds is None else self.kinds
        return ranked(kinds, self.rule, lambda name: f"test/{name}" in self.values)

    def lines(self, table: str, **cells: object) -> Iterator[Line]:
        """The lines of a table in which these columns hold these cells; none of a table that there is not."""
        columns = self.tables.get(table, {})
        lines = (dict(zip(columns, line, strict=True)) for line in zip(*columns.values(), strict=True))
        return (line for line in lines if all(line[column] == cell for column, cell in cells.items()))


def percent(value: float) -> str:
    """A share of one."""
    return f"{value:.1%}"


def interval(key: str, values: Mapping[str, float], shown: Callable[[float], str] = percent) -> str:
    """The 95 % interval of a metric, ``81.7–86.3``; empty if it has none."""
    low, high = values.get(f"{key}_lo"), values.get(f"{key}_hi")
    return "" if low is None or high is None else between(shown(low).rstrip("%"), shown(high).rstrip("%"))


def between(low: str, high: str) -> str:
    """The two ends of an interval, ``81.7–86.3``; ``-0.02 to 0.1`` where a minus sign would stand beside the dash."""
    return f"{low} to {high}" if "-" in low + high else f"{low}–{high}"


def with_interval(key: str, values: Mapping[str, float], shown: Callable[[float], str]) -> str:
    """A value with its interval in parentheses; empty if there is no value."""
    if key not in values:
        return ""
    ends = interval(key, values, shown)
    return shown(values[key]) + (f" ({ends})" if ends else "")
