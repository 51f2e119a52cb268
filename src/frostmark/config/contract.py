"""What an object lacks of the protocol that it must fulfil.

breaches(flowers, Source)       # ["lacks 'limit'", "split() cannot take (split)"]; empty if it fulfils it
abstract(Halves)                # ["lacks 'fit'"]: what a class must define before it can be made

Properties are not evaluated: a backbone's may read files.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Protocol

from frostmark.config.kinds import described, hints, is_a

_SPECIAL = ("__call__", "__len__", "__getitem__", "__getitems__", "__iter__", "__enter__", "__exit__")
"""Members with such names that a protocol may ask for; the others are Python's own."""

_METHODS = (staticmethod, classmethod)


def abstract(target: type) -> list[str]:
    """What a class declares and does not define."""
    names = sorted(getattr(target, "__abstractmethods__", ()))
    return [f"lacks {', '.join(map(repr, names))}"] if names else []


def breaches(made: object, protocol: type) -> list[str]:
    """Everything in which ``made`` is not what ``protocol`` asks for, each as the end of a sentence about its class."""
    if not _is_protocol(protocol) and not isinstance(made, protocol):
        return [f"is not a {protocol.__qualname__}: it must be a subclass of {protocol.__module__}.{protocol.__name__}"]
    members = dict(_members(protocol))
    lacking = [name for name in members if not _has(made, name)]
    told = [f"lacks {', '.join(map(repr, lacking))}"] if lacking else []
    there = {name: member for name, member in members.items() if name not in lacking}
    return told + [problem for name, member in there.items() for problem in _breach(made, name, member)]


def lacks(target: type, protocol: type) -> list[str]:
    """What can be told of a class before it is made: methods that it lacks, or that take other arguments.

    Attributes that only its constructor sets cannot be seen here.
    """
    if not _is_protocol(protocol) and not issubclass(target, protocol):
        return [f"is not a {protocol.__qualname__}: it must be a subclass of {protocol.__module__}.{protocol.__name__}"]
    methods = {name: member for name, member in _members(protocol) if inspect.isfunction(member)}
    lacking = [name for name in methods if inspect.getattr_static(target, name, None) is None]
    return abstract(target) or ([f"lacks {', '.join(map(repr, lacking))}"] if lacking else [])


def _is_protocol(protocol: type) -> bool:
    return bool(getattr(protocol, "_is_protocol", False))


def _members(protocol: type) -> Iterator[tuple[str, object]]:
    """Name and definition of what a protocol asks for: functions, properties, and kinds of plain attributes.

    Of a class to be subclassed, only what it leaves abstract: the rest is inherited.
    """
    if not _is_protocol(protocol):
        yield from ((name, getattr(protocol, name)) for name in sorted(getattr(protocol, "__abstractmethods__", ())))
        return
    for base in reversed(protocol.__mro__):
        if base is object or base is Protocol or not _is_protocol(base):
            continue
        yield from hints(base).items()
        yield from ((name, member) for name, member in vars(base).items() if _asked_for(name, member))


def _asked_for(name: str, member: object) -> bool:
    return (not name.startswith("_") or name in _SPECIAL) and (
        inspect.isfunction(member) or isinstance(member, property)
    )


def _has(made: object, name: str) -> bool:
    try:
        inspect.getattr_static(made, name)
    except AttributeError:
        dynamic = hasattr(type(made), "__getattr__") and not name.startswith("__")
        return dynamic and hasattr(made, name)
    return True


def _breach(made: object, name: str, member: object) -> list[str]:
    if inspect.isfunction(member):
        return _breach_of_method(made, name, member)
    member_hint = hints(member.fget).get("return") if isinstance(member, property) and member.fget else member
    try:
        static = inspect.getattr_static(made, name)
    except AttributeError:
        return []  # made by __getattr__ when it is asked for
    if inspect.isfunction(static) or isinstance(static, _METHODS):
        return [f"has a method {name}() where a property or an attribute must be"]
    held = vars(made).get(name, static) if hasattr(made, "__dict__") else static
    if inspect.isdatadescriptor(held) or hasattr(held, "__get__"):
        return []  # a property: what it gives is not known before it is asked
    if is_a(held, member_hint):
        return []
    return [f"has {name}={held!r}, which is not of the kind {described(member_hint)}"]


def _breach_of_method(made: object, name: str, asked: object) -> list[str]:
    """Whether a method can be called as the protocol's is: by position, and by keyword where that is the only way."""
    method = getattr(type(made), name, None) if name.startswith("__") else getattr(made, name, None)
    if not callable(method):
        return [f"has {name}, which cannot be called, where a method {name}() must be"]
    assert inspect.isfunction(asked)
    parameters = list(inspect.signature(asked).parameters.values())[1:]
    try:
        signature = inspect.signature(method)
    except (TypeError, ValueError):  # written in C
        return []
    own = [made] if name.startswith("__") else []
    needed = [p for p in parameters if p.default is p.empty]
    if all(_takes(signature, own, chosen) for chosen in (parameters, needed)):
        return []
    listed = ", ".join(p.name for p in parameters)
    taken = ", ".join(list(signature.parameters)[len(own) :])
    return [f"has {name}({taken}), which must take ({listed})"]


def _takes(signature: inspect.Signature, own: list[object], parameters: list[inspect.Parameter]) -> bool:
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    keywords = {p.name: None for p in parameters if p.kind is p.KEYWORD_ONLY}
    try:
        signature.bind(*own, *positional, **keywords)
    except TypeError:
        return False
    return True
