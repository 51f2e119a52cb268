"""How problems are told: one paragraph with a way out, and an exit code.

exit_code(lambda: command(arguments))           # 0, or the code of what went wrong, which is printed
problem = tell(error)                           # prints it, and gives it back
"""

from __future__ import annotations

import os
import shlex
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

from frostmark.cli.leaving import nobody_reads
from frostmark.cli.program import program
from frostmark.cli.signals import STOPPED
from frostmark.errors import ConfigError, FrostmarkError, Terminated


def exit_code(work: Callable[[], int]) -> int:
    """Run ``work``; what goes wrong in it is printed as one paragraph."""
    try:
        return work()
    except (KeyboardInterrupt, Terminated) as stop:
        if os.environ.get("LOCAL_RANK", "0") == "0":  # once, not for every process of a job
            print(STOPPED, file=sys.stderr)
        return stopped_code(stop)
    except SystemExit as end:  # --help: what was loaded for it is not taken apart either
        return end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    except BrokenPipeError:  # whoever reads has had enough: ``--help | head``
        nobody_reads()
        return 0
    except Exception as error:
        return tell(error).code


def stopped_code(stop: BaseException) -> int:
    """The exit code of a process that was asked to stop."""
    return int(stop.code or 143) if isinstance(stop, Terminated) else 130


def tell(
    error: Exception,
    typed: Sequence[str] | None = None,
    told_by: Callable[[FrostmarkError], str | None] | None = None,
) -> FrostmarkError:
    """Print an error in our words.

    Args:
        typed: the words that went wrong; None: those of this process.
        told_by: the number of the job of a sweep that told the same before; None if none did.
    """
    absent = _missing_dependency(error)
    words = sys.argv[1:] if typed is None else typed
    problem = absent or _explained(error, words)
    if os.environ.get("FROSTMARK_DEBUG") == "1":
        traceback.print_exception(error)
    if told_by is not None and (first := told_by(problem)) is not None:
        print(f"Error: the same problem as job {first}", file=sys.stderr, flush=True)
        return problem
    fix = absent.fix if absent else _mended(problem, words)
    print(f"Error: {problem.problem}\nFix: {fix}".replace("python run.py", program()), file=sys.stderr, flush=True)
    return problem


def _explained(error: Exception, words: Sequence[str]) -> FrostmarkError:
    from frostmark.config.explain import explained  # Hydra, which may not be installed

    return explained(error, words)


def _mended(problem: FrostmarkError, typed: Sequence[str]) -> str:
    from frostmark.cli.mended import fix_lines  # as above

    return fix_lines(problem.fix, typed, problem.wrong)


def _missing_dependency(error: Exception) -> ConfigError | None:
    """A library that is not installed: one that Frostmark stands on, as in a fresh checkout, or that others need."""
    if not isinstance(error, ModuleNotFoundError) or error.name is None:
        return None
    library = error.name.partition(".")[0]
    if library == "frostmark":
        return None
    importer = _importer(error)
    if importer is not None and Path(__file__).parents[1] not in importer.parents:
        return ConfigError(
            f"{importer} needs the Python package {library!r}, which is not installed for {sys.executable}",
            fix=shlex.join([sys.executable, "-m", "pip", "install", library]),
        )
    checkout = Path(__file__).parents[3]
    there = (checkout / "run.py").is_file() and (checkout / "pyproject.toml").is_file()
    return ConfigError(
        f"Frostmark needs the Python package {library!r}, which is not installed for {sys.executable}",
        fix=shlex.join([sys.executable, "-m", "pip", "install", str(checkout) if there else "frostmark"]),
    )


def _importer(error: ModuleNotFoundError) -> Path | None:
    """The file whose import failed; None if no file is known."""
    files = [frame.filename for frame in traceback.extract_tb(error.__traceback__)]
    real = [Path(file) for file in files if not file.startswith("<")]
    return next((file for file in reversed(real) if "importlib" not in file.parts), None)
