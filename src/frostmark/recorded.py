"""Finished runs by the names a person has for them, compared once more.

    compared, folder, link = compare_recorded(["3f0c…"], mlruns, Tracking(), print)

A name is the run of a sweep or its folder, runs or their folders, or an experiment. What a sweep's run holds is written
anew; of other names the comparison gets a run of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from frostmark.cli.outcome import outcomes
from frostmark.config.schema import Tracking
from frostmark.errors import ConfigError, DataError
from frostmark.experiment import open_store
from frostmark.report.comparison import About
from frostmark.report.runs import FILE, FILES, Run
from frostmark.side_by_side import Compared, compare_links, compare_runs, log_comparison

if TYPE_CHECKING:
    from frostmark.tracking.mlflow import MlflowStore


def compare_recorded(
    names: Sequence[str], mlruns: Path, tracking: Tracking, progress: Callable[[str], None]
) -> tuple[Compared, Path, str | None]:
    """Compare the runs that ``names`` stand for; the comparison, its folder, and its place in MLflow's pages.

    Raises:
        ConfigError: if a name stands for nothing, or no two of the runs may be compared.
        TrackingError: if the store does not answer.
    """
    from frostmark.features.store import FeatureStore

    folder = mlruns / "_hydra" / "comparisons" / datetime.now().strftime("%Y-%m-%d_%H-%M-%S_%f")
    on_disk = [name for name in names if Path(name).is_dir()]
    tracked = None if len(on_disk) == len(names) else _open(tracking, mlruns)
    runs: list[Run] = []
    missing: list[str] = []
    remarks: list[str] = []
    parents: list[str] = []
    for name in names:
        progress(f"reading {name}")
        if name in on_disk:
            found, lost = _of_folder(Path(name))
            missing += lost
        else:
            assert tracked is not None
            found, left_out, parent = _of_store(tracked, name, folder / "runs")
            parents += [] if parent is None else [parent]
            remarks += left_out
        runs += found
    about = About(missing, remarks, compare_links(tracked, runs), f"compare {' '.join(names)}")
    compared = compare_runs(runs, folder, FeatureStore(mlruns / "features"), about, progress)
    link = None if tracked is None else _keep(tracked, parents if len(names) == 1 else [], names, compared)
    return compared, folder, link


def _open(tracking: Tracking, mlruns: Path) -> MlflowStore:
    if not tracking.uri and not (mlruns / "mlflow.db").is_file():
        raise ConfigError(
            f"there are no tracked runs in {mlruns}",
            fix="paths.root=<folder that holds mlruns/>, tracking.uri=<server>, or the folder of a sweep",
        )
    store = open_store(tracking, mlruns)
    assert store is not None
    store.connect()
    return store


def _of_folder(folder: Path) -> tuple[list[Run], list[str]]:
    """The runs in the folder of a sweep or of one run, and the jobs without a result."""
    if (folder / FILE).is_file():
        return [Run.read(folder)], []
    ended = outcomes(folder)
    if not ended:
        raise ConfigError(
            f"{folder} holds no run and no sweep", fix="a folder below mlruns/_hydra/runs or mlruns/_hydra/sweeps"
        )
    runs = [Run.read(Path(o.folder), o.run_id) for o in ended if o.code == 0 and o.folder]
    return runs, [f"{o.job}: {o.problem or 'it did not end'}" for o in ended if o.code != 0]


def _of_store(tracked: MlflowStore, name: str, into: Path) -> tuple[list[Run], list[str], str | None]:
    """The runs, those that cannot be read (of an earlier version, or without their files), and their parent."""
    ids, parent = tracked.finished(name)
    runs, left_out = [], []
    for run_id in ids:
        try:
            runs.append(Run.read(tracked.fetch(run_id, FILES, into), run_id))
        except DataError as problem:
            left_out.append(f"left out: {problem.problem}")
    if not runs and left_out:
        raise DataError(left_out[0], fix="run the benchmarks again; what is in the store is not extracted anew")
    return runs, left_out, parent


def _keep(tracked: MlflowStore, parents: Sequence[str], names: Sequence[str], compared: Compared) -> str:
    """Log the comparison with the sweep's run, or with one of its own."""
    note, words = {"mlflow.note.content": compared.markdown}, " ".join(names)
    run_id = parents[0] if parents else tracked.start(f"comparison · {words}"[:250], {"compares": words})
    log_comparison(tracked, run_id, compared)
    if parents:
        tracked.add_tags(run_id, note)
    else:
        tracked.finish(run_id, "FINISHED", note)
    return tracked.link(run_id)
