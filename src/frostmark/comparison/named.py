"""Finished runs by the names a person has for them, compared once more.

    compared, folder, link = compare_named(["3f0c…"], mlruns, open_store)

A name is the run of a sweep or its folder, runs or their folders, or an experiment. What a sweep's run holds is written
anew; of other names the comparison gets a run of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from frostmark.comparison.about import About
from frostmark.comparison.across import AcrossSets, across_of
from frostmark.comparison.across_files import across_markdown, write_across
from frostmark.comparison.compared import Compared, compare_runs
from frostmark.comparison.deciding import AS_MADE, Asked
from frostmark.comparison.files import AGAIN
from frostmark.comparison.runs import FILE, FILES, THUMBNAILS, WITHOUT_PICTURES, Run, read_all
from frostmark.comparison.tracked import compare_links, log_across, log_comparison
from frostmark.errors import ConfigError, DataError
from frostmark.features.store import FeatureStore
from frostmark.names import without_folders
from frostmark.results.outcome import outcomes
from frostmark.results.places import found
from frostmark.results.progress import ProgressLine
from frostmark.tracking.tracker import RunStore


@dataclass(frozen=True)
class _Named:
    """What one name stands for.

    Attributes:
        left_out: runs that cannot be read, and why.
        missing: jobs without a result, and why.
        parent: the run of the sweep, if the name is one.
    """

    runs: list[Run]
    left_out: Sequence[str] = ()
    missing: Sequence[str] = ()
    parent: str | None = None


def compare_named(
    names: Sequence[str],
    mlruns: Path,
    open_store: Callable[[], RunStore],
    asked: Asked = AS_MADE,
    command: str = "",
) -> tuple[Compared, Path, str | None]:
    """Compare the runs that ``names`` stand for; the comparison, its folder, and its place in the store's pages.

    Args:
        mlruns: where rows are, and where the comparison goes.
        open_store: opens the tracking store; asked only if a name is not a folder.
        asked: what decides, in place of what the runs were made with.
        command: what was typed, to be pasted; empty of a comparison that Python asked for.

    Raises:
        ConfigError: if a name stands for nothing, or no two of the runs may be compared.
        TrackingError: if the store does not answer.
    """
    with ProgressLine() as progress:
        return _compare(names, mlruns, open_store, asked, command, progress)


def rank_named(
    names: Sequence[str],
    mlruns: Path,
    open_store: Callable[[], RunStore],
    asked: Asked = AS_MADE,
    command: str = "",
) -> tuple[AcrossSets, Path, str | None]:
    """Rank the networks of all runs that ``names`` stand for over their data sets; arguments and errors as above.

    Where a name is of the store, the ranking gets a run of its own there.
    """
    folder = _folder(mlruns)
    with ProgressLine() as progress:
        tracked = _asked(names, open_store)
        named = _read(names, tracked, folder / "runs", progress, pictures=False)
        progress("ranking the networks over the data sets")
        across = across_of([run for of in named for run in of.runs], asked)
        told = [*(f"missing: {line}" for of in named for line in of.missing), *(n for of in named for n in of.left_out)]
        across = replace(across, notes=(*across.notes, *told))
        files = write_across(across, folder, command)
    if tracked is None:
        return across, folder, None
    run_id = tracked.start(f"across · {without_folders(' '.join(names))}"[:250], {"compares": " ".join(names)})
    log_across(tracked, run_id, across, files)
    tracked.finish(run_id, "FINISHED", {"mlflow.note.content": across_markdown(across, command)})
    return across, folder, tracked.link(run_id)


def _folder(mlruns: Path) -> Path:
    return mlruns / "_hydra" / "comparisons" / datetime.now().strftime("%Y-%m-%d_%H-%M-%S_%f")


def _compare(
    names: Sequence[str],
    mlruns: Path,
    open_store: Callable[[], RunStore],
    asked: Asked,
    command: str,
    progress: Callable[[str], None],
) -> tuple[Compared, Path, str | None]:
    folder = _folder(mlruns)
    tracked = _asked(names, open_store)
    named = _read(names, tracked, folder / "runs", progress)
    runs = [run for of in named for run in of.runs]
    about = About(
        [line for of in named for line in of.missing],
        [line for of in named for line in of.left_out],
        compare_links(tracked, runs),
        command,
    )
    compared = compare_runs(runs, folder, FeatureStore(mlruns / "features"), about, progress, asked)
    parent = named[0].parent if len(named) == 1 else None
    return compared, folder, None if tracked is None else _keep(tracked, parent, names, compared)


def read_runs(names: Sequence[str], open_store: Callable[[], RunStore], into: Path) -> list[Run]:
    """The finished runs that ``names`` stand for, without comparing them.

    Args:
        open_store: opens the tracking store; asked only if a name is not a folder.
        into: a folder for the files of runs that are elsewhere.

    Raises:
        ConfigError: if a name stands for nothing.
        TrackingError: if the store does not answer.
    """
    with ProgressLine() as progress:
        return [run for of in _read(names, _asked(names, open_store), into, progress) for run in of.runs]


def _asked(names: Sequence[str], open_store: Callable[[], RunStore]) -> RunStore | None:
    return None if all(Path(name).is_dir() for name in names) else open_store()


def _read(
    names: Sequence[str],
    tracked: RunStore | None,
    into: Path,
    progress: Callable[[str], None],
    *,
    pictures: bool = True,
) -> list[_Named]:
    """What the names stand for; without ``pictures`` the numbers alone are fetched."""
    named: list[_Named] = []
    for name in names:
        progress(f"reading {name}")
        if tracked is None or Path(name).is_dir():
            named.append(_of_folder(Path(name)))
        else:
            named.append(_of_store(tracked, name, into, pictures=pictures))
    left_out = [line for of in named for line in of.left_out]
    if left_out and not any(of.runs for of in named):
        raise DataError(left_out[0].removeprefix("left out: "), fix=AGAIN)
    return named


def _of_folder(folder: Path) -> _Named:
    """The runs in the folder of a sweep or of one run, and the jobs without a result."""
    if found(folder, FILE).exists():
        return _Named(*read_all([(folder, None)]))
    ended = outcomes(folder)
    if not ended:
        raise ConfigError(
            f"{folder} holds no run and no sweep", fix="a folder below mlruns/_hydra/runs or mlruns/_hydra/sweeps"
        )
    runs, left_out = read_all((Path(o.folder), o.run_id) for o in ended if o.code == 0 and o.folder)
    return _Named(runs, left_out, [f"{o.job}: {o.problem or 'it did not finish'}" for o in ended if o.code != 0])


def _of_store(tracked: RunStore, name: str, into: Path, *, pictures: bool) -> _Named:
    """The runs, those that cannot be read (of an earlier version, or without their files), and their parent."""
    ids, parent = tracked.finished(name)
    files = FILES if pictures else WITHOUT_PICTURES
    runs, left_out = read_all((tracked.fetch(run_id, files, into), run_id) for run_id in ids)
    if pictures:
        _fetch_thumbnails(tracked, runs, into)
    return _Named(runs, left_out, parent=parent)


def _fetch_thumbnails(tracked: RunStore, runs: Sequence[Run], into: Path) -> None:
    """Of the runs whose maps show the same images, the first that kept thumbnails gives them to all."""
    there: set[tuple[str, ...]] = set()
    for run in runs:
        numbers = [split + of.index.tobytes().hex() for split, of in run.shown.items()]
        images = (run.tags.get("dataset_fingerprint", ""), *numbers)
        if run.run_id is not None and numbers and images not in there:
            folder = tracked.fetch(run.run_id, [THUMBNAILS], into)
            there |= {images} if (folder / THUMBNAILS).is_file() else set()


def _keep(tracked: RunStore, parent: str | None, names: Sequence[str], compared: Compared) -> str:
    """Log the comparison with the sweep's run, or with one of its own."""
    note, words = {"mlflow.note.content": compared.markdown}, " ".join(names)
    run_id = parent or tracked.start(f"comparison · {without_folders(words)}"[:250], {"compares": words})
    log_comparison(tracked, run_id, compared)
    if parent is not None:
        tracked.add_tags(run_id, note)
    else:
        tracked.finish(run_id, "FINISHED", note)
    return tracked.link(run_id)
