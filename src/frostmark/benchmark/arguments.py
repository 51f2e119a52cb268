"""The arguments of the Python functions, refused in words where they are of another kind or contradict each other.

    check_kinds(layers=["stage3"], overrides=("seed=1",), root=".", tracking="local", name=None)
    check_overrides(("seed=1", "layer=stage2"), {"layer": "layers=['stage2']"})     # ConfigError: layers says it
    check_preset({"sise": 96})                                                      # ConfigError: nearest: size

Nothing that a caller names is left unused without a word.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from frostmark.errors import ConfigError, nearest

PRESET = ("mean", "std", "size", "factory")
"""What is said of a network that is handed over."""


def check_kinds(layers: object, overrides: object, root: object, tracking: object, name: object) -> None:
    """Refuse what is not of the kind that the argument has.

    Raises:
        ConfigError: naming the argument and what it holds.
    """
    if not (layers is None or isinstance(layers, str) or _texts(layers)):
        raise _wrong("layers", layers, "the name of a layer, or a list of names", "layers=['stage3', 'last_conv']")
    if not _texts(overrides):
        raise _wrong("overrides", overrides, "a list of texts", "overrides=['reducer=pca', 'seed=1']")
    if not isinstance(root, str | Path):
        raise _wrong("root", root, "a folder", "root='.'")
    if not isinstance(tracking, str):
        raise _wrong("tracking", tracking, "a word", "tracking='local', 'server' or 'none'")
    if not (name is None or (isinstance(name, str) and name)):
        raise _wrong("name", name, "a text", "name='my network', or leave it out")


def check_overrides(overrides: Sequence[str], said: Mapping[str, str]) -> None:
    """Refuse overrides of what an argument says.

    Args:
        said: key or group of a configuration → the argument that says it; ``backbone.`` is everything below the group.

    Raises:
        ConfigError: naming the override and the argument.
    """
    for word in overrides:
        key = word.lstrip("+~").partition("=")[0].partition("@")[0]
        argument = said.get(key) or said.get(f"{key.partition('.')[0]}.")
        if argument is not None:
            fix = f"leave {word} out of overrides"
            if argument == "root":
                fix = f"root={word.partition('=')[2]!r} in the place of overrides=[{word!r}]"
            raise ConfigError(f"{word} would have no effect: the argument {argument} decides", fix=fix)


def check_preset(preset: Mapping[str, object]) -> None:
    """Refuse keywords that nothing knows.

    Raises:
        ConfigError: with the nearest that are known.
    """
    if unknown := [key for key in preset if key not in PRESET]:
        known = ("backbone", "dataset", "layers", "overrides", "root", "tracking", "name", "rows", *PRESET)
        told = f"benchmark() has no argument {unknown[0]!r}. Nearest: {nearest(unknown[0], known)}"
        raise ConfigError(told, fix="leave it out, or correct its name; help(frostmark.benchmark) lists the arguments")


def check_results(results: object, decide: object) -> None:
    """Refuse what is not a list of benchmarks, or no word for what decides between them.

    Raises:
        ConfigError: naming what it is.
    """
    if isinstance(results, str | Path | Mapping) or not isinstance(results, Sequence):
        raise _wrong("results", results, "a list of benchmarks", "compare([first, second])")
    if not (decide is None or isinstance(decide, str)):
        raise _wrong("decide", decide, "a word", "decide='linear', or 'knn'")
    if not results:
        raise ConfigError("there is nothing to compare: results is empty", fix="compare([first, second])")


def _wrong(argument: str, value: object, valid: str, fix: str) -> ConfigError:
    return ConfigError(f"{argument}={value!r:.60} is not {valid}", fix=fix)


def _texts(value: object) -> bool:
    """Whether a value is a list of texts, and not one text."""
    return isinstance(value, Sequence) and not isinstance(value, str) and all(isinstance(of, str) for of in value)
