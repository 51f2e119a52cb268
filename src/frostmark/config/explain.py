"""Any error in Frostmark's words: what is wrong, and a command or key that mends it.

explained(error).code           # 2 for a wrong word, whoever found it wrong; 3 for a full disk; 1 for a bug of ours
explain_hydra(error)            # what Hydra or OmegaConf says, or None for other errors
"""

from __future__ import annotations

import errno
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from difflib import SequenceMatcher
from pathlib import Path

import hydra
from hydra.errors import HydraException, MissingConfigException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from frostmark.config.guard import HELP
from frostmark.config.keys import keys_of_choices, keys_with
from frostmark.config.mistaken import MEASURED, pasted
from frostmark.config.register import hydra_of
from frostmark.config.words import choices_with, conf_dir, known_words
from frostmark.errors import ConfigError, DataError, FrostmarkError, closest, nearest

_OF_NO_USE = ("To append", "Set the environment", "full_key", "object_type", "reference_type")
"""Beginnings of lines in Hydra's messages that tell a user nothing."""

OF_A_CHOICE = ("candidates", "budget")
"""Keys of the command that races candidates."""

_MEANT = {
    "device": "trainer", "trainer.device": "trainer", "accelerator": "trainer", "model": "backbone", "arch": "backbone",
    "network": "backbone", "data": "dataset", "images": "dataset", "map": "reducer", "classifier": "decide",
}  # fmt: skip
"""Keys of other programs → ours."""

_MIN_LIKENESS = 0.75
"""Of difflib's ratio: a key that is less like the word is not offered with the value that was typed."""

_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)

_OF_THE_MACHINE = {
    *_DISK_FULL, errno.EIO, errno.EROFS, errno.EACCES, errno.EPERM, errno.EMFILE, errno.ENFILE,
    errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.ELOOP,
}  # fmt: skip


def explained(error: Exception, words: Sequence[str] = ()) -> FrostmarkError:
    """Any error in our words: what a configuration library says of a wrong word is a wrong command.

    Args:
        words: of the command, which say whose keys are meant.
    """
    if isinstance(error, FrostmarkError):
        return error
    return (
        explain_hydra(error, words)
        or _explain_machine(error)
        or FrostmarkError(
            f"this is a bug in Frostmark: {type(error).__name__}: {error}",
            fix="run it again with FROSTMARK_DEBUG=1 for the traceback, and report it",
        )
    )


def explain_hydra(error: Exception, words: Sequence[str] = ()) -> ConfigError | None:
    """What Hydra or OmegaConf found wrong, in one paragraph with the nearest valid words; None for other errors.

    Args:
        words: as :func:`explained` takes them.
    """
    if isinstance(error, MissingConfigException):
        return _explain_choice(error)
    if isinstance(error, HydraException | OmegaConfBaseException):
        lines = [line.strip() for e in (error, error.__cause__) if e for line in str(e).splitlines() if line.strip()]
        if (wrong := _explain_kind("\n".join(lines))) is not None:
            return wrong
        unknown = re.search(r"Could not override '([^']+)'", " ".join(lines))
        if unknown is not None:
            value = re.search(r" use \+[^\s=]+=(.*)", str(error))
            return _explain_key(unknown.group(1), value.group(1) if value else "…", words)
        told = [line for line in lines if not line.startswith(_OF_NO_USE)]
        return ConfigError(" ".join(told[:3]), fix=HELP)
    return None


def _explain_kind(told: str) -> ConfigError | None:
    """A value that is not a number, or not true or false."""
    merged = re.match(
        r"Error merging override ([\w.]+)=(.*)\n(?:.*\n)*?.*could not be converted to (Integer|Float)", told
    )
    truth = re.match(r"Error merging override ([\w.]+)=(.*)\n(?:.*\n)*?.*is not a valid bool", told)
    if (found := merged or truth) is None:
        return None
    key, value = found.group(1, 2)
    kind = {"Integer": "a whole number", "Float": "a number"}[merged.group(3)] if merged else "true or false"
    usual = OmegaConf.select(_usual(), key)
    return ConfigError(f"{key}={value} is not {kind}", fix=f"{key}={'null' if usual is None else str(usual).lower()}")


