"""A sweep: one parent run, a child a job, and a table at the end of how each of them went.

Hydra tells this callback that a sweep begins; the jobs find it through the environment, whichever launcher runs them
in whichever process; ``finish`` closes it from the command line's ``finally``, since Hydra skips its own last call
when a job failed.
"""

from __future__ import annotations

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
from frostmark.tracking.tracker import status_of, without_secrets

if TYPE_CHECKING:
    from frostmark.figures.depth import Stop
    from frostmark.tracking.mlflow import MlflowStore

PARENT = "FROSTMARK_PARENT_RUN"
"""Environment variable: the parent run of the sweep under way; jobs inherit it, whatever process they run in."""

LAYERS = "FROSTMARK_SWEEP_LAYERS"
"""Environment variable: the file that tells every job which layers the others read."""

_OUTCOME = "outcome.json"


@dataclass(frozen=True)
class Outcome:
    """How one job ended: ``code`` is its exit code, None while it has not ended; ``job`` are its overrides."""

    job: str
    title: str
    code: int | None
    problem: str = ""
    run_id: str | None = None
    accuracy: float | None = None

    def write(self, folder: Path) -> None:
        """Leave the outcome in the job's own folder."""
        (folder / _OUTCOME).write_text(json.dumps(asdict(self), ensure_ascii=False), encoding="utf-8")


class SweepParent(Callback):
    """Opens the parent run before the first job starts."""

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        try:
            refuse_many_devices(config)
            _open(config)
            _announce_layers(config)
        except Exception as error:
            # Hydra only warns of exceptions in callbacks and goes on; this must end the sweep.
            problem = explained(error)
            print(f"Error: {problem}", file=sys.stderr)
            raise SystemExit(problem.code) from error


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
    store: MlflowStore | None
    run_id: str | None
    uri: str | None


_under_way: _UnderWay | None = None


def _open(config: DictConfig) -> None:
    from frostmark.experiment import open_store

    global _under_way
    folder = Path(config.hydra.sweep.dir).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    tracking = Tracking(**OmegaConf.to_container(config.tracking, resolve=True))  # type: ignore[arg-type]
    mlruns = Config(paths=config.paths).mlruns
    store, run_id = open_store(tracking, mlruns), None
    choices = without_secrets(" ".join(config.hydra.overrides.task)) or "defaults"
    if store is not None:
        store.connect()
        swept = " ".join(w for w in choices.split() if "," in w or "(" in w) or choices
        run_id = store.start(f"sweep · {swept}"[:250], {"sweep": choices, "mlflow.runColor": "#444444"})
    _under_way = _UnderWay(folder, mlruns, choices, store, run_id, tracking.uri)
    os.environ[PARENT] = run_id or ""


def _announce_layers(config: DictConfig) -> None:
    """Write down the layers of all jobs, by what else decides the rows."""
    assert _under_way is not None
    asked: dict[str, list[dict[str, Any]]] = {}
    try:
        jobs = _jobs(config)
    except (HydraException, OmegaConfBaseException):
        jobs = []  # Hydra itself will say what is wrong with them; if nothing is, every layer has a pass of its own
    for overrides in jobs:
        try:
            job = _composed(config.hydra.job.config_name or "config", overrides)
        except (FrostmarkError, HydraException, OmegaConfBaseException):
            continue  # that job will say so itself
        asked.setdefault(_rows_but_layer(job), []).append(asdict(job.layer))
    file = _under_way.folder / "layers.json"
    file.write_text(json.dumps(asked), encoding="utf-8")
    os.environ[LAYERS] = str(file)


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


def parent_run() -> str | None:
    """The parent run of the sweep under way, if there is one and it is tracked."""
    return os.environ.get(PARENT) or None


@dataclass(frozen=True)
class Finished:
    """A sweep that is over: its jobs in order, the worst exit code, and where its parent run is."""

    outcomes: list[Outcome]
    code: int
    run_id: str | None
    link: str | None
    folder: Path
    mlruns: Path
    uri: str | None


