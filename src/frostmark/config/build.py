"""Objects out of a configuration, checked against the protocol of their group.

backbone = build(config.backbone, "backbone", Backbone)         # a Backbone, or ConfigError that says what is wrong
allowed("frostmark.data.digits.Digits")                         # the class; other people's classes are refused

A target is a class of Frostmark's own rooms, or of an installed plugin.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping
from typing import TypeVar

from frostmark.config import kinds
from frostmark.config.contract import abstract, breaches
from frostmark.config.plugins import package_of, plugins
from frostmark.errors import ConfigError, FrostmarkError, nearest

P = TypeVar("P")

ROOMS = ("backbones", "data", "metrics", "reducers")
"""Rooms whose classes a configuration may name."""


def build(node: Mapping[str, object], path: str, protocol: type[P]) -> P:
    """The object that a group describes: its ``_target_`` called with its other keys.

    Args:
        path: where the group stands in the configuration, for messages: ``reducer``.
        protocol: what the object must be: a Protocol, whose members it must have, or a class that it must subclass.

    Raises:
        ConfigError: if the target is outside the allowed packages, takes no such keys, cannot be made, or lacks
            members of the protocol; it names them.
    """
    target, arguments = bound(node, path)
    _hold(abstract(target), target, path, protocol)
    made = _made(target, arguments, path)
    _hold(breaches(made, protocol), target, path, protocol)
    return made  # type: ignore[return-value]  # that is what was just checked


def bound(node: Mapping[str, object], path: str) -> tuple[type, dict[str, object]]:
    """The class that a group names, and the arguments that it can take.

    Raises:
        ConfigError: if it may not be named, or does not take such keys or values.
    """
    target = allowed(node.get("_target_"))
    arguments = {str(key): _built(value, f"{path}.{key}") for key, value in node.items() if key != "_target_"}
    parameters = _parameters(target)
    for key in arguments:
        if key not in parameters:
            raise ConfigError(
                f"there is no key '{path}.{key}'",
                fix=f"one of {path}.: {nearest(key, parameters, most=12)}" if parameters else "leave it out",
            )
    for key, parameter in parameters.items():
        if key not in arguments and parameter.default is parameter.empty:
            raise ConfigError(f"{path}: {_name(target)} needs the key '{path}.{key}'", fix=f"+{path}.{key}=<value>")
    _check_kinds(target, arguments, path)
    return target, arguments


def allowed(target: object) -> type:
    """The class behind a dotted name, if it was defined in one of :data:`ROOMS` or in a plugin.

    The name alone proves nothing (``frostmark.data.folder.hashlib`` leads elsewhere): where the object was defined
    decides.
    """
    if not isinstance(target, str):
        raise _refusal(target)
    plugin = package_of(target)
    packages = [f"frostmark.{room}" for room in ROOMS] if plugin is None else [plugin.package]
    module_name, _, name = target.rpartition(".")
    if not _within(module_name, packages):
        raise _refusal(target)
    try:
        made = getattr(importlib.import_module(module_name), name)
    except (ImportError, AttributeError, ValueError) as problem:
        raise _refusal(target) if plugin is None else _unusable(target, problem) from problem
    except Exception as problem:  # whatever a plugin's module does when it is imported
        raise _unusable(target, problem) from problem
    if not (inspect.isclass(made) and _within(made.__module__, packages)):
        raise _refusal(target)
    return made


def _within(module: str, packages: list[str]) -> bool:
    return any(f"{module}.".startswith(f"{package}.") for package in packages)


def _refusal(target: object) -> ConfigError:
    packages = [f"frostmark.{room}" for room in ROOMS] + [plugin.package for plugin in plugins() if not plugin.problem]
    return ConfigError(
        f"_target_={target} is not allowed",
        fix=f"a class in {', '.join(packages)}; a package of your own is allowed once it is installed as a plugin "
        "(docs/extending.md)",
    )


def _unusable(target: str, problem: Exception) -> ConfigError:
    reason = f"{type(problem).__name__}: {problem}"
    return ConfigError(
        f"_target_={target} cannot be imported: {reason}",
        fix="correct or update that plugin; `python run.py plugins` lists what is wrong with each",
    )


def _parameters(target: type) -> dict[str, inspect.Parameter]:
    variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    parameters = inspect.signature(target).parameters
    return {name: p for name, p in parameters.items() if name != "self" and p.kind not in variable}


def _check_kinds(target: type, arguments: Mapping[str, object], path: str) -> None:
    hints = {**kinds.hints(target.__init__), **kinds.hints(target)}  # type: ignore[misc]
    for key, value in arguments.items():
        if key in hints and not kinds.is_a(value, hints[key]):
            shown = "null" if value is None else value
            kind = kinds.described(hints[key])
            told = f"{path}.{key}={shown} is of a wrong kind; it takes: {kind}"
            raise ConfigError(told, fix=f"{path}.{key}={_usual(target, key, kind) or f'<{kind}>'}")


def _usual(target: type, key: str, kind: str) -> str:
    """The default of an argument as it is typed; nothing where it is neither a number nor a word of the kind."""
    default = _parameters(target)[key].default
    if default is None:
        return "null"
    if isinstance(default, bool | int | float):
        return str(default).lower()
    return default if default in kind.split("|") else ""


def _built(value: object, path: str) -> object:
    return build(value, path, object) if isinstance(value, Mapping) and "_target_" in value else value


def _made(target: type, arguments: Mapping[str, object], path: str) -> object:
    try:
        return target(**arguments)
    except ValueError as problem:
        raise ConfigError(f"{path}: {problem}", fix="correct that value; --help shows the usual ones") from problem
    except (FrostmarkError, MemoryError):
        raise
    except Exception as problem:
        if package_of(target.__module__) is None:
            raise  # a bug of ours
        raise ConfigError(
            f"{path}: {_name(target)} cannot be made: {type(problem).__name__}: {problem}",
            fix="correct or update that plugin; its constructor may raise ValueError with what is wrong",
        ) from problem


def _hold(breaches: list[str], target: type, path: str, protocol: type) -> None:
    if breaches:
        raise ConfigError(
            f"{path}: {_name(target)} {'; '.join(breaches)}",
            fix=f"write what is missing as {protocol.__module__}.{protocol.__qualname__} describes it, or choose "
            f"another {path.partition('.')[0]}",
        )


def _name(target: type) -> str:
    return f"{target.__module__}.{target.__qualname__}"
