"""The maps of a run as files: pictures, the interactive page, and the table of the points.

for picture in map_pictures(maps, classes, "resnet18 · last_conv · digits", "Weights: untrained."):
    ...
html = map_page(maps, classes, title, about, thumbnails, files)
write_parquet(folder / "embedding.parquet", map_points(maps, classes))
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from zlib import compress

import numpy as np

from frostmark.figures.interactive import IMAGE_BYTES, InteractiveView, interactive_map
from frostmark.figures.maps import MapView, draw_maps
from frostmark.figures.sprites import make_sprites
from frostmark.metrics.maps import MapSet, SplitMap
from frostmark.metrics.metric import CLASSES_AS_SCALARS
from frostmark.results.pictures import Picture, Thumbnails
from frostmark.stats.moments import Array
from frostmark.stats.sampling import THUMBNAIL, shown_sample

ARTIFACTS = ("map.png", "map_train.png", "map_test.png", "map.html", "embedding.parquet")
"""What a run without maps does not have."""

FAINT = "The fainter a point, the fewer of its ten nearest neighbours in the features the map keeps."

PAGE_EDGE = 64
"""Pixels of the longer side of the images in the page."""


@dataclass(frozen=True)
class ImageBytes:
    """Bytes of the images of a run, of all splits together: in the page of the map, and kept for comparisons."""

    page: int
    thumbnails: int

    @classmethod
    def of(cls, classes: int) -> ImageBytes:
        """Of a run of so many classes: where the tables of pairs are large, images are small, for 10 MB in all."""
        return cls(IMAGE_BYTES, 6_000_000) if classes <= CLASSES_AS_SCALARS else cls(500_000, 500_000)


def map_pictures(maps: MapSet, classes: tuple[str, ...], title: str, about: str) -> Iterator[Picture]:
    """``map.png`` of all splits, and one picture per split.

    Args:
        classes: names in the order of their labels.
        title: without the method and the split.
        about: a sentence on what is shown, below the pictures.
    """
    views, title, note = [_view(of) for of in maps.splits], _title(maps, title), _note(maps, about)
    yield Picture("map.png", draw_maps(views, classes, title, note, shared=maps.together), vector=True)
    for view in views:
        figure = draw_maps([view], classes, f"{title} · {view.split}", note, shared=False)
        yield Picture(f"map_{view.split}.png", figure, f"map/{view.split}")


def map_page(
    maps: MapSet,
    classes: Sequence[str],
    title: str,
    about: str,
    thumbnails: Thumbnails | None,
    files: Mapping[str, Array],
) -> str:
    """``map.html``: the same points, each with its image and, where it has one, the name of its file."""
    views = [
        InteractiveView(
            of.split,
            of.coordinates,
            of.labels,
            of.images,
            of.neighbours,
            of.neighbours_in,
            None if of.badge is None else of.badge.kept,
            None if thumbnails is None else thumbnails(of.split, of.images.tolist(), PAGE_EDGE),
            files[of.split][of.images].tolist() if of.split in files else None,
        )
        for of in maps.splits
    ]
    badges = {of.split: of.badge for of in maps.splits if of.badge is not None}
    return interactive_map(
        views,
        classes,
        _title(maps, title),
        _note(maps, about),
        maps.together,
        badge="\n".join(f"{split}: {' · '.join(badge.words.splitlines())}" for split, badge in badges.items()),
        warning=" ".join(f"{split}: {badge.warning}" for split, badge in badges.items() if badge.warning),
        image_bytes=ImageBytes.of(len(classes)).page,
    )


def map_points(maps: MapSet, classes: Sequence[str]) -> dict[str, list[object]]:
    """Columns of ``embedding.parquet``: one line per point."""
    columns: dict[str, list[object]] = {
        name: [] for name in ("split", "index", "label", "class", "x", "y", "neighbours_kept")
    }
    for of in maps.splits:
        cells: dict[str, list[object]] = {
            "split": [of.split] * len(of.images),
            "index": of.images.tolist(),
            "label": of.labels.tolist(),
            "class": [classes[c] for c in of.labels],
            "x": of.coordinates[:, 0].tolist(),
            "y": of.coordinates[:, 1].tolist(),
            "neighbours_kept": [None] * len(of.images) if of.badge is None else of.badge.kept.tolist(),
        }
        for name, column in columns.items():
            column.extend(cells[name])
    return columns


def _title(maps: MapSet, title: str) -> str:
    return f"{title} · {maps.method}"


def _note(maps: MapSet, about: str) -> str:
    how = (
        f"{maps.method} fitted on train; test images placed into the same map."
        if maps.together
        else f"{maps.method} fitted on each split separately: do not compare coordinates between the two maps."
    )
    return f"{about} {how} {maps.reading}\n{FAINT}"


def _view(of: SplitMap) -> MapView:
    if of.badge is None:
        return MapView(of.split, of.coordinates, of.labels)
    return MapView(of.split, of.coordinates, of.labels, of.badge.kept, of.badge.words, of.badge.warning)


def shown_thumbnails(maps: MapSet, thumbnails: Thumbnails, classes: int) -> dict[str, Array]:
    """Arrays of ``maps/thumbnails.npz``: a comparison shows these images where it has neither data set nor network.

    Returns:
        ``<split>/index`` (n,) int64, the numbers of the images in the split, and ``<split>/images`` (n, h, w, 3) uint8.
        Where these would take more than :class:`ImageBytes` allows, WebP sheets of :mod:`frostmark.figures.sprites` in
        their place: ``<split>/size`` (2,) width and height, ``<split>/lengths`` (k,) and ``<split>/sheets`` uint8, the
        bytes of all.
    """
    arrays: dict[str, Array] = {}
    for of in maps.splits:
        positions = of.images[shown_sample(of.labels, of.split)]
        arrays[f"{of.split}/index"] = positions.astype(np.int64)
        arrays[f"{of.split}/images"] = thumbnails(of.split, positions.tolist(), THUMBNAIL)
    most = ImageBytes.of(classes).thumbnails
    images = [arrays[f"{of.split}/images"] for of in maps.splits]
    if sum(of.nbytes for of in images) <= most or sum(len(compress(of.tobytes())) for of in images) <= most:
        return arrays
    sprites = make_sprites(images, most)
    for of, made in zip(maps.splits, sprites, strict=True):
        del arrays[f"{of.split}/images"]
        arrays[f"{of.split}/size"] = np.array([made.width, made.height], np.int64)
        arrays[f"{of.split}/lengths"] = np.array([len(sheet) for sheet in made.sheets], np.int64)
        arrays[f"{of.split}/sheets"] = np.frombuffer(b"".join(made.sheets), np.uint8)
    return arrays
