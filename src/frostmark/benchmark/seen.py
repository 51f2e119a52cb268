"""What is kept of image files beside the rows of a network: made while the files are decoded, and never again.

for seen in wanted(subject, store):             # pixels for a control, thumbnails for the maps
    seen.observe, seen.entries                  # a pass over the images writes what is missing of them
pixel_rows(subject, progress)                   # {"train": (N, D), "test": (N, D)}, stored or decoded once
known_images(subject, progress)["test"].digests # what copies of images are found by
pictures(subject, store)("test", [3, 14], 64)   # (2, 64, 64, 3) uint8
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from frostmark.benchmark.subject import Subject
from frostmark.data.decode import digest_of
from frostmark.data.files import ImageFiles, Observe, decoding_of
from frostmark.data.pixels import EDGE, PACKED_WIDTH, a_pixel, packed, reduced, small_picture, unpacked_rows
from frostmark.data.pixels import pixel_rows as pixel_rows_of
from frostmark.data.sketch import Recognised, recognised, sketch_of
from frostmark.features.entry import Entry
from frostmark.features.key import RowKey
from frostmark.features.store import FeatureStore
from frostmark.lit.callbacks.store import StoreFeatures
from frostmark.lit.callbacks.watch import Watch
from frostmark.lit.datamodule import ImageModule
from frostmark.lit.module import SeenModule
from frostmark.lit.trainer import make_trainer, predict
from frostmark.results.maps import PAGE_EDGE
from frostmark.results.pictures import Thumbnails
from frostmark.stats.copies import SKETCH_WIDTH

PIXELS = "pixels"
"""The word of ``controls=`` that asks for them."""


MAX_BESIDE = 64
"""Large pictures, such as those of the images most alike, that are kept beside the sketches for a replay to show."""


@dataclass(frozen=True)
class Seen:
    """One thing that is kept of all images.

    Attributes:
        observe: makes it of an image.
        entries: where it is kept, by split.
        about: what a person should know of the entries.
    """

    observe: Observe
    entries: Mapping[str, Entry]
    about: Mapping[str, str]

    def missing(self) -> dict[str, list[range]]:
        """The shards that are not there, by split."""
        return {split: entry.missing() for split, entry in self.entries.items()}

    def commit(self) -> None:
        """Declare complete what is."""
        for entry in self.entries.values():
            if not entry.missing() and not entry.complete:
                entry.commit(self.about)


def wanted(subject: Subject, store: FeatureStore) -> list[Seen]:
    """What the run will ask for, if its images are files and the store may hold it."""
    pixels = pixels_seen(subject, store) if PIXELS in subject.config.controls else None
    thumbnails = thumbnails_seen(subject, store) if subject.reducer is not None else None
    return [seen for seen in (sketches_seen(subject, store), pixels, thumbnails) if seen is not None]


def sketches_seen(subject: Subject, store: FeatureStore) -> Seen | None:
    """What copies of images are found by; None where it is not kept."""
    return _seen(subject, store, "sketches", "sketch1", sketch_of, SKETCH_WIDTH, "uint8")


def pixels_seen(subject: Subject, store: FeatureStore) -> Seen | None:
    """The images' own pixels, as :func:`frostmark.data.pixels.packed` makes them; None where they are not kept."""
    return _seen(subject, store, PIXELS, f"{EDGE} a side", packed, PACKED_WIDTH, "float32")


def thumbnails_seen(subject: Subject, store: FeatureStore) -> Seen | None:
    """The images as the network sees them, in small; None where they are not kept."""
    edge = min(PAGE_EDGE, subject.pipeline.size)
    how = f"{_geometry(subject)} to {edge}"
    return _seen(subject, store, "thumbnails", how, partial(small_picture, edge=edge), 3 * edge * edge, "uint8")


def _geometry(subject: Subject) -> str:
    """What decides how an image looks to the network, beside its normalisation."""
    pipeline = subject.pipeline
    return f"{pipeline.resize_to} {pipeline.crop} {pipeline.interpolation} {pipeline.rounded}"


def _seen(
    subject: Subject, store: FeatureStore, name: str, how: str, observe: Observe, width: int, dtype: str
) -> Seen | None:
    entries: dict[str, Entry] = {}
    for split, images in subject.splits.items():
        if not isinstance(images, ImageFiles):
            return None
        decoding = " ".join(decoding_of(images))
        key = RowKey(name, "", "", name, how, decoding, subject.fingerprints[split], split, len(images), dtype)
        entries[split] = store.entry(key, width, dtype)
    if sum(entry.size for entry in entries.values()) > subject.config.features.held_bytes:
        return None
    return Seen(observe, entries, {"backbone": name, "dataset": subject.source.name})


