"""From words to a checked configuration.

config = compose(conf_dir(), ["backbone=vgg16", "seed=1"])      # Config, without running anything
config = typed(hydra_config)                                    # the same of what Hydra composed
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from pathlib import Path

import hydra
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from frostmark.config.checks import check
from frostmark.config.dataset_paths import with_paths
from frostmark.config.explain import explain_hydra
from frostmark.config.guard import HELP
from frostmark.config.register import hydra_of
from frostmark.config.schema import Config
from frostmark.errors import ConfigError, nearest


def compose(folder: Path, overrides: list[str], own: Path | None = None) -> Config:
    """The configuration that ``overrides`` make of the YAMLs in ``folder``, without running anything.

    Args:
        own: a folder of the user's own YAMLs, searched as well (``--config-dir``).

    Raises:
        ConfigError: if an override is wrong.
    """
    try:
        return typed(composed(folder, overrides, own))
    except (HydraException, OmegaConfBaseException) as problem:
        raise explain_hydra(problem, overrides) or problem from problem


def composed(folder: Path, overrides: list[str], own: Path | None = None) -> DictConfig:
    """As :func:`compose`, as Hydra makes it: values may be missing, and nothing is checked."""
    searched = [] if own is None else [f"hydra.searchpath=[file://{own.absolute()}]"]
    with hydra_of(folder):
        return hydra.compose("config", [*with_paths(overrides, own), *searched])


def typed(config: DictConfig) -> Config:
    """The composed configuration as an object, checked.

    Raises:
        ConfigError: if a value is missing, of a wrong kind, or does not fit another one.
    """
    try:
        _refuse_unknown_keys(config, Config)
        result = OmegaConf.to_object(config)
    except OmegaConfBaseException as problem:
        raise ConfigError(
            f"the configuration is incomplete: {str(problem).splitlines()[0]}",
            fix="`python run.py --cfg job` shows what it holds",
        ) from problem
    assert isinstance(result, Config)
    check(result)
    return result


def _refuse_unknown_keys(node: DictConfig, schema: type, path: str = "") -> None:
    """What was added with ``+`` would be left aside silently."""
    known = {field.name: field for field in fields(schema)}
    for key in map(str, node):
        if key not in known:
            raise ConfigError(f"there is no key '{path}{key}'. Nearest: {nearest(key, known)}", fix=HELP)
        part: object = known[key].default_factory
        if is_dataclass(part) and isinstance(part, type):
            _refuse_unknown_keys(node[key], part, f"{path}{key}.")
