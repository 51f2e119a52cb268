"""What is benchmarked: a configuration becomes a network, a layer, images and the ways to measure and map them.

subject = resolve(config, Given(), folder)      # checked, its images read; no weights yet, nothing forwarded
subject.title, subject.tap.width, len(subject.splits["test"])
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from frostmark.analysis.observed import Setting
from frostmark.backbones.backbone import Backbone
from frostmark.backbones.contract import checked_backbone
from frostmark.backbones.drawing import drawing
from frostmark.backbones.extractor import Tap
from frostmark.backbones.recipe import idle, recipe
from frostmark.backbones.rows import RowsBackbone
from frostmark.backbones.taps import Survey
from frostmark.benchmark.rows import RowsElsewhere, is_rows, rows_elsewhere
from frostmark.config.build import build
from frostmark.config.labelled import label_of, without_label
from frostmark.config.schema import Config
from frostmark.data.contract import checked_pipeline, class_names, read_split
from frostmark.data.files import ImageFiles
from frostmark.data.fingerprint import fingerprint
from frostmark.data.inspection import inspected
from frostmark.data.pixels import thumbnails
from frostmark.data.preprocess import Pipeline, Preprocess
from frostmark.data.rows import RowImages
from frostmark.data.source import SPLITS, ImageSet, Source, files_of, groups_of
from frostmark.data.tree import ALWAYS_THERE
from frostmark.errors import DataError
from frostmark.features.given import GivenRows, rows_of
from frostmark.metrics.graphs import Search
from frostmark.metrics.metric import Metric
from frostmark.names import network_name, of_file, titled
from frostmark.reducers.reducer import Reducer
from frostmark.results.progress import ProgressLine
from frostmark.stats.accelerated import accelerator
from frostmark.stats.grouped import Codes, group_codes, group_names
from frostmark.stats.projection import PROJECTED_WIDTH, SparseProjection

MAX_WIDTH = 4_096
"""Features up to which rows are held in memory as they are; wider ones are projected, however few they are."""


@dataclass(frozen=True)
class Given:
    """Parts that a caller hands over, instead of a configuration that says how to make them.

    Attributes:
        rows: in memory, in the place of a file of rows.
    """

    backbone: Backbone | None = None
    source: Source | None = None
    rows: GivenRows | None = None

    def described(self, config: Config) -> dict[str, dict[str, str]]:
        """What the configuration kept with the run says of them; rows are the data set, too."""
        parts = {"backbone": self.backbone, "dataset": self.source}
        given = {group: {"given": part.name} for group, part in parts.items() if part is not None}
        return given | ({group: {"given": "rows"} for group in ("preprocess", "dataset")} if is_rows(config) else {})


def rows_handed_over(rows: Mapping[str, object], name: str | None) -> Given:
    """Rows made elsewhere as arrays, under the ``name`` of their network; see :mod:`frostmark.features.given`."""
    return Given(RowsBackbone(label=name), rows=rows_of(rows))


@dataclass(frozen=True)
class Subject:
    """Everything that a benchmark is about, resolved and checked.

    Attributes:
        config: what was asked for.
        backbone, survey: the network, and its taps.
        tap, word, node_name: the layer: what is read, the word that it was asked for by, its node.
        pipeline, preprocess: what is done to the images, and the name of that.
        source, splits: the data set, and its images by split.
        reducer: makes the maps; None for no maps.
        families: the metrics, by name.
        rows: made elsewhere; None where a network makes them.
    """

    config: Config
    backbone: Backbone
    survey: Survey
    tap: Tap
    word: str
    node_name: str
    pipeline: Pipeline
    preprocess: str
    source: Source
    splits: Mapping[str, ImageSet]
    reducer: Reducer | None
    families: Mapping[str, Metric]
    rows: RowsElsewhere | None = None

    @property
    def name(self) -> str:
        """Network and layer."""
        return titled(self.called, self.word)

    @property
    def called(self) -> str:
        """The network's label; where it has none its name, with the file of its weights."""
        weights = of_file(self.backbone.weights_name) if self.rows is None else ""  # a file of rows holds no weights
        return label_of(self.config) or network_name(self.backbone.name, weights)

    @property
    def title(self) -> str:
        """Backbone · layer · data set."""
        return titled(self.name, self.source.name)

    @property
    def about(self) -> str:
        """What the title leaves out: weights, numbers of images, and the projection, if there is one."""
        sizes = ", ".join(f"{len(images):,} {split}" for split, images in self.splits.items())
        weights = f"weights {self.backbone.weights_name}" if self.rows is None else self.rows.origin
        seen = f"{self.pipeline.size} pixels" if self.rows is None else ""
        return " · ".join(part for part in (weights, f"{sizes} images", seen, self.projection) if part)

    @property
    def row_recipe(self) -> str:
        """What a row is, in words."""
        return recipe(self.survey, self.word, self.tap) if self.rows is None else self.rows.recipe

    @property
    def idle(self) -> list[str]:
        """What was typed for the layer and does nothing."""
        layer = self.config.layer
        return idle(self.survey, self.word, layer.pool, layer.norm)

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Names in the order of their labels."""
        return class_names(self.source)

    @cached_property
    def fingerprints(self) -> dict[str, str]:
        """By split, what identifies its images."""
        return {
            split: images.fingerprint if isinstance(images, RowImages) else fingerprint(images)
            for split, images in self.splits.items()
        }

    @cached_property
    def groups(self) -> dict[str, Codes] | None:
        """By split, the group of every image as a number; None if the images are taken to be independent."""
        ids = self._group_ids
        return group_codes(ids) if ids else None

    @cached_property
    def group_names(self) -> dict[str, NDArray[np.str_]]:
        """By split, the group of every image as it was given; empty if the images are taken to be independent."""
        return group_names(self._group_ids)

    @property
    def _group_ids(self) -> dict[str, Sequence[Hashable]]:
        ids = {split: groups_of(images) for split, images in self.splits.items()}
        known = {split: of for split, of in ids.items() if of is not None}
        if len(known) not in (0, len(ids)):
            told = f"{self.source.name} has groups of {', '.join(known)} alone"
            raise DataError(told, fix="groups of both splits, or of neither: an image without others is its own group")
        return known

    @cached_property
    def files(self) -> dict[str, NDArray[np.str_]]:
        """By split, the name of every image's file; empty where the images are not files."""
        names = {split: files_of(images) for split, images in self.splits.items()}
        return {split: np.array(of, dtype=str) for split, of in names.items() if of is not None}

    @property
    def too_large(self) -> bool:
        """Whether the rows take more bytes than are held in memory as they are."""
        return 4 * self.tap.width * sum(map(len, self.splits.values())) > self.config.features.held_bytes

    @property
    def wide(self) -> bool:
        """Whether rows are projected before they are held in memory."""
        return too_wide(self.tap.width, self.too_large)

    @property
    def projection(self) -> str:
        """What a reader must know of the rows that neighbours and maps see; empty if they are the features."""
        shown = f"neighbours and maps see a random projection of the {self.tap.width:,} features to {PROJECTED_WIDTH:,}"
        return shown if self.wide else ""

    @property
    def project(self) -> SparseProjection | None:
        """(N, D) → (N, d) where the rows are too wide."""
        return SparseProjection(self.tap.width, self.config.seed) if self.wide else None

    @property
    def setting(self) -> Setting:
        """What decides the analysis beside the rows."""
        counts = self.config.uncertainty
        draws = (counts.resamples, counts.permutations)
        return Setting(self.classes, self.config.seed, self.fingerprints, *draws, self.groups, search_of(self.config))

    @property
    def pictured(self) -> bool:
        """Whether the images can be shown: of rows made elsewhere, only where their files are named and there."""
        return all(images.pictured for images in self.splits.values() if isinstance(images, RowImages))

    def thumbnails(self, split: str, positions: Sequence[int], edge: int | None = None) -> NDArray[np.uint8]:
        """The images at ``positions`` as pictures (n, H, W, 3) for a person, their longer side at most ``edge``."""
        return np.asarray(thumbnails(self.images(split), positions, edge).numpy())

    def images(self, split: str) -> ImageSet:
        """The images of a split, of one size where they are decoded."""
        images = self.splits[split]
        images.geometry = images.geometry or self.pipeline.geometry
        return images


