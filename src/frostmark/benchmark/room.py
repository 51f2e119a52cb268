"""How many bytes of rows are kept: as many as were asked for, or as the disk of the store has room for.

room = Room.of(config.features.max_bytes, store.folder)
room.holds(size=10_500_000_000, there=0)        # there: what of it is stored already
room.told("resnet50 · last_conv", 10_500_000_000, "1,281,167 images × 2,048 features")
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from frostmark.config.schema import AUTO
from frostmark.lit.trainer import is_rank_zero

SHARE = 0.8
"""Of what is free on the disk of the store when a run begins, so much may be filled with rows."""

VARIABLE = "FROSTMARK_FREE_BYTES"
"""Environment variable: what the first process of a job found free, so that the others decide as it does."""


@dataclass(frozen=True)
class Room:
    """What the store may take.

    Attributes:
        asked: bytes of one layer, both splits together; None: as the disk has room.
        free: bytes that were free on the disk of the store.
        folder: the store.
    """

    asked: int | None
    free: int
    folder: Path

    @classmethod
    def of(cls, max_bytes: object, folder: Path) -> Room:
        """The room of a run that begins now."""
        return cls(None if max_bytes == AUTO else int(str(max_bytes)), _free(folder), folder)

    @property
    def of_disk(self) -> int:
        """Bytes that may be written now."""
        return int(SHARE * self.free)

    def holds(self, size: int, there: int) -> bool:
        """Whether rows of ``size`` bytes are kept, of which ``there`` are stored already."""
        return size - there <= self.of_disk if self.asked is None else size <= self.asked

    def told(self, name: str, size: int, what: str) -> str:
        """What must be said of rows that are not kept.

        Args:
            name: of the layer.
            what: the numbers that the size follows from.
        """
        share = f"{SHARE:.0%} of the {_words(self.free)} that are free in {self.folder}"
        limit = share if self.asked is None else f"features.max_bytes={self.asked}"
        return (
            f"the rows of {name} are not kept: they take {_words(size)} ({what} × 4 bytes), and the limit is {limit}. "
            "Every run of this layer forwards all images again, and a stopped run begins again. To keep "
            f"the rows: features.max_bytes={size}, or paths.root=<a folder on a larger disk>"
        )


def _words(size: int) -> str:
    return f"{size:,} bytes" if size < 1e9 else f"{size / 1e9:,.1f} GB"


def _free(folder: Path) -> int:
    """Bytes that are free on the disk on which ``folder`` lies, or will lie."""
    known = os.environ.get(VARIABLE, "")
    if known.isdecimal() and not is_rank_zero():
        return int(known)
    there = next(place for place in (folder, *folder.parents) if place.is_dir())
    free = shutil.disk_usage(there).free
    os.environ[VARIABLE] = str(free)
    return free
