"""Hydra's own sweeper, made to write down what was typed without the secrets that it may hold.

hide_secrets()                  # before a sweep; Hydra takes no sweeper from outside its own packages
"""

from __future__ import annotations

from functools import wraps

from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper
from omegaconf import DictConfig, OmegaConf

from frostmark.tracking.tracker import without_secrets

BASIC = "hydra._internal.core_plugins.basic_sweeper.BasicSweeper"
"""The target of Hydra's own sweeper, which knows every job beforehand."""


def hide_secrets() -> None:
    """From now on ``multirun.yaml``, which Hydra writes before the first job, has no secret at any moment."""
    sweeper = Plugins.instance().class_name_to_class[BASIC]  # Hydra imports it anew when it looks for plugins
    sweep = sweeper.sweep  # type: ignore[attr-defined]
    if sweep.__module__ == __name__:
        return

    @wraps(sweep, assigned=())
    def sweep_without_secrets(self: Sweeper, arguments: list[str]) -> object:
        assert self.config is not None
        self.config = _without_secrets(self.config)  # for the file; the jobs are made of the arguments
        return sweep(self, arguments)

    setattr(sweeper, "sweep", sweep_without_secrets)  # noqa: B010 (mypy knows no such attribute of plugins)


def _without_secrets(config: DictConfig) -> DictConfig:
    """The configuration of a sweep with every text cleaned: an override is in it three times."""
    content = _cleaned(OmegaConf.to_container(config, resolve=False))
    assert isinstance(content, dict)
    clean = OmegaConf.create(content)
    OmegaConf.copy_cache(from_config=config, to_config=clean)  # the folder's time is that of the beginning
    return clean


def _cleaned(value: object) -> object:
    if isinstance(value, dict):
        return {key: _cleaned(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_cleaned(inner) for inner in value]
    return without_secrets(value) if isinstance(value, str) else value
