"""A sweep: one parent run, a child a job, and a table at the end of how each of them went.

Hydra tells this callback that a sweep begins; the jobs find it through the environment, whichever launcher runs them
in whichever process; ``finish`` closes it from the command line's ``finally``, since Hydra skips its own last call
when a job failed.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf

from frostmark.config import Config, Tracking
from frostmark.errors import ConfigError, FrostmarkError

FOLDER = "FROSTMARK_SWEEP"
"""Environment variable: the folder of the sweep that is under way."""

_STATE = "sweep.json"
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
            _refuse_many_devices(config)
            _open(config)
        except FrostmarkError as problem:
            # Hydra only warns of exceptions in callbacks and goes on; this must end the sweep.
            print(f"Error: {problem}", file=sys.stderr)
            raise SystemExit(problem.code) from problem


def _refuse_many_devices(config: DictConfig) -> None:
    trainer = config.trainer
    if str(trainer.devices) != "1" or trainer.strategy != "auto":
        raise ConfigError(
            f"--multirun with trainer.devices={trainer.devices} and trainer.strategy={trainer.strategy}: the processes "
            "of one job are started by running the command line again, and each of them would begin the whole sweep",
            fix="one device a job (trainer=auto), or one run after the other without -m (for experiment=report: "
            "hydra.mode=RUN)",
        )


def _open(config: DictConfig) -> None:
    from frostmark.experiment import open_store

    folder = Path(config.hydra.sweep.dir).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    tracking = Tracking(**OmegaConf.to_container(config.tracking, resolve=True))  # type: ignore[arg-type]
    mlruns = Config(paths=config.paths).mlruns
    store, run_id = open_store(tracking, mlruns), None
    choices = " ".join(config.hydra.overrides.task) or "defaults"
    if store is not None:
        store.connect()
        run_id = store.start(f"sweep · {choices}"[:250], {"sweep": choices, "mlflow.runColor": "#444444"})
    state = {"run_id": run_id, "choices": choices, "tracking": asdict(tracking), "mlruns": str(mlruns)}
    (folder / _STATE).write_text(json.dumps(state), encoding="utf-8")
    os.environ[FOLDER] = str(folder)


def parent_run() -> str | None:
    """The parent run of the sweep under way, if there is one and it is tracked."""
    state = _state()
    return state["run_id"] if state else None


def _state() -> dict[str, Any] | None:
    folder = os.environ.get(FOLDER)
    if folder is None:
        return None
    state: dict[str, Any] = json.loads((Path(folder) / _STATE).read_text(encoding="utf-8"))
    return state


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


def finish(interrupted: bool) -> Finished | None:
    """Close the parent run; None if no sweep is under way."""
    state = _state()
    if state is None:
        return None
    from frostmark.experiment import open_store

    folder = Path(os.environ.pop(FOLDER))
    written = sorted(folder.glob(f"*/{_OUTCOME}"), key=lambda p: (len(p.parent.name), p.parent.name))
    outcomes = [Outcome(**json.loads(path.read_text(encoding="utf-8"))) for path in written]
    code = max((1 if o.code is None else o.code for o in outcomes), default=0)
    status = "KILLED" if interrupted else "FAILED" if code else "FINISHED"
    store, link = open_store(Tracking(**state["tracking"]), Path(state["mlruns"])), None
    if store is not None and state["run_id"] is not None:
        note = "\n".join(f"- {o.title}: {'finished' if o.code == 0 else o.problem or 'not ended'}" for o in outcomes)
        store.finish(state["run_id"], status, {"mlflow.note.content": f"`{state['choices']}`\n\n{note}"})
        link = store.link(state["run_id"])
    return Finished(outcomes, code, state["run_id"], link, folder, Path(state["mlruns"]), state["tracking"]["uri"])
