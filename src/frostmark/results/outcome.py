"""What a sweep leaves in its folder: how each job ended, and whether the same command may go on where it stopped.

Outcome(job="layer=stage2", title="", code=None, pid=os.getpid()).write(folder)      # begun
outcomes(sweep_folder)                               # one a job that was begun, in their order
last_unfinished(Path("mlruns/_hydra/sweeps"), choices)   # the last sweep of these words, if it lacks a result
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from frostmark.names import span
from frostmark.regular import read_regular, write_whole
from frostmark.results.lease import LEASE_S, seconds_since_sign_of_life

_OUTCOME = "outcome.json"
_RECORD = "sweep.json"

_MAX_BYTES = 1 << 24
"""Bytes of either, at most: of thousands of words that were typed."""


@dataclass(frozen=True)
class Outcome:
    """How one job ended.

    Attributes:
        job: its overrides.
        title: backbone · layer · data set, once it is known.
        code: its exit code, None while it has not ended.
        problem: what went wrong.
        run_id: in the tracking store.
        accuracy: the value on test of the metric that decides.
        metric: that metric, for a person.
        folder: where its files are, if it ended well.
        pid: of the process that works on it.
        remarks: what was said beside its metrics.
    """

    job: str
    title: str
    code: int | None
    problem: str = ""
    run_id: str | None = None
    accuracy: float | None = None
    folder: str | None = None
    pid: int | None = None
    metric: str = ""
    remarks: tuple[str, ...] = ()

    def write(self, folder: Path) -> None:
        """Leave the outcome in the job's own folder; whoever reads meanwhile sees the one before it whole."""
        _replace(folder / _OUTCOME, asdict(self))

    @classmethod
    def read(cls, folder: Path) -> Outcome | None:
        """What the job in ``folder`` left; None if that cannot be read."""
        try:
            read = cls(**json.loads(read_regular(folder / _OUTCOME, _MAX_BYTES)))
            return read if read._is_one() else None
        except (OSError, ValueError, TypeError, RecursionError):
            return None

    def _is_one(self) -> bool:
        """Whether its parts are what a job writes: whoever can write there may leave anything."""
        texts, numbers = (self.job, self.title, self.problem, self.metric), (self.code, self.pid)
        return (
            all(isinstance(text, str) for text in texts)
            and all(number is None or (type(number) is int and abs(number) < 2**31) for number in numbers)
            and isinstance(self.run_id, str | None)
            and isinstance(self.folder, str | None)
            and (self.accuracy is None or (type(self.accuracy) in (int, float) and math.isfinite(self.accuracy)))
            and isinstance(self.remarks, list | tuple)
            and all(isinstance(remark, str) for remark in self.remarks)
        )


def outcomes(folder: Path) -> list[Outcome]:
    """Of every job of the sweep in ``folder`` that was begun, in the order of their numbers."""
    written = sorted(folder.glob(f"*/{_OUTCOME}"), key=lambda p: (len(p.parent.name), p.parent.name))
    lost = "how it ended cannot be read"
    return [Outcome.read(path.parent) or Outcome("", f"job {path.parent.name}", None, lost) for path in written]


def first_with(problem: str, job: Path) -> str | None:
    """The number of the first job beside the one in ``job`` that ended with the same problem; None if none did."""
    numbers = sorted((p.name for p in job.parent.iterdir() if p.is_dir() and p != job), key=lambda n: (len(n), n))
    for number in numbers:
        ended = Outcome.read(job.parent / number)
        if ended is not None and ended.code and ended.problem == problem:
            return number
    return None


def standing(sweep: Path) -> str:
    """How many jobs of the sweep in a folder have ended, of how many: ``3/12``."""
    record, done = SweepRecord.read(sweep), sum(o.code is not None for o in outcomes(sweep))
    return f"{done}/{record.jobs}" if record is not None and record.jobs else str(done)


def time_left(sweep: Path) -> str:
    """How long the jobs that are left will take if they are like those before; empty of the last one."""
    record, done = SweepRecord.read(sweep), sum(o.code is not None for o in outcomes(sweep))
    if record is None or not record.jobs or not 0 < done < record.jobs:
        return ""
    taken = time.time() - (sweep / _RECORD).stat().st_mtime
    return f"{span(max(taken, 0) / done * (record.jobs - done))} left"


def new_remarks(sweep: Path, job: str) -> list[str]:
    """What the job of these overrides has to say that none of the others has said."""
    ended = outcomes(sweep)
    known = {remark for o in ended if o.job != job for remark in o.remarks}
    return [remark for o in ended if o.job == job for remark in o.remarks if remark not in known]


def has_ended(folder: Path) -> bool:
    """Whether the job in ``folder`` left how it ended."""
    outcome = Outcome.read(folder)
    return outcome is not None and outcome.code is not None


@dataclass(frozen=True)
class SweepRecord:
    """One sweep.

    Attributes:
        folder: where it is.
        choices: what was typed.
        jobs: how many there are; None of sweepers that choose as they go.
        run_id: of the parent run, if it is tracked.
        process: the one that began it, as the caller names processes.
        continues: the folder of the earlier sweep that this one goes on with; what finished there is not done again.
    """

    folder: Path
    choices: tuple[str, ...]
    jobs: int | None
    run_id: str | None
    process: str
    continues: str | None = None

    @classmethod
    def begin(
        cls,
        folder: Path,
        choices: Sequence[str],
        jobs: int | None,
        run_id: str | None,
        process: str,
        continues: Path | None = None,
    ) -> SweepRecord:
        """Write down a sweep of this ``process``."""
        before = None if continues is None else str(continues)
        record = cls(folder, tuple(choices), jobs, run_id, process, before)
        _replace(folder / _RECORD, {**asdict(record), "folder": None})
        return record

    @classmethod
    def read(cls, folder: Path) -> SweepRecord | None:
        """The record in ``folder``; None if there is none that can be read."""
        try:
            kept = json.loads(read_regular(folder / _RECORD, _MAX_BYTES))
            process = str(kept.get("process", ""))  # sweeps of before there were leases have none
            jobs, run_id, before = kept["jobs"], kept["run_id"], kept.get("continues")
            counted = jobs is None or (type(jobs) is int and 0 <= jobs < 2**31)
            if not (counted and isinstance(run_id, str | None) and isinstance(before, str | None)):
                return None
            return cls(folder, tuple(kept["choices"]), jobs, run_id, process, before)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None

    def under_way(self, alive: Callable[[str], bool | None]) -> bool:
        """Whether the process that began it may still be at it.

        Args:
            alive: whether a process is there; None of another machine's, of which its signs of life have to tell.
        """
        known = alive(self.process)
        if known is not None:
            return known
        since = seconds_since_sign_of_life(self.folder)
        return since is not None and abs(since) < LEASE_S  # a sign from the future is none

    @property
    def lacks(self) -> bool:
        """Whether a job has no result."""
        begun = outcomes(self.folder)
        return any(o.code != 0 for o in begun) or (self.jobs is not None and len(begun) < self.jobs)


def last_unfinished(sweeps: Path, choices: Sequence[str]) -> SweepRecord | None:
    """The last sweep of the same words below ``sweeps``, if a job of it has no result; somebody may be at it."""
    records = (SweepRecord.read(path.parent) for path in sorted(sweeps.glob(f"*/{_RECORD}"), reverse=True))
    last = next((r for r in records if r is not None and r.choices == tuple(choices)), None)
    return last if last is not None and last.lacks else None


def _replace(path: Path, content: dict[str, object]) -> None:
    write_whole(path, json.dumps(content, ensure_ascii=False))
