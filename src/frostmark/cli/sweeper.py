"""Hydra's own sweeper, made to write down what was typed without the secrets that it may hold, and to order the jobs.

hide_secrets(), put_in_order(), compose_once()      # before a sweep; Hydra takes no sweeper from outside its packages
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import wraps

from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper
from omegaconf import DictConfig, OmegaConf

from frostmark.cli.under_way import current_call
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


def put_in_order() -> None:
    """From now on the jobs of a sweep are begun, and numbered, in the order that the call under way asks for."""
    sweeper = Plugins.instance().class_name_to_class[BASIC]
    next_batch = sweeper.get_job_batch  # type: ignore[attr-defined]
    if next_batch.__module__ == __name__:
        return

    @wraps(next_batch, assigned=())
    def batch_in_order(self: Sweeper) -> Sequence[Sequence[str]]:
        batch: Sequence[Sequence[str]] = next_batch(self)
        order = current_call().order
        whole = order is not None and len(order) == len(batch)  # not a part of it, hydra.sweeper.max_batch_size
        return [batch[place] for place in order] if order is not None and whole else batch

    setattr(sweeper, "get_job_batch", batch_in_order)  # noqa: B010 (as above)


def compose_once() -> None:
    """From now on Hydra does not compose jobs, before it begins the first, that the call under way composed already."""
    sweeper = Plugins.instance().class_name_to_class[BASIC]
    validate = sweeper.validate_batch_is_legal  # type: ignore[attr-defined]
    if validate.__module__ == __name__:
        return

    @wraps(validate, assigned=())
    def validate_the_others(self: Sweeper, batch: Sequence[Sequence[str]]) -> None:
        composed = current_call().composed
        validate(self, [job for job in batch if tuple(job) not in composed])

    setattr(sweeper, "validate_batch_is_legal", validate_the_others)  # noqa: B010 (as above)


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
