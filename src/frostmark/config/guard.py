"""What Hydra itself may call: every configuration is looked through before Hydra makes anything of it.

    install()                       # from now on Hydra refuses to load a configuration that names anything foreign

Hydra instantiates its callbacks, launcher, sweeper and logging by themselves, before a benchmark begins and again in
every job of a sweep. It knows a list of dangerous targets, which cannot be complete; this is the list of the good ones.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import hydra._internal.hydra
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_repository import CachingConfigRepository
from hydra.core.object_type import ObjectType
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

from frostmark.config.mistaken import explain_unset, refuse_mistaken
from frostmark.errors import ConfigError, FrostmarkError, closest

HELP = "python run.py --help; it lists groups and keys, and --cfg job shows all values"
"""The way out of a wrong word."""

_PLUGINS = "hydra_plugins.hydra_"
_HANDLERS = {"logging.StreamHandler", "logging.FileHandler"}

ALLOWED = {
    r"callbacks\.\w+\._target_": {"frostmark.cli.sweep.SweepParent"},
    r"sweeper\._target_": {"hydra._internal.core_plugins.basic_sweeper.BasicSweeper"},
    r"launcher\._target_": {
        "hydra._internal.core_plugins.basic_launcher.BasicLauncher",
        f"{_PLUGINS}joblib_launcher.joblib_launcher.JoblibLauncher",
        f"{_PLUGINS}submitit_launcher.submitit_launcher.LocalLauncher",
        f"{_PLUGINS}submitit_launcher.submitit_launcher.SlurmLauncher",
    },
    r"(job|hydra)_logging\.handlers\.\w+\.class": _HANDLERS,
}
"""Where under ``hydra`` something callable may be named, and which."""

STREAMS = ("ext://sys.stdout", "ext://sys.stderr")
"""What a logging configuration may look up."""

_CALLING = ("_target_", "()", "class")
"""Keys whose value Hydra or Python's logging calls."""

_CALLED = ("callbacks", "launcher", "sweeper", "job_logging", "hydra_logging")
"""Parts of ``hydra`` that are made into objects."""


class GuardedLoader(ConfigLoaderImpl):
    """Loads configurations as Hydra does, and refuses what is foreign; in the workers of a sweep as well."""

    def load_configuration(
        self,
        config_name: str | None,
        overrides: list[str],
        run_mode: RunMode,
        from_shell: bool = True,
        validate_sweep_overrides: bool = True,
    ) -> DictConfig:
        one_run = run_mode is RunMode.RUN and validate_sweep_overrides
        refuse_mistaken(overrides, one_run=one_run, shell=from_shell)
        try:
            config = super().load_configuration(config_name, overrides, run_mode, from_shell, validate_sweep_overrides)
        except (FrostmarkError, HydraException, OmegaConfBaseException, OSError, MemoryError):
            raise
        except Exception as problem:
            # Hydra trips over words of a kind that it does not expect, a dictionary in a list of choices say, and over
            # YAMLs that are none.
            if (unset := explain_unset(overrides)) is not None:
                raise unset from problem
            told = (str(problem) or type(problem).__name__).splitlines()[0]
            raise ConfigError(f"Hydra cannot read the overrides: {told}", fix=HELP) from problem
        refuse_foreign(config)
        self._refuse_unknown_experiment(config)
        return config

    def _refuse_unknown_experiment(self, config: DictConfig) -> None:
        """An experiment is optional, so that Hydra would leave out one that is not there without a word."""
        word = OmegaConf.select(config, "hydra.runtime.choices.experiment")
        if isinstance(word, str) and not self._searched.config_exists(f"experiment/{word}"):
            valid = self._searched.get_group_options("experiment", ObjectType.CONFIG)
            told = f"there is no experiment '{word}'. Valid: {', '.join(valid)}"
            raise ConfigError(told, fix=f"experiment={closest(word, valid)}")

    def _process_config_searchpath(
        self, config_name: str | None, parsed_overrides: list[Override], repo: CachingConfigRepository
    ) -> None:
        loaded = None if config_name is None else repo.load_config(config_path=config_name)
        primary = None if loaded is None else loaded.config
        named = [OmegaConf.select(primary, "hydra.searchpath")] if isinstance(primary, DictConfig) else []
        named += [o.value() for o in parsed_overrides if "searchpath" in o.get_key_element()]
        for place in named:
            _refuse_package(place)
        super()._process_config_searchpath(config_name, parsed_overrides, repo)
        self._searched = repo  # with the folders that the words add


