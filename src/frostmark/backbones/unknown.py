"""A name that a library of networks does not have: the nearest names, or how to see those that there are.

    raise unknown_name("timm has no network 'resnt50'", "resnt50", timm.list_models())
    near("resnt50", ["resnet50", "vgg16"])          # ["resnet50"]

A library has hundreds of names: the first of them in the order of letters would help nobody.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from frostmark.errors import ConfigError

MAX_NEAR = 4
"""Names that a message shows."""

_MIN_PART = 3


class UnknownNameError(ConfigError):
    """A library of networks has none of that name; another library may."""


def unknown_name(told: str, word: str, known: Sequence[str]) -> UnknownNameError:
    """What is raised for a word that is none of the known names.

    Args:
        told: that there is no such name.
    """
    if close := near(word, known):
        return UnknownNameError(f"{told}. Nearest: {', '.join(close)}", fix=f"backbone.name={close[0]}")
    parts = (word[:end].lower() for end in range(len(word), _MIN_PART - 1, -1))
    part = next((part for part in parts if part.isidentifier() and any(part in name.lower() for name in known)), None)
    fix = f"python run.py backbones {part or 'resnet'}, or another part of a name, lists the names"
    return UnknownNameError(f"{told}, and none of its {len(known):,} names is similar", fix=fix)


def near(word: str, known: Sequence[str]) -> list[str]:
    """The names that are spelled almost like a word, the nearest first."""
    return difflib.get_close_matches(word, sorted(set(known)), n=MAX_NEAR, cutoff=0.6)
