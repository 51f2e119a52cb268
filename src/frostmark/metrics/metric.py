"""What a metric family is: a call from the rows of both splits to named values and tables.

    @dataclass(frozen=True)
    class Separability:
        def __call__(self, splits: Splits) -> Scores: ...

A family is registered by its YAML in ``conf/metrics``, whose keys are the fields of its class. The numbers themselves
are pure functions beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from frostmark.stats.moments import Array, ClassMoments

CLASSES_AS_SCALARS = 50
"""Up to so many classes every class has a metric of its own; beyond, only a row in the table."""

PAIRS_AS_SCALARS = 10
"""Up to so many classes every pair of classes has a metric of its own."""


@dataclass(frozen=True)
class Undefined:
    """A value that does not exist, and why; never a NaN that travels."""

    reason: str


Value = float | Undefined
Table = dict[str, list[str] | list[int] | list[float]]
"""Columns of equal length."""


@dataclass(frozen=True)
class Split:
    """What a metric sees of one split.

    Attributes:
        rows: (N, d) float32, the features, or a projection of them where they are too wide for memory.
        labels: (N,) int64 in 0 … C − 1.
        moments: of the features (D wide), streamed.
        classes: C names.
    """

    rows: Array
    labels: Array
    moments: ClassMoments
    classes: tuple[str, ...]

    @property
    def row_moments(self) -> ClassMoments:
        """Moments of ``rows``: for what needs both. The streamed ones, unless the rows are projected."""
        if self.rows.shape[1] == self.moments.mean.shape[1]:
            return self.moments
        return ClassMoments.of(self.rows, self.labels, len(self.classes))


Splits = Mapping[str, Split]
"""``train`` and ``test``."""


@dataclass
class Scores:
    """What a family found: ``values`` by metric key, ``tables`` by artifact name without suffix."""

    values: dict[str, Value] = field(default_factory=dict)
    tables: dict[str, Table] = field(default_factory=dict)


class Metric(Protocol):
    """A family of metrics."""

    def __call__(self, splits: Splits) -> Scores: ...


def guarded(compute: Callable[[], float], reasons: Mapping[str, bool]) -> Value:
    """``compute()``, or :class:`Undefined` with the first of ``reasons`` that is true."""
    for reason, applies in reasons.items():
        if applies:
            return Undefined(reason)
    return compute()


def class_key(index: int, name: str) -> str:
    """A class as the last part of a metric key: ``6_Shirt``; the index keeps names distinct that look alike."""
    safe = "".join(c if c.isalnum() or c in "_-. " else "-" for c in name)
    return f"{index}_{safe[:80].strip()}"
