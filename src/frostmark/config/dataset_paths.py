"""``dataset=<path>``: a folder, or the file of a table, in the place of a word.

with_paths(["dataset=~/flowers", "seed=1"])             # ["dataset=folder", "dataset.root='~/flowers'", "seed=1"]
with_paths(["dataset=photos/labels.csv"])               # ["dataset=table", "dataset.file='photos/labels.csv'"]
with_paths(["dataset=digits"])                          # as it is, even where a folder ./digits lies: dataset=./digits

A word of the group goes before a folder of that name. Paths may have spaces, quotes and commas in them.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import QuotedString
from hydra.errors import HydraException

from frostmark.config.schema import Config, Paths
from frostmark.config.words import known_words
from frostmark.errors import ConfigError
from frostmark.names import quoted

_GROUP = "dataset="

_ROOT = "paths.root="

_LABEL = "backbone.label="

PATH_KEYS = {"folder": "dataset.root", "table": "dataset.file"}
"""Word of the group → the key of its path."""


def with_paths(words: Sequence[str], own: Path | None = None) -> list[str]:
    """The words with ``dataset=folder dataset.root=<path>`` for every ``dataset=<path>``, of files with a table's.

    What ``paths.root=`` names is one folder, whatever its characters mean to Hydra. ``backbone.label=`` may be said of
    every backbone, though no YAML has the key.

    Args:
        own: a folder of the user's own YAMLs, whose words go before paths, too.

    Raises:
        ConfigError: if a path is given twice, or beside words in a sweep.
    """
    translated = [part for word in words for part in _translated(word, own)]
    if twice := next(
        (key for key in PATH_KEYS.values() if sum(word.startswith(f"{key}=") for word in translated) > 1), ""
    ):
        raise ConfigError(f"dataset=<path> and {twice}=<path> name two places", fix="leave out one of the two")
    return translated


def _translated(word: str, own: Path | None) -> list[str]:
    if word.startswith(_ROOT):
        return [_ROOT + _literal(word.removeprefix(_ROOT))]
    if word.startswith(_LABEL):
        return [f"++{word}"]
    text = word.removeprefix(_GROUP)
    if text == word or not text:
        return [word]
    known = {*known_words("dataset"), *_own_words(own)}
    if text in known:
        return [word]
    paths = [text] if _there(text) else _values(text)
    kinds = {path: "" if path in known else _kind(path) for path in paths}
    if not any(kinds.values()):
        return [word]
    if len({*kinds.values()}) > 1:
        told = " and ".join(path if kind == "" else f"the {kind} {path}" for path, kind in kinds.items())
        raise ConfigError(f"{word}: {told} cannot be in one sweep", fix="run one command for each")
    kind = kinds[paths[0]]
    return [f"dataset={kind}", f"{PATH_KEYS[kind]}={','.join(map(quoted, paths))}"]


def _literal(text: str) -> str:
    """The name of a folder as Hydra takes it for one; what was quoted for Hydra, or is an interpolation, as it is."""
    if "${" in text or not text:
        return text
    _ = Config(paths=Paths(text)).mlruns  # refuses what is no text, before Hydra makes a folder of it
    try:
        (override,) = OverridesParser.create().parse_overrides([_ROOT + text])
        value = getattr(override, "_value", None)
        if isinstance(value, QuotedString) or value == text:
            return text
    except HydraException:  # signs that mean something to it
        pass
    return quoted(text)


def _values(text: str) -> list[str]:
    """The values of a sweep, or the one value, without the quotes that Hydra asks for."""
    try:
        (override,) = OverridesParser.create().parse_overrides([_GROUP + text])
        values = list(override.sweep_iterator()) if override.is_sweep_override() else [override.value()]
    except HydraException:  # a path with signs that mean something to Hydra
        return [text]
    return [str(getattr(value, "text", value)) for value in values]


def _there(text: str) -> str:
    """The kind of data set that lies at a path; nothing where nothing lies."""
    try:
        path = Path(text).expanduser()
        return "folder" if path.is_dir() else "table" if path.is_file() else ""
    except (OSError, RuntimeError, ValueError):  # too long; nobody's ~; a null
        return ""


def _kind(text: str) -> str:
    """The kind of data set that a path names, be it there or not; nothing of what is not a path."""
    looks = text.startswith(("~", ".")) or os.sep in text or "/" in text
    return _there(text) or ("folder" if looks else "")


def _own_words(own: Path | None) -> list[str]:
    if own is None:
        return []
    group = own / "dataset"
    return [path.relative_to(group).with_suffix("").as_posix() for path in group.rglob("*.yaml")]
