"""What the jobs of a sweep know of each other: the parent run, the layers that the others read, what was done before.

passes = announce_layers(folder, configs)   # layers.json of the sweep's folder
first_of_each(passes)                       # the order in which no device waits while a pass is left to begin
layers_of_sweep(job)                        # what the other jobs read of the same backbone and images
parent_run(), earlier(overrides)            # out of its sweep.json

A job finds the folder by :func:`frostmark.cli.under_way.sweep_folder`, whatever process it runs in.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from frostmark.cli.sweeper import BASIC
from frostmark.cli.under_way import sweep_folder
from frostmark.config.compose import typed
from frostmark.config.schema import Config, Layer
from frostmark.errors import ConfigError, FrostmarkError
from frostmark.regular import read_regular, write_whole
from frostmark.results.outcome import Outcome, SweepRecord, outcomes

LAYERS = "layers.json"
_MAX_BYTES = 1 << 24
"""Bytes of that file, at most: of many thousands of jobs."""


def refuse_many_devices(config: DictConfig) -> None:
    """A sweep runs each job on one device.

    Asked before the sweep, and again in every job: the devices themselves may be swept.

    Raises:
        ConfigError: if a job would start processes of its own.
    """
    trainer = config.trainer
    if str(trainer.devices) != "1" or trainer.strategy != "auto":
        raise ConfigError(
            f"--multirun with trainer.devices={trainer.devices} and trainer.strategy={trainer.strategy}: the processes "
            "of one job are started by running the command line again, and each of them would begin the whole sweep",
            fix="one device per job (trainer=auto), or one run after the other without -m (for experiment=report: "
            "hydra.mode=RUN)",
        )


def announce_layers(folder: Path, configs: Sequence[DictConfig | None]) -> list[str]:
    """Write down the layers of all jobs, by what else decides the rows; that of every job, empty if it is wrong."""
    asked: dict[str, list[dict[str, object]]] = {}
    passes = []
    for config in configs:
        try:
            job = None if config is None else typed(config)
        except FrostmarkError:
            job = None
        if job is None:
            passes.append("")  # that job will say so itself
            continue
        passes.append(_rows_but_layer(job))
        asked.setdefault(passes[-1], []).append(asdict(job.layer))
    write_whole(folder / LAYERS, json.dumps(asked))
    return passes


def first_of_each(passes: list[str]) -> list[int]:
    """The places of jobs in the order in which they begin side by side: first one job of every pass, then the others.

    The others read the rows of the first one, and would hold their device while they wait for it.
    """
    return sorted(range(len(passes)), key=lambda place: passes[place] in passes[:place])


def jobs_if_known(config: DictConfig) -> list[list[str]]:
    """The overrides of every job; none where they cannot be read: Hydra itself will say what is wrong with them."""
    try:
        return jobs_of(config)
    except (HydraException, OmegaConfBaseException):
        return []


def jobs_of(config: DictConfig) -> list[list[str]]:
    """The overrides of every job. Of sweepers that choose as they go, nobody knows them beforehand."""
    if config.hydra.sweeper._target_ != BASIC:
        return []
    words = [f"{key}={value}" for key, value in (config.hydra.sweeper.params or {}).items()]
    words += config.hydra.overrides.task  # of two words for one key the last counts, as in Hydra
    parsed = OverridesParser.create(config_loader=GlobalHydra.instance().config_loader()).parse_overrides(words)
    (jobs,) = BasicSweeper.split_arguments(parsed, None)
    return [list(job) for job in jobs]


def _rows_but_layer(job: Config) -> str:
    """Everything in a configuration that may change rows, but for the layer."""
    trainer = job.trainer
    return json.dumps(
        [job.backbone, job.preprocess, job.dataset, job.seed, trainer.precision, trainer.compile], sort_keys=True
    )


def layers_of_sweep(job: Config) -> list[Layer]:
    """The layers that the jobs of the sweep under way read of this job's backbone and images.

    None where nobody can tell any more: each job then reads its own.
    """
    folder = sweep_folder()
    try:
        asked = {} if folder is None else json.loads(read_regular(folder / LAYERS, _MAX_BYTES))
        layers = [Layer(**layer) for layer in asked.get(_rows_but_layer(job), [])]
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        return []
    return layers if all(isinstance(word, str | None) for layer in layers for word in vars(layer).values()) else []


def earlier(job: str) -> Outcome | None:
    """How the job of these overrides ended in the sweep that this one goes on with, if it ended well."""
    record = _record()
    if record is None or record.continues is None:
        return None
    ended = outcomes(Path(record.continues))
    return next((o for o in ended if o.job == job and o.code == 0 and o.folder), None)


def parent_run() -> str | None:
    """The parent run of the sweep under way, if there is one and it is tracked."""
    record = _record()
    return None if record is None else record.run_id


def typed_for_sweep() -> Sequence[str]:
    """The words of the sweep under way; none if there is none."""
    record = _record()
    return () if record is None else record.choices


def _record() -> SweepRecord | None:
    folder = sweep_folder()
    return None if folder is None else SweepRecord.read(folder)
