"""What a reducer is: rows in, a map of two dimensions out, and new rows placed into it where the method can.

    train, test = Points.alone(train_rows), Points.among(test_rows, train_rows)
    fitted = TSNE().fit(train, seed=0, progress=print)
    fitted.coordinates                    # (N, 2)
    fitted.transform(test)                # (M, 2); None stands in its place where the method has no such thing

To add one, write one file with a subclass and one YAML. Heavy libraries are imported inside ``fit``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from frostmark.errors import ConfigError
from frostmark.stats.moments import Array
from frostmark.stats.neighbours import Graph

Coordinates = NDArray[np.float64]
Progress = Callable[[str], None]
"""Told now and then, in a few words, how far a long fit has come."""

MIN_ROWS = 4
"""Fewer rows make no map."""


@dataclass(frozen=True)
class Points:
    """Rows and their neighbours: what a reducer sees.

    Attributes:
        rows: (N, D) float32.
        nearest: k → the k nearest of the fitted rows by cosine, of every row; a fitted row is no neighbour of itself.
            The graph is exact and shared: metrics and maps look at the same neighbours.
    """

    rows: Array
    nearest: Callable[[int], Graph]

    @classmethod
    def alone(cls, rows: Array) -> Points:
        """Rows (N, D) that a map is fitted on."""
        return cls(rows, cache(lambda k: Graph.of(rows, rows, k, exclude_self=True)))

    @classmethod
    def among(cls, rows: Array, fitted: Array) -> Points:
        """Rows (M, D) to be placed into a map of the rows ``fitted`` (N, D)."""
        return cls(rows, cache(lambda k: Graph.of(fitted, rows, k)))


@dataclass(frozen=True)
class Fitted:
    """A map and the way into it.

    Attributes:
        coordinates: (N, 2) of the rows it was fitted on.
        transform: places other points (M, D) as (M, 2), or None if the method cannot.
        kl_divergence: what a t-SNE has minimised, in nats; None of other methods.
    """

    coordinates: Coordinates
    transform: Callable[[Points], Coordinates] | None = None
    kl_divergence: float | None = None


@dataclass(frozen=True, kw_only=True)
class Reducer(ABC):
    """A method that makes maps.

    Args:
        max_points: rows of a split that are shown at most, drawn by class; None for all.
        fit_on: ``train`` fits the map on the train split and places the test split into it; ``each`` makes a map of
            each split alone, which cannot be compared with each other.
        seeds: how many seeds the map is fitted with; more than one tell how much of it is the seed's doing.

    Raises:
        ConfigError: if the method cannot place new rows and ``fit_on`` asks for it.
    """

    max_points: int | None = 10_000
    fit_on: Literal["train", "each"] = "train"
    seeds: int = 1
    places_new_rows: ClassVar[bool] = True
    reading: ClassVar[str] = "Axes have no unit; sizes of clusters and distances between clusters mean little."
    """How to read a map of this method, in one sentence that stands below it."""
    label: ClassVar[str] = ""
    """The method's name as it is printed, ``t-SNE``; empty for that of the class."""

    def __post_init__(self) -> None:
        if self.fit_on not in ("train", "each"):
            raise ConfigError(f"reducer.fit_on={self.fit_on} is neither train nor each", fix="reducer.fit_on=train")
        if self.fit_on == "train" and not self.places_new_rows:
            raise ConfigError(
                f"{self.words} cannot place test images into the train map",
                fix="reducer.fit_on=each, or reducer=tsne, which can",
            )
        if self.max_points is not None and self.max_points < MIN_ROWS:
            raise ConfigError(f"reducer.max_points={self.max_points} makes no map", fix="reducer.max_points=10000")
        if self.seeds < 1:
            raise ConfigError(f"reducer.seeds={self.seeds} makes no map", fix="reducer.seeds=1, or 5 for its stability")

    @property
    def words(self) -> str:
        """The method's name for a person."""
        return self.label or type(self).__name__

    @abstractmethod
    def fit(self, points: Points, seed: int, progress: Progress) -> Fitted:
        """Make a map of ``points`` (N, D), N ≥ 4, not all equal."""
        ...


def why_no_map(rows: Array) -> str | None:
    """The reason why ``rows`` (N, D) make no map, or None if they do."""
    if len(rows) < MIN_ROWS:
        return f"{len(rows)} images are too few for a map ({MIN_ROWS} needed)"
    if (rows == rows[0]).all():
        return "all rows are equal: there is nothing to map"
    return None