def _explain_key(word: str, value: str, words: Sequence[str]) -> ConfigError:
    """A key that no choice has, or that another choice of its group has."""
    group = word.partition(".")[0]
    if group in OF_A_CHOICE:
        told = f"{word} belongs to choose, and this is a benchmark"
        return ConfigError(told, fix="python run.py choose candidates=base dataset=digits")
    having = sorted(choices_with(word), key=lambda choice: choice != "folder")  # who names a root means a folder
    if not having:
        return _no_such_key(word, value, words)
    if group == "metrics":
        told = f"{word} is a key of metrics={having[0]}, which is not chosen"
        return ConfigError(told, fix=f"'metrics=[{having[0]}]', or with others")
    choices = ", ".join(f"{group}={choice}" for choice in having)
    return ConfigError(
        f"{word} is a key of {choices}, not of the {group} that is chosen", fix=f"{group}={having[0]} {word}={value}"
    )


def _no_such_key(word: str, value: str, words: Sequence[str]) -> ConfigError:
    """With the key that was probably meant: one that ends in the word, or that is spelt nearly so."""
    keys, told, wrong = keys_with(words), f"there is no key '{word}'", [f"{word}={value}"]
    meant = [_MEANT[word]] if word in _MEANT else [key for key in keys if key.endswith(f".{word}")]
    if meant := meant or _spelt_nearly(word, keys):
        return ConfigError(f"{told}. Nearest: {', '.join(meant)}", fix=pasted(f"{meant[0]}={value}"), wrong=wrong)
    if others := _spelt_nearly(word, keys_of_choices()):  # the key of a choice that is not chosen
        problem = _explain_key(others[0], value, words)
        return ConfigError(f"{told}; {problem.problem}", fix=problem.fix, wrong=wrong)
    group = word.partition(".")[0]
    valid = [key for key in keys if key.startswith(f"{group}.")]
    return ConfigError(told + (f". Valid: {', '.join(valid)}" if valid else ""), fix=HELP, wrong=wrong)


def _spelt_nearly(word: str, keys: Sequence[str]) -> list[str]:
    """The keys of which both the group and the rest are spelt nearly so; of a word without a dot, the last part."""
    group, dot, rest = word.partition(".")

    def likeness(key: str) -> float:
        parts = (
            [(group, key.partition(".")[0]), (rest, key.partition(".")[2])] if dot else [(word, key.rpartition(".")[2])]
        )
        return min(SequenceMatcher(None, *part).ratio() for part in parts)

    near = {key: likeness(key) for key in keys}
    return [key for key in sorted(near, key=lambda key: -near[key]) if near[key] >= _MIN_LIKENESS][:4]


def _explain_choice(error: MissingConfigException) -> ConfigError:
    """A word that its group does not have."""
    option = (error.missing_cfg_file or "").removesuffix(".yaml")
    group, _, word = option.rpartition("/")
    # Of a choice within a list Hydra does not tell the others.
    known = error.options or known_words(group)
    if not known:
        return ConfigError(str(error).splitlines()[0], fix=HELP)
    if not group:
        return _explain_name(word)
    meant = MEASURED.get(word) if group == "metrics" else None
    fix = f"{group}={meant or closest(word, _likely_first(group, known))}"
    if group == "dataset":
        fix += f"; a folder of your own by its path, such as dataset=./{word}"
    if group == "layer":
        fix += "; `python run.py layers backbone=…` lists the layers of a backbone"
    return ConfigError(f"there is no {group} '{word}'. Nearest: {nearest(word, known)}", fix=fix)


