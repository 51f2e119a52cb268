"""``dataset=<path>``: a folder in the place of a word.

with_folders(["dataset=~/flowers", "seed=1"])           # ["dataset=folder", "dataset.root=~/flowers", "seed=1"]
with_folders(["dataset=digits"])                        # as it is, even where a folder ./digits lies: dataset=./digits

A word of the group goes before a folder of that name. Paths may have spaces, quotes and commas in them.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from frostmark.config.words import known_words
from frostmark.errors import ConfigError
from frostmark.names import quoted

_GROUP = "dataset="


def with_folders(words: Sequence[str], own: Path | None = None) -> list[str]:
    """The words with ``dataset=folder dataset.root=<path>`` for every ``dataset=<path>``.

    Args:
        own: a folder of the user's own YAMLs, whose words go before paths, too.

    Raises:
        ConfigError: if a path is given twice, or beside words in a sweep.
    """
    translated = [part for word in words for part in _translated(word, own)]
    if len(translated) > len(words) and any(word.startswith("dataset.root=") for word in words):
        raise ConfigError(
            "dataset=<path> and dataset.root=<path> name two folders", fix="leave out one of the two, or dataset=folder"
        )
    return translated


def _translated(word: str, own: Path | None) -> list[str]:
    text = word.removeprefix(_GROUP)
    if text == word or not text:
        return [word]
    known = {*known_words("dataset"), *_own_words(own)}
    if text in known:
        return [word]
    paths = [text] if _is_there(text) else _values(text)
    folders = [path for path in paths if path not in known and _is_path(path)]
    if not folders:
        return [word]
    if len(folders) < len(paths):
        raise ConfigError(
            f"{word}: a folder and {next(p for p in paths if p not in folders)} cannot be in one sweep",
            fix=f"one command for each: dataset=folder dataset.root={quoted(folders[0])}",
        )
    return ["dataset=folder", f"dataset.root={','.join(map(quoted, folders))}"]


def _values(text: str) -> list[str]:
    """The values of a sweep, or the one value, without the quotes that Hydra asks for."""
    try:
        (override,) = OverridesParser.create().parse_overrides([_GROUP + text])
        values = list(override.sweep_iterator()) if override.is_sweep_override() else [override.value()]
    except HydraException:  # a path with signs that mean something to Hydra
        return [text]
    return [str(getattr(value, "text", value)) for value in values]


def _is_there(text: str) -> bool:
    try:
        return Path(text).expanduser().is_dir()
    except (OSError, RuntimeError, ValueError):  # too long; nobody's ~; a null
        return False


def _is_path(text: str) -> bool:
    """Whether a word is a folder's path, be it there or not."""
    return _is_there(text) or text.startswith(("~", ".")) or os.sep in text or "/" in text


def _own_words(own: Path | None) -> list[str]:
    if own is None:
        return []
    group = own / "dataset"
    return [path.relative_to(group).with_suffix("").as_posix() for path in group.rglob("*.yaml")]
