"""What a metric is: its words for a person, which way is better, what it may be compared across, its range.

    KINDS = {
        "dead/share": Kind("dead features", better="lower", across=Across.EQUAL_WIDTH, share=True, range=(0, 1),
                           meaning="share of the features that are zero in every row"),
    }
    kind_of("test/dead/share", KINDS).better            # 'lower'

A family declares its kinds where its metrics are made. Tables, controls, comparisons and verdicts read the kinds, and
nothing guesses what a metric is from the spelling of its key. A key is ``<split>/<family>/<name>`` (``cost/<name>``
belongs to no split); a kind is declared for ``<family>/<name>``. A declared name may hold placeholders: ``<m>``, one
letter, stands for a number, ``<class>``, longer, for any word.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import Enum
from functools import lru_cache
from typing import Literal

from frostmark.errors import ConfigError

SPLITS = ("train", "test")
"""What a metric key begins with."""

DERIVED_ENDS = ("_lo", "_hi", "_p", "_z", "_std", "_images")
"""Ends of keys that say more of the key before them: they have no kind of their own."""

Better = Literal["higher", "lower", "neither"]
Per = Literal["class", "pair"]
_ANY = (-math.inf, math.inf)
_PLACEHOLDER = re.compile(r"<(\w+)>")


class Across(Enum):
    """What a metric may be compared across."""

    RUN = "run"
    """The splits and classes of one run only: it scales with the features, or depends on the machine."""

    LAYERS = "layers"
    """Layers of one network."""

    EQUAL_WIDTH = "equal width"
    """Rows of equal width, whatever network gave them."""

    NETWORKS = "networks"
    """Any networks."""


@dataclass(frozen=True)
class Kind:
    """What a metric is.

    Attributes:
        words: its name for a person; placeholders of the declared name are filled in (:func:`words_of`).
        better: which way is better; ``neither`` for what only describes.
        across: what it may be compared across. The metric kit (tests/support/metric_kit.py) measures the claim.
        share: whether it is read in percent.
        range: the lowest and the highest possible value.
        pairs: how two runs of the same images are paired: by ``draws`` of shared resamples, or by the outcomes that
            the metric is the mean of (``knn_hits`` of ``<split>/knn_hits``). None if they are not, as with intrinsic
            dimensions, whose draws are of neighbourhoods that differ from layer to layer.
        meaning: what it says, in one short sentence.
        per: ``class`` or ``pair`` if there is one value for each: tables leave such metrics out.
        of_map: whether it is one of the map and not of the features.
        of_axes: whether it depends on the single features, so that turning the rows changes it.
        balanced: whether it is the mean over the classes of what the outcomes in ``pairs`` give for each class.
        headline: place among the metrics that a verdict may rest on (:mod:`frostmark.metrics.deciding` says which of
            them decides). None for the rest, which only describe.

    Raises:
        ConfigError: if a field holds what it cannot mean.
    """

    words: str
    better: Better
    across: Across
    share: bool = False
    range: tuple[float, float] = _ANY
    pairs: str | None = None
    meaning: str = ""
    per: Per | None = None
    of_map: bool = False
    of_axes: bool = False
    balanced: bool = False
    headline: int | None = None

    def __post_init__(self) -> None:
        for name, valid in (("better", _BETTER), ("per", _PER), ("across", tuple(Across))):
            if getattr(self, name) not in valid:
                raise _wrong_field(self.words, name, getattr(self, name), valid)
        if self.headline is not None and self.better != "higher":
            raise _wrong_field(self.words, "better", self.better, ("higher",))  # a verdict puts the larger value first
        if not self.range[0] < self.range[1]:
            raise ConfigError(f"the kind {self.words!r} has the empty range {self.range}", fix="range=(low, high)")

    def shown(self, value: float) -> str:
        """The value as it is printed."""
        return f"{value:.1%}" if self.share else f"{value:.3f}"

    def change(self, value: float) -> str:
        """A difference as it is printed: of shares in percentage points."""
        return f"{100 * value:+.1f}" if self.share else f"{value:+.3f}"

    def to_dict(self) -> dict[str, object]:
        """As plain JSON, without what is as usual; None for an open end of the range."""
        plain: dict[str, object] = {
            field.name: getattr(self, field.name)
            for field in fields(self)
            if field.name in _ALWAYS or getattr(self, field.name) != field.default
        }
        plain["across"] = self.across.value
        if "range" in plain:
            plain["range"] = [end if math.isfinite(end) else None for end in self.range]
        return plain

    @classmethod
    def from_dict(cls, plain: object) -> Kind:
        """The kind that :meth:`to_dict` wrote; :data:`UNKNOWN`, valid within one run alone, of anything damaged."""
        try:
            return cls(**_checked(plain))  # type: ignore[arg-type]
        except (TypeError, ValueError, KeyError, ConfigError):
            return UNKNOWN


_ALWAYS = ("words", "better", "across")
_BETTER = ("higher", "lower", "neither")
_PER = (None, "class", "pair")
_TYPES: Mapping[str, type | tuple[type, ...]] = {
    "words": str,
    "better": str,
    "share": bool,
    "pairs": (str, type(None)),
    "meaning": str,
    "per": (str, type(None)),
    "of_map": bool,
    "of_axes": bool,
    "balanced": bool,
    "headline": (int, type(None)),
}

UNKNOWN = Kind("unknown metric", "neither", Across.RUN)
"""What is assumed of a metric that nobody declares: that it is valid within one run alone."""


def _wrong_field(words: str, name: str, value: object, valid: tuple[object, ...]) -> ConfigError:
    good = ", ".join(str(word) if isinstance(word, Across) else repr(word) for word in valid)
    return ConfigError(f"the kind {words!r} has {name}={value!r}; {name} is one of {good}", fix=f"{name}={valid[0]!r}")


def _checked(plain: object) -> dict[str, object]:
    """The fields of a kind from plain JSON.

    Raises:
        TypeError, ValueError, KeyError: if there is anything wrong with them.
    """
    if not isinstance(plain, Mapping):
        raise TypeError("a kind is a mapping")
    values: dict[str, object] = {}
    for name, value in plain.items():
        if name == "across":
            values[name] = Across(value)
        elif name == "range":
            low, high = value
            values[name] = (-math.inf if low is None else float(low), math.inf if high is None else float(high))
        elif not isinstance(value, _TYPES[name]):
            raise TypeError(f"{name}={value!r}")
        else:
            values[name] = value
    return values


def kinds_to_dict(kinds: Mapping[str, Kind]) -> dict[str, dict[str, object]]:
    """Declared name → kind, as plain JSON."""
    return {name: kind.to_dict() for name, kind in kinds.items()}


def kinds_from_dict(plain: object) -> dict[str, Kind]:
    """What :func:`kinds_to_dict` wrote; nothing where there is none."""
    return {str(name): Kind.from_dict(kind) for name, kind in plain.items()} if isinstance(plain, Mapping) else {}


# ---------------------------------------------------------------- keys


def split_of(key: str) -> str | None:
    """``train`` or ``test``, for a control's key too; None for a key without a split, such as that of a cost."""
    split, _, rest = _of_layer(key).partition("/")
    return split if split in SPLITS and rest else None