def pixel_rows(subject: Subject, progress: Callable[[str], None]) -> dict[str, NDArray[np.float32]]:
    """Rows (N, D) of the images' own pixels, by split; what can be kept and is not is decoded now."""
    store = FeatureStore(subject.config.mlruns / "features")
    seen = pixels_seen(subject, store)
    if seen is None:
        made = {s: _packed_rows(i) for s, i in subject.splits.items() if isinstance(i, ImageFiles)}
        rows_of = unpacked_rows(made) if len(made) == len(subject.splits) else pixel_rows_of(subject.splits)
        return {split: rows.numpy() for split, rows in rows_of.items()}
    kept = {s: np.asarray(rows, np.float32) for s, rows in _kept(subject, seen, store, progress).items()}
    return {split: rows.numpy() for split, rows in unpacked_rows(kept).items()}


def _packed_rows(images: ImageFiles) -> NDArray[np.float32]:
    """What would be kept of image files, if it could be."""
    looked_at = replace(images, geometry=a_pixel, observe=(packed,))
    return np.concatenate([looked_at.__getitems__([i]).seen[0].numpy() for i in range(len(images))])


def keeps_sketches(subject: Subject) -> bool:
    """Whether near copies can be found: of images in memory always."""
    files = all(isinstance(images, ImageFiles) for images in subject.splits.values())
    return not files or sketches_seen(subject, FeatureStore(subject.config.mlruns / "features")) is not None


def known_images(subject: Subject, progress: Callable[[str], None]) -> dict[str, Recognised]:
    """By split, what copies of its images are found by; of image files without sketches where these are not kept."""
    if not all(isinstance(images, ImageFiles) for images in subject.splits.values()):
        return {split: recognised(images) for split, images in subject.splits.items()}
    store = FeatureStore(subject.config.mlruns / "features")
    seen = sketches_seen(subject, store)
    kept = {} if seen is None else _kept(subject, seen, store, progress)
    sketches = {split: np.asarray(of, np.uint8) for split, of in kept.items()}
    return {
        split: Recognised(images.digests or [], sketches.get(split))
        for split, images in subject.splits.items()
        if isinstance(images, ImageFiles)
    }


def _kept(
    subject: Subject, seen: Seen, store: FeatureStore, progress: Callable[[str], None]
) -> dict[str, NDArray[np.generic]]:
    """What is kept of all images, by split; what is missing of it is decoded now."""
    entries = seen.entries
    with store.using(entries.values()):
        if not all(entry.intact() for entry in entries.values()):
            with store.extracting(list(entries.values())):
                _look(subject, seen, progress)
        return {split: np.concatenate([entry.read(s) for s in entry.shards]) for split, entry in entries.items()}


def _look(subject: Subject, seen: Seen, progress: Callable[[str], None]) -> None:
    """A pass without a network."""
    missing = seen.missing()
    if any(missing.values()):
        images = ImageModule(subject.splits, missing, a_pixel, subject.config.trainer.num_workers, [seen.observe])
        sizes = {split: sum(map(len, shards)) for split, shards in missing.items()}
        storing = StoreFeatures({split: [entry] for split, entry in seen.entries.items()})
        predict(make_trainer([storing, Watch(sizes, progress)]), SeenModule(), images)
    seen.commit()


def pictures(subject: Subject, store: FeatureStore) -> Thumbnails:
    """The images as pictures for a person: out of the store where they are kept, else decoded."""
    seen, beside = thumbnails_seen(subject, store), sketches_seen(subject, store)
    kept: dict[str, Entry] = {}

    def shown(split: str, positions: Sequence[int], edge: int | None) -> NDArray[np.uint8]:
        entry = None if seen is None or edge is None or edge > PAGE_EDGE else seen.entries[split]
        if entry is not None and (split in kept or entry.intact()):
            kept[split] = entry
            ascending, places = np.unique(np.asarray(positions, np.int64), return_inverse=True)
            side = min(PAGE_EDGE, subject.pipeline.size)
            return reduced(entry.rows(ascending)[places].reshape(-1, side, side, 3), edge)
        if beside is None or len(positions) > MAX_BESIDE:
            return subject.thumbnails(split, positions, edge)
        name = digest_of(f"{_geometry(subject)} {edge} {list(positions)}".encode()).hex()
        large = beside.entries[split].derived(
            f"pictures-{name}", lambda: {"pictures": subject.thumbnails(split, positions, edge)}
        )
        return np.asarray(large["pictures"], np.uint8)

    return shown
