"""What ``--help`` fills in: the program's name, its commands, the words of every group, and what the keys mean.

register_help()                 # conf/hydra/help/frostmark.yaml then knows ${frostmark.commands:} and so on
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from textwrap import wrap

from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra
from hydra.core.object_type import ObjectType
from omegaconf import DictConfig, OmegaConf

from frostmark.cli.program import commands, program
from frostmark.config.meanings import meanings
from frostmark.config.words import shortened

LAUNCHER = "hydra/launcher"
"""The one group of Hydra's own whose words a user types: what runs the jobs of a sweep."""

_WIDTH, _TYPED, _BELOW = 80, 34, 8 * " "
"""Columns of the screen; those of what is typed; what stands before a meaning below it."""


def register_help() -> None:
    """Tell OmegaConf the interpolations of the help text."""
    fillers: dict[str, Callable[..., str]] = {
        "program": program,
        "commands": listed_commands,
        "choices": listed_choices,
        "values": listed_values,
    }
    for name, filler in fillers.items():
        OmegaConf.register_new_resolver(f"frostmark.{name}", filler, replace=True)


def listed_commands() -> str:
    """One line a command."""
    return "\n".join(line for word, about in commands().items() for line in _explained(f"  {program()} {word}", about))


def listed_choices() -> str:
    """One line a group, with its words."""
    if not GlobalHydra.instance().is_initialized():
        return ""
    return _listed(GlobalHydra.instance().config_loader())


def listed_values(*, _root_: DictConfig) -> str:
    """Every key with its value, as it is typed, and what it means.

    Args:
        _root_: the whole configuration, which OmegaConf hands over under this name.
    """
    chosen = {
        group: [word] if isinstance(word, str) else list(word)
        for group, word in _root_.hydra.runtime.choices.items()
        if word and not group.startswith("hydra")
    }
    known = meanings(chosen | {"metrics": list(_root_.metrics)})
    lines = [line for key, value in _leaves(_root_) for line in _explained(f"  {key}={value}", known.get(key, ""))]
    return "\n".join(lines).replace("$", "$$")


def _leaves(config: DictConfig, above: str = "") -> Iterator[tuple[str, str]]:
    """(dotted key, value) of everything that a user may set."""
    for key in config:
        name, value = f"{above}{key!s}", OmegaConf.select(config, str(key))
        if name == "hydra" or key == "_target_":
            continue
        if isinstance(value, DictConfig) and value:
            yield from _leaves(value, f"{name}.")
        else:
            yield name, _typed(value)


def _typed(value: object) -> str:
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _explained(typed: str, meaning: str) -> list[str]:
    """A line of its own, and the meaning behind it, or below where the line would be too long."""
    line = f"{typed:<{_TYPED}}  {meaning}".rstrip()
    if len(line) <= _WIDTH:
        return [line]
    return [typed, *wrap(meaning, _WIDTH, initial_indent=_BELOW, subsequent_indent=_BELOW)]


@lru_cache(maxsize=1)
def _listed(loader: ConfigLoader) -> str:
    words_of = {group: shortened(words) for group, words in sorted(_groups(loader, "").items())}
    words_of[LAUNCHER] = list(loader.get_group_options(LAUNCHER, ObjectType.CONFIG))
    words_of[LAUNCHER][-1] += " (docs/clusters.md)"
    lines = [
        line
        for group, words in words_of.items()
        for line in wrap(", ".join(words), _WIDTH, initial_indent=f"  {group}: ", subsequent_indent=_BELOW)
    ]
    return "\n".join(lines).replace("$", "$$")


def _groups(loader: ConfigLoader, above: str) -> dict[str, list[str]]:
    """Every group but Hydra's own → its words."""
    words_of: dict[str, list[str]] = {}
    for name in loader.list_groups(above):
        group = f"{above}/{name}".lstrip("/")
        if group != "hydra":
            words = loader.get_group_options(group, ObjectType.CONFIG)
            words_of |= ({group: words} if words else {}) | _groups(loader, group)
    return words_of
