"""The maps of compared runs laid upon each other, with the images that they show.

maps = AlignedMaps.of(group, order)             # Procrustes: turned, mirrored, moved and scaled, nothing more
maps.grid(group), maps.of_contenders(["vgg16 · stage4"]), maps.images.thumbnails
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from frostmark.comparison.groups import Group
from frostmark.comparison.runs import Run, ShownImages
from frostmark.comparison.tables import depth
from frostmark.comparison.thumbnails import kept_thumbnails
from frostmark.errors import DataError
from frostmark.figures.linked import LinkedImages, LinkedMap
from frostmark.metrics.alignment import laid_upon
from frostmark.stats.moments import Array
from frostmark.stats.sampling import shown_sample

MAX_MAPS = 12
"""Maps in the page."""

MAX_PICTURED = 6
"""Maps in the picture."""

NOTE = (
    "Every map is rotated, mirrored and scaled to match the first map (Procrustes); distances within a map keep "
    "their proportions."
)
"""What a reader must know of the maps."""


@dataclass(frozen=True, eq=False)
class AlignedMaps:
    """The maps of a group, of the same images, laid upon the first one.

    Attributes:
        images: what every map shows: classes, numbers in the split and thumbnails, by split.
        by_title: title of a run → its map.
        remarks: runs whose maps are left out, and why there are no thumbnails.
    """

    images: LinkedImages
    by_title: Mapping[str, LinkedMap]
    remarks: tuple[str, ...]

    @classmethod
    def of(cls, group: Group, order: Sequence[int]) -> AlignedMaps | None:
        """The maps of the runs, in ``order``, at most :data:`MAX_MAPS`; None if no run has one."""
        shown = {n: group.runs[n].shown for n in order[:MAX_MAPS]}
        with_map = [n for n in shown if {"train", "test"} <= shown[n].keys()]
        if not with_map:
            return None
        first = shown[with_map[0]]
        alike = [n for n in with_map if all(shown[n][split].shows_those_of(of) for split, of in first.items())]
        chosen = {split: shown_sample(of.labels, split) for split, of in first.items()}
        index = {split: of.index[chosen[split]] for split, of in first.items()}
        thumbnails, why = _thumbnails(group.runs, index)
        labels = {split: of.labels[chosen[split]] for split, of in first.items()}
        images = LinkedImages(labels, index, thumbnails, _files(group.runs[with_map[0]], index))
        left_out = [f"no map of {group.titles[n]}: it shows other images or none" for n in shown if n not in alike]
        by_title = {group.titles[n]: _aligned(group, alike[0], n, shown, chosen) for n in alike}
        return cls(images, by_title, (*left_out, *([] if why is None else [why])))

    def of_contenders(self, names: Sequence[str]) -> list[LinkedMap]:
        """The maps of the contenders, the best first, as many as a picture can show."""
        return [self.by_title[name] for name in names if name in self.by_title][:MAX_PICTURED]

    def grid(self, group: Group) -> list[LinkedMap]:
        """All maps, networks in their order, layers by depth."""
        place = {
            title: (group.names.index(name), depth(run))
            for title, name, run in zip(group.titles, group.names, group.runs, strict=True)
        }
        return [self.by_title[title] for title in sorted(self.by_title, key=place.__getitem__)]


def _files(run: Run, index: Mapping[str, Array]) -> dict[str, list[str]]:
    """The names of the files of the images that are shown; empty of images that are not files."""
    return {split: run.files[split][of].tolist() for split, of in index.items() if split in run.files}


def _thumbnails(runs: Sequence[Run], index: Mapping[str, Array]) -> tuple[Mapping[str, Array] | None, str | None]:
    """The thumbnails of the first run that kept them, or the reason why no run has."""
    why = ""
    for run in runs:
        try:
            return kept_thumbnails(run, index), None
        except DataError as problem:
            why = problem.problem.splitlines()[0]
    return None, f"the linked maps show no images: {why}"


def _aligned(
    group: Group,
    first: int,
    n: int,
    shown: Mapping[int, Mapping[str, ShownImages]],
    chosen: Mapping[str, Array],
) -> LinkedMap:
    """The map of run ``n``, as far as it is shown, where the first one would have it."""
    reference, other = ({split: of.coordinates for split, of in shown[run].items()} for run in (first, n))
    together = all(group.runs[run].tags.get("fit_on") == "train" for run in (first, n))
    laid, disparity = laid_upon(reference, other, together=together)
    run = group.runs[n]
    return LinkedMap(
        group.titles[n],
        group.names[n],
        {split: laid[split][chosen[split]] for split in chosen},
        {split: _badge(run, split, None if n == first else disparity.get(split)) for split in chosen},
        {split: shown[n][split].kept[chosen[split]] for split in chosen},
    )


def _badge(run: Run, split: str, disparity: float | None) -> str:
    kept = run.values.get(f"{split}/map/knn_preservation")
    words = [] if kept is None else [f"{kept:.0%} of neighbours kept"]
    return " · ".join(words + ([] if disparity is None else [f"disparity {disparity:.2f}"]))
