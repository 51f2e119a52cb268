"""Work done in a process of its own, so that what kills it kills nothing else.

run_apart(work, config, folder, choices)         # the outcome is in ``folder`` afterwards, whatever happened
"""

from __future__ import annotations

import multiprocessing
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from frostmark.cli.leaving import leave
from frostmark.cli.problems import stopped_code
from frostmark.cli.signals import install_below
from frostmark.errors import Terminated
from frostmark.names import visible, visible_lines
from frostmark.results.outcome import Outcome, has_ended

Work = Callable[[DictConfig, Path, str], None]


def run_apart(work: Work, config: DictConfig, folder: Path, choices: str) -> None:
    """Call ``work(config, folder, choices)`` in a fresh process and wait for it.

    A process that is killed leaves the outcome that says by what.
    """
    config = config.copy()
    OmegaConf.resolve(config)  # what Hydra's own resolvers know, only this process knows
    # A worker of joblib was started by joblib's own method, which a fresh process would look for in vain.
    multiprocessing.set_start_method("spawn", force=True)

    def write_down(problem: str, code: int) -> None:
        print(f"Error: {visible(choices)}: {visible_lines(problem)}", file=sys.stderr, flush=True)
        Outcome(choices, choices, code, problem).write(folder)

    process = multiprocessing.Process(target=_begin, args=(work, config, folder, choices))
    process.start()
    try:
        process.join()
    except BaseException:  # stopped: the work stops as it does alone, and leaves its outcome
        process.terminate()
        process.join()
        raise
    ended = process.exitcode or 0
    if ended < 0:
        name = signal.Signals(-ended).name
        write_down(f"killed by {name}" + (" (was the memory used up?)" if name == "SIGKILL" else ""), 128 - ended)
    elif ended and not has_ended(folder):
        write_down(f"its process ended with code {ended} before the job began", 1)


def _begin(work: Work, config: DictConfig, folder: Path, choices: str) -> None:
    install_below()
    if hasattr(signal, "SIGUSR2"):
        # SLURM tells every process of a job that its time is up: the one above this one knows what to do.
        signal.signal(signal.SIGUSR2, signal.SIG_IGN)
    try:
        work(config, folder, choices)
    except (KeyboardInterrupt, Terminated) as stop:  # whoever stops it waits for it, and it for none of its threads
        leave(stopped_code(stop))
