"""List the installed plugins, the words that each plugin adds, and what is wrong with each plugin.

python run.py plugins           # exit code 2 if something is wrong with one of them
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from omegaconf import OmegaConf

from frostmark.backbones.backbone import Backbone
from frostmark.cli.parser import Parser
from frostmark.config.build import allowed, build
from frostmark.config.compose import composed
from frostmark.config.contract import lacks
from frostmark.config.explain import explained
from frostmark.config.plugins import Plugin, plugins
from frostmark.config.words import conf_dir, layer_words
from frostmark.data.preprocess import Preprocess
from frostmark.data.source import Source
from frostmark.errors import ConfigError
from frostmark.metrics.metric import Metric
from frostmark.names import visible
from frostmark.reducers.reducer import Reducer

PROTOCOLS: dict[str, type] = {
    "backbone": Backbone,
    "dataset": Source,
    "preprocess": Preprocess,
    "metrics": Metric,
    "reducer": Reducer,
}
"""What the objects of a group must be."""

MISSING = "???"
"""A value that the user must give: the object cannot be made without it."""


@dataclass(frozen=True)
class Examined:
    """A plugin, looked at closely.

    Attributes:
        words: what it adds to the command line, ``backbone=tiny``.
        notes: words that it has and that are not used.
        problems: what is wrong with it.
    """

    words: list[str]
    notes: list[str]
    problems: list[str]


def run(arguments: list[str]) -> int:
    """Print every plugin; 2 if something is wrong with one."""
    Parser.of("plugins", __doc__).parse_args(arguments)
    if not plugins():
        print("No plugin is installed. docs/extending.md shows how to write one.")
    taken = dict.fromkeys((*_words(conf_dir()), *(f"layer={word}" for word in layer_words())), "Frostmark")
    worst = 0
    for plugin in plugins():
        examined = examine(plugin, taken)
        taken |= dict.fromkeys(examined.words, plugin.name)
        _print(plugin, examined)
        worst = max(worst, 2 if examined.problems else 0)
    return worst


def examine(plugin: Plugin, taken: Mapping[str, str]) -> Examined:
    """Import a plugin, make what its YAMLs name, and see what is wrong.

    Args:
        taken: word → who has it already.
    """
    problems = [problem] if (problem := plugin.problem or _import_problem(plugin)) else []
    words = _words(plugin.conf) if plugin.conf is not None else []
    notes = [f"{word} is a word of {taken[word]}, which is used instead" for word in words if word in taken]
    own = [word for word in words if word not in taken]
    if not problems:
        problems += [f"{word}: {problem}" for word in own if (problem := _problem(word))]
    return Examined(own, notes, problems)


def _words(conf: Path) -> list[str]:
    """Every word that a folder of YAMLs adds."""
    files = sorted(conf.rglob("*.yaml"))
    return [f"{path.parent.relative_to(conf).as_posix()}={path.stem}" for path in files if path.parent != conf]


def _import_problem(plugin: Plugin) -> str:
    try:
        importlib.import_module(plugin.package)
    except Exception as error:  # whatever it does when it is imported
        return f"{plugin.package} cannot be imported: {type(error).__name__}: {error}"
    return ""


def _problem(word: str) -> str:
    """What is wrong with the choice that a word names; empty if nothing is."""
    group, _, choice = word.partition("=")
    value = f"[{choice}]" if group == "metrics" else choice
    try:
        config = composed(conf_dir(), [f"{group}={value}"])
        for path, node in _nodes(group, OmegaConf.to_container(config.get(group), resolve=True)):
            _check(node, path, PROTOCOLS[group])
    except Exception as error:
        return explained(error).problem
    return ""


def _nodes(group: str, content: object) -> Iterator[tuple[str, dict[str, object]]]:
    """What a group makes objects of: itself, or each family of metrics."""
    if group not in PROTOCOLS or not isinstance(content, dict):
        return
    if group == "metrics":
        yield from ((f"metrics.{name}", node) for name, node in content.items())
    elif "_target_" in content or group != "reducer":  # reducer=none makes nothing
        yield group, content


def _check(node: dict[str, object], path: str, protocol: type) -> None:
    if MISSING in node.values():
        target = allowed(node.get("_target_"))
        if problems := lacks(target, protocol):
            name = f"{target.__module__}.{target.__qualname__}"
            raise ConfigError(
                f"{path}: {name} {'; '.join(problems)}", fix=f"write them as {protocol.__qualname__} says"
            )
    else:
        build(node, path, protocol)


def _print(plugin: Plugin, examined: Examined) -> None:
    print(visible(f"{plugin.name}: {plugin.package} ({plugin.distribution} {plugin.version})"))
    for word in examined.words:
        print(visible(f"  {word}"))
    for note in examined.notes:
        print(visible(f"  Note: {note}."))
    for problem in examined.problems:
        print(visible(f"  Problem: {problem}"))
