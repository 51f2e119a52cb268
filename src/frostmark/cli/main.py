"""The command line: the first word is a command, or everything is a benchmark.

python run.py [overrides]            one benchmark
python run.py -m [overrides]         a sweep
python run.py layers backbone=vgg16  a command: one module in commands/ each
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

from frostmark import __version__
from frostmark.cli import signals
from frostmark.cli.leaving import imported, leave, loading, start
from frostmark.cli.problems import exit_code
from frostmark.cli.program import command, commands
from frostmark.cli.streams import prepare
from frostmark.errors import ConfigError

TELLING = {
    "--help", "-h", "--hydra-help", "--cfg", "-c", "--info", "-i", "--shell-completion", "-sc",
}  # fmt: skip
"""Options that run nothing."""

# Hydra completes our launchers' YAMLs by the schemas of their plugins, and warns that a later version will not.
# Here, so that it holds in the workers too.
warnings.filterwarnings("ignore", message=r"\s*'hydra/launcher/\w+' is validated against ConfigStore schema")


def main() -> None:
    """Entry of ``python run.py``, of ``frostmark`` and of ``python -m frostmark``."""
    prepare()
    start()
    signals.install()
    leave(exit_code(lambda: _run(sys.argv[1:])))


def _run(arguments: list[str]) -> int:
    if arguments[:1] == ["--version"]:
        print(f"frostmark {__version__}")
        return 0
    _refuse_no_folder()
    if not TELLING & set(arguments):
        loading()
    if arguments and arguments[0] in commands():
        run = command(arguments[0])
        imported()
        return run(arguments[1:])
    from frostmark.cli.entry import through_hydra  # Hydra, which no command but some needs

    return through_hydra(arguments)


def _refuse_no_folder() -> None:
    try:
        Path.cwd()
    except FileNotFoundError as problem:
        raise ConfigError(
            "the folder that this was started in was removed", fix="cd; cd <a folder that is there>"
        ) from problem
