"""The only place that starts Hydra: one benchmark, or a sweep.

through_hydra(["backbone=vgg16", "-m", "seed=0,1"])     # the exit code
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator
from difflib import get_close_matches
from itertools import pairwise
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from frostmark.cli.help import register_help
from frostmark.cli.leaving import imported
from frostmark.cli.program import commands, program, typed_command
from frostmark.cli.sweeper import compose_once, hide_secrets, put_in_order
from frostmark.cli.under_way import Call, call_through_hydra, current_call
from frostmark.config.dataset_paths import with_paths
from frostmark.config.explain import OF_A_CHOICE
from frostmark.config.register import register
from frostmark.config.words import conf_dir, known_words
from frostmark.errors import ConfigError

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

_VALUES = dict.fromkeys(("--cfg", "-c"), ("job", "hydra", "all")) | dict.fromkeys(
    ("--info", "-i"), ("all", "config", "defaults", "defaults-tree", "plugins", "searchpath")
)
"""The values of the options that have a list of them."""

_MAY_STAND_ALONE = ("--info", "-i")

_OF_BOTH = ("dataset", "paths", "tracking", "seed")
"""Groups whose words a benchmark and a choice share, of those that a Fix line repeats."""

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
    _refuse_what_does_nothing(arguments)
    _refuse_other_values(arguments)
    _refuse_a_choice(arguments)
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
            raise ConfigError(f"the option {word} is not allowed", fix=_without_option(word, name, arguments))


def _without_option(word: str, name: str, arguments: list[str]) -> str:
    """The command with what was meant by an option that there is not, or without it."""
    place = arguments.index(word)
    before, after = arguments[:place], arguments[place + 1 :]
    group, _, value = word.lstrip("-").partition("=")
    near = get_close_matches(name, [*OPTIONS, *VERBOSE], n=1, cutoff=0.8)
    if known_words(group):  # --backbone resnet18, --backbone=resnet18
        meant = [f"{group}={value}"] if value else [f"{group}={after[0]}"] if after else []
        after = after if value else after[1:]
    else:
        meant = near if "experimental" not in name and len(name) > 3 else []  # nothing is near to two letters
    own = "; for YAMLs of your own: --config-dir <their folder>" if name in ("-cp", "--config-path") else ""
    kept = [other for other in [*before, *meant, *after] if _is_ours(other)]
    return f"{typed_command(kept)}{own}; --help tells more"


def _is_ours(word: str) -> bool:
    if word.startswith("-"):
        return word.partition("=")[0] in {*OPTIONS, *VERBOSE}
    return any(mark in word for mark in OVERRIDE_MARKS)


def _refuse_unknown_words(arguments: list[str]) -> None:
    """Words that are neither options nor overrides: Hydra would answer with a grammar."""
    for word, is_option in _kinds(arguments):
        if not is_option and not any(mark in word for mark in OVERRIDE_MARKS):
            told = f"unknown command '{word}'. Commands: {', '.join(commands())}"
            raise ConfigError(told, fix=_meant(word, arguments), wrong=[word, *_beside(word, arguments)])


def _beside(word: str, arguments: list[str]) -> list[str]:
    """What stands behind a group's name, as in ``backbone resnet18`` and ``backbone =resnet18``."""
    after = arguments[arguments.index(word) + 1 :][:1]
    return after if after and known_words(word) and known_words(word).count(after[0].lstrip("=")) else []


def _meant(word: str, arguments: list[str]) -> str:
    """What to type for a word alone: the folder or the choice that has its name, or the nearest command."""
    if beside := _beside(word, arguments):
        return f"{word}={beside[0].lstrip('=')}"
    if word == "help":
        return f"{program()} --help"
    if Path(word).exists():
        return shlex.quote(f"dataset=./{word}" if Path(word).name == word else f"dataset={word}")
    named = ("experiment", "backbone", "dataset", "layer", "metrics", "reducer")
    groups = [group for group in named if word in known_words(group)]
    if groups:
        return f"{groups[0]}={word}"
    near = get_close_matches(word, commands(), n=1)
    experiments = get_close_matches(word, known_words("experiment"), n=1)
    if experiments and not near:
        return f"experiment={experiments[0]}"
    return f"{program()} {near[0]} --help" if near else f"{program()} --help"


