"""Properties that are worked out once, by many threads at a time.

class Summary:
    @Cached
    def squared(self) -> Array: ...

Up to Python 3.11 ``functools.cached_property`` holds one lock for all objects of a class while it works: of two threads
that summarise a draw each, one would wait for the other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

_Value = TypeVar("_Value")


class Cached(Generic[_Value]):
    """Decorates a method without arguments; the value takes its place in the object."""

    def __init__(self, work: Callable[[Any], _Value]) -> None:
        self._work = work
        self.__doc__ = work.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, instance: object, owner: type) -> _Value:
        value = self._work(instance)
        instance.__dict__[self._name] = value
        return value