def search_of(config: Config) -> Search:
    """How neighbours are found: on a GPU where the forward pass may run on one."""
    return Search(config.neighbours.exact_up_to, accelerator(config.trainer.accelerator))


def too_wide(width: int, too_large_to_keep: bool) -> bool:
    """Whether rows of ``width`` features are projected: they are very wide, or too large to keep and not narrow yet."""
    return width > MAX_WIDTH or (too_large_to_keep and width > PROJECTED_WIDTH)


def resolve(config: Config, given: Given, folder: Path | None = None) -> Subject:
    """The subject of a benchmark, its images read.

    Args:
        given: parts that are there already.
        folder: where more damaged files than can be shown are listed.

    Raises:
        FrostmarkError: if something is wrong that the user can mend.
    """
    backbone = backbone_of(config, given)
    if isinstance(backbone, RowsBackbone):
        return _of_rows(config, rows_elsewhere(backbone, given.rows, config.layer))
    preprocess = build(config.preprocess, "preprocess", Preprocess)
    source = given.source or build(config.dataset, "dataset", Source)
    pipeline = checked_pipeline(preprocess, backbone.preset)
    word = config.layer.word
    backbone.check_layer(word)
    survey = backbone.survey(pipeline.size)
    tap = survey.tap(word, config.layer.pool, config.layer.norm)
    reducer, families = _analysis(config)
    return Subject(
        config,
        backbone,
        survey,
        tap,
        word,
        survey.node_name(word, tap),
        pipeline,
        type(preprocess).__name__.lower(),
        source,
        _read(source, pipeline, backbone, config.mlruns, folder),
        reducer,
        families,
    )