def _refuse_what_does_nothing(arguments: list[str]) -> None:
    """Options that only change what another option shows: Hydra would fail with a ValueError."""
    names = {word.partition("=")[0] for word, is_option in _kinds(arguments) if is_option}
    for option in ("--resolve", "--package", "-p"):
        if option in names and not names & {"--cfg", "-c", "--help", "-h"}:
            told = f"{option} changes what --cfg shows, and has no effect without --cfg"
            kept = arguments[:-1] if option != "--resolve" and arguments[-1] == option else arguments
            raise ConfigError(told, fix=typed_command(["--cfg", "job", *kept]))


def _refuse_other_values(arguments: list[str]) -> None:
    """Values that an option does not take: argparse would answer with its usage."""
    for option, value in [*pairwise(arguments), *(word.split("=", 1) for word in arguments if "=" in word)]:
        valid = _VALUES.get(option)
        if valid is not None and value not in valid and not (option in _MAY_STAND_ALONE and "=" in value):
            near = get_close_matches(value, valid, n=1) or valid
            told = f"{option} {value} is unknown. Valid: {', '.join(valid)}"
            right = {value: near[0], f"{option}={value}": f"{option}={near[0]}"}
            raise ConfigError(told, fix=typed_command([right.get(word, word) for word in arguments]))


def _refuse_a_choice(arguments: list[str]) -> None:
    """Words of ``choose`` in the command of a benchmark."""
    keys = [word.lstrip("+").partition("=")[0] for word in arguments]
    of_choice = [key for key in keys if key.partition(".")[0] in OF_A_CHOICE]
    if not of_choice:
        return
    lists = [] if "candidates" in keys else ["candidates=base"]
    shared = [word for word, key in zip(arguments, keys, strict=True) if key.partition(".")[0] in _OF_BOTH]
    values = [word.partition("=")[2] for word, key in zip(arguments, keys, strict=True) if key.startswith("budget")]
    budget = [f"budget.minutes={values[-1]}"] if values else []
    chosen = [word for word, key in zip(arguments, keys, strict=True) if key == "candidates"]
    told = f"{of_choice[0]} belongs to choose, and this is a benchmark"
    raise ConfigError(told, fix=typed_command(["choose", *lists, *chosen, *shared, *budget]))


def _refuse_two_modes(arguments: list[str]) -> None:
    """Such as a sweep of which the configuration is to be shown: Hydra would fail with a ValueError."""
    words = (word.partition("=")[0] for word, is_option in _kinds(arguments) if is_option)
    modes = list(dict.fromkeys(mode for word in words if (mode := MODES.get(word, word)) in MODES.values()))
    if len(modes) > 1:
        raise ConfigError(f"{' and '.join(modes)} cannot be used together", fix=_one_mode(modes, arguments))


def _one_mode(modes: list[str], arguments: list[str]) -> str:
    """The command with the first of the modes alone."""
    others = {*modes[1:], *(short for short, mode in MODES.items() if mode in modes[1:])}
    kept, skip = [], False
    for word in arguments:
        option = word.partition("=")[0]
        if not skip and option not in others:
            kept.append(word)
        skip = option in others and word in TAKE_VALUES
    return f"{typed_command(kept)}; or leave out {modes[0]}"


def _kinds(arguments: list[str]) -> Iterator[tuple[str, bool]]:
    """Every word, and whether it is an option or the value of one."""
    takes_value = False
    for word in arguments:
        yield word, takes_value or word.startswith("-")
        takes_value = word in TAKE_VALUES
