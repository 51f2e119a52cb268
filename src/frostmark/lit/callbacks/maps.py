"""Makes the maps of both splits once the pass is over, and finds out how far they may be believed.

Maps(TSNE(), splits, found, seed=0, fingerprints={"train": "9f0c…", "test": "77ab…"}, progress=print)
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pytorch_lightning as pl
from numpy.typing import NDArray

from frostmark.metrics.alignment import Alignment
from frostmark.metrics.faithfulness import MIN_POINTS, Faithfulness, faithfulness, stability
from frostmark.metrics.metric import Split, Splits
from frostmark.reducers.reducer import Coordinates, Fitted, Points, Progress, Reducer, why_no_map
from frostmark.stats.neighbours import KEPT, unit_rows
from frostmark.stats.sampling import seeded, stratified

TOLD = 5
"""Neighbours of an image that the interactive map tells of."""


@dataclass(frozen=True)
class Mapped:
    """One split in a map.

    Attributes:
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
    coordinates: Coordinates
    neighbours: NDArray[np.int32]
    neighbours_in: str
    badge: Faithfulness | None
    stability: float | None = None


@dataclass(frozen=True)
class Made:
    """The maps of a run.

    Attributes:
        splits: one map a split, in their order.
        kl_divergence: by split, of what was fitted by t-SNE.
        seed_disparity: by split, what is left when the maps of other seeds are laid upon the first, 0 … 1.
        seconds: of fitting and placing; of the badge.
    """

    splits: list[Mapped]
    kl_divergence: Mapping[str, float]
    seed_disparity: Mapping[str, float]
    seconds: Mapping[str, float]


class Maps(pl.Callback):
    """Fits the reducer on rank zero.

    Args:
        reducer: the method.
        splits: rows, labels and neighbours, once the pass is over.
        found: is handed the maps, or the reason why there are none.
        seed: of the sample shown and of the reducer.
        fingerprints: of the images of each split; with the seed they alone decide which images are shown.
        progress: told what is being done.
    """

    def __init__(
        self,
        reducer: Reducer,
        splits: Callable[[], Splits],
        found: Callable[[Made | str], None],
        seed: int,
        fingerprints: Mapping[str, str],
        progress: Progress,
    ) -> None:
        self._reducer = reducer
        self._splits = splits
        self._found = found
        self._seed = seed
        self._fingerprints = dict(fingerprints)
        self._progress = progress

    def on_predict_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.is_global_zero:
            self._found(self._make())

    def _make(self) -> Made | str:
        shown = {name: self._shown(split) for name, split in self._splits().items()}
        fitted_on = shown if self._reducer.fit_on == "each" else {"train": shown["train"]}
        for name, of in fitted_on.items():
            if why := why_no_map(of.points.rows):
                return f"{name}: {why}"
        start = time.perf_counter()
        seeds = [self._embed(shown, self._seed + n) for n in range(self._reducer.seeds)]
        made = time.perf_counter()
        self._progress("how far the maps may be believed")
        maps = [
            self._judged(name, of, shown["train"], [s.coordinates[name] for s in seeds]) for name, of in shown.items()
        ]
        seconds = {"map": made - start, "badge": time.perf_counter() - made}
        return Made(maps, seeds[0].kl_divergence, _disparities(seeds, list(fitted_on)), seconds)

    def _shown(self, split: Split) -> _Shown:
        rng = seeded(self._seed, self._fingerprints[split.name], split.name)
        return _Shown(split, stratified(split.labels, self._reducer.max_points, rng))

    def _embed(self, shown: Mapping[str, _Shown], seed: int) -> _Embedded:
        fits: dict[str, Fitted] = {}
        if self._reducer.fit_on == "each":
            fits = {name: self._reducer.fit(of.points, seed, self._progress) for name, of in shown.items()}
            coordinates = {name: fit.coordinates for name, fit in fits.items()}
        else:
            fits = {"train": self._reducer.fit(shown["train"].points, seed, self._progress)}
            place = fits["train"].transform
            assert place is not None, "reducers that cannot place new rows refuse fit_on=train"
            coordinates = {"train": fits["train"].coordinates, "test": place(shown["test"].among(shown["train"]))}
        kl = {name: fit.kl_divergence for name, fit in fits.items() if fit.kl_divergence is not None}
        return _Embedded(coordinates, kl)

    def _judged(self, name: str, shown: _Shown, train: _Shown, maps: list[Coordinates]) -> Mapped:
        own = self._reducer.fit_on == "each" or name == "train"
        near = (shown.points if own else shown.among(train)).nearest(KEPT).index[:, :TOLD]
        badge, shared = None, None
        if len(shown.images) >= MIN_POINTS:
            rng = seeded(self._seed, self._fingerprints[name], name, "badge")
            nearest = shown.points.nearest(KEPT).index
            badge = faithfulness(unit_rows(shown.points.rows), nearest, maps[0], shown.labels, rng)
            shared = stability(maps) if len(maps) > 1 else None
        bank = name if own else "train"
        return Mapped(name, shown.images, shown.labels, maps[0], near, bank, badge, shared)


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
