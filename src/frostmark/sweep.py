"""A sweep: one parent run, a child a job, and a table at the end of how each of them went.

Hydra tells this callback that a sweep begins; the jobs find it through the environment, whichever launcher runs them
in whichever process; ``finish`` closes it from the command line's ``finally``, since Hydra skips its own last call
when a job failed.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from hydra.experimental.callback import Callback
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from frostmark.config import Config, Layer, Tracking, explained, typed
from frostmark.errors import ConfigError, FrostmarkError, TrackingError
from frostmark.names import visible
from frostmark.outcome import Outcome, Record, outcomes, unfinished
from frostmark.tracking.tracker import status_of, without_secrets

if TYPE_CHECKING:
    from frostmark.comparison.compared import Compared
    from frostmark.tracking.mlflow import MlflowStore

PARENT = "FROSTMARK_PARENT_RUN"
"""Environment variable: the parent run of the sweep under way; jobs inherit it, whatever process they run in."""

LAYERS = "FROSTMARK_SWEEP_LAYERS"
"""Environment variable: the file that tells every job which layers the others read."""

CONTINUES = "FROSTMARK_CONTINUES"
"""Environment variable: the folder of the sweep that this one goes on with; what finished there is not done again."""


class SweepParent(Callback):
    """Opens the parent run before the first job starts."""

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        try:
            refuse_absent_launcher(config)
            refuse_many_devices(config)
            jobs = _jobs_if_known(config)
            _open(config, jobs)
            _announce_layers(config, jobs)
        except Exception as error:
            # Hydra only warns of exceptions in callbacks and goes on; this must end the sweep.
            problem = explained(error)
            print(f"Error: {problem}", file=sys.stderr)
            raise SystemExit(problem.code) from error


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
        choice = str(config.hydra.runtime.choices["hydra/launcher"])
        extra = "joblib" if choice == "joblib" else "slurm"
        raise ConfigError(f"hydra/launcher={choice} is not installed", fix=f"pip install 'frostmark[{extra}]'")


def refuse_many_devices(config: DictConfig) -> None:
    """A sweep runs each job on one device.

    Asked before the sweep, and again in every job: the devices themselves may be swept.

    Raises:
        ConfigError: if a job would start processes of its own.
    """
    trainer = config.trainer
    if str(trainer.devices) != "1" or trainer.strategy != "auto":
        raise ConfigError(
            f"--multirun with trainer.devices={trainer.devices} and trainer.strategy={trainer.strategy}: the processes "
            "of one job are started by running the command line again, and each of them would begin the whole sweep",
            fix="one device a job (trainer=auto), or one run after the other without -m (for experiment=report: "
            "hydra.mode=RUN)",
        )


@dataclass(frozen=True)
class _UnderWay:
    """The sweep that this process began."""

    folder: Path
    mlruns: Path
    choices: str
    jobs: int | None
    store: MlflowStore | None
    run_id: str | None
    uri: str | None


_under_way: _UnderWay | None = None


def _open(config: DictConfig, jobs: list[list[str]]) -> None:
    from frostmark.benchmark.tracked import open_store

    global _under_way
    folder = Path(config.hydra.sweep.dir).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    tracking = Tracking(**OmegaConf.to_container(config.tracking, resolve=True))  # type: ignore[arg-type]
    mlruns = Config(paths=config.paths).mlruns
    store, run_id = open_store(tracking, mlruns), None
    typed_words = [*config.hydra.overrides.task, *config.hydra.overrides.hydra]
    choices = without_secrets(" ".join(config.hydra.overrides.task)) or "defaults"
    before = unfinished(folder.parent, [without_secrets(word) for word in typed_words])
    if before is not None:
        os.environ[CONTINUES] = str(before.folder)
        print(
            f"Going on with the sweep in {visible(str(before.folder))}: what finished there is not done again.",
            file=sys.stderr,
        )
    if store is not None:
        store.connect()
        swept = " ".join(w for w in choices.split() if "," in w or "(" in w) or choices
        if before is not None and before.run_id is not None and store.reopen(before.run_id):
            run_id = before.run_id
        else:
            run_id = store.start(f"sweep · {swept}"[:250], {"sweep": choices, "mlflow.runColor": "#444444"})
    Record.begin(folder, [without_secrets(word) for word in typed_words], len(jobs) or None, run_id)
    _under_way = _UnderWay(folder, mlruns, choices, len(jobs) or None, store, run_id, tracking.uri)
    os.environ[PARENT] = run_id or ""


def _announce_layers(config: DictConfig, jobs: list[list[str]]) -> None:
    """Write down the layers of all jobs, by what else decides the rows."""
    assert _under_way is not None
    asked: dict[str, list[dict[str, Any]]] = {}
    for overrides in jobs:
        try:
            job = _composed(config.hydra.job.config_name or "config", overrides)
        except (FrostmarkError, HydraException, OmegaConfBaseException):
            continue  # that job will say so itself
        asked.setdefault(_rows_but_layer(job), []).append(asdict(job.layer))
    file = _under_way.folder / "layers.json"
    file.write_text(json.dumps(asked), encoding="utf-8")
    os.environ[LAYERS] = str(file)


def _jobs_if_known(config: DictConfig) -> list[list[str]]:
    """The overrides of every job; none where they cannot be read: Hydra itself will say what is wrong with them."""
    try:
        return _jobs(config)
    except (HydraException, OmegaConfBaseException):
        return []


def _jobs(config: DictConfig) -> list[list[str]]:
    """The overrides of every job. Of sweepers that choose as they go, nobody knows them beforehand."""
    if config.hydra.sweeper._target_ != f"{BasicSweeper.__module__}.{BasicSweeper.__name__}":
        return []
    words = [f"{key}={value}" for key, value in (config.hydra.sweeper.params or {}).items()]
    words += config.hydra.overrides.task  # of two words for one key the last counts, as in Hydra
    parsed = OverridesParser.create(config_loader=GlobalHydra.instance().config_loader()).parse_overrides(words)
    (jobs,) = BasicSweeper.split_arguments(parsed, None)
    return [list(job) for job in jobs]


def _composed(name: str, overrides: list[str]) -> Config:
    """A job's configuration, as the running Hydra would make it: with the user's own folders of YAMLs."""
    hydra = GlobalHydra.instance().hydra
    assert hydra is not None
    composed = hydra.compose_config(name, overrides, RunMode.RUN, from_shell=False, with_log_configuration=False)
    with open_dict(composed):
        del composed["hydra"]
    return typed(composed)


def _rows_but_layer(job: Config) -> str:
    """Everything in a configuration that may change rows, but for the layer."""
    trainer = job.trainer
    return json.dumps(
        [job.backbone, job.preprocess, job.dataset, job.seed, trainer.precision, trainer.compile], sort_keys=True
    )


def layers_of_sweep(job: Config) -> list[Layer]:
    """The layers that the jobs of the sweep under way read of this job's backbone and images."""
    file = os.environ.get(LAYERS)
    if not file:
        return []
    asked = json.loads(Path(file).read_text(encoding="utf-8"))
    return [Layer(**layer) for layer in asked.get(_rows_but_layer(job), [])]


