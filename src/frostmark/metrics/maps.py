"""The maps of a run as values: where every image stands, how far that may be believed, and the numbers that follow.

maps.splits[1].coordinates              # (n, 2) of the test images shown
map_scores(maps)                        # the badge of every map as metrics, and what the making took
map_variances(maps, classes)            # the report's variances in the coordinates of the map
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from frostmark.metrics.cost import COST_KINDS
from frostmark.metrics.faithfulness import Faithfulness
from frostmark.metrics.map_kinds import MAP_KINDS
from frostmark.metrics.metric import Scores, Undefined, make_splits
from frostmark.metrics.variance import MapVariance

TOO_FEW = "too few images for neighbourhoods"


@dataclass(frozen=True)
class SplitMap:
    """One split in a map.

    Attributes:
        split: its name.
        images: (n,) positions in the split of the images shown.
        labels: (n,) their classes.
        coordinates: (n, 2).
        neighbours: (n, k) the images nearest in the features, as positions among those shown of ``neighbours_in``.
        neighbours_in: the split that the map was fitted on.
        badge: what the map keeps; None of fewer points than a neighbourhood needs.
        stability: share of neighbours that maps by other seeds have in common with each other; None of one seed.
    """

    split: str
    images: NDArray[np.int64]
    labels: NDArray[np.int64]
    coordinates: NDArray[np.float64]
    neighbours: NDArray[np.int32]
    neighbours_in: str
    badge: Faithfulness | None
    stability: float | None = None


@dataclass(frozen=True)
class MapSet:
    """The maps of a run, or why there are none.

    Attributes:
        method: the reducer's name.
        together: whether the test images stand in the map of the train images, or each split in a map of its own.
        reading: how to read a map of this method, in one sentence.
        splits: one map per split, in their order.
        kl_divergence: by split, of what was fitted by t-SNE, in nats.
        seed_disparity: by split, what is left when the maps of other seeds are laid upon the first, 0 … 1.
        seconds: of fitting and placing (``map``), and of the badge (``badge``).
        why_none: why no map could be made; empty if there are maps.
    """

    method: str
    together: bool
    reading: str
    splits: tuple[SplitMap, ...] = ()
    kl_divergence: Mapping[str, float] = field(default_factory=dict)
    seed_disparity: Mapping[str, float] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    why_none: str = ""


def map_scores(maps: MapSet) -> Scores:
    """The badge of every map as metrics, and what the making took."""
    scores = Scores({**COST_KINDS, **MAP_KINDS})
    for name, seconds in maps.seconds.items():
        scores.add(f"cost/{name}_seconds", seconds)
    for of in maps.splits:
        family = f"{of.split}/map"
        if of.badge is None:
            scores.add(f"{family}/trustworthiness", Undefined(TOO_FEW))
        else:
            scores.take(of.badge.scores(family))
        if of.stability is not None:
            scores.add(f"{family}/stability", of.stability)
    for split, kl in maps.kl_divergence.items():
        scores.add(f"{split}/map/kl_divergence", kl)
    for split, left in maps.seed_disparity.items():
        scores.add(f"{split}/map/seed_disparity", left)
    return scores


def map_variances(maps: MapSet, classes: tuple[str, ...]) -> Scores:
    """Variances in the coordinates of the maps: they compare classes of one map, and no two runs."""
    coordinates, labels = {of.split: of.coordinates for of in maps.splits}, {of.split: of.labels for of in maps.splits}
    return MapVariance()(make_splits(coordinates, labels, classes, resamples=0, permutations=0))
