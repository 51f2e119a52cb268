"""What is under way: the command line that goes through Hydra, and the sweep that this process or its parent began.

with call_through_hydra() as call:              # Hydra returns nothing: its callback and its job leave it here
    ...
    call.sweep, call.problem
announce(folder); sweep_folder(); withdraw()    # the one path that jobs need, whatever process they run in
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from frostmark.results.lease import Lease

if TYPE_CHECKING:
    from frostmark.tracking.mlflow import MlflowStore

VARIABLE = "FROSTMARK_SWEEP"
"""Environment variable: the folder of the sweep under way; its sweep.json and layers.json hold the rest."""


@dataclass(frozen=True)
class Sweep:
    """The sweep that this process began.

    Attributes:
        folder, mlruns: where its files are, and where everything is.
        choices: what was typed, without secrets.
        jobs: how many there are, None if nobody knows beforehand.
        store, run_id, uri: where it is tracked, None if it is not.
        lease: tells other processes that somebody is at it.
        command: what was typed, as a shell takes it.
    """

    folder: Path
    mlruns: Path
    choices: str
    jobs: int | None
    store: MlflowStore | None
    run_id: str | None
    uri: str | None
    lease: Lease | None = None
    command: str = ""


@dataclass
class Call:
    """One command line on its way through Hydra, which hands nothing back itself.

    Attributes:
        sweep: what Hydra's callback began.
        problem: what ended the one benchmark: Hydra would print one more line about it.
        order: the places of the sweep's jobs as they are begun; None: as they were typed.
        composed: the words of the jobs whose configurations are known to compose.
    """

    sweep: Sweep | None = None
    problem: Exception | None = None
    order: list[int] | None = None
    composed: set[tuple[str, ...]] = field(default_factory=set)


_call: ContextVar[Call] = ContextVar("call")


@contextmanager
def call_through_hydra() -> Iterator[Call]:
    """A new call, which :func:`current_call` gives until it is left."""
    token = _call.set(Call())
    try:
        yield _call.get()
    finally:
        _call.reset(token)


def current_call() -> Call:
    """The call that this code runs in."""
    return _call.get()


def announce(folder: Path) -> None:
    """Tell every job of the sweep, in this process or another, where the sweep is."""
    os.environ[VARIABLE] = str(folder)


def withdraw() -> None:
    """No sweep is under way any more."""
    os.environ.pop(VARIABLE, None)


def sweep_folder() -> Path | None:
    """The folder of the sweep that this process works for, if it does."""
    folder = os.environ.get(VARIABLE)
    return Path(folder) if folder else None
