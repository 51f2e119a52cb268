"""The maps of compared runs laid upon each other, with the images that they show.

maps = AlignedMaps.of(group, order)             # Procrustes: turned, mirrored, moved and scaled, nothing more
maps.grid(group), maps.images(pictures(run, maps.index))
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from frostmark.config.build import build
from frostmark.config.compose import typed
from frostmark.config.schema import Config
from frostmark.errors import ConfigError
from frostmark.report.runs import Group, Points, Run
from frostmark.stats.moments import Array

if TYPE_CHECKING:
    from frostmark.figures.linked import LinkedImages, LinkedMap

SHOWN = 3_000
"""Images a split in the linked maps."""

THUMBNAIL = 48
"""Pixels a side of the images in the page."""

MAPS_MOST = 12
"""Maps in the page."""

PICTURED = 6
"""Maps in the picture."""


@dataclass
class AlignedMaps:
    """The maps of a group, of the same images, laid upon the first one.

    Attributes:
        index, labels: split → (N,) the images shown, by their numbers in the split, and their classes.
        found: title of a run → its map.
        remarks: runs whose maps are left out.
        note: what a reader must know of the maps.
    """

    index: dict[str, Array]
    labels: dict[str, Array]
    found: dict[str, LinkedMap]
    remarks: list[str]
    note: str

    @classmethod
    def of(cls, group: Group, order: Sequence[int]) -> AlignedMaps | None:
        """The maps of the runs, in ``order``, at most :data:`MAPS_MOST`; None if no run has one."""
        from frostmark.stats.sampling import seeded, stratified

        points = {n: group.runs[n].points() for n in order[:MAPS_MOST]}
        with_map = [n for n in points if {"train", "test"} <= points[n].keys()]
        if not with_map:
            return None
        first = points[with_map[0]]
        alike = [n for n in with_map if all(points[n][split].shows_those_of(of) for split, of in first.items())]
        shown = {split: stratified(of.labels, SHOWN, seeded(0, "comparison", split)) for split, of in first.items()}
        return cls(
            {split: of.index[shown[split]] for split, of in first.items()},
            {split: of.labels[shown[split]] for split, of in first.items()},
            {group.titles[n]: _aligned(group, alike[0], n, points, shown) for n in alike},
            [f"no map of {group.titles[n]}: it shows other images or none" for n in points if n not in alike],
            "Every map is turned, mirrored and scaled to lie upon the first (Procrustes); distances within a map keep "
            "their proportions.",
        )

    def of_contenders(self, names: Sequence[str]) -> list[LinkedMap]:
        """The maps of the contenders, the best first, as many as a picture can show."""
        return [self.found[name] for name in names if name in self.found][:PICTURED]

    def grid(self, group: Group) -> list[LinkedMap]:
        """All maps, networks in their order, layers by depth."""
        from frostmark.report.comparison import depth

        place = {
            title: (group.names.index(name), depth(run))
            for title, name, run in zip(group.titles, group.names, group.runs, strict=True)
        }
        return [self.found[title] for title in sorted(self.found, key=place.__getitem__)]

    def images(self, thumbnails: Mapping[str, Array] | None) -> LinkedImages:
        """What every map shows."""
        from frostmark.figures.linked import LinkedImages

        return LinkedImages(self.labels, self.index, thumbnails)


def _aligned(
    group: Group, first: int, n: int, points: Mapping[int, Mapping[str, Points]], shown: Mapping[str, Array]
) -> LinkedMap:
    """The map of run ``n``, as far as it is shown, where the first one would have it."""
    from frostmark.figures.linked import LinkedMap
    from frostmark.metrics.alignment import laid_upon

    reference, other = ({split: of.coordinates for split, of in points[run].items()} for run in (first, n))
    together = all(group.runs[run].tags.get("fit_on") == "train" for run in (first, n))
    laid, disparity = laid_upon(reference, other, together=together)
    run = group.runs[n]
    return LinkedMap(
        group.titles[n],
        group.names[n],
        {split: laid[split][shown[split]] for split in shown},
        {split: _badge(run, split, None if n == first else disparity.get(split)) for split in shown},
        {split: points[n][split].kept[shown[split]] for split in shown},
    )


def _badge(run: Run, split: str, disparity: float | None) -> str:
    kept = run.values.get(f"{split}/map/knn_preservation")
    words = [] if kept is None else [f"{kept:.0%} of neighbours kept"]
    return " · ".join(words + ([] if disparity is None else [f"disparity {disparity:.2f}"]))


# ---------------------------------------------------------------- what the runs were made of


def _config(run: Run) -> Config:
    """The configuration that a run was made with.

    Raises:
        ConfigError: if its file is missing, or of another version.
    """
    path = None if run.folder is None else run.folder / "config.yaml"
    if path is None or not path.is_file():
        raise ConfigError(f"{run.title} has no config.yaml", fix="run it again")
    try:
        return typed(OmegaConf.merge(OmegaConf.structured(Config), OmegaConf.load(path)))  # type: ignore[arg-type]
    except OmegaConfBaseException as problem:
        raise ConfigError(f"{path} cannot be read: {problem}", fix="run it again") from problem


def pictures(run: Run, index: Mapping[str, Array]) -> dict[str, Array]:
    """The images of a run by their numbers: split → (N, h, w, 3); nothing is downloaded.

    Raises:
        FrostmarkError: if they are not where they were, or are other ones.
    """
    from frostmark.backbones.backbone import Backbone
    from frostmark.data.fingerprint import combined, fingerprint
    from frostmark.data.pixels import thumbnails
    from frostmark.data.preprocess import Preprocess
    from frostmark.data.source import SPLITS, Source, limited

    config = _config(run)
    dataset = {**config.dataset, **({"download": False} if "download" in config.dataset else {})}
    source = build(dataset, "dataset", Source)
    splits = {split: limited(source.split(split), split, source.limit) for split in SPLITS}
    if combined(*map(fingerprint, splits.values())) != run.tags.get("dataset_fingerprint"):
        raise ConfigError(f"the images of {source.name} are not those of the run", fix="run it again")
    backbone = build(config.backbone, "backbone", Backbone)
    pipeline = build(config.preprocess, "preprocess", Preprocess).pipeline(backbone.preset)
    for images in splits.values():
        images.geometry = images.geometry or pipeline.geometry
    return {split: thumbnails(splits[split], index[split].tolist(), THUMBNAIL).numpy() for split in SPLITS}
