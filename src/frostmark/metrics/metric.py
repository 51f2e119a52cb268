"""What a metric family is: a call from the rows of both splits to named values and tables.

    @dataclass(frozen=True)
    class Separability:
        kinds: ClassVar[Mapping[str, Kind]] = KINDS

        def __call__(self, splits: Splits) -> Scores: ...

A family is registered by its YAML in ``conf/metrics``, whose keys are the fields of its class. The numbers themselves
are pure functions beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from frostmark.errors import ConfigError
from frostmark.metrics.confusability import directional_cdnv
from frostmark.metrics.graphs import USUAL, Arrays, Graphs, Keep, Search, compute_anew
from frostmark.metrics.kinds import DERIVED_ENDS, Kind, kind_of, name_of
from frostmark.stats.bootstrap import Resamples, interval
from frostmark.stats.grouped import Codes
from frostmark.stats.moments import Array, ClassMoments, Float
from frostmark.stats.neighbours import Graph
from frostmark.stats.permutation import Permutations, p_value, z_score
from frostmark.stats.scatter import total_scatter

CLASSES_AS_SCALARS = 50
"""Up to so many classes every class has a metric of its own; beyond, only a row in the table."""

PAIRS_AS_SCALARS = 10
"""Up to so many classes every pair of classes has a metric of its own."""

SHARED_TABLES = frozenset({"class_recall"})
"""Tables to which several families add lines."""

ONE_CLASS = "the split holds one class only"


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
        name: ``train`` or ``test``.
        rows: (N, d) float32, the features, or a projection of them where they are too wide for memory.
        labels: (N,) int64 in 0 … C − 1.
        moments: of the features (D wide), streamed.
        classes: C names.
        nearest: k → the k nearest train rows of every row; a train row is no neighbour of itself.
        own: k → the k nearest other rows of the split itself.
        resamples, permutations: of this split, the same for every backbone and layer.
        kept: ``kept(name, compute)``: arrays that follow from these rows and the train rows; see
            :data:`frostmark.metrics.graphs.Keep`.
        groups: (N,) int64, which images are not independent of each other; None if all are taken to be. One number is
            one group in both splits. Train rows are then no neighbours of rows of their group in ``nearest``.
        asked: (M,) int64, ascending: the rows that ``nearest`` is of, where all of them would take too long; None: all.
    """

    name: str
    rows: Array
    labels: NDArray[np.int64]
    moments: ClassMoments
    classes: tuple[str, ...]
    nearest: Callable[[int], Graph]
    own: Callable[[int], Graph]
    resamples: Resamples
    permutations: Permutations
    kept: Callable[[str, Callable[[], Arrays]], Arrays]
    groups: Codes | None = None
    asked: NDArray[np.int64] | None = None

    @property
    def projected(self) -> bool:
        """Whether ``rows`` are not the features themselves."""
        return bool(self.rows.shape[1] != self.moments.mean.shape[1])

    @cached_property
    def row_moments(self) -> ClassMoments:
        """Moments of ``rows``: for what needs both. The streamed ones, unless the rows are projected."""
        return ClassMoments.of(self.rows, self.labels, len(self.classes)) if self.projected else self.moments

    @cached_property
    def scatter(self) -> Float:
        """(d, d) total scatter of the rows."""
        return total_scatter(self.rows)

    @cached_property
    def confusability(self) -> Float:
        """(C, C) directional CDNV of the rows."""
        return directional_cdnv(self.rows, self.labels, self.row_moments)


Splits = Mapping[str, Split]
"""``train`` and ``test``."""


