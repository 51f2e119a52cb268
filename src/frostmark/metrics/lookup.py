"""What readers of metrics ask: which keys are a run's metrics, what compares, what to say of a value.

    kinds = known_kinds()
    own_keys(run.values, kinds)                     # without intervals, classes and pairs
    compares(kinds["geometry/rankme"], widths=[512, 2048], networks=["resnet18", "resnet50"])     # False

A family that is not among these, a plugin's, writes its kinds beside its values (:func:`kinds.kinds_to_dict`).
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable, Iterator, Mapping
from functools import cache

import frostmark.metrics
from frostmark.metrics.kinds import DERIVED_ENDS, UNKNOWN, Across, Kind, base_of, kind_of, split_of

NOT_CHANCE = 0.05
"""A larger p than this is called chance."""


@cache
def known_kinds() -> Mapping[str, Kind]:
    """The kinds of all families of this package, from their own declarations: a new file is found without a list."""
    kinds: dict[str, Kind] = {}
    for module in pkgutil.iter_modules(frostmark.metrics.__path__):
        for value in vars(importlib.import_module(f"frostmark.metrics.{module.name}")).values():
            kinds |= _declaration(getattr(value, "kinds", None) if isinstance(value, type) else value)
    return kinds


def _declaration(value: object) -> dict[str, Kind]:
    """What maps names to kinds; nothing of anything else."""
    if not isinstance(value, dict) or not all(isinstance(kind, Kind) for kind in value.values()):
        return {}
    return value


def derived(key: str, kinds: Mapping[str, Kind], among: Iterable[str] = ()) -> bool:
    """Whether a key only says more of another one: of a declared one, or of an undeclared one that is ``among``."""
    if base_of(key, kinds) is not None:
        return True
    if kind_of(key, kinds) is not None:
        return False
    return any(key.removesuffix(end) in among for end in DERIVED_ENDS if key.endswith(end))


def own_keys(values: Iterable[str], kinds: Mapping[str, Kind]) -> list[str]:
    """The keys that are metrics of the run itself, in their order: with a split, not derived, not per class or pair.

    A metric that nobody declares counts as one: it is shown, but no runs are compared by it.
    """
    keys = dict.fromkeys(values)
    return [key for key in keys if _is_own(key, kinds) and not derived(key, kinds, keys)]


def _is_own(key: str, kinds: Mapping[str, Kind]) -> bool:
    of_layer = split_of(key) is not None and not key.startswith("control/")
    return of_layer and (kind_of(key, kinds) or UNKNOWN).per is None


def cost_keys(values: Iterable[str]) -> list[str]:
    """The keys of what the run took."""
    return [key for key in values if key.startswith("cost/")]


def headlines(kinds: Mapping[str, Kind]) -> list[tuple[str, Kind]]:
    """The metrics that a verdict may rest on, with their declared names, in their order."""
    return sorted(_placed(kinds), key=lambda placed: placed[1].headline or 0)


def _placed(kinds: Mapping[str, Kind]) -> Iterator[tuple[str, Kind]]:
    return ((name, kind) for name, kind in kinds.items() if kind.headline is not None)


def compares(kind: Kind | None, widths: Iterable[object], networks: Iterable[object]) -> bool:
    """Whether runs may be compared by a metric.

    Args:
        kind: of the metric; None of an undeclared one.
        widths: number of features of each run.
        networks: network of each run.
    """
    across = (kind or UNKNOWN).across
    if across is Across.EQUAL_WIDTH:
        return len(set(widths)) <= 1
    if across is Across.LAYERS:
        return len(set(networks)) <= 1
    return across is Across.NETWORKS


def validity(kind: Kind | None, p: float | None = None) -> str:
    """What a value may be believed to say, in words for the column ``valid``.

    Args:
        kind: of the metric; None of an undeclared one.
        p: how often permuted labels are as good, where it is known.
    """
    kind = kind or UNKNOWN
    if kind.across is Across.RUN:
        return "within this map" if kind.of_map else "within this run"
    if p is not None and p > NOT_CHANCE:
        return "not significant"
    return _VALID[kind.across]


_VALID = {
    Across.NETWORKS: "yes",
    Across.EQUAL_WIDTH: "equal width only",
    Across.LAYERS: "layers of one network",
}
