"""Rows become maps: both splits laid out, and how far each map may be believed.

making = MapMaking(TSNE(), setting, progress=print)
maps = making.maps(observed.splits)
maps.splits[1].badge.trustworthiness
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from frostmark.analysis.observed import Setting
from frostmark.metrics.alignment import Alignment
from frostmark.metrics.faithfulness import MIN_POINTS, faithfulness, stability
from frostmark.metrics.maps import MapSet, SplitMap
from frostmark.metrics.metric import Split, Splits
from frostmark.reducers import contract
from frostmark.reducers.reducer import Coordinates, Fitted, Points, Reducer, why_no_map
from frostmark.stats.neighbours import KEPT, unit_rows
from frostmark.stats.sampling import seeded, stratified

TOLD = 5
"""Neighbours of an image that the interactive map tells of."""


@dataclass(frozen=True)
class MapMaking:
    """How the maps of a run are made.

    Attributes:
        reducer: the method.
        setting: of the analysis. Its seed and fingerprints alone decide which images are shown.
        progress: told what is being done.
    """

    reducer: Reducer
    setting: Setting
    progress: Callable[[str], None]

    def none(self, why: str) -> MapSet:
        """No maps, and why."""
        return MapSet(self.reducer.words, self.reducer.fit_on == "train", self.reducer.reading, why_none=why)

    def maps(self, splits: Splits) -> MapSet:
        """The maps of both splits, made of their rows, labels and neighbours; or why there are none."""
        reducer = self.reducer
        shown = {name: self._shown(split) for name, split in splits.items()}
        fitted_on = shown if reducer.fit_on == "each" else {"train": shown["train"]}
        for name, of in fitted_on.items():
            if why := why_no_map(of.points.rows):
                return self.none(f"{name}: {why}")
        start = time.perf_counter()
        seeds = [self._embed(shown, self.setting.seed + n) for n in range(reducer.seeds)]
        made = time.perf_counter()
        self.progress("measuring how faithful the maps are")
        maps = [
            self._judged(name, of, shown["train"], [s.coordinates[name] for s in seeds]) for name, of in shown.items()
        ]
        return replace(
            self.none(""),
            splits=tuple(maps),
            kl_divergence=seeds[0].kl_divergence,
            seed_disparity=_disparities(seeds, list(fitted_on)),
            seconds={"map": made - start, "badge": time.perf_counter() - made},
        )

    def _shown(self, split: Split) -> _Shown:
        rng = seeded(self.setting.seed, self.setting.fingerprints[split.name], split.name)
        return _Shown(split, stratified(split.labels, self.reducer.max_points, rng))

    def _embed(self, shown: Mapping[str, _Shown], seed: int) -> _Embedded:
        fits: dict[str, Fitted] = {}
        if self.reducer.fit_on == "each":
            fits = {name: contract.fit(self.reducer, of.points, seed, self.progress) for name, of in shown.items()}
            coordinates = {name: fit.coordinates for name, fit in fits.items()}
        else:
            fitted = contract.fit(self.reducer, shown["train"].points, seed, self.progress)
            fits = {"train": fitted}
            placed = contract.place(self.reducer, fitted, shown["test"].among(shown["train"]))
            coordinates = {"train": fitted.coordinates, "test": placed}
        kl = {name: fit.kl_divergence for name, fit in fits.items() if fit.kl_divergence is not None}
        return _Embedded(coordinates, kl)

    def _judged(self, name: str, shown: _Shown, train: _Shown, maps: list[Coordinates]) -> SplitMap:
        own = self.reducer.fit_on == "each" or name == "train"
        near = (shown.points if own else shown.among(train)).nearest(KEPT).index[:, :TOLD]
        badge, shared = None, None
        if len(shown.images) >= MIN_POINTS:
            rng = seeded(self.setting.seed, self.setting.fingerprints[name], name, "badge")
            nearest = shown.points.nearest(KEPT).index
            badge = faithfulness(unit_rows(shown.points.rows), nearest, maps[0], shown.labels, rng)
            shared = stability(maps) if len(maps) > 1 else None
        bank = name if own else "train"
        return SplitMap(name, shown.images, shown.labels, maps[0], near, bank, badge, shared)


@dataclass(frozen=True)
class _Embedded:
    """What one seed gave."""

    coordinates: Mapping[str, Coordinates]
    kl_divergence: Mapping[str, float]


@dataclass
class _Shown:
    """The rows of a split that a map shows."""

    split: Split
    images: NDArray[np.int64]
    points: Points = field(init=False)

    def __post_init__(self) -> None:
        self.points = (
            Points(self.split.rows, self.split.own) if self.all else Points.alone(self.split.rows[self.images])
        )

    @property
    def all(self) -> bool:
        return len(self.images) == len(self.split.rows)

    @property
    def labels(self) -> NDArray[np.int64]:
        return self.split.labels[self.images]

    def among(self, train: _Shown) -> Points:
        """The same rows with their neighbours among the rows shown of the train split."""
        if self.all and train.all:
            return Points(self.split.rows, self.split.nearest)
        return Points.among(self.points.rows, train.points.rows)


def _disparities(seeds: list[_Embedded], fitted: list[str]) -> dict[str, float]:
    if len(seeds) < 2:
        return {}
    first, *others = seeds
    return {
        name: float(np.mean([Alignment.of(first.coordinates[name], o.coordinates[name]).disparity for o in others]))
        for name in fitted
    }
