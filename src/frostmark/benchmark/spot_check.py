"""Stored rows held against the network: a few images are forwarded again, and rows that differ are refused.

    check = SpotCheck(features.spot_check, seed, precision)
    check.apply(maker, Target(tap, "last_conv", "test", entry), replayed=True)      # DataError: …

A digest proves that a file of the store holds what its writer wrote, not that a network put it out. Whoever shares a
store therefore trusts its other writers, as far as this check does not find them out: it finds rows of another network,
of other weights or images, and rows that were changed throughout. A few changed rows among thousands it rarely meets.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from frostmark.backbones.extractor import Tap
from frostmark.benchmark.making import MakesRows
from frostmark.config.schema import AUTO
from frostmark.errors import DataError
from frostmark.features.entry import Entry
from frostmark.features.files import shards_in
from frostmark.features.writer import is_own, writer_of
from frostmark.stats.sampling import seeded, some

AUTO_COUNT = 4
"""Images per split that auto forwards again."""

MAX_DIFFERENCE, MAX_DIFFERENCE_SHORT = 1e-3, 3e-2
"""Relative distance of a row from the stored one, in float32 and in short precisions: processors round differently."""

FULL = "32-true"


@dataclass(frozen=True)
class Target:
    """The rows that are checked.

    Attributes:
        tap, layer: of which they are, and the word that it was asked for by.
        split: of which images.
        entry: where they are stored, complete.
    """

    tap: Tap
    layer: str
    split: str
    entry: Entry


@dataclass(frozen=True)
class SpotCheck:
    """How stored rows are checked.

    Attributes:
        asked: images per split; auto: as many as :data:`AUTO_COUNT` where somebody else wrote the rows.
        seed: which images.
        precision: of the forward pass.
    """

    asked: object
    seed: int
    precision: str

    @property
    def most(self) -> float:
        """By how much a row may differ."""
        return MAX_DIFFERENCE if self.precision == FULL else MAX_DIFFERENCE_SHORT

    def count(self, entry: Entry, *, replayed: bool) -> int:
        """Images that are forwarded again.

        Args:
            replayed: whether the entry was complete before this run.
        """
        if self.asked == AUTO:
            return 0 if is_own(entry.folder, entry.about()) else AUTO_COUNT
        return int(str(self.asked)) if replayed else 0

    def apply(self, maker: MakesRows, of: Target, *, replayed: bool) -> None:
        """Forward some images of a split again.

        Raises:
            DataError: if their rows are not those that are stored.
        """
        count = self.count(of.entry, replayed=replayed)
        if not count:
            return
        # Which images depends on the bytes of the rows, too: whoever changes some does not know which are asked for.
        names = [path.name for path in shards_in(of.entry.folder).values()]
        rng = seeded(self.seed, "spot check", *names)
        positions = some(of.entry.key.count, count, rng)
        again = maker.again(of.tap, of.split, positions.tolist())
        if again is None:
            return
        apart = differences(of.entry.rows(positions), again)
        wrong = ~(apart <= self.most)  # what is no number is wrong, too
        if wrong.any():
            raise self._refusal(of, int(wrong.sum()), apart)

    def _refusal(self, of: Target, wrong: int, apart: NDArray[np.float64]) -> DataError:
        folder = of.entry.folder
        how = "are not numbers" if not np.isfinite(apart).all() else f"differ by up to {apart.max():.1%}"
        return DataError(
            f"the stored rows of layer {of.layer}, split {of.split}, are not what the network puts out: of "
            f"{len(apart)} images that were forwarded again, the rows of {wrong} {how}; {self.most:.1%} is allowed. "
            f"{writer_of(folder, of.entry.about())} wrote them into {folder}",
            fix=f"rm -r {shlex.quote(str(folder))}; the same command then forwards all images again. If you may not "
            "remove it: paths.root=<a folder of your own>",
        )


def differences(stored: NDArray[np.float32], again: NDArray[np.float32]) -> NDArray[np.float64]:
    """(n,) ‖stored − again‖ / ‖again‖ of rows (n, D); 0 of rows that are equal."""
    apart = np.linalg.norm(stored.astype(np.float64) - again, axis=1)
    return np.asarray(apart / np.maximum(np.linalg.norm(again.astype(np.float64), axis=1), 1e-30))
