"""Errors that a user can mend: what is wrong, and how to fix it.

    raise ConfigError("unknown backbone 'resnt18'", fix="backbone=resnet18")

    with foreign(reducer, "reducer", "fit"):                # what a class of somebody else's raises is its own mistake
        fitted = reducer.fit(points, seed, progress)
    raise breach(reducer, "reducer", "gave a list", "give a Fitted")

Every room may raise them; the command line prints them as one paragraph, without a traceback, and exits with
their code. Any other exception is a bug of ours (exit code 1).
"""

from __future__ import annotations

import difflib
import errno
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any

from frostmark.names import visible_lines


class FrostmarkError(Exception):
    """A problem the user can mend.

    Args:
        problem: what is wrong and where, naming the bad value.
        fix: the command or key to change; printed behind ``Fix:``.
        wrong: words of the command line that the fix replaces, where it does not name their keys.
    """

    code = 1

    def __init__(self, problem: str, *, fix: str, wrong: Sequence[str] = ()) -> None:
        # Whoever prints it, to a terminal or into a file: names in it are shown, not obeyed.
        self.problem = visible_lines(problem)
        self.fix = visible_lines(fix)
        self.wrong = tuple(wrong)
        super().__init__(self.problem)

    def __reduce__(self) -> tuple[Any, ...]:
        # Errors come back from the processes that decode images.
        return partial(type(self), fix=self.fix, wrong=self.wrong), (self.problem,)

    def __str__(self) -> str:
        return f"{self.problem}\nFix: {self.fix}"


class ConfigError(FrostmarkError):
    """A wrong command or configuration."""

    code = 2


class MissingExtraError(ConfigError):
    """A package that is not installed, because an extra of ours brings it.

    Args:
        what: needs it, as it is typed: ``backbone=timm``.
        packages: what is missing.
        extra: of ours.
    """

    def __init__(self, what: str, packages: str, extra: str) -> None:
        self._told = what, packages, extra
        super().__init__(f"{what} needs {packages}", fix=f"pip install 'frostmark[{extra}]'")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self._told


class DataError(FrostmarkError):
    """Data or weights that are missing, damaged or refused; rows that are not numbers."""

    code = 3


class TrackingError(FrostmarkError):
    """The tracking store cannot be reached."""

    code = 4


class Terminated(SystemExit):
    """SIGTERM, raised where the main thread stood so that everything open is closed."""

    def __init__(self) -> None:
        super().__init__(143)


def nearest(word: str, valid: Iterable[str], most: int = 8) -> str:
    """The valid words nearest to ``word``, or the first of all if none is near, as one readable line."""
    words = sorted(set(valid))
    close = difflib.get_close_matches(word, words, n=min(most, 4), cutoff=0.6)
    if close:
        return ", ".join(close)
    hidden = len(words) - most
    return ", ".join(words[:most]) + (f" and {hidden} more" if hidden > 0 else "")


def closest(word: str, valid: Sequence[str]) -> str:
    """The one valid word that ``word`` was probably meant to be; the first of them if none is near.

    Case, hyphens, underscores, dots and blanks do not count: ``t-SNE`` is ``tsne``.
    """
    plain = {_plain(one): one for one in reversed(valid)}
    typed = _plain(word)
    longer = [one for text, one in plain.items() if typed and (text.startswith(typed) or typed.startswith(text))]
    near = difflib.get_close_matches(typed, plain, n=1)
    return plain.get(typed) or (plain[near[0]] if near else longer[-1] if longer else valid[0])


def _plain(word: str) -> str:
    return re.sub(r"[-_. ]", "", word.casefold())


# ---------------------------------------------------------------- code of others

DESCRIBED = {
    "backbone": "frostmark.backbones.backbone.Backbone",
    "dataset": "frostmark.data.source.Source",
    "preprocess": "frostmark.data.preprocess.Preprocess",
    "metrics": "frostmark.metrics.metric.Metric",
    "reducer": "frostmark.reducers.reducer.Reducer",
}
"""Group → the class whose docstrings say what an object of the group must do."""

_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


def is_foreign(made: object) -> bool:
    """Whether an object's class, or a function, was defined outside Frostmark: its mistakes are not bugs of ours."""
    return not f"{_definition(made).__module__}.".startswith("frostmark.")


def defined_as(made: object) -> str:
    """The dotted name of an object's class, or of a function: ``my_plugin.maps.Wide``."""
    definition = _definition(made)
    return f"{definition.__module__}.{definition.__qualname__}"


@contextmanager
def foreign(made: object, group: str, call: str) -> Iterator[None]:
    """While code of ``made`` runs: an exception of a foreign class becomes a ConfigError that names the class.

    Errors that say how they are mended, and a machine without memory or disk, pass as they are; so does every
    exception of our own classes.

    Args:
        group: ``reducer``, ``dataset`` …: where the class stands in a configuration.
        call: what was called, for the message: ``fit()``.
    """
    try:
        yield
    except (FrostmarkError, MemoryError):
        raise
    except Exception as problem:
        if not is_foreign(made) or getattr(problem, "errno", None) in _DISK_FULL:
            raise
        raise ConfigError(
            f"{group}: {defined_as(made)}: {call} raised {type(problem).__name__}: {problem}",
            fix="correct that class; FROSTMARK_DEBUG=1 shows the traceback",
        ) from problem


def breach(made: object, group: str, gave: str, must: str) -> FrostmarkError:
    """What is raised where an object hands back what its group does not allow; of our own class it is a bug.

    Args:
        gave: what it did, as the end of a sentence about it: ``gave coordinates of shape (9, 3)``.
        must: what it must do: ``give (9, 2)``.
    """
    problem = f"{group}: {defined_as(made)} {gave}; it must {must}"
    if not is_foreign(made):
        return FrostmarkError(f"this is a bug in Frostmark: {problem}", fix="report it")
    return ConfigError(problem, fix=f"correct that class: {DESCRIBED[group.partition('.')[0]]} says what it must do")


def _definition(made: object) -> Any:
    named = isinstance(made, type | FunctionType | MethodType | BuiltinFunctionType)
    return made if named else type(made)