@dataclass
class Scores:
    """What a family found.

    Attributes:
        kinds: what the family declares; a value is taken in by :meth:`add`, which asks for its kind.
        values: metric key → value.
        tables: artifact name without suffix → columns.
        draws: metric key → (B,) bootstrap draws.
        outcomes: name → (N,) one value an image, in the order of the split.
        chance: metric key → what labels that mean nothing would give.
    """

    kinds: Mapping[str, Kind]
    values: dict[str, Value] = field(default_factory=dict, init=False)
    tables: dict[str, Table] = field(default_factory=dict, kw_only=True)
    draws: dict[str, Float] = field(default_factory=dict, init=False)
    outcomes: dict[str, Array] = field(default_factory=dict, init=False)
    chance: dict[str, float] = field(default_factory=dict, init=False)

    def add(
        self,
        key: str,
        value: Value,
        *,
        draws: Float | None = None,
        null: Float | None = None,
        chance: float | None = None,
    ) -> None:
        """Take in a value with what is known of its uncertainty; of an undefined one nothing is.

        Args:
            draws: (B,) bootstrap draws, which give ``<key>_lo`` and ``<key>_hi``.
            null: (P,) values under permuted labels, which give ``<key>_p``, ``<key>_z`` and, if there is no
                ``chance``, their mean in its place.
            chance: the analytic chance level.

        Raises:
            ConfigError: if the key has no split, or the family declares no kind for it.
        """
        self._kind(key)
        self.values[key] = value if isinstance(value, Undefined) else _plain(value)
        if isinstance(value, Undefined):
            return
        if draws is not None and len(draws):
            self.draws[key] = draws
            self.values[f"{key}_lo"], self.values[f"{key}_hi"] = interval(draws)
        if chance is not None:
            self.chance[key] = float(chance)
        if null is not None:
            self.add_null(key, value, null)

    def add_null(self, key: str, observed: float, null: Float) -> None:
        """Take in what permuted labels give for a metric, ``null`` (P,), beside what the labels gave."""
        if not len(null):
            return
        self.values[f"{key}_p"] = p_value(observed, null, higher=self._kind(key).better != "lower")
        if not np.isfinite(null).all():
            self.values[f"{key}_z"] = Undefined("some permutations make two class means equal")
            return
        z = z_score(observed, null)
        self.values[f"{key}_z"] = Undefined("every permutation gives the same value") if z is None else z
        self.chance.setdefault(key, float(null.mean()))

    def add_end(self, key: str, end: str, value: float) -> None:
        """Take in what says more of a metric that is there: ``add_end(key, "_std", 0.02)``.

        Raises:
            ConfigError: if the metric is not there, or ``end`` is not one of ``DERIVED_ENDS``.
        """
        if key not in self.values or end not in DERIVED_ENDS:
            raise ConfigError(
                f"{key}{end} belongs to a metric that is not there: add {key} first; {end!r} must be one of "
                f"{', '.join(DERIVED_ENDS)}",
                fix=f"scores.add({key!r}, value)",
            )
        self.values[f"{key}{end}"] = _plain(value)

    def take(self, other: Scores) -> None:
        """Take in all of ``other``, with its kinds.

        Raises:
            ConfigError: if two families declare one metric as two kinds, or give one table: neither may take the
                other's place.
        """
        twice = [name for name, kind in other.kinds.items() if self.kinds.get(name, kind) != kind]
        twice += [f"the table {name}" for name in other.tables if name in self.tables and name not in SHARED_TABLES]
        if twice:
            raise ConfigError(
                f"two metric families give {', '.join(twice)}",
                fix="give the metric or table of your family another name",
            )
        self.kinds = {**self.kinds, **other.kinds}
        self.values |= other.values
        for name, table in other.tables.items():
            self.tables[name] = stacked([self.tables[name], table]) if name in self.tables else table
        self.draws |= other.draws
        self.outcomes |= other.outcomes
        self.chance |= other.chance

    def _kind(self, key: str) -> Kind:
        kind = kind_of(key, self.kinds)
        if kind is None:
            raise undeclared(key, self.kinds)
        return kind


def _plain(value: object) -> float:
    """A number of NumPy's as Python's own, which every file and database can hold; anything else as it is."""
    return float(value) if isinstance(value, np.floating | np.integer) else value  # type: ignore[return-value]


