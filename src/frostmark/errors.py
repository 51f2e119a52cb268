"""Errors that a user can mend: what is wrong, and how to fix it.

    raise ConfigError("unknown backbone 'resnt18'", fix="backbone=resnet18")

Every room may raise them; the command line prints them as one paragraph, without a traceback, and exits with
their code. Any other exception is a bug of ours (exit code 1).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from functools import partial
from typing import Any

from frostmark.names import visible_lines


class FrostmarkError(Exception):
    """A problem the user can mend.

    Args:
        problem: what is wrong and where, naming the bad value.
        fix: the command or key to change; printed behind ``Fix:``.
    """

    code = 1

    def __init__(self, problem: str, *, fix: str) -> None:
        # Whoever prints it, to a terminal or into a file: names in it are shown, not obeyed.
        self.problem = visible_lines(problem)
        self.fix = visible_lines(fix)
        super().__init__(self.problem)

    def __reduce__(self) -> tuple[Any, ...]:
        # Errors come back from the processes that decode images.
        return partial(type(self), fix=self.fix), (self.problem,)

    def __str__(self) -> str:
        return f"{self.problem}\nFix: {self.fix}"


class ConfigError(FrostmarkError):
    """A wrong command or configuration."""

    code = 2


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
