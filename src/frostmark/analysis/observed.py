"""What the metrics and the maps see of one pass: the rows and class moments that it collected, made into splits once.

observed = Observed(setting, collected_rows, streamed_moments)
observed.splits["test"].rows            # once the pass is over
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from frostmark.metrics.graphs import USUAL, Keep, Search, compute_anew
from frostmark.metrics.metric import Splits, make_splits
from frostmark.stats.grouped import Codes
from frostmark.stats.moments import Array, ClassMoments


class LabelledRows(Protocol):
    """The rows (N, d) float32 of one split, and the labels (N,) of its images."""

    @property
    def rows(self) -> NDArray[np.float32]: ...
    @property
    def labels(self) -> NDArray[np.int64]: ...


class CollectsRows(Protocol):
    """Whoever holds the rows of every split once the pass is over."""

    @property
    def feature_sets(self) -> Mapping[str, LabelledRows]: ...


class StreamsMoments(Protocol):
    """Whoever holds the class moments of every split once the pass is over."""

    @property
    def moments(self) -> Mapping[str, ClassMoments]: ...


@dataclass(frozen=True)
class Setting:
    """What decides an analysis beside rows and labels.

    Attributes:
        classes: names in the order of their labels.
        seed, fingerprints: what every random draw follows from: the seed of the run, and by split what identifies its
            images. With them alone, every backbone and layer draws the same images.
        resamples, permutations: how many; 0 for none.
        groups: by split, which images (N,) are not independent of each other; None if all are taken to be.
        search: how neighbours are found.
        keep: computes what is worth keeping, or finds it; see :data:`frostmark.metrics.graphs.Keep`.
    """

    classes: tuple[str, ...]
    seed: int
    fingerprints: Mapping[str, str]
    resamples: int = 1000
    permutations: int = 100
    groups: Mapping[str, Codes] | None = None
    search: Search = USUAL
    keep: Keep = compute_anew

    def splits(
        self,
        rows: Mapping[str, Array],
        labels: Mapping[str, NDArray[np.int64]],
        moments: Mapping[str, ClassMoments] | None = None,
    ) -> Splits:
        """What the metrics see: by split the rows (N, d) and labels (N,), and moments of wider features."""
        return make_splits(
            rows,
            labels,
            self.classes,
            moments=moments,
            seed=self.seed,
            fingerprints=self.fingerprints,
            resamples=self.resamples,
            permutations=self.permutations,
            groups=self.groups,
            keep=self.keep,
            search=self.search,
        )


@dataclass
class Observed:
    """What one pass collected, for all who analyse it."""

    setting: Setting
    collected: CollectsRows
    streamed: StreamsMoments

    @cached_property
    def splits(self) -> Splits:
        """Made when it is asked for first, once the pass is over: metrics and maps see the same."""
        sets = self.collected.feature_sets
        rows = {split: features.rows for split, features in sets.items()}
        labels = {split: features.labels for split, features in sets.items()}
        return self.setting.splits(rows, labels, self.streamed.moments)
