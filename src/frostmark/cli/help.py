"""What ``--help`` fills in: the program's name, its commands, and the words of every group.

register_help()                 # conf/hydra/help/frostmark.yaml then knows ${frostmark.commands:} and so on
"""

from __future__ import annotations

from functools import lru_cache

from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra
from hydra.core.object_type import ObjectType
from omegaconf import OmegaConf

from frostmark.cli.program import commands, program
from frostmark.config.words import shortened

LAUNCHER = "hydra/launcher"
"""The one group of Hydra's own whose words a user types: what runs the jobs of a sweep."""


def register_help() -> None:
    """Tell OmegaConf the interpolations of the help text."""
    fillers = {"program": program, "commands": listed_commands, "choices": listed_choices}
    for name, filler in fillers.items():
        OmegaConf.register_new_resolver(f"frostmark.{name}", filler, replace=True)


def listed_commands() -> str:
    """One line a command."""
    return "\n".join(f"  {f'{program()} {word}':<44}  {about}" for word, about in commands().items())


def listed_choices() -> str:
    """One line a group, with its words."""
    if not GlobalHydra.instance().is_initialized():
        return ""
    return _listed(GlobalHydra.instance().config_loader())


@lru_cache(maxsize=1)
def _listed(loader: ConfigLoader) -> str:
    lines = [f"{group}: {', '.join(shortened(words))}" for group, words in sorted(_groups(loader, "").items())]
    lines.append(f"{LAUNCHER}: {', '.join(loader.get_group_options(LAUNCHER, ObjectType.CONFIG))} (docs/clusters.md)")
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
