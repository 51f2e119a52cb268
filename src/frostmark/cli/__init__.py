"""The command line: ``frostmark.cli:main`` is the program, as ``run.py`` and the installed ``frostmark`` start it."""

from frostmark.cli.main import main

__all__ = ["main"]
