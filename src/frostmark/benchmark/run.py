"""One benchmark of one layer, from top to bottom: subject → rows → scores → maps → controls → record.

result = run_benchmark(config, folder=Path("runs/1"))
result.values["test/neighbours/knn_accuracy"]
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from frostmark.analysis.maps import MapMaking
from frostmark.analysis.measure import Measurement
from frostmark.analysis.observed import Observed
from frostmark.backbones.backbone import UNTRAINED
from frostmark.backbones.network import Network
from frostmark.benchmark.controls import add_controls
from frostmark.benchmark.costs import costs
from frostmark.benchmark.extraction import Extraction, extraction_of
from frostmark.benchmark.labels import leading_params, remarks, setting, tags
from frostmark.benchmark.leaks import add_leaks
from frostmark.benchmark.measuring import observers
from frostmark.benchmark.networks import network_of
from frostmark.benchmark.result import KeptRows, Result
from frostmark.benchmark.seen import pictures
from frostmark.benchmark.subject import Given, Subject, resolve
from frostmark.benchmark.tracked import open_store
from frostmark.config.explain import disk_named
from frostmark.config.schema import Config, Layer
from frostmark.config.shown import Shown, shown
from frostmark.data.decode import UnreadableImageError
from frostmark.data.inspection import refusal
from frostmark.features.entry import to_stderr
from frostmark.features.store import FeatureStore
from frostmark.lit.callbacks.maps import Maps
from frostmark.lit.callbacks.metrics import Metrics
from frostmark.lit.trainer import has_gpu, is_rank_zero
from frostmark.metrics.deciding import Rule
from frostmark.results.answer import answer
from frostmark.results.progress import ProgressLine
from frostmark.results.record import Record
from frostmark.results.report import RunSetting, report_html
from frostmark.results.summary import summarise
from frostmark.tracking.memory import MemoryTracker
from frostmark.tracking.mlflow import MlflowStore
from frostmark.tracking.steady import Steady
from frostmark.tracking.tracker import Tracker


def run_benchmark(
    config: Config,
    folder: Path,
    parent: str | None = None,
    layers: Sequence[Layer] = (),
    given: Given | None = None,
    command: str = "",
) -> Result | None:
    """Run one benchmark of one layer.

    Args:
        config: what to do.
        folder: an empty folder for the files of the run.
        parent: the tracked run of the sweep that this one belongs to.
        layers: what the other jobs of the sweep read of the same backbone and images: one pass stores it for all.
        given: parts that are there already.
        command: what was typed, for the report; empty of a run that Python asked for.

    Returns:
        the result, or None in a process that only extracts for another one (DDP ranks above zero).

    Raises:
        FrostmarkError: if something is wrong that the user can mend.
    """
    given = given or Given()
    subject = resolve(config, given, folder)
    network = network_of(subject, given)
    with disk_named(folder), _tracked(subject, folder, parent) as run, ProgressLine() as progress:
        record = _record(subject, network, folder, run.tracker, progress)
        with _recording(record, subject, network, shown(config, given.described(config)), command):
            measurement = Measurement(subject.families, progress)
            extraction = extraction_of(subject, network, progress)
            record.add_tags(extraction.places(subject.tap))
            _say_if_not_kept(record, extraction.not_kept(subject))
            collecting, observed = observers(subject, extraction)
            metrics = Metrics(measurement, observed, record)
            mapping = _mapping(subject, observed, record)
            with _damage_named(subject, folder, progress):
                extraction.through([*collecting, metrics, *mapping], subject, layers)
                add_leaks(record, subject, observed)
            record.add_scores(costs(subject, extraction.cost))
            record.add_tags(extraction.cost.tags)
            add_controls(record, subject, measurement)
            record.decide()
    return _result(subject, record, mapping, run, extraction) if is_rank_zero() else None


@dataclass(frozen=True)
class _TrackedRun:
    """A run in the tracking store, if there is one."""

    tracker: Tracker
    store: MlflowStore | None

    @property
    def link(self) -> str | None:
        """Its place in MLflow's pages."""
        run_id = self.tracker.run_id
        return None if self.store is None or run_id is None else self.store.link(run_id)


@contextmanager
def _tracked(subject: Subject, folder: Path, parent: str | None) -> Iterator[_TrackedRun]:
    """The run of the process that writes; the others of a job have one in memory."""
    config = subject.config
    store = open_store(config.tracking, config.mlruns) if is_rank_zero() else None
    if store is not None:
        store.connect()
    inner: Tracker = MemoryTracker() if store is None else store.run(subject.title, parent)
    with Steady(inner, folder, to_stderr) as tracker:
        yield _TrackedRun(tracker, store)