def earlier(job: str) -> Outcome | None:
    """How the job of these overrides ended in the sweep that this one goes on with, if it ended well."""
    folder = os.environ.get(CONTINUES)
    found = outcomes(Path(folder)) if folder else []
    return next((o for o in found if o.job == job and o.code == 0 and o.folder), None)


def parent_run() -> str | None:
    """The parent run of the sweep under way, if there is one and it is tracked."""
    return os.environ.get(PARENT) or None


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


def finish(stopped: BaseException | None) -> Finished | None:
    """Compare what came out and close the parent run; None if no sweep is under way.

    Args:
        stopped: what ended the sweep before its time, if anything did.
    """
    global _under_way
    sweep, _under_way = _under_way, None
    for name in (PARENT, LAYERS, CONTINUES):
        os.environ.pop(name, None)
    if sweep is None:
        return None
    _forget_secrets(sweep.folder / "multirun.yaml")
    ended = outcomes(sweep.folder)
    code = max((1 if o.code is None else o.code for o in ended), default=0)
    interrupted = stopped is not None and status_of(type(stopped)) == "KILLED"
    compared, why = (None, "the sweep was interrupted") if interrupted else _compare(sweep, ended)
    link = None
    if sweep.store is not None and sweep.run_id is not None:
        status = status_of(type(stopped)) if stopped is not None else "FAILED" if code else "FINISHED"
        jobs = "\n".join(f"- {o.title}: {'finished' if o.code == 0 else o.problem or 'not ended'}" for o in ended)
        note = f"`{sweep.choices}`\n\n{jobs}"
        try:
            if compared is not None:
                from frostmark.comparison.tracked import log_comparison

                log_comparison(sweep.store, sweep.run_id, compared)
                note = f"{compared.markdown}\n\n{note}"
            sweep.store.finish(sweep.run_id, status, {"mlflow.note.content": note})
            link = sweep.store.link(sweep.run_id)
        except TrackingError as problem:  # the table of the jobs is still worth printing
            print(f"Error: {problem}", file=sys.stderr)
            code = max(code, problem.code)
    return Finished(ended, code, sweep.run_id, link, sweep.folder, sweep.mlruns, sweep.uri, compared, why)


def _forget_secrets(file: Path) -> None:
    """Hydra writes down the configuration as it was typed, with what a tracking address may carry."""
    if file.is_file():
        file.write_text(without_secrets(file.read_text(encoding="utf-8")), encoding="utf-8")


def _compare(sweep: _UnderWay, ended: Sequence[Outcome]) -> tuple[Compared | None, str]:
    """The comparison of the jobs that finished, or why there is none."""
    from frostmark.comparison.about import About
    from frostmark.comparison.compared import compare_runs
    from frostmark.comparison.runs import Run
    from frostmark.comparison.tracked import compare_links
    from frostmark.features.store import FeatureStore
    from frostmark.results.progress import ProgressLine

    folders = [(Path(o.folder), o.run_id) for o in ended if o.code == 0 and o.folder is not None]
    if len(folders) < 2:
        return None, ""
    try:
        runs = [Run.read(folder, run_id) for folder, run_id in folders]
        missing = [f"{o.job}: {o.problem or 'it did not end'}" for o in ended if o.code != 0]
        if sweep.jobs is not None and len(ended) < sweep.jobs:
            missing.append(f"{sweep.jobs - len(ended)} jobs were not begun")
        links = compare_links(sweep.store, runs)
        about = About(missing, (), links, f"-m {sweep.choices}")
        with ProgressLine() as progress:
            return compare_runs(runs, sweep.folder, FeatureStore(sweep.mlruns / "features"), about, progress), ""
    except Exception as error:  # the jobs themselves are done, and their table is still worth printing
        return None, explained(error).problem


def differing(outcomes: Sequence[Outcome]) -> list[str]:
    """The overrides of each job without those that all of them share."""
    words = [o.job.split() for o in outcomes]
    shared = set(words[0]).intersection(*words[1:]) if len(words) > 1 else set()
    return [" ".join(w for w in job if w not in shared) for job in words]