def finish(stopped: BaseException | None) -> Finished | None:
    """Close the parent run; None if no sweep is under way.

    Args:
        stopped: what ended the sweep before its time, if anything did.
    """
    global _under_way
    sweep, _under_way = _under_way, None
    os.environ.pop(PARENT, None)
    os.environ.pop(LAYERS, None)
    if sweep is None:
        return None
    written = sorted(sweep.folder.glob(f"*/{_OUTCOME}"), key=lambda p: (len(p.parent.name), p.parent.name))
    outcomes = [Outcome(**json.loads(path.read_text(encoding="utf-8"))) for path in written]
    code = max((1 if o.code is None else o.code for o in outcomes), default=0)
    pictures = _draw_depth(sweep, [path.parent for path in written], outcomes)
    link = None
    if sweep.store is not None and sweep.run_id is not None:
        status = status_of(type(stopped)) if stopped is not None else "FAILED" if code else "FINISHED"
        note = "\n".join(f"- {o.title}: {'finished' if o.code == 0 else o.problem or 'not ended'}" for o in outcomes)
        try:
            sweep.store.add_files(sweep.run_id, pictures)
            sweep.store.finish(sweep.run_id, status, {"mlflow.note.content": f"`{sweep.choices}`\n\n{note}"})
            link = sweep.store.link(sweep.run_id)
        except TrackingError as problem:  # the table of the jobs is still worth printing
            print(f"Error: {problem}", file=sys.stderr)
            code = max(code, problem.code)
    return Finished(outcomes, code, sweep.run_id, link, sweep.folder, sweep.mlruns, sweep.uri)


DEPTH_METRIC = "test/neighbours/knn_accuracy"


def _draw_depth(sweep: _UnderWay, folders: Sequence[Path], outcomes: Sequence[Outcome]) -> list[Path]:
    """``depth.png`` and ``depth.svg`` in the folder of the sweep, if it compared layers of a network."""
    curves = _depth_curves(folders, outcomes)
    if all(len(stops) < 2 for stops in curves.values()):
        return []
    from frostmark.figures.depth import draw_depth
    from frostmark.figures.files import save, save_vector

    dataset = " and ".join(dict.fromkeys(o.title.split(" · ")[-1] for o in outcomes if o.code == 0))
    figure = draw_depth(curves, "k-NN accuracy (test)", f"accuracy by depth · {dataset}")
    return [save(figure, sweep.folder / "depth.png"), save_vector(figure, sweep.folder / "depth.svg")]


def _depth_curves(folders: Sequence[Path], outcomes: Sequence[Outcome]) -> dict[str, list[Stop]]:
    """The layers of every network, or of whatever else was swept, with the depth and the accuracy of each."""
    from frostmark.figures.depth import Stop

    curves: dict[str, list[Stop]] = {}
    for folder, outcome, words in zip(folders, outcomes, differing(outcomes), strict=True):
        file = folder / "metrics.json"
        values = json.loads(file.read_text(encoding="utf-8"))["values"] if outcome.code == 0 and file.exists() else {}
        if DEPTH_METRIC not in values or "cost/gmacs_share" not in values:
            continue
        backbone, layer, *_ = outcome.title.split(" · ")
        others = [w for w in words.split() if not w.startswith(("backbone=", "layer=", "layer.node="))]
        ends = (values.get(f"{DEPTH_METRIC}{end}") for end in ("_lo", "_hi"))
        stop = Stop(layer, values["cost/gmacs_share"], values[DEPTH_METRIC], *ends)
        curves.setdefault(" ".join([backbone, *others]), []).append(stop)
    return curves


def differing(outcomes: Sequence[Outcome]) -> list[str]:
    """The overrides of each job without those that all of them share."""
    words = [o.job.split() for o in outcomes]
    shared = set(words[0]).intersection(*words[1:]) if len(words) > 1 else set()
    return [" ".join(w for w in job if w not in shared) for job in words]