def _explain_name(word: str) -> ConfigError:
    """``--config-name`` of a YAML that is neither ours nor in the folder of ``--config-dir``."""
    experiments = known_words("experiment")
    near = closest(word, experiments)
    told = f"--config-name {word}: there is no {word}.yaml. Ours are chosen by experiment=; valid: "
    told += ", ".join(experiments)
    return ConfigError(
        told,
        fix=f"experiment={near}; a YAML of your own by --config-dir <its folder> --config-name <it>",
        wrong=["--config-name", "-cn", word, f"--config-name={word}"],
    )


def _likely_first(group: str, known: Sequence[str]) -> list[str]:
    """The choices with the usual one first, named where none is near; of data sets one that is always there."""
    usual = {str(key): word for line in OmegaConf.load(conf_dir() / "config.yaml").defaults if not isinstance(line, str)
             for key, word in line.items()} | {"dataset": "digits"}  # fmt: skip
    word = usual.get(group)
    first = [word] if isinstance(word, str) else list(word or [])
    return [*(one for one in first if one in known), *(one for one in known if one not in first)]


def _usual() -> DictConfig:
    """The configuration of a run without a word."""
    with hydra_of(conf_dir()):
        return hydra.compose("config")


def _explain_machine(error: Exception) -> DataError | None:
    """What this machine has too little of, or does not allow."""
    if isinstance(error, MemoryError):
        return DataError(
            "this machine's memory is too small for that", fix="fewer images (dataset.limit.train=…), or layer.pool=gap"
        )
    if isinstance(error, FileNotFoundError):
        return _explain_removed(error)
    if not isinstance(error, OSError) or error.errno not in _OF_THE_MACHINE:
        return None
    where = error.filename or "a file of this run"
    if error.errno in _DISK_FULL:
        return _too_full(where, _free(error.filename))
    return DataError(
        f"{where} cannot be read or written: {error.strerror}",
        fix="correct that, or paths.root=<a folder elsewhere>; the same command then continues where it stopped",
    )


def _explain_removed(error: FileNotFoundError) -> DataError | None:
    """A folder that went away under the program: the one that it works in, or one of its own below ``mlruns/``."""
    with_it = "" if not isinstance(error.filename, str) else f", and {error.filename} cannot be written"
    try:
        Path.cwd()
    except FileNotFoundError:
        told = f"the folder that this was started in was removed meanwhile{with_it}"
        return DataError(told, fix="cd; cd <a folder that stays>; then the same command")
    if not with_it or "mlruns" not in Path(error.filename).parts or Path(error.filename).parent.is_dir():
        return None
    told = f"the folder {Path(error.filename).parent} was removed meanwhile, with what was in it"
    return DataError(
        told, fix="paths.root=<a folder that stays>; what is left in mlruns/features is not extracted anew"
    )


@contextmanager
def disk_named(folder: Path) -> Iterator[None]:
    """While a run is written: a full disk is told with the free bytes of each disk that the run writes to.

    A write that fails does not name its file, so the disk is not known: it may be that of temporary files.

    Args:
        folder: of the run.

    Raises:
        DataError: in place of such an error; one that names its file passes as it is.
    """
    try:
        yield
    except OSError as problem:
        if problem.errno not in _DISK_FULL or problem.filename is not None:
            raise
        disks = {place.stat().st_dev: place for place in (Path(tempfile.gettempdir()), folder) if place.is_dir()}
        free = sorted((shutil.disk_usage(place).free, str(place)) for place in disks.values())
        told = "".join(f"; {size:,} bytes are free in {place}" for size, place in free)
        raise _too_full("a file of this run", told) from problem


def _too_full(where: str, free: str) -> DataError:
    return DataError(
        f"the disk is too full to write {where}{free}",
        fix="make room, or paths.root=<a folder on a larger disk>; the same command then continues where it stopped",
    )


def _free(where: object) -> str:
    """What the disk of a file has left; of a write whose file is not known nothing can be said."""
    if not isinstance(where, str):
        return ""
    folder = Path(where).parent
    return f"; {shutil.disk_usage(folder).free:,} bytes are free" if folder.is_dir() else ""
