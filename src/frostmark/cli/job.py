"""One benchmark, alone or as a job of a sweep.

one_run(config)                 # prints the result; what goes wrong is raised
job_of_sweep(config)            # prints and writes down how it ended; what goes wrong in it stops no other job
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from frostmark.benchmark.labels import identity
from frostmark.benchmark.result import Result
from frostmark.benchmark.run import run_benchmark
from frostmark.benchmark.subject import Given
from frostmark.cli.announced import earlier, layers_of_sweep, parent_run, refuse_many_devices, typed_for_sweep
from frostmark.cli.apart import run_apart
from frostmark.cli.console import print_job, print_result
from frostmark.cli.devices import a_device
from frostmark.cli.networks_swept import with_two_commands
from frostmark.cli.problems import stopped_code, tell
from frostmark.cli.program import typed_command
from frostmark.cli.under_way import sweep_folder
from frostmark.comparison.runs import Run
from frostmark.config.compose import typed
from frostmark.config.kept import MAX_BYTES
from frostmark.config.schema import Config
from frostmark.config.shown import shown
from frostmark.errors import DataError, FrostmarkError, Terminated
from frostmark.names import visible
from frostmark.regular import read_regular
from frostmark.results.outcome import Outcome, first_with
from frostmark.tracking.tracker import without_secrets


def one_run(config: DictConfig) -> None:
    """Run one benchmark and print what came out.

    Raises:
        FrostmarkError: if something is wrong that the user can mend.
    """
    folder = Path(HydraConfig.get().runtime.output_dir)
    try:
        checked = typed(config)
        result = run_benchmark(checked, folder, command=typed_command(HydraConfig.get().overrides.task))
    except Exception:
        with suppress(OSError):
            folder.rmdir()  # if nothing was done yet, nothing is left behind
        raise
    _stand_somewhere(folder)
    if result is not None:
        print_result(result, checked)


def _stand_somewhere(folder: Path) -> None:
    """Where the working folder was removed, work in ``folder``: Hydra and others ask where they are."""
    try:
        Path.cwd()
    except FileNotFoundError:
        with suppress(FileNotFoundError):  # then it is told when something is written there
            os.chdir(folder)


def job_of_sweep(config: DictConfig) -> None:
    """One job: whatever goes wrong in it is told and written down, and the other jobs go on."""
    folder = Path(HydraConfig.get().runtime.output_dir)
    words = list(HydraConfig.get().overrides.task)
    apart = not str(HydraConfig.get().launcher._target_).endswith(".BasicLauncher")
    job_at(config, folder, words, apart=apart, number=int(HydraConfig.get().job.num))
    _stand_somewhere(folder)


def job_at(config: DictConfig, folder: Path, words: Sequence[str], *, apart: bool = False, number: int = 0) -> None:
    """A job of the sweep under way, unless it was done before; how it ended is in ``folder`` afterwards.

    Args:
        words: its overrides.
        apart: whether in a process of its own: executors give up every job when one of their workers dies.
        number: of the job; it chooses the device where devices are dealt out.
    """
    choices, command = without_secrets(" ".join(words)), typed_command(words)
    print(f"\n▸ {visible(choices)}", file=sys.stderr, flush=True)
    folder.mkdir(parents=True, exist_ok=True)
    if _done_before(config, folder, choices):
        return
    if apart:
        try:
            with a_device(sweep_folder(), number) as device:
                if device is not None:
                    print(f"  #{number}: on {device}", file=sys.stderr, flush=True)
                run_apart(partial(work_of_job, words=words, command=command), config, folder, choices)
        except DataError as error:
            _failed(error, folder, choices, words)
    else:
        work_of_job(config, folder, choices, words=words, command=command)


def work_of_job(
    config: DictConfig, folder: Path, choices: str, *, words: Sequence[str] = (), command: str = ""
) -> None:
    """The benchmark of a job; how it ended is in ``folder`` afterwards.

    Args:
        words: its overrides.
    """
    Outcome(choices, choices, code=None, pid=os.getpid()).write(folder)
    try:
        refuse_many_devices(config)
        checked = typed(config)
        result = run_benchmark(checked, folder, parent_run(), layers_of_sweep(checked), command=command)
    except (KeyboardInterrupt, Terminated) as stop:
        Outcome(choices, choices, stopped_code(stop), "interrupted").write(folder)
        raise
    except Exception as error:
        _failed(error, folder, choices, words)
        return
    assert result is not None, "a job runs in one process"
    # Before anything is printed: whoever reads may have gone, and the result is not lost with them.
    _outcome(choices, result, folder).write(folder)
    print_job(result, checked, folder.parent, choices)


def _failed(error: Exception, folder: Path, choices: str, words: Sequence[str]) -> None:
    """Tell what went wrong, and write it down; what an earlier job told is not told again in full."""
    error = with_two_commands(error, typed_for_sweep())
    problem = tell(error, words, lambda problem: first_with(_line(problem), folder))
    Outcome(choices, choices, problem.code, _line(problem)).write(folder)


def _line(problem: FrostmarkError) -> str:
    """Its first line, with the first name of the list that it announces."""
    first, *more = problem.problem.splitlines()
    return f"{first} {more[0].strip()}" if more and first.endswith(":") else first


def _outcome(choices: str, result: Result, folder: Path) -> Outcome:
    done = Outcome(choices, result.title, 0, "", result.run_id, folder=str(folder), remarks=tuple(result.remarks))
    if result.decides is None:
        return done
    key, kind = result.decides
    return replace(done, accuracy=result.values[key], metric=kind.words)


def _done_before(config: DictConfig, folder: Path, choices: str) -> bool:
    """Whether the sweep that this one goes on with has the result already, of the same images and weights."""
    outcome = earlier(choices)
    if outcome is None or not _still_holds(config, Path(str(outcome.folder))):
        return False
    print(f"  done before: {outcome.folder}", file=sys.stderr, flush=True)
    outcome.write(folder)
    return True


def _still_holds(config: DictConfig, folder: Path) -> bool:
    with suppress(Exception):  # whatever is wrong with it is told when the job is done again
        checked: Config = typed(config)
        kept = read_regular(folder / "config.yaml", MAX_BYTES).decode()
        if kept == shown(checked, Given().described(checked)).yaml:
            return identity(checked).items() <= Run.read(folder).tags.items()
    return False