def _of_rows(config: Config, of: RowsElsewhere) -> Subject:
    word = of.layer.name
    places = (of.backbone, of.survey, of.tap, word, word, of.pipeline, of.preprocess, of.source, of.source.splits)
    return Subject(config, *places, *_analysis(config), rows=of)


def _analysis(config: Config) -> tuple[Reducer | None, dict[str, Metric]]:
    """What makes the maps, if anything does, and the metrics by name."""
    chosen = config.reducer or {}  # reducer=none leaves what an experiment adds to it
    reducer = build(chosen, "reducer", Reducer) if chosen.get("_target_") else None
    return reducer, {name: build(node, f"metrics.{name}", Metric) for name, node in config.metrics.items()}


def backbone_of(config: Config, given: Given) -> Backbone:
    """The backbone, made anew unless it was handed over; weights drawn while it is made follow from the seed."""
    with drawing(config.seed):
        return checked_backbone(given.backbone or build(without_label(config.backbone), "backbone", Backbone))


def _read(
    source: Source, pipeline: Pipeline, backbone: Backbone, mlruns: Path, folder: Path | None
) -> dict[str, ImageSet]:
    """Both splits, every file of them listed with its digest."""
    try:
        classes = len(class_names(source))
        splits: dict[str, ImageSet] = {split: _enough(read_split(source, split, classes), pipeline) for split in SPLITS}
        with ProgressLine() as progress:
            return inspected(splits, mlruns / "features", folder, progress)
    except DataError as problem:
        weights = backbone.missing_weights()
        if weights is None:
            raise
        # Both at once, before somebody carries the one over and finds the other missing.
        fix = problem.fix
        if fix.startswith(ALWAYS_THERE):  # its images are here, and the backbone's weights are not
            fix = "python run.py experiment=quickstart" + fix.removeprefix(ALWAYS_THERE)
        fix = f"{fix}; weights of your own: backbone.weights=<file>"
        raise DataError(f"{problem.problem}. The weights are missing, too: {weights}", fix=fix) from problem


def _enough(images: ImageSet, pipeline: Pipeline) -> ImageSet:
    """The images, of whose files no more is decoded than the pipeline needs."""
    if not isinstance(images, ImageFiles):
        return images
    return replace(images, decoding=replace(images.decoding, least=pipeline.least))
