"""A sweep: one parent run, a child a job, and a table at the end of how each of them went.

Hydra tells :class:`SweepParent` that a sweep begins; the jobs find its folder through the environment, whichever
launcher runs them in whichever process.

finished = finish(call.sweep, stopped=None)     # from the command line: Hydra skips its own last call if a job failed
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf, read_write

from frostmark.benchmark.tracked import open_store
from frostmark.cli.announced import announce_layers, first_of_each, jobs_if_known, refuse_many_devices
from frostmark.cli.composing import configs_of
from frostmark.cli.devices import Device, announce_devices, devices_here
from frostmark.cli.problems import tell
from frostmark.cli.program import typed_command
from frostmark.cli.under_way import Sweep, announce, current_call, withdraw
from frostmark.comparison.about import About
from frostmark.comparison.across import AcrossSets, across_of
from frostmark.comparison.across_files import across_markdown, write_across
from frostmark.comparison.compared import Compared, compare_runs
from frostmark.comparison.runs import read_all
from frostmark.comparison.tracked import compare_links, log_across, log_comparison
from frostmark.config.explain import explained
from frostmark.config.schema import Config, Tracking
from frostmark.errors import ConfigError, TrackingError
from frostmark.features.store import FeatureStore
from frostmark.names import visible, without_folders
from frostmark.results.lease import Lease
from frostmark.results.markdown import code, plain
from frostmark.results.outcome import Outcome, SweepRecord, last_unfinished, outcomes
from frostmark.results.progress import ProgressLine
from frostmark.tracking.machine import another_alive, this_process
from frostmark.tracking.mlflow import MlflowStore
from frostmark.tracking.tracker import Status, status_of, without_secrets


class SweepParent(Callback):
    """Opens the parent run before the first job starts."""

    def on_multirun_start(self, config: DictConfig, **kwargs: object) -> None:
        try:
            refuse_absent_launcher(config)
            refuse_many_devices(config)
            devices = devices_here(config.hydra.launcher.n_jobs) if _chosen(config) == "gpus" else []
            open_sweep(config, jobs_if_known(config), devices)
            if devices:
                with read_write(config):
                    config.hydra.launcher.n_jobs = len(devices)
        except Exception as error:
            # Hydra only warns of exceptions in callbacks and goes on; this must end the sweep.
            raise SystemExit(tell(error).code) from error


def refuse_absent_launcher(config: DictConfig) -> None:
    """A launcher that is asked for has to be installed.

    Raises:
        ConfigError: with what to install.
    """
    package = str(config.hydra.launcher._target_).rpartition(".")[0]
    try:
        there = importlib.util.find_spec(package) is not None
    except ModuleNotFoundError:
        there = False
    if not there:
        choice = _chosen(config)
        extra = "joblib" if choice in ("joblib", "gpus") else "slurm"
        raise ConfigError(f"hydra/launcher={choice} is not installed", fix=f"pip install 'frostmark[{extra}]'")


def _chosen(config: DictConfig) -> str:
    """The word after ``hydra/launcher=``."""
    return str(config.hydra.runtime.choices["hydra/launcher"])


def open_sweep(config: DictConfig, jobs: list[list[str]], devices: list[Device]) -> None:
    """Begin a sweep: its folder, its record, its parent run, and what its jobs must know of each other.

    Args:
        jobs: the overrides of each, as far as they are known.
        devices: what they are dealt to; none: every job sees the whole machine.
    """
    folder = Path(config.hydra.sweep.dir).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    tracking = Tracking(**OmegaConf.to_container(config.tracking, resolve=True))  # type: ignore[arg-type]
    mlruns = Config(paths=config.paths).mlruns
    store = open_store(tracking, mlruns)
    words = [without_secrets(word) for word in (*config.hydra.overrides.task, *config.hydra.overrides.hydra)]
    choices = without_secrets(" ".join(config.hydra.overrides.task)) or "defaults"
    before = to_go_on_with(folder.parent, words)
    swept = " ".join(w for w in choices.split() if "," in w or "(" in w) or choices
    run_id = None if store is None else parent_of(store, f"sweep · {without_folders(swept)}", choices, before)
    lease = Lease(folder)
    lease.take()
    earlier = before.folder if before is not None else None
    SweepRecord.begin(folder, words, len(jobs) or None, run_id, this_process(), earlier)
    # Known from here on: whatever happens now, the parent run is closed.
    command = typed_command(["-m", *config.hydra.overrides.task])
    known = len(jobs) or None
    current_call().sweep = Sweep(folder, mlruns, choices, known, store, run_id, tracking.uri, lease, command)
    configs = configs_of(config, jobs)
    current_call().composed = {tuple(job) for job, of in zip(jobs, configs, strict=True) if of is not None}
    passes = announce_layers(folder, configs)
    if devices:
        announce_devices(folder, devices)
        current_call().order = first_of_each(passes)
    announce(folder)


def to_go_on_with(sweeps: Path, words: Sequence[str], what: str = "sweep") -> SweepRecord | None:
    """The sweep of the same words that was left without all of its results; none that somebody is at."""
    before = last_unfinished(sweeps, words)
    if before is None:
        return None
    where = visible(str(before.folder))
    if before.under_way(another_alive):
        print(
            f"Another process works on the {what} with these overrides in {where}: this command starts a new {what}.",
            file=sys.stderr,
        )
        return None
    print(f"Continuing the {what} in {where}: finished jobs are not repeated.", file=sys.stderr)
    return before


def parent_of(store: MlflowStore, title: str, choices: str, before: SweepRecord | None) -> str:
    """The parent run: that of the sweep that this one goes on with, or a new one."""
    store.connect()
    if before is not None and before.run_id is not None and store.reopen(before.run_id):
        return before.run_id
    return store.start(title[:250], {"sweep": choices, "mlflow.runColor": "#444444"})


@dataclass(frozen=True)
class Finished:
    """A sweep that is over.

    Attributes:
        outcomes: of its jobs, in order.
        code: the worst exit code.
        run_id, link: its parent run, if it is tracked, and that run's place in MLflow's pages.
        folder, mlruns, uri: where everything is.
        compared: what its runs say side by side; None of fewer than two.
        not_compared: why there is no comparison, where one could be expected.
        across: the networks over the data sets; None of one data set or one network.
    """

    outcomes: list[Outcome]
    code: int
    run_id: str | None
    link: str | None
    folder: Path
    mlruns: Path
    uri: str | None
    compared: Compared | None
    not_compared: str
    across: AcrossSets | None


def finish(sweep: Sweep, stopped: BaseException | None) -> Finished:
    """Compare what came out and close the parent run.

    Args:
        stopped: what ended the sweep before its time, if anything did.
    """
    withdraw()
    if sweep.lease is not None:
        sweep.lease.give_back()
    ended = outcomes(sweep.folder)
    code = max((1 if o.code is None else o.code for o in ended), default=0)
    interrupted = stopped is not None and status_of(type(stopped)) == "KILLED"
    compared, why = (None, "the sweep was interrupted") if interrupted else _compare(sweep, ended)
    across, files = (None, []) if compared is None else _rank(sweep, ended)
    status = status_of(type(stopped)) if stopped is not None else "FAILED" if code else "FINISHED"
    link = None
    try:
        link = _close_parent(sweep, status, ended, compared, across, files)
    except TrackingError as problem:  # the table of the jobs is still worth printing
        code = max(code, tell(problem).code)
    return Finished(ended, code, sweep.run_id, link, sweep.folder, sweep.mlruns, sweep.uri, compared, why, across)


def _close_parent(
    sweep: Sweep,
    status: Status,
    ended: Sequence[Outcome],
    compared: Compared | None,
    across: AcrossSets | None,
    files: Sequence[Path],
) -> str | None:
    """Log what the jobs say together and how each ended with the parent run, close it; its place in MLflow's pages.

    Args:
        files: of the ranking over data sets.
    """
    if sweep.store is None or sweep.run_id is None:
        return None
    told = [f"{o.title}: {'finished' if o.code == 0 else o.problem or 'not finished'}" for o in ended]
    note = "\n\n".join([code(sweep.choices), "\n".join(f"- {plain(line)}" for line in told)])
    if compared is not None:
        log_comparison(sweep.store, sweep.run_id, compared)
        note = f"{compared.markdown}\n\n{note}"
    if across is not None:
        log_across(sweep.store, sweep.run_id, across, files)
        note = f"{across_markdown(across, '')}\n\n{note}"
    sweep.store.finish(sweep.run_id, status, {"mlflow.note.content": note})
    return sweep.store.link(sweep.run_id)


def _compare(sweep: Sweep, ended: Sequence[Outcome]) -> tuple[Compared | None, str]:
    """The comparison of the jobs that finished, or why there is none."""
    folders = [(Path(o.folder), o.run_id) for o in ended if o.code == 0 and o.folder is not None]
    if len(folders) < 2:
        return None, ""
    try:
        runs, left_out = read_all(folders)
        missing = [f"{o.job}: {o.problem or 'it did not finish'}" for o in ended if o.code != 0]
        if sweep.jobs is not None and len(ended) < sweep.jobs:
            missing.append(f"{sweep.jobs - len(ended)} jobs were not started")
        links = compare_links(sweep.store, runs)
        about = About(missing, left_out, links, sweep.command)
        with ProgressLine() as progress:
            return compare_runs(runs, sweep.folder, FeatureStore(sweep.mlruns / "features"), about, progress), ""
    except Exception as error:  # the jobs themselves are done, and their table is still worth printing
        return None, explained(error).problem


def _rank(sweep: Sweep, ended: Sequence[Outcome]) -> tuple[AcrossSets | None, list[Path]]:
    """The networks over the data sets of the jobs that finished, and its files; nothing of one data set or network."""
    try:
        runs, _ = read_all((Path(o.folder), o.run_id) for o in ended if o.code == 0 and o.folder is not None)
        if len({run.tags.get("dataset_fingerprint") for run in runs}) < 2:
            return None, []
        across = across_of(runs)
        return across, write_across(across, sweep.folder, sweep.command)
    except Exception as error:  # as above: the jobs are done
        if not isinstance(error, ConfigError):
            tell(error)
        return None, []
