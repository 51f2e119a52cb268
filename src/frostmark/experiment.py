"""The composition root: a configuration becomes objects, a pass over the images, numbers, pictures and a run.

result = run_benchmark(config, folder=Path("runs/1"), yaml=OmegaConf.to_yaml(cfg), params={}, parent=None)
result.values["test/neighbours/knn_accuracy"]
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property, partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import frostmark
from frostmark.config import Config, Layer, Tracking, build
from frostmark.errors import ConfigError, DataError, FrostmarkError

if TYPE_CHECKING:
    from frostmark.backbones.backbone import Backbone
    from frostmark.backbones.extractor import Tap
    from frostmark.backbones.taps import Survey
    from frostmark.data.preprocess import Pipeline
    from frostmark.data.source import ImageSet, Source
    from frostmark.extraction import Cost, Extraction
    from frostmark.lit.callbacks.ledger import Ledger
    from frostmark.lit.callbacks.maps import Made, Mapped
    from frostmark.lit.trainer import Callback
    from frostmark.metrics.metric import Scores, Splits
    from frostmark.reducers.reducer import Progress
    from frostmark.tracking.mlflow import MlflowStore
    from frostmark.tracking.tracker import Tracker

_LIBRARIES = (
    "torch",
    "torchvision",
    "timm",
    "pytorch-lightning",
    "scikit-learn",
    "openTSNE",
    "umap-learn",
    "faiss-cpu",
    "numpy",
    "mlflow",
)


WIDEST = 4_096
"""Features up to which rows are held in memory as they are; wider ones are projected, however few they are."""


@dataclass(frozen=True)
class Result:
    """What one benchmark leaves behind.

    Attributes:
        title: backbone · layer · data set.
        about: weights and numbers of images, which the title leaves out.
        folder: every file of the run.
        values, undefined: the metrics, and why some have none.
        chance: of some metrics, what labels that mean nothing would give.
        run_id, link: the run in the tracking store, if there is one, and its place in MLflow's pages.
        maps: one a split, with coordinates, labels and how far they may be believed; none if none could be made.
        figures: artifact → the picture as it was drawn.
    """

    title: str
    about: str
    folder: Path
    values: Mapping[str, float]
    undefined: Mapping[str, str]
    chance: Mapping[str, float]
    run_id: str | None
    link: str | None
    maps: Sequence[Mapped] = ()
    figures: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Given:
    """Parts that a caller hands over, instead of a configuration that says how to make them."""

    backbone: Any = None
    source: Source | None = None

    @property
    def described(self) -> dict[str, dict[str, str]]:
        """What the configuration kept with the run says of them."""
        parts = {"backbone": self.backbone, "dataset": self.source}
        return {group: {"given": part.name} for group, part in parts.items() if part is not None}


@dataclass(frozen=True)
class _Subject:
    """What is benchmarked, resolved and checked, before anything long has begun."""

    backbone: Backbone
    survey: Survey
    tap: Tap
    word: str
    node_name: str
    pipeline: Pipeline
    preprocess: str
    source: Source
    wide: bool = False
    """Whether rows are projected before they are held in memory."""

    @property
    def projection(self) -> str:
        """What a reader must know of the rows that neighbours and maps see; empty if they are the features."""
        from frostmark.stats.projection import PROJECTED_WIDTH

        shown = f"neighbours and maps see a random projection of the {self.tap.width:,} features to {PROJECTED_WIDTH:,}"
        return shown if self.wide else ""

    @property
    def title(self) -> str:
        return f"{self.backbone.name} · {self.word} · {self.source.name}"


def run_benchmark(
    config: Config,
    folder: Path,
    yaml: str,
    params: Mapping[str, str],
    parent: str | None = None,
    layers: Sequence[Layer] = (),
    given: Given | None = None,
) -> Result | None:
    """Run one benchmark of one layer.

    Args:
        config: what to do.
        folder: an empty folder for the files of the run.
        yaml: the resolved configuration as text, kept as ``config.yaml``.
        params: the same, flattened.
        parent: the tracked run of the sweep that this one belongs to.
        layers: what the other jobs of the sweep read of the same backbone and images: one pass stores it for all.
        given: parts that are there already.

    Returns:
        the result, or None in a process that only extracts for another one (DDP ranks above zero).

    Raises:
        FrostmarkError: if something is wrong that the user can mend.
    """
    subject = _resolve(config, given or Given())
    chosen = config.reducer or {}
    reducer = (
        build(chosen, "reducer") if chosen.get("_target_") else None
    )  # reducer=none leaves what an experiment adds to it
    families = {name: build(node, f"metrics.{name}") for name, node in config.metrics.items()}
    splits = _read(subject.source, subject.backbone, config.mlruns, folder)
    size = 4 * subject.tap.width * sum(len(images) for images in splits.values())
    subject = replace(subject, wide=too_wide(subject.tap.width, size > config.features.max_bytes))
    model = subject.backbone.load(config.seed)

    # Only now what takes seconds to import: what is missing should be said before.
    from frostmark.features.entry import to_stderr
    from frostmark.lit.trainer import is_rank_zero
    from frostmark.report.progress import Progress
    from frostmark.tracking.memory import MemoryTracker
    from frostmark.tracking.steady import Steady

    store = open_store(config.tracking, config.mlruns) if is_rank_zero() else None
    if store is not None:
        store.connect()
    inner: Tracker = MemoryTracker() if store is None else store.run(subject.title, parent)
    with Steady(inner, folder, to_stderr) as tracker, Progress() as progress:
        tracker.log_params(params)
        work = _Work(config, subject, splits, model, reducer, families, layers, folder, tracker, progress)
        ledger = work.run(yaml)
    if ledger is None:
        return None
    run_id = tracker.run_id
    link = store.link(run_id) if store is not None and run_id is not None else None
    sizes = ", ".join(f"{len(images):,} {split}" for split, images in splits.items())
    about = " · ".join(
        filter(None, [f"weights {subject.backbone.weights_name}", f"{sizes} images", subject.projection])
    )
    return Result(
        subject.title,
        about,
        folder,
        ledger.values,
        ledger.undefined,
        ledger.chance,
        run_id,
        link,
        work.maps,
        ledger.figures,
    )


def too_wide(width: int, too_large_to_keep: bool) -> bool:
    """Whether rows of ``width`` features are projected: they are very wide, or too large to keep and not narrow yet."""
    from frostmark.stats.projection import PROJECTED_WIDTH

    return width > WIDEST or (too_large_to_keep and width > PROJECTED_WIDTH)


def open_store(tracking: Tracking, mlruns: Path) -> MlflowStore | None:
    """The tracking store that the configuration asks for; None for ``tracking=none``."""
    if tracking.kind == "none":
        return None
    from frostmark.tracking.mlflow import MlflowStore

    if tracking.uri:
        return MlflowStore(tracking.uri, tracking.experiment)
    return MlflowStore.local(mlruns, tracking.experiment)


def _resolve(config: Config, given: Given) -> _Subject:
    from frostmark.backbones.extractor import Tap

    backbone: Backbone = given.backbone or build(config.backbone, "backbone")
    preprocess = build(config.preprocess, "preprocess")
    source: Source = given.source or build(config.dataset, "dataset")
    pipeline: Pipeline = preprocess.pipeline(backbone.preset)
    word = config.layer.node or config.layer.tap or ""
    backbone.check_layer(word)
    survey = backbone.survey(pipeline.size)
    tap = Tap(survey.resolve(word), config.layer.pool)
    return _Subject(
        backbone, survey, tap, word, survey.node_name(word), pipeline, type(preprocess).__name__.lower(), source
    )


def identity(config: Config) -> dict[str, str]:
    """The tags by which the result of a configuration is known to hold still: images, labels, weights, versions."""
    from frostmark.backbones.weights import weights_digest
    from frostmark.data.fingerprint import combined, fingerprint, label_digest

    subject = _resolve(config, Given())
    splits = _read(subject.source, subject.backbone, config.mlruns).values()
    return {
        "dataset_fingerprint": combined(*map(fingerprint, splits)),
        "label_digest": combined(*map(label_digest, splits)),
        "weights_digest": weights_digest(subject.backbone.load(config.seed)),
        **versions(),
    }


def _read(source: Source, backbone: Backbone, mlruns: Path, folder: Path | None = None) -> dict[str, ImageSet]:
    """Both splits, every file of them tried; more damaged ones than can be shown are listed in ``folder``."""
    from frostmark.data.files import inspected
    from frostmark.data.source import SPLITS, limited
    from frostmark.report.progress import Progress

    try:
        splits: dict[str, ImageSet] = {s: limited(source.split(s), s, source.limit) for s in SPLITS}
        with Progress() as progress:
            return inspected(splits, mlruns / "features", folder, progress)
    except DataError as problem:
        weights = backbone.missing_weights()
        if weights is None:
            raise
        # Both at once, before somebody carries the one over and finds the other missing.
        raise DataError(f"{problem.problem}. The weights are missing, too: {weights}", fix=problem.fix) from problem


@dataclass
class _Work:
    """One pass and its analysis, inside an open run."""

    config: Config
    subject: _Subject
    splits: dict[str, ImageSet]
    model: Any
    reducer: Any
    families: dict[str, Any]
    layers: Sequence[Layer]
    folder: Path
    tracker: Tracker
    progress: Progress
    maps: Sequence[Mapped] = ()

    @cached_property
    def weights(self) -> str:
        """Digest of the weights: half a second of hashing for a large network."""
        from frostmark.backbones.weights import weights_digest

        return weights_digest(self.model)

    def run(self, yaml: str) -> Ledger | None:
        """Everything that was found; None on ranks above zero."""
        from frostmark.data.fingerprint import fingerprint
        from frostmark.lit.callbacks.ledger import Ledger
        from frostmark.lit.trainer import is_rank_zero

        fingerprints = {split: fingerprint(images) for split, images in self.splits.items()}
        ledger = Ledger(self.folder, self.tracker, self.progress)
        if not is_rank_zero():
            self._extract_and_analyse(ledger, fingerprints)
            return None
        ledger.about |= {"title": self.subject.title, "classes": self.subject.source.classes()}
        ledger.add_tags(self._tags(fingerprints))
        ledger.add_text("config.yaml", yaml)
        for split, images in self.splits.items():
            self.tracker.log_dataset(self.subject.source.name, split, fingerprints[split], len(images))
        try:
            self._extract_and_analyse(ledger, fingerprints)
            self._write_summary(ledger)
        finally:
            ledger.close()  # what was found before something went wrong is kept
        return ledger

    def _extract_and_analyse(self, ledger: Ledger, fingerprints: Mapping[str, str]) -> None:
        from frostmark.lit.callbacks.findings import Findings

        subject = self.subject
        extraction = self._extraction(subject.backbone, self.model, self.weights, fingerprints)
        if extraction.size(subject.tap) <= self.config.features.max_bytes:
            entries = extraction.entries(subject.tap)
            ledger.add_tags({f"rows_{split}": entry.folder.name for split, entry in entries.items()})
        found = Findings(ledger, subject.title, self._thumbnails)
        callbacks, splits = self._measuring(extraction, fingerprints, found)
        if self.reducer is not None:
            callbacks.append(self._maps(splits, ledger, fingerprints))
        self._pass(extraction, callbacks)
        self._add_costs(ledger, extraction.cost)
        self._add_controls(ledger, fingerprints)

    def _pass(self, extraction: Extraction, callbacks: list[Callback]) -> None:
        """The rows of a network, through the callbacks: out of the store, where what is missing is put first."""
        from frostmark.lit.datamodule import StoredRows
        from frostmark.lit.module import ReplayModule
        from frostmark.lit.trainer import is_rank_zero, make_trainer, predict

        subject, most = self.subject, self.config.features.max_bytes
        if extraction.size(subject.tap) > most:
            extraction.stream(subject.tap, callbacks)
        else:
            others = [tap for tap in self._taps_of_sweep() if extraction.size(tap) <= most]
            with extraction.stored(subject.tap, subject.word, others) as entries:
                if is_rank_zero():
                    self.progress("reading the stored rows")
                    labels = {split: images.labels for split, images in self.splits.items()}
                    predict(make_trainer(callbacks), ReplayModule(), StoredRows(entries, labels))

    def _extraction(self, backbone: Backbone, model: Any, weights: str, fingerprints: Mapping[str, str]) -> Extraction:
        from frostmark.extraction import Extraction
        from frostmark.features.store import FeatureStore

        subject = self.subject
        about = {
            "backbone": backbone.name,
            "weights": backbone.weights_name,
            "dataset": subject.source.name,
            "preprocess": f"{subject.preprocess} {subject.pipeline.size}",
        }
        return Extraction(
            backbone,
            model,
            weights,
            subject.pipeline,
            self.splits,
            fingerprints,
            self.config.trainer,
            FeatureStore(self.config.mlruns / "features"),
            self.progress,
            about,
        )

    def _measuring(
        self, extraction: Extraction, fingerprints: Mapping[str, str], found: Callable[[Scores, Splits], None]
    ) -> tuple[list[Callback], Callable[[], Splits]]:
        """The callbacks that collect rows and hand to ``found`` what the metrics make of them; and what those see."""
        from frostmark.lit.callbacks.collect import CollectRows, StreamMoments
        from frostmark.lit.callbacks.metrics import Metrics
        from frostmark.stats.neighbours import Graph
        from frostmark.stats.projection import SparseProjection

        subject = self.subject
        sizes = {split: len(images) for split, images in self.splits.items()}
        project = SparseProjection(subject.tap.width, self.config.seed) if subject.wide else None
        rows = CollectRows(subject.word, sizes, project)
        moments = StreamMoments(subject.tap.width, len(subject.source.classes()), tuple(sizes))
        stored = not subject.wide and extraction.size(subject.tap) <= self.config.features.max_bytes

        def keep(split: str, bank: str, k: int, build: Callable[[], Graph]) -> Graph:
            """The neighbours lie beside the rows that they follow from."""
            if not stored:
                return build()
            entries = extraction.entries(subject.tap)
            name = f"{Graph.SCHEMA}-{k}-in-{entries[bank].folder.name}"
            return Graph(**entries[split].derived(name, lambda: vars(build())))

        @cache
        def splits() -> Splits:
            """Made once the pass is over, and the same for metrics and maps."""
            sets = rows.feature_sets
            return self._make_splits(
                {name: features.rows for name, features in sets.items()},
                {name: features.labels for name, features in sets.items()},
                fingerprints,
                moments=moments.moments,
                keep=keep,
            )

        return [rows, moments, Metrics(self.families, splits, found, self.progress)], splits

    def _make_splits(
        self, rows: Mapping[str, Any], labels: Mapping[str, Any], fingerprints: Mapping[str, str], **more: Any
    ) -> Splits:
        from frostmark.metrics.metric import make_splits

        return make_splits(
            rows,
            labels,
            self.subject.source.classes(),
            seed=self.config.seed,
            fingerprints=fingerprints,
            resamples=self.config.uncertainty.resamples,
            permutations=self.config.uncertainty.permutations,
            **more,
        )

    def _maps(self, splits: Callable[[], Splits], ledger: Ledger, fingerprints: Mapping[str, str]) -> Callback:
        from frostmark.lit.callbacks.map_findings import MapFindings
        from frostmark.lit.callbacks.maps import Maps
        from frostmark.lit.trainer import has_gpu

        subject = self.subject
        if type(self.reducer).__name__ == "TSNE" and has_gpu():
            self.progress("this machine has a GPU: reducer=tsne_gpu (pip install 'frostmark[gpu]') makes maps on it")
        about = f"Weights: {subject.backbone.weights_name}."
        found = MapFindings(ledger, subject.source.classes(), subject.title, about, self.reducer, self._thumbnails)

        def keep(made: Made | str) -> None:
            self.maps = () if isinstance(made, str) else made.splits
            found(made)

        return Maps(self.reducer, splits, keep, self.config.seed, fingerprints, self.progress)

    def _thumbnails(self, split: str, positions: Sequence[int], edge: int | None = None) -> Any:
        """The images as pictures (n, H, W, 3) for a person."""
        from frostmark.data.pixels import thumbnails

        images = self.splits[split]
        images.geometry = images.geometry or self.subject.pipeline.geometry
        return thumbnails(images, positions, edge).numpy()

    def _add_controls(self, ledger: Ledger, fingerprints: Mapping[str, str]) -> None:
        """The same metrics of what the layer must beat."""
        from frostmark.backbones.backbone import UNTRAINED

        for control in dict.fromkeys(self.config.controls):
            self.progress(f"control: {control}")
            try:
                if control == "pixels":
                    self._control_pixels(ledger, fingerprints)
                elif self.subject.backbone.weights_name == UNTRAINED:
                    ledger.skipped["control untrained"] = "the network of this run is untrained itself"
                else:
                    self._control_untrained(ledger, fingerprints)
            except FrostmarkError as problem:  # the layer's own findings are there
                ledger.skipped[f"control {control}"] = problem.problem
        ledger.compare()

    def _control_untrained(self, ledger: Ledger, fingerprints: Mapping[str, str]) -> None:
        from frostmark.backbones.weights import weights_digest

        backbone = self.subject.backbone.untrained()
        model = backbone.load(self.config.seed)
        extraction = self._extraction(backbone, model, weights_digest(model), fingerprints)
        found = partial(_add_control, ledger, "untrained")
        self._pass(extraction, self._measuring(extraction, fingerprints, found)[0])

    def _control_pixels(self, ledger: Ledger, fingerprints: Mapping[str, str]) -> None:
        from frostmark.data.pixels import pixel_rows
        from frostmark.lit.callbacks.metrics import measure
        from frostmark.lit.trainer import is_rank_zero

        if not is_rank_zero():
            return
        for images in self.splits.values():
            images.geometry = images.geometry or self.subject.pipeline.geometry
        rows = {split: pixel_rows(images).numpy() for split, images in self.splits.items()}
        labels = {split: images.labels.numpy() for split, images in self.splits.items()}
        splits = self._make_splits(rows, labels, fingerprints)
        measure(self.families, splits, partial(_add_control, ledger, "pixels"), self.progress)

    def _taps_of_sweep(self) -> list[Tap]:
        """What the other jobs will read; a layer that this backbone does not have is told of by its own job."""
        from frostmark.backbones.extractor import Tap

        taps = []
        for layer in self.layers:
            try:
                taps.append(Tap(self.subject.survey.resolve(layer.node or layer.tap or ""), layer.pool))
            except ConfigError:
                continue
        return list(dict.fromkeys(taps))

    def _add_costs(self, ledger: Ledger, cost: Cost) -> None:
        from frostmark.backbones.extractor import parameters_used
        from frostmark.lit.probe import peak_memory_mb
        from frostmark.metrics.cost import COST_KINDS
        from frostmark.metrics.metric import Scores, Undefined, Value

        node, survey = self.subject.tap.node, self.subject.survey
        replayed = Undefined("no image was forwarded: the rows were in the store")
        values: dict[str, Value] = {
            "cost/images_forwarded": float(cost.forwarded),
            "cost/images_per_second": cost.images_per_second if cost.forwarded else replayed,
            "cost/extract_seconds": cost.seconds,
            "cost/gmacs": node.flops / 2e9,
            "cost/gmacs_share": node.flops / max(survey.flops, 1),
            "cost/params": float(parameters_used(self.subject.backbone.architecture(), self.subject.tap)),
            "cost/bytes_per_image": 4.0 * self.subject.tap.width,
            "cost/peak_memory_mb": peak_memory_mb(),
        }
        if cost.precision_error is not None:
            values["cost/precision_error"] = cost.precision_error
        scores = Scores(COST_KINDS)
        for key, value in values.items():
            scores.add(key, value)
        ledger.add_scores(scores)
        if cost.device is not None:
            ledger.add_tags({"device": cost.device, "batch_size": str(cost.batch_size)})

    def _tags(self, fingerprints: Mapping[str, str]) -> dict[str, str]:
        from frostmark.data.fingerprint import combined, label_digest
        from frostmark.figures.palette import name_colour

        backbone, tap = self.subject.backbone, self.subject.tap
        return {
            "backbone": backbone.name,
            "backbone_family": backbone.family,
            "layer": self.subject.word,
            "node": self.subject.node_name,
            "pool": tap.pool,
            "features": str(tap.width),
            **({"projection": self.subject.projection} if self.subject.wide else {}),
            "weights": backbone.weights_name,
            "weights_digest": self.weights,
            **backbone.provenance,
            "dataset": self.subject.source.name,
            "dataset_fingerprint": combined(*fingerprints.values()),
            "label_digest": combined(*(label_digest(images) for images in self.splits.values())),
            **{f"{split}_images": str(len(images)) for split, images in self.splits.items()},
            "preprocess": self.subject.preprocess,
            "image_size": str(self.subject.pipeline.size),
            "precision": self.config.trainer.precision + (" compiled" if self.config.trainer.compile else ""),
            **({"reducer": "none"} if self.reducer is None else self._map_tags()),
            "seed": str(self.config.seed),
            "protocol": self._protocol(),
            "mlflow.runColor": name_colour(backbone.name),
            **versions(),
        }

    def _map_tags(self) -> dict[str, str]:
        return {"reducer": type(self.reducer).__name__, "fit_on": self.reducer.fit_on}

    def _protocol(self) -> str:
        """What the metrics are made with: numbers made otherwise are not compared."""
        families = {
            name: [f"{key}={value}" for key, value in sorted(node.items()) if key != "_target_"]
            for name, node in sorted(self.config.metrics.items())
        }
        counts = [f"{count} {what}" for what, count in vars(self.config.uncertainty).items()]
        return "; ".join([*(" ".join([name, *settings]) for name, settings in families.items()), *counts])

    def _write_summary(self, ledger: Ledger) -> None:
        from frostmark.report.summary import Findings, summarise

        subject = self.subject
        setting = {
            "Backbone": f"{subject.backbone.name}, weights {subject.backbone.weights_name}",
            "Layer": f"{subject.word} (node {subject.node_name}, pool {subject.tap.pool}, "
            f"{subject.tap.width:,} features)" + (f"; {subject.projection}" if subject.wide else ""),
            "Images": ", ".join(f"{len(images):,} {split}" for split, images in self.splits.items())
            + f" of {subject.source.name}, {subject.preprocess} to {subject.pipeline.size} pixels",
            "Map": "none" if self.reducer is None else f"{type(self.reducer).__name__}, fit on {self.reducer.fit_on}",
            "Seed": str(self.config.seed),
        }
        findings = Findings(ledger.values, ledger.undefined, ledger.tables, ledger.skipped, ledger.chance)
        text = summarise(subject.title, setting, findings)
        ledger.add_text("summary.md", text)
        self.tracker.set_tags({"mlflow.note.content": text})


def _add_control(ledger: Ledger, control: str, scores: Scores, splits: Splits) -> None:
    ledger.add_control(control, scores)


def versions() -> dict[str, str]:
    """Versions of everything that can change a number, as tags."""
    found = {"version.frostmark": frostmark.__version__, "version.python": platform.python_version()}
    for library in _LIBRARIES:
        try:
            found[f"version.{library}"] = version(library)
        except PackageNotFoundError:
            continue
    return found
