"""Words that are often typed and mean something else here: refused with the words that were meant.

refuse_mistaken(["dataset.limit=500"])          # ConfigError; Fix: dataset.limit.train=500 dataset.limit.test=500
refuse_mistaken(["layer=[stage1,stage2]"])      # ConfigError; Fix: layer=stage1,stage2 -m
explain_unset(["reducer=none", "reducer.k=3"])  # the group that is chosen has no keys

What stands behind ``Fix:`` takes the place of the word that was refused, as a shell reads it.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, QuotedString
from hydra.errors import HydraException

from frostmark.config.schema import Config
from frostmark.config.words import choices_with, known_words
from frostmark.errors import ConfigError
from frostmark.names import quoted

_ONE_EACH = ("backbone", "dataset", "layer", "preprocess", "reducer", "tracking", "trainer", "decide")
"""Groups of which a run has one choice: of a list Hydra would take the last one without a word."""

LISTS = ("metrics", "controls")
"""Keys whose value is a list."""

_SWITCHES = {
    f"{group.name}.{key.name}"
    for group in fields(Config)
    if is_dataclass(part := getattr(Config(), group.name))
    for key in fields(part)
    if key.type == "bool"
}
"""Keys that are true or false: the configuration library takes any number for true."""

MEASURED = {"accuracy": "linear", "knn": "neighbours", "knn_accuracy": "neighbours", "linear": "linear"}
"""What is measured, and not set → the choice of ``metrics=`` that measures it."""

_LIMITS = ("dataset.limit", "limit")


def refuse_mistaken(words: Sequence[str], *, one_run: bool = True, shell: bool = True) -> None:
    """Refuse the first word that means something else than it seems to.

    Args:
        words: the overrides of a command.
        one_run: not of a sweep, in which every key may have several values.
        shell: typed on the command line, where ``-m`` makes a sweep.

    Raises:
        ConfigError: with the words that were meant.
    """
    for word in words:
        key, mark, value = word.partition("=")
        if not mark:
            continue
        _refuse_key(key, value)
        override = _parsed(word, key, value)
        if key in _ONE_EACH:
            _refuse_list(word, override, shell=shell)
        if key in _SWITCHES and type(override.value()) is int and override.value() not in (0, 1):
            raise ConfigError(f"{word} is not true or false", fix=f"{key}=true")
        if key == "controls" and isinstance(override.value(), str | QuotedString):
            raise ConfigError(f"{word} is not a list", fix=pasted(f"controls=[{value}]"))
        if one_run and override.is_sweep_override():
            raise _several(word, key, value, shell=shell)


def explain_unset(words: Sequence[str]) -> ConfigError | None:
    """What is wrong with keys of a group of which nothing is chosen; None if there are no such keys."""
    unset = {word.partition("=")[0] for word in words if word.endswith("=none")}
    for word in words:
        key = word.partition("=")[0]
        group = key.partition(".")[0]
        having = choices_with(key)
        if group in unset and having:
            fix = pasted(*[f"{group}={having[0]}", word])
            return ConfigError(f"{key} is a key of {group}={having[0]}, and {group}=none has no keys", fix=fix)
    return None


def pasted(*words: str) -> str:
    """Words as a shell takes them; those with quotation marks of Hydra's in double ones, which are easier to read."""
    return " ".join(
        f'"{word}"' if "'" in word and not set(word) & set('"$`!\\') else shlex.quote(word) for word in words
    )


def _refuse_key(key: str, value: str) -> None:
    """Keys that are not there, or are two keys."""
    if key in _LIMITS and not value.startswith(("{", "$")):  # both keys at once, as Hydra writes it
        told = f"{key}={value} does not say of which split: dataset.limit.train and dataset.limit.test are two keys"
        both = [f"dataset.limit.{split}={value}" for split in ("train", "test")]
        raise ConfigError(told, fix=pasted(*both), wrong=[f"{key}={value}"])
    if key == "root":
        told = (
            "there is no key 'root'. The folder of your images is dataset=<folder>; the folder of results is paths.root"
        )
        raise ConfigError(told, fix=pasted(f"dataset={_path(value)}"), wrong=[f"{key}={value}"])
    if key in MEASURED:
        family = MEASURED[key]
        told = f"there is no key '{key}': it is measured, by metrics={family}"
        raise ConfigError(told, fix=pasted(f"metrics=[{family}]"), wrong=[f"{key}={value}"])


def _path(text: str) -> str:
    """A path that nothing takes for a word."""
    return text if text.startswith(("~", ".")) or Path(text).is_absolute() else f"./{text}"


def _parsed(word: str, key: str, value: str) -> Override:
    """The word as Hydra reads it.

    Raises:
        ConfigError: if signs in the value mean something to Hydra.
        HydraException: if not even the value in quotation marks can be read.
    """
    try:
        return _read(word)
    except HydraException as problem:
        literal = f"{key}={quoted(value)}"
        _read(literal)
        told = f"{word} has signs that need quotation marks of their own: ( ) [ ] {{ }} ' \" , = or a space"
        raise ConfigError(told, fix=pasted(literal)) from problem


def _read(word: str) -> Override:
    (override,) = OverridesParser.create().parse_overrides([word])
    return override


def _refuse_list(word: str, override: Override, *, shell: bool) -> None:
    """``layer=[stage1,stage2]`` of a group of which a run has one choice."""
    value = override.value()
    if override.is_sweep_override() or not isinstance(value, list):
        return
    key, texts = override.key_or_group, [str(getattr(of, "text", of)) for of in value]
    if not texts:
        raise ConfigError(f"{word} chooses nothing", fix=f"{key}={known_words(key)[0]}")
    if len(texts) == 1:
        raise ConfigError(f"{word} is a list; a run has one {key}", fix=pasted(f"{key}={texts[0]}"))
    told = f"{word}: a run has one {key}, and a sweep (-m) runs one after the other"
    fix = pasted(*[f"{key}={','.join(texts)}", "-m"]) if shell else f"{key}={texts[0]}, and a call for each other"
    raise ConfigError(told, fix=fix)


def _several(word: str, key: str, value: str, *, shell: bool) -> ConfigError:
    """Several values without ``-m``: a sweep was meant, or a list, or one name with a comma in it."""
    sweep = pasted(*[word, "-m"]) if shell else "one call for each value"
    literal = pasted(f"{key}={quoted(value)}")
    if key in LISTS:
        told = f"{word} is several values of a sweep; one run takes a list"
        return ConfigError(told, fix=f"{pasted(f'{key}=[{value}]')}, or {sweep}")
    if Path(value).exists():
        return ConfigError(f"{word} is two values to Hydra, and one name on the disk", fix=literal)
    told = f"{word} has several values, and one run takes one; -m makes a sweep of them"
    return ConfigError(told, fix=f"{sweep}; as one name {literal}" if "." in key else sweep)
