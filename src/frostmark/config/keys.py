"""The keys that a word of the command line may have been meant to be.

keys_with(["dataset=folder"])           # dotted, of the schema and of what is chosen: "dataset.on_bad_image" …
keys_of_choices()                       # of every choice of every group, chosen or not
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import hydra
from hydra.errors import HydraException
from omegaconf import OmegaConf

from frostmark.config.dataset_paths import with_paths
from frostmark.config.register import hydra_of
from frostmark.config.shown import leaves
from frostmark.config.words import conf_dir, conf_folders, known_words
from frostmark.errors import ConfigError


def keys_with(words: Sequence[str]) -> list[str]:
    """Every key of the configuration in which the words choose; other words, and unknown choices, do not count."""
    chosen = []
    with suppress(ConfigError):
        for word in with_paths(words):
            group, mark, value = word.partition("=")
            first = value.partition(",")[0]
            if mark and first in known_words(group):
                chosen.append(f"{group}={first}")
    return _composed(chosen)


def keys_of_choices() -> list[str]:
    """Every key that a YAML of a group has."""
    files = [file for folder in conf_folders() for file in folder.glob("*/*.yaml") if file.parent.name != "experiment"]
    content = [(file.parent.name, OmegaConf.to_container(OmegaConf.load(file))) for file in files]
    return sorted({key for group, one in content for key, _ in leaves(one, group) if not _is_inner(key)})


def _composed(words: list[str]) -> list[str]:
    with hydra_of(conf_dir()):
        try:
            config = hydra.compose("config", words)
        except HydraException:  # choices that do not go together
            config = hydra.compose("config")
    return sorted({key for key, _ in leaves(OmegaConf.to_container(config)) if not _is_inner(key)})


def _is_inner(key: str) -> bool:
    """Of Hydra's own words, which nobody types."""
    return key.endswith(("._target_", ".defaults")) or key.startswith("candidates.")
