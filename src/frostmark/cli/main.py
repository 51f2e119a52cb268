"""The command line: the first word is a command, or everything is a benchmark.

python run.py [overrides]            one benchmark
python run.py -m [overrides]         a sweep
python run.py layers backbone=vgg16  a command: one module in commands/ each
"""

from __future__ import annotations

import sys
import warnings

from frostmark import __version__
from frostmark.cli import signals
from frostmark.cli.leaving import imported, leave, loading, start
from frostmark.cli.problems import exit_code
from frostmark.cli.program import command, commands

TELLING = {
    "--help", "-h", "--hydra-help", "--cfg", "-c", "--info", "-i", "--shell-completion", "-sc",
}  # fmt: skip
"""Options that run nothing."""

# Hydra completes our launchers' YAMLs by the schemas of their plugins, and warns that a later version will not.
# Here, so that it holds in the workers too.
warnings.filterwarnings("ignore", message=r"\s*'hydra/launcher/\w+' is validated against ConfigStore schema")


def main() -> None:
    """Entry of ``python run.py``, of ``frostmark`` and of ``python -m frostmark``."""
    start()
    signals.install()
    leave(exit_code(lambda: _run(sys.argv[1:])))


def _run(arguments: list[str]) -> int:
    if arguments[:1] == ["--version"]:
        print(f"frostmark {__version__}")
        return 0
    if not TELLING & set(arguments):
        loading()
    if arguments and arguments[0] in commands():
        run = command(arguments[0])
        imported()
        return run(arguments[1:])
    from frostmark.cli.entry import through_hydra  # Hydra, which no command but some needs

    return through_hydra(arguments)