def undeclared(key: str, kinds: Mapping[str, Kind]) -> ConfigError:
    """Why a key is not one of a family's: it has no split, or no kind."""
    name = name_of(key)
    if name is None:
        return ConfigError(f"{key} has no split: train/{key} or test/{key}", fix=f"scores.add('test/{key}', value)")
    known = ", ".join(kinds) or "none"
    example = f'kinds = {{"{name}": Kind("words for a person", better="higher", across=Across.RUN)}}'
    return ConfigError(f"{key} has no kind: its family declares {known}", fix=example)


class Metric(Protocol):
    """A family of metrics.

    Attributes:
        kinds: ``<family>/<name>`` → what the metric is.
    """

    kinds: ClassVar[Mapping[str, Kind]]

    def __call__(self, splits: Splits) -> Scores: ...


def guarded(compute: Callable[[], float], reasons: Mapping[str, bool]) -> Value:
    """``compute()``, or :class:`Undefined` with the first of ``reasons`` that is true."""
    for reason, applies in reasons.items():
        if applies:
            return Undefined(reason)
    return float(compute())


def columns(names: tuple[str, ...], lines: Iterable[tuple[Any, ...]]) -> Table:
    """A table from its lines."""
    cells = list(zip(*lines, strict=True)) or [()] * len(names)
    return {name: list(column) for name, column in zip(names, cells, strict=True)}


def stacked(tables: list[Table]) -> Table:
    """Tables of the same columns, one under the other."""
    return {column: [cell for table in tables for cell in table[column]] for column in tables[0]}  # type: ignore[misc]


def class_key(index: int, name: str) -> str:
    """A class as the last part of a metric key: ``6_Shirt``; the index keeps names distinct that look alike."""
    safe = "".join(c if c.isalnum() or c in "_-. " else "-" for c in name)
    return f"{index}_{safe[:80].strip()}"


def make_splits(
    rows: Mapping[str, Array],
    labels: Mapping[str, NDArray[np.int64]],
    classes: tuple[str, ...],
    *,
    moments: Mapping[str, ClassMoments] | None = None,
    seed: int = 0,
    fingerprints: Mapping[str, str] | None = None,
    resamples: int = 1000,
    permutations: int = 100,
    groups: Mapping[str, Codes] | None = None,
    keep: Keep = compute_anew,
    search: Search = USUAL,
) -> dict[str, Split]:
    """What metrics see, made of the rows of both splits.

    Args:
        rows: (N, d) of each split.
        labels: (N,) in 0 … C − 1.
        moments: of the features where ``rows`` are a projection of them.
        seed, fingerprints: what the resamples and permutations are drawn from, with the split.
        resamples, permutations: how many; 0 for none.
        groups: (N,) of each split, where images are not independent of each other.
        keep: computes what is worth keeping, such as neighbour graphs, or finds it.
        search: how neighbours are found.
    """
    of_groups = groups or {}
    context = (str(seed), (fingerprints or {}).get("train", ""), "train")
    train = labels.get("train", np.empty(0, np.int64))
    graphs = Graphs(rows, train, of_groups.get("train"), keep, context, search)

    def split(name: str) -> Split:
        context = (str(seed), (fingerprints or {}).get(name, ""), name)
        mine = labels[name]
        return Split(
            name,
            rows[name],
            mine,
            ClassMoments.of(rows[name], mine, len(classes)) if moments is None else moments[name],
            classes,
            graphs.of_train if name == "train" else partial(graphs.among, name, "train"),
            partial(graphs.among, name, name),
            Resamples(mine, resamples, context, of_groups.get(name)),
            Permutations(mine, permutations, context, of_groups.get(name)),
            partial(keep, name, "train"),
            of_groups.get(name),
            graphs.asked if name == "train" else None,
        )

    return {name: split(name) for name in rows}
