"""What a user types: the name of the program, and its commands.

program()                       # "python run.py", "frostmark" or "python -m frostmark"
typed_command(["layer=stage2"]) # "python run.py layer=stage2": what was typed, to be pasted
commands()["layers"]            # "List the taps and nodes of a backbone, without its weights."

Nothing is imported to list the commands: a folder is read.
"""

from __future__ import annotations

import ast
import importlib
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from frostmark.tracking.tracker import without_secrets

FOLDER = Path(__file__).parent / "commands"


def program() -> str:
    """How this program was started, as a user would start it again."""
    names = {"frostmark": "frostmark", "__main__": "python -m frostmark"}
    return names.get(Path(sys.argv[0]).stem, "python run.py")


def typed_command(words: Sequence[str]) -> str:
    """The command of a run by its overrides, without secrets, as a shell takes it."""
    return " ".join([program(), *(shlex.quote(without_secrets(word)) for word in words)])


def commands() -> dict[str, str]:
    """Every command by its word, with one line about it."""
    files = {path.stem: path for path in sorted(FOLDER.glob("*.py")) if not path.stem.startswith("_")}
    return {word: _first_line(path) for word, path in files.items()}


def command(word: str) -> Callable[[list[str]], int]:
    """The function that runs a command."""
    run: Callable[[list[str]], int] = importlib.import_module(f"frostmark.cli.commands.{word}").run
    return run


def _first_line(path: Path) -> str:
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return docstring.partition("\n")[0]
