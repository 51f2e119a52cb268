"""The parser of a command's words: a wrong one is a ConfigError like any other wrong word.

parser = Parser("ui", "Browse the runs in MLflow.")
parser.parse_args(["--port", "x"])              # ConfigError with `python run.py ui --help`
"""

from __future__ import annotations

import argparse
from typing import NoReturn

from frostmark.cli.program import program
from frostmark.errors import ConfigError

ROOT = "paths.root=<folder that holds mlruns/>"


class Parser(argparse.ArgumentParser):
    """Of one command; ``add_root`` gives it the place of mlruns/."""

    @classmethod
    def of(cls, command: str, about: str | None) -> Parser:
        """The parser of ``command``, whose module's docstring begins with what it does."""
        return cls(prog=f"{program()} {command}", description=(about or "").partition("\n")[0])

    def add_root(self) -> None:
        """Take ``paths.root=…``, as a benchmark does; the working directory if it is left out."""
        self.add_argument("root", nargs="?", default="paths.root=.", type=_root, help=ROOT)

    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"{self.prog}: {message}", fix=f"{self.prog} --help")


def _root(word: str) -> str:
    return word.removeprefix("paths.root=")
