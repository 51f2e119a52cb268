"""Hydra's own sweeper, which writes down what was typed without the secrets that it may hold.

hydra.sweeper._target_: frostmark.cli.sweeper.Sweeper       # conf/config.yaml; known to Hydra by register_sweeper()
"""

from __future__ import annotations

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.plugins import Plugins
from omegaconf import DictConfig, ListConfig, OmegaConf, flag_override

from frostmark.tracking.tracker import without_secrets


class Sweeper(BasicSweeper):
    """Every combination of the values that are swept; ``multirun.yaml`` has no secret at any moment."""

    def sweep(self, arguments: list[str]) -> object:
        assert self.config is not None
        self.config = _without_secrets(self.config)  # Hydra saves it; the jobs are made of the arguments
        return super().sweep(arguments)


def register_sweeper() -> None:
    """Let Hydra find the sweeper."""
    Plugins.instance().register(Sweeper)


def _without_secrets(config: DictConfig) -> DictConfig:
    clean = config.copy()
    with flag_override(clean, ["readonly", "struct"], [False, False]):
        if clean.tracking.uri:
            clean.tracking.uri = without_secrets(clean.tracking.uri)
        for part in ("task", "hydra"):
            words = OmegaConf.to_container(clean.hydra.overrides[part], resolve=False)
            assert isinstance(words, list)
            clean.hydra.overrides[part] = ListConfig([without_secrets(str(word)) for word in words])
    return clean
