"""The configurations of all jobs of a sweep, before the first of them begins.

    composed = configs_of(config, jobs)         # one per job; None of a job that cannot be composed
    composed[3].layer.tap

Hydra takes a tenth of a second for a job. Jobs that differ in values alone (``seed=0,1``), or in the choice of a plain
YAML (``layer=stage1,stage2``), differ in nothing but those parts: each part is composed once, by Hydra, and each job is
put together of parts. A job composed as a whole says whether that holds; where it does not, Hydra composes every job.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from frostmark.errors import FrostmarkError

UNCOMPOSED = (FrostmarkError, HydraException, OmegaConfBaseException)
"""What is raised where words make no configuration."""


class Changes(Enum):
    """What a word of a job changes, beside the same words of the other jobs."""

    VALUE = "one key"
    CHOICE = "what lies under its own key"
    ANYTHING = "anything"


def configs_of(config: DictConfig, jobs: Sequence[Sequence[str]]) -> list[DictConfig | None]:
    """The configuration of every job without Hydra's own part; None of one that cannot be composed.

    Args:
        config: of the sweep.
        jobs: the words of each, of the same keys in the same order.
    """
    if not jobs:
        return []
    parts = _Parts(config)
    changes = parts.changes(jobs)
    configs = [parts.job(words, jobs[0], changes) for words in jobs]
    if configs[-1] is None or _content(configs[-1]) == _content(parts.whole(jobs[-1])):
        return configs
    return [parts.whole(words) for words in jobs]


@dataclass
class _Parts:
    """What was composed already.

    Attributes:
        config: of the sweep.
    """

    config: DictConfig
    _whole: dict[tuple[str, ...], DictConfig | None] = field(default_factory=dict)
    _overrides: dict[str, Override] = field(default_factory=dict)

    def whole(self, words: Sequence[str]) -> DictConfig | None:
        """What Hydra makes of the words of a job."""
        key = tuple(words)
        if key not in self._whole:
            self._whole[key] = self._compose([*words])
        return self._whole[key]

    def job(self, words: Sequence[str], first: Sequence[str], changes: Sequence[Changes]) -> DictConfig | None:
        """A job put together: ``first`` but for what its own words change."""
        named = list(zip(words, first, changes, strict=True))
        base = [word if change is Changes.ANYTHING else of_first for word, of_first, change in named]
        made = copy.deepcopy(self.whole(base))
        own = [place for place, word in enumerate(words) if word != base[place]]
        for place in own:
            if made is None or changes[place] is not Changes.CHOICE:
                continue
            chosen = self.whole([*base[:place], words[place], *base[place + 1 :]])
            made = None if chosen is None else _with(made, chosen, self._override(words[place]).key_or_group)
        values = [self._override(words[place]) for place in own if changes[place] is Changes.VALUE]
        try:
            if made is not None:
                ConfigLoaderImpl._apply_overrides_to_config(values, made)
        except UNCOMPOSED:
            return None
        return made

    def changes(self, jobs: Sequence[Sequence[str]]) -> list[Changes]:
        """By place, what the words there change."""
        columns = [list(dict.fromkeys(words)) for words in zip(*jobs, strict=True)]
        keys = [self._override(column[0]).key_or_group for column in columns]
        return [self._change(column, [*keys[:at], *keys[at + 1 :]]) for at, column in enumerate(columns)]

    def _change(self, words: Sequence[str], others: Sequence[str]) -> Changes:
        overrides = [self._override(word) for word in words]
        if len(words) == 1 or not all(map(_is_plain, overrides)):
            return Changes.ANYTHING
        key = overrides[0].key_or_group
        if self._loader.repository.group_exists(key):
            return Changes.CHOICE if all(map(self._stands_alone, overrides)) else Changes.ANYTHING
        # Of a key and what lies under it the later word counts: their order matters.
        return Changes.ANYTHING if any(_overlap(key, other) for other in others if "." in other) else Changes.VALUE

    def _stands_alone(self, override: Override) -> bool:
        """Whether the YAMLs that are chosen ask for no others, and lie under their group's own key."""
        value = override.value()
        for name in value if isinstance(value, list) else [value]:
            path = f"{override.key_or_group}/{name}"
            loaded = self._loader.repository.load_config(path) if isinstance(name, str) else None
            if loaded is None or loaded.defaults_list or loaded.header.get("package"):
                return False
        return True

    def _override(self, word: str) -> Override:
        if word not in self._overrides:
            (self._overrides[word],) = OverridesParser.create().parse_overrides([word])
        return self._overrides[word]

    def _compose(self, words: list[str]) -> DictConfig | None:
        try:
            composed = self._loader.load_sweep_config(self.config, words)
        except UNCOMPOSED:
            return None
        with open_dict(composed):
            del composed["hydra"]
        return composed

    @property
    def _loader(self) -> ConfigLoaderImpl:
        loader = GlobalHydra.instance().config_loader()
        assert isinstance(loader, ConfigLoaderImpl)
        return loader


def _content(config: DictConfig | None) -> object:
    return None if config is None else OmegaConf.to_container(config)


def _is_plain(override: Override) -> bool:
    """Whether a word changes what is there, by a value that is no dictionary."""
    change = override.type is OverrideType.CHANGE and override.package is None and not override.is_hydra_override()
    return change and not isinstance(override.value(), dict)


def _overlap(one: str, other: str) -> bool:
    return f"{one}.".startswith(f"{other}.") or f"{other}.".startswith(f"{one}.")


def _with(config: DictConfig, other: DictConfig, key: str) -> DictConfig:
    """``config`` with what lies under ``key`` of another one."""
    with open_dict(config):
        config[key] = copy.deepcopy(other[key])
    return config
