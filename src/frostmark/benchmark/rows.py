"""backbone=rows as the subject of a benchmark: the file is the network's layer and the data set, too.

of = rows_elsewhere(RowsBackbone("features.npz"), None, Layer(tap="rows"))
of.layer.rows["train"], of.source.splits["train"].labels, of.tap.width
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from frostmark.backbones.extractor import Tap
from frostmark.backbones.nodes import Node
from frostmark.backbones.rows import RowsBackbone
from frostmark.backbones.taps import Survey
from frostmark.config.schema import Config, Layer
from frostmark.data.preprocess import Pipeline, Resize
from frostmark.data.rows import RowImages, RowSource
from frostmark.errors import ConfigError
from frostmark.features.given import GivenRows, LayerRows, read_rows

ELSEWHERE = "elsewhere"
"""What is said of a preprocessing that the file does not tell of."""

UNNAMED = "unnamed"
"""The data set of a file that does not name it."""

_ASKED_BY_NOBODY = "last_conv"
"""The tap of a configuration in which no layer is named."""


@dataclass(frozen=True)
class RowsElsewhere:
    """What takes the place of a network, a layer, a preprocessing and a data set.

    Attributes:
        backbone: under the name that runs show.
        given: what the file says.
        layer: the rows of the layer.
        source: labels, groups and names of files.
    """

    backbone: RowsBackbone
    given: GivenRows
    layer: LayerRows
    source: RowSource

    @property
    def tap(self) -> Tap:
        """The layer as one vector per image; there is nothing to pool."""
        return Tap(Node(self.layer.name, (self.layer.width,), flops=0), "")

    @property
    def survey(self) -> Survey:
        """The layer alone."""
        name = self.layer.name
        return Survey({name: self.tap.node}, {name: name}, {}, flops=0, size=0)

    @property
    def pipeline(self) -> Pipeline:
        """Of pictures for a person: no network takes the images."""
        preset = self.backbone.preset
        return Resize(preset.crop_size[0]).pipeline(preset)

    @property
    def preprocess(self) -> str:
        """How the images were preprocessed, as far as the file tells."""
        return self.given.about.get("preprocess", ELSEWHERE)

    @property
    def seen(self) -> str:
        """How the images were preprocessed, in words."""
        known = self.given.about.get("image_size")
        size = f" to {known} pixels" if known else ""
        return f"preprocessed {ELSEWHERE}{size}" if self.preprocess == ELSEWHERE else f"{self.preprocess}{size}"

    @property
    def origin(self) -> str:
        """Where the rows come from: the file, and the weights that it names."""
        weights = self.given.about.get("weights")
        return self.backbone.weights_name + (f", weights {weights}" if weights else "")

    @property
    def recipe(self) -> str:
        """What a row is, in words."""
        return f"made elsewhere: {self.layer.name} of the {self.backbone.weights_name}"

    @property
    def remarks(self) -> list[str]:
        """What must be said of the images."""
        return [*self._identity(), *self._pictures()]

    def _identity(self) -> Iterator[str]:
        if not self.given.files and "test_fingerprint" not in self.given.about:
            yield (
                "the images are identified only by their labels: two files count as rows of the same images if the "
                "number, order and groups of their labels agree"
            )

    def _pictures(self) -> Iterator[str]:
        missing = [name for images in self.source.splits.values() for name in images.missing]
        if missing:
            total = sum(map(len, self.source.splits.values()))
            yield f"maps show no images: {len(missing):,} of {total:,} files are missing, such as {missing[0]}"


def layers_of_file(file: Path) -> list[str]:
    """The layers of a file of rows."""
    return list(read_rows(file.expanduser()).layers)


def told_beside_rows(words: Sequence[str]) -> list[str]:
    """The overrides of what the file takes the place of: they would do nothing."""
    keys = {word: word.lstrip("+~").partition("=")[0].partition(".")[0] for word in words}
    return [word for word, group in keys.items() if group in ("dataset", "preprocess")]


def is_rows(config: Config) -> bool:
    """Whether a configuration asks for rows made elsewhere."""
    return config.backbone.get("_target_") == f"{RowsBackbone.__module__}.{RowsBackbone.__qualname__}"


def rows_elsewhere(backbone: RowsBackbone, given: GivenRows | None, layer: Layer) -> RowsElsewhere:
    """The rows of a layer with everything that is known of their images.

    Args:
        given: in memory; None for those of the backbone's file.
        layer: which; where none is named, the only one.

    Raises:
        ConfigError: if there is no such layer, or none is named and there are several.
        DataError: if the file is missing or damaged, or does not hold what it must.
    """
    given = given or read_rows(backbone.path)
    rows = given.layer(_named(layer, given))
    named = replace(backbone, label=backbone.label or given.about.get("backbone"))
    folder = backbone.path.parent if backbone.file else Path()
    splits = {split: _images(given, split, folder) for split in given.labels}
    return RowsElsewhere(named, given, rows, RowSource(given.about.get("dataset", UNNAMED), given.classes, splits))


def _images(given: GivenRows, split: str, folder: Path) -> RowImages:
    groups = given.groups[split].tolist() if given.groups else None
    return RowImages.of(given.labels[split], given.fingerprint(split), groups, given.files.get(split), folder)


def _named(layer: Layer, given: GivenRows) -> str:
    word = layer.word
    if word in given.layers or layer.tap != _ASKED_BY_NOBODY:
        return word
    if len(given.layers) == 1:
        return given.layers[0]
    quoted = ",".join(f"'{name}'" for name in given.layers)
    raise ConfigError(
        f"{given.contents.name} has {len(given.layers)} layers: {', '.join(given.layers)}",
        fix=f'-m layer=node "layer.node={quoted}" for all of them, without -m for one',
    )
