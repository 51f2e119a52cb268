"""Frostmark benchmarks frozen vision backbones: which one, and which of its layers, separates your classes best."""

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["benchmark", "compare"]

if TYPE_CHECKING:
    from frostmark.api import benchmark, compare


def __getattr__(name: str) -> Any:
    # Only when they are asked for: the command line starts without them.
    if name in __all__:
        from frostmark import api

        return getattr(api, name)
    raise AttributeError(f"module 'frostmark' has no attribute '{name}'")


class _Package(ModuleType):
    """The package, whose function ``benchmark`` has the name of a room: importing the room does not hide it."""

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in __all__ and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
