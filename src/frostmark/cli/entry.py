"""The only place that starts Hydra: one benchmark, or a sweep.

through_hydra(["backbone=vgg16", "-m", "seed=0,1"])     # the exit code
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from frostmark.cli.help import register_help
from frostmark.cli.leaving import imported
from frostmark.cli.program import commands
from frostmark.cli.sweeper import compose_once, hide_secrets, put_in_order
from frostmark.cli.under_way import Call, call_through_hydra, current_call
from frostmark.config.dataset_paths import with_paths
from frostmark.config.register import register
from frostmark.config.words import conf_dir
from frostmark.errors import ConfigError, nearest

OVERRIDE_MARKS = ("=", "~", "+")

TAKE_VALUES = {
    "-cd", "--config-dir", "-cn", "--config-name", "-c", "--cfg", "-p", "--package", "--info", "-i",
}  # fmt: skip
"""The only options of Hydra whose value is a word of its own."""

OPTIONS = TAKE_VALUES | {
    "-h", "--help", "--hydra-help", "--version", "--resolve", "-r", "--run", "-m", "--multirun", "-sc",
    "--shell-completion",
}  # fmt: skip
"""The options of Hydra that may be used: --experimental-rerun runs what a pickle says, --config-path may import."""

VERBOSE = ("-v", "--verbose")
"""The short way to say ``output=full``."""

OWN_FOLDER = ("-cd", "--config-dir")

MODES = {
    "-r": "--run", "-m": "--multirun", "-c": "--cfg", "-i": "--info", "-sc": "--shell-completion",
}  # fmt: skip
"""The options of Hydra of which a command has one at most, by their short form."""


def through_hydra(arguments: list[str]) -> int:
    """Run what the words ask for; the exit code.

    Raises:
        Exception: what ended the one benchmark.
    """
    arguments = ["output=full" if word in VERBOSE else word for word in arguments]
    refuse_other_options(arguments)
    _refuse_unknown_words(arguments)
    _refuse_two_modes(arguments)
    sys.argv[1:] = _options_first(with_paths(_of_rows(arguments), _own_folder(arguments)))
    # Hydra prints errors in its own way and exits with 1, unless it is told to let them through.
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")
    register()
    register_help()
    hide_secrets()
    put_in_order()
    compose_once()
    run = hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name="config")(benchmark)
    with call_through_hydra() as call:
        try:
            run()
        except BaseException as stopped:
            _finish(call, stopped)
            raise
        code = _finish(call, None)
        if call.problem is not None:
            raise call.problem
        return code


def benchmark(config: DictConfig) -> None:
    """What Hydra calls: once, or for every job of a sweep, in whatever process its launcher chooses."""
    from frostmark.cli import job  # all that a benchmark needs, and --help does not

    imported()
    if HydraConfig.get().mode == RunMode.MULTIRUN:
        job.job_of_sweep(config)
        return
    try:
        job.one_run(config)
    except Exception as error:
        current_call().problem = error


def _finish(call: Call, stopped: BaseException | None) -> int:
    """Close the sweep, if there is one, and print its table; its exit code."""
    if call.sweep is None:
        return 0
    from frostmark.cli.console import print_sweep
    from frostmark.cli.sweep import finish

    finished = finish(call.sweep, stopped)
    print_sweep(finished)
    return finished.code


def _of_rows(arguments: list[str]) -> list[str]:
    """The words as they are, unless rows made elsewhere are asked for: their layers stand in their file."""
    if "backbone=rows" not in arguments:
        return arguments
    from frostmark.cli.rows import with_layers

    return with_layers(arguments)


def _own_folder(arguments: list[str]) -> Path | None:
    """What ``--config-dir`` names."""
    named = [after for word, after in pairwise(arguments) if word in OWN_FOLDER]
    named += [word.partition("=")[2] for word in arguments if word.startswith(f"{OWN_FOLDER[1]}=")]
    return Path(named[-1]) if named else None


def _options_first(arguments: list[str]) -> list[str]:
    """The same words as Hydra's parser takes them: ``a=1 -m b=2`` would be refused as two groups of overrides."""
    return [word for word, _ in sorted(_kinds(arguments), key=lambda kind: not kind[1])]  # otherwise in their order


def refuse_other_options(arguments: list[str]) -> None:
    """Whatever Hydra's parser might take for an option but ours: it takes beginnings of words, too.

    Raises:
        ConfigError: of the first one.
    """
    for word in arguments:
        name = word.partition("=")[0] if word.startswith("--") else word.removesuffix("=")
        if word.startswith("-") and name not in OPTIONS:
            own = "; for YAMLs of your own --config-dir" if name in ("-cp", "--config-path") else ""
            raise ConfigError(f"the option {word} is not allowed", fix=f"leave it out{own}; --help tells more")


def _refuse_unknown_words(arguments: list[str]) -> None:
    """Words that are neither options nor overrides: Hydra would answer with a grammar."""
    for word, is_option in _kinds(arguments):
        if not is_option and not any(mark in word for mark in OVERRIDE_MARKS):
            raise ConfigError(
                f"unknown command '{word}'",
                fix=f"one of {nearest(word, commands())}, or overrides like backbone=vgg16; --help tells more",
            )


def _refuse_two_modes(arguments: list[str]) -> None:
    """Such as a sweep of which the configuration is to be shown: Hydra would fail with a ValueError."""
    words = (word.partition("=")[0] for word, is_option in _kinds(arguments) if is_option)
    modes = list(dict.fromkeys(mode for word in words if (mode := MODES.get(word, word)) in MODES.values()))
    if len(modes) > 1:
        raise ConfigError(f"{' and '.join(modes)} cannot be used together", fix=f"leave out {' or '.join(modes)}")


def _kinds(arguments: list[str]) -> Iterator[tuple[str, bool]]:
    """Every word, and whether it is an option or the value of one."""
    takes_value = False
    for word in arguments:
        yield word, takes_value or word.startswith("-")
        takes_value = word in TAKE_VALUES