def _refuse_package(places: object) -> None:
    """Folders may be searched for YAMLs; a package would be imported for it."""
    for place in places if isinstance(places, list | ListConfig) else [places]:
        if isinstance(place, str) and "://" in place and not place.startswith("file://"):
            raise ConfigError(
                f"hydra.searchpath={place} is not allowed", fix="hydra.searchpath=[file:///a/folder], or --config-dir"
            )


@contextmanager
def kept_to_this() -> Iterator[None]:
    """Afterwards Hydra loads configurations as it did before: a caller's own programs with Hydra are not ours."""
    before = vars(hydra._internal.hydra)["ConfigLoaderImpl"]
    try:
        yield
    finally:
        setattr(hydra._internal.hydra, "ConfigLoaderImpl", before)  # noqa: B010 (as below)


def install() -> None:
    """Make Hydra load every configuration through the guard."""
    setattr(hydra._internal.hydra, "ConfigLoaderImpl", GuardedLoader)  # noqa: B010 (mypy takes classes for constants)


def refuse_foreign(config: DictConfig) -> None:
    """Look through the part of a composed configuration that is Hydra's own.

    Raises:
        ConfigError: if anything is named there that is not in :data:`ALLOWED`.
    """
    own = config.get("hydra")
    if own is None:
        return
    try:
        for path, value in _leaves(own):
            _refuse(path, value)
    except RecursionError as problem:  # an interpolation that leads into itself
        raise _refusal("…", "it leads into itself") from problem
    for part in ("launcher", "sweeper"):
        if not isinstance(own[part], DictConfig):
            raise _refusal(part, own[part])
    if own.job.env_set:  # processes that are started later would take their code from where it says
        raise ConfigError(
            "hydra.job.env_set is not allowed", fix="set variables before the command: NAME=value python run.py …"
        )


def _refuse(path: str, value: Any) -> None:
    part, _, _ = path.partition(".")
    key = path.rpartition(".")[2]
    if path in _CALLED and value is not None:
        raise _refusal(path, value)  # it should have keys of its own
    if key in _CALLING and not any(re.fullmatch(place, path) and value in good for place, good in ALLOWED.items()):
        raise _refusal(path, value)
    if part.endswith("_logging") and isinstance(value, str) and "://" in value and value not in STREAMS:
        raise _refusal(path, value)
    if part in _CALLED and isinstance(value, str) and re.fullmatch(r"\$\{.*\}", value, re.DOTALL):
        raise _refusal(path, value)  # what it will lead to cannot be told yet


def _refusal(path: str, value: Any) -> ConfigError:
    return ConfigError(
        f"hydra.{path}={value} is not allowed",
        fix="leave it out; hydra/launcher=joblib, gpus, submitit_local or submitit_slurm run the jobs of a sweep",
    )


def _leaves(node: DictConfig | ListConfig, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every value by its dotted key, interpolations followed where they lead somewhere already."""
    keys = list(node.keys()) if isinstance(node, DictConfig) else list(range(len(node)))
    for key in keys:
        here = f"{path}.{key!s}" if path else str(key)
        value = _value(node, key)
        if isinstance(value, DictConfig | ListConfig):
            if key in _CALLING:
                yield here, value
            yield from _leaves(value, here)
        else:
            yield here, value


def _value(node: DictConfig | ListConfig, key: Any) -> Any:
    try:
        return node[key]
    except MissingMandatoryValue:
        return None
    except OmegaConfBaseException:
        return node._get_node(key)._value()  # type: ignore[union-attr]
