"""What a job costs that forwards nothing, in seconds of processor (user and system, all threads), by stage.

    python scripts/bench_replay.py                                    # scikit-learn's digits, SqueezeNet untrained
    python scripts/bench_replay.py backbone.weights=squeezenet.pth    # with overrides of one's own

A sweep over three layers runs in a folder of its own; the same sweep once more replays the stored rows, and is
measured: its first job pays start-up and what a process pays once, the others are what a job of a sweep costs. Seconds
of processor, so that what else the machine does counts little. A stage is what it does itself, without the stages
inside it.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

SWEEP = (
    "-m", "dataset=digits", "backbone=squeezenet1_0", "backbone.weights=untrained", "preprocess.size=64", "reducer=pca",
    "layer=stage2,stage3,last_conv",
)  # fmt: skip

MEASURE = "--measure"


class Clock:
    """Seconds of processor by job and stage."""

    def __init__(self) -> None:
        self.jobs: list[dict[str, float]] = [defaultdict(float)]
        self._open: list[str] = ["other"]
        self._since = 0.0

    def _account(self) -> None:
        now = time.process_time()
        self.jobs[-1][self._open[-1]] += now - self._since
        self._since = now

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        self._account()
        self._open.append(name)
        try:
            yield
        finally:
            self._account()
            self._open.pop()

    def next_job(self) -> None:
        self._account()
        self.jobs.append(defaultdict(float))


def inside(clock: Clock, owner: object, name: str, stage: Callable[..., str]) -> None:
    """Every call of ``owner.name`` is a stage of the clock; ``stage`` names it by the call's arguments."""
    called = getattr(owner, name)

    def timed(*args: object, **kwargs: object) -> object:
        with clock.stage(stage(*args, **kwargs)):
            return called(*args, **kwargs)

    setattr(owner, name, timed)


def drawn(clock: Clock, owner: object, name: str) -> None:
    """Every picture that the generator ``owner.name`` draws is a stage of its name."""
    pictures = getattr(owner, name)

    def timed(*args: object, **kwargs: object) -> Iterator[object]:
        made = pictures(*args, **kwargs)
        while True:
            before = clock.jobs[-1]["drawing"]
            with clock.stage("drawing"):
                picture = next(made, None)
            if picture is None:
                return
            clock.jobs[-1][f"picture {Path(picture.name).stem}"] += clock.jobs[-1].pop("drawing") - before
            yield picture

    setattr(owner, name, timed)


def after_a_call(clock: Clock, owner: object, name: str) -> None:
    """What comes after a call of ``owner.name`` is of the next job."""
    called = getattr(owner, name)

    def counted(*args: object, **kwargs: object) -> object:
        try:
            return called(*args, **kwargs)
        finally:
            clock.next_job()

    setattr(owner, name, counted)


def watch(clock: Clock) -> None:
    """Wrap what the stages are."""
    from frostmark.analysis import measure
    from frostmark.analysis.maps import MapMaking
    from frostmark.cli import job
    from frostmark.results import record
    from frostmark.tracking.steady import Steady

    inside(clock, job, "run_benchmark", lambda *_: "rows, subject and what else")
    inside(clock, measure, "measured", lambda family, name, splits: f"metrics {name}")
    inside(clock, MapMaking, "maps", lambda *_: "map")
    inside(clock, record, "map_page", lambda *_: "map page")
    inside(clock, record.Record, "add_picture", lambda _, picture: f"picture {Path(picture.name).stem}")
    inside(clock, record, "save_vector", lambda figure, path: f"picture {path.stem} as SVG")
    for name in ("metric_pictures", "map_pictures"):
        drawn(clock, record, name)
    for name in (
        "__enter__",
        "__exit__",
        "log_params",
        "set_tags",
        "log_metrics",
        "log_file",
        "log_dataset",
        "log_image",
    ):
        inside(clock, Steady, name, lambda *_, name=name: f"tracking {name.strip('_')}")
    after_a_call(clock, job, "run_benchmark")


def measured(words: list[str]) -> None:
    """Run the sweep in this process, and print what every job cost."""
    from frostmark.cli import signals
    from frostmark.cli.entry import through_hydra
    from frostmark.cli.leaving import start

    clock = Clock()
    with clock.stage("start-up, configuration, comparison"):
        start()
        signals.install()
        watch(clock)
        through_hydra(words)
    told(clock.jobs)


def told(jobs: list[dict[str, float]]) -> None:
    names = sorted({name for job in jobs for name, seconds in job.items() if seconds > 0.005})
    heads = [*(f"job {n}" for n in range(1, len(jobs))), "at the end"]
    print(f"\n{'seconds of processor':<36}" + "".join(f"{head:>12}" for head in heads))
    for name in names:
        print(f"{name:<36}" + "".join(f"{job.get(name, 0):12.2f}" for job in jobs))
    print(f"{'in all':<36}" + "".join(f"{sum(job.values()):12.2f}" for job in jobs))
    beyond = [sum(s for name, s in job.items() if name != "map") for job in jobs[1:-1]]
    pictures = [s for job in jobs[1:-1] for name, s in job.items() if name.startswith("picture ")]
    print(f"a job beyond its map, after the first: {max(beyond):.2f} s at most (aimed at: 3 s)")
    print(f"a picture, after the first job: {max(pictures):.2f} s at most (aimed at: 0.5 s)", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("overrides", nargs="*", help="of the sweep")
    words = [*SWEEP, *parser.parse_args().overrides]
    with tempfile.TemporaryDirectory() as folder:
        words.append(f"paths.root={folder}")
        for command in (["-m", "frostmark"], [__file__, MEASURE]):
            done = subprocess.run([sys.executable, *command, *words], capture_output=True, text=True)
            if done.returncode:
                sys.exit(done.stderr)
    print(done.stdout[done.stdout.rindex("\nseconds of processor") :].strip())


if __name__ == "__main__":
    if sys.argv[1:2] == [MEASURE]:
        measured(sys.argv[2:])
    else:
        main()
