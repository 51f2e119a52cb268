"""The pixels of image files as rows in the store: put there by the pass that decodes the files, whoever asks first.

kept = PixelRows.of(subject, store)
kept.entries                    # by split; a pass over the images writes what is missing of them
kept.rows(progress)             # {"train": (N, D), "test": (N, D)}: stored, or decoded once and stored
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from frostmark.benchmark.subject import Subject
from frostmark.data.files import ImageFiles, decoding_of
from frostmark.data.pixels import EDGE, PACKED_WIDTH, a_pixel, packed, pixel_rows, unpacked_rows
from frostmark.data.source import ImageSet
from frostmark.features.entry import Entry
from frostmark.features.key import RowKey
from frostmark.features.store import FeatureStore
from frostmark.lit.callbacks.store import StoreFeatures
from frostmark.lit.callbacks.watch import Watch
from frostmark.lit.datamodule import ImageModule
from frostmark.lit.module import SeenModule
from frostmark.lit.trainer import make_trainer, predict

CONTROL = "pixels"
"""The word of ``controls=`` that asks for them."""


@dataclass(frozen=True)
class PixelRows:
    """The pixels of all images, as :func:`frostmark.data.pixels.packed` makes them.

    Attributes:
        splits: images by split name.
        entries: where they are kept, by split; empty of images in memory, and of more than the store may hold.
        about: what a person should know of the entries.
        workers: processes that read files; None for as many as suit.
    """

    splits: Mapping[str, ImageSet]
    entries: Mapping[str, Entry]
    store: FeatureStore
    about: Mapping[str, str]
    workers: int | None

    @classmethod
    def of(cls, subject: Subject, store: FeatureStore) -> PixelRows:
        """Those of a benchmark."""
        entries = {
            split: store.entry(_key(split, images, subject.fingerprints[split]), PACKED_WIDTH)
            for split, images in subject.splits.items()
            if isinstance(images, ImageFiles)
        }
        size = sum(entry.size for entry in entries.values())
        kept = len(entries) == len(subject.splits) and size <= subject.config.features.max_bytes
        about = {"backbone": CONTROL, "dataset": subject.source.name}
        return cls(subject.splits, entries if kept else {}, store, about, subject.config.trainer.num_workers)

    def missing(self) -> dict[str, list[range]]:
        """The shards that are not there, by split."""
        return {split: entry.missing() for split, entry in self.entries.items()}

    def commit(self) -> None:
        """Declare complete what is."""
        for entry in self.entries.values():
            if not entry.missing() and not entry.complete:
                entry.commit(self.about)

    def rows(self, progress: Callable[[str], None]) -> dict[str, NDArray[np.float32]]:
        """Rows (N, D) by split; what is not stored is decoded now."""
        if not self.entries:
            return {split: rows.numpy() for split, rows in pixel_rows(self.splits).items()}
        with self.store.using(self.entries.values()):
            if not all(entry.intact() for entry in self.entries.values()):
                with self.store.extracting(list(self.entries.values())):
                    self._see(progress)
            whole = {split: [e.read(shard) for shard in e.shards] for split, e in self.entries.items()}
        stored = {split: np.concatenate(of) for split, of in whole.items()}
        return {split: rows.numpy() for split, rows in unpacked_rows(stored).items()}

    def _see(self, progress: Callable[[str], None]) -> None:
        missing = self.missing()
        if any(missing.values()):
            images = ImageModule(self.splits, missing, a_pixel, self.workers, packed)
            sizes = {split: sum(map(len, shards)) for split, shards in missing.items()}
            storing = StoreFeatures({split: [self.entries[split]] for split in self.splits})
            predict(make_trainer([storing, Watch(sizes, progress)]), SeenModule(), images)
        self.commit()


def _key(split: str, images: ImageSet, fingerprint: str) -> RowKey:
    decoding = " ".join(decoding_of(images))
    return RowKey(CONTROL, "", "", CONTROL, f"{EDGE} a side", decoding, fingerprint, split, len(images), "32-true")
