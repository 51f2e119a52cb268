"""Whether a value is of the kind that an annotation asks for.

is_a(12, float)                 # True: whole numbers are numbers
is_a(None, int | None)          # True
described(int | None)           # "whole number|null"
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable


def is_a(value: object, hint: object) -> bool:
    """Whether ``value`` is of the kind that an annotation asks for; what cannot be told is taken for right."""
    origin, choices = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Literal:
        return value in choices
    if choices and (origin is types.UnionType or origin is typing.Union):
        return any(is_a(value, choice) for choice in choices)
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if not isinstance(hint, type) or getattr(hint, "_is_protocol", False):
        return True
    return isinstance(value, hint)


def hints(of: type | Callable[..., object]) -> dict[str, object]:
    """The annotations of a class or function; empty if a name in them is there for type checkers alone."""
    try:
        return dict(typing.get_type_hints(of))
    except (NameError, TypeError):
        return {}


def described(hint: object) -> str:
    """The kind in a person's words."""
    choices = typing.get_args(hint)
    if choices:
        return "|".join(str(c) if typing.get_origin(hint) is typing.Literal else described(c) for c in choices)
    names = {int: "whole number", float: "number", str: "text", bool: "true|false", type(None): "null"}
    return str(names[hint]) if hint in names else str(getattr(hint, "__name__", hint))