def name_of(key: str) -> str | None:
    """``<family>/<name>``, for which a kind is declared; None if the key has no split and is not a cost."""
    key = _of_layer(key)
    if split_of(key) is not None:
        return key.partition("/")[2]
    return key if key.startswith("cost/") else None


def _of_layer(key: str) -> str:
    """The key of the layer's own metric beside which a control's stands."""
    return key.split("/", 2)[2] if key.startswith("control/") and key.count("/") > 2 else key


def kind_of(key: str, kinds: Mapping[str, Kind]) -> Kind | None:
    """The kind that is declared for a metric key; None if there is none, as for ``…_lo``."""
    declared = _declared(key, kinds)
    return None if declared is None else kinds[declared]


def base_of(key: str, kinds: Mapping[str, Kind]) -> str | None:
    """The declared key of which ``key`` says more: ``x`` of ``x_lo``. None if there is none, or ``key`` has a kind."""
    if kind_of(key, kinds) is not None:
        return None
    bases = (key.removesuffix(end) for end in DERIVED_ENDS if key.endswith(end))
    return next((base for base in bases if kind_of(base, kinds) is not None), None)


def words_of(key: str, kinds: Mapping[str, Kind]) -> str:
    """The words of a metric, placeholders filled in; of an undeclared one its key."""
    declared, name = _declared(key, kinds), name_of(key)
    if declared is None or name is None:
        return key
    words, pattern = kinds[declared].words, _pattern(declared)
    match = pattern.fullmatch(name) if pattern else None
    for placeholder, value in (match.groupdict() if match else {}).items():
        words = words.replace(f"<{placeholder}>", value)
    return words


def _declared(key: str, kinds: Mapping[str, Kind]) -> str | None:
    name = name_of(key)
    if name is None or name in kinds:
        return name
    return next((d for d in kinds if (pattern := _pattern(d)) is not None and pattern.fullmatch(name)), None)


@lru_cache(maxsize=1024)
def _pattern(declared: str) -> re.Pattern[str] | None:
    """What matches the names that a declared one stands for; None if it has no placeholder."""
    if _PLACEHOLDER.search(declared) is None:
        return None
    parts = _PLACEHOLDER.split(declared)
    return re.compile("".join(_group(part) if n % 2 else re.escape(part) for n, part in enumerate(parts)))


def _group(placeholder: str) -> str:
    value = r"\d+" if len(placeholder) == 1 else "[^/]+"
    return f"(?P<{placeholder}>{value})"