@contextmanager
def _recording(
    record: Record, subject: Subject, network: Network | None, config: Shown, command: str
) -> Iterator[None]:
    """Says first what the run is, and writes in the end what was found, whatever happens between."""
    if not is_rank_zero():
        yield
        return
    tracker = record.tracker
    tracker.log_params(leading_params(subject) | config.params)
    record.add_tags(tags(subject, network))
    record.add_text("config.yaml", config.yaml)
    for split, images in subject.splits.items():
        tracker.log_dataset(subject.source.name, split, subject.fingerprints[split], len(images))
    try:
        yield
        said, what = _answer(subject, record), setting(subject)
        summary = summarise(record.title, what, record.findings, said)
        record.add_text("summary.md", summary)
        record.add_text("report.html", report_html(record, said, RunSetting(what, command)))
        # Without its heading, which is the run's name: the first words of the description are the answer.
        tracker.set_tags({"mlflow.note.content": summary.partition("\n\n")[2]})
    finally:
        record.close()


@contextmanager
def _damage_named(subject: Subject, folder: Path, progress: Callable[[str], None]) -> Iterator[None]:
    """A pass that comes upon a file that cannot be decoded ends, with the names of all such files."""
    try:
        yield
    except UnreadableImageError as first:
        known = subject.config.mlruns / "features"
        raise (refusal(subject.splits, known, folder, progress) or first) from first


def _record(
    subject: Subject, network: Network | None, folder: Path, tracker: Tracker, progress: Callable[[str], None]
) -> Record:
    about = f"Weights: {subject.backbone.weights_name}." if subject.rows is None else f"{subject.rows.origin}."
    shown = pictures(subject, FeatureStore(subject.config.mlruns / "features")) if subject.pictured else None
    return Record(
        *(folder, tracker, progress, subject.title, subject.classes, shown, about),
        groups=dict(subject.groups or {}),
        files=dict(subject.files),
        labels={split: images.labels.numpy() for split, images in subject.splits.items()},
        remarks=remarks(subject, network),
        rule=_rule(subject),
        vectors=subject.config.figures.svg,
    )


def _rule(subject: Subject) -> Rule:
    """What decides between this run and others."""
    decide = subject.config.decide
    return Rule.of(decide.family, decide.balanced, subject.splits["train"].labels.numpy())


def _mapping(subject: Subject, observed: Observed, record: Record) -> list[Maps]:
    """The callback that makes the maps, if any are wanted."""
    if subject.reducer is None:
        return []
    if type(subject.reducer).__name__ == "TSNE" and has_gpu():
        record.progress("this machine has a GPU: reducer=tsne_gpu (pip install 'frostmark[gpu]') makes maps on it")
    return [Maps(MapMaking(subject.reducer, observed.setting, record.progress), observed, record)]


def _answer(subject: Subject, record: Record) -> list[str]:
    return answer(subject.name, record.findings, untrained=subject.backbone.weights_name == UNTRAINED)


def _result(
    subject: Subject, record: Record, mapping: Sequence[Maps], run: _TrackedRun, extraction: Extraction
) -> Result:
    return Result(
        record.title,
        subject.about,
        record.folder,
        record.values,
        record.undefined,
        record.chance,
        run.tracker.run_id,
        run.link,
        [of for maps in mapping for of in maps.maps.splits],
        record.figures,
        record.kinds,
        record.remarks,
        record.decides,
        record.classes,
        _rows(subject, extraction),
        record.labels,
        record.files,
        subject.group_names,
        record.outcomes,
        _answer(subject, record),
        record.findings,
    )


def _rows(subject: Subject, extraction: Extraction) -> KeptRows:
    """The rows of the layer, as long as they are in the store."""
    tap, most = subject.tap, subject.config.features.max_bytes
    why = "" if extraction.keeps(tap) else f"they take {extraction.size(tap):,} bytes, features.max_bytes is {most}"
    return KeptRows(extraction.entries(tap), why)


def _say_if_not_kept(record: Record, told: str) -> None:
    """At the start, on the terminal, and beside the numbers."""
    if told:
        record.remarks.append(told)
        if is_rank_zero():
            to_stderr(f"{told[0].upper()}{told[1:]}.")
