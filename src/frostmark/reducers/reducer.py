"""What a reducer is: rows in, a map of two dimensions out, and new rows placed into it where the method can.

    fitted = TSNE().fit(train_rows, seed=0, progress=print)
    fitted.coordinates                    # (N, 2)
    fitted.transform(test_rows)           # (M, 2), or None in its place where the method has no such thing

To add one, write one file with a subclass and one YAML. Heavy libraries are imported inside ``fit``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from frostmark.errors import ConfigError
from frostmark.stats.moments import Array

Coordinates = NDArray[np.float64]
Progress = Callable[[str], None]
"""Told now and then, in a few words, how far a long fit has come."""

MIN_ROWS = 4
"""Fewer rows make no map."""


@dataclass(frozen=True)
class Fitted:
    """A map and the way into it.

    Attributes:
        coordinates: (N, 2) of the rows it was fitted on.
        transform: places rows (M, D) as (M, 2), or None if the method cannot.
    """

    coordinates: Coordinates
    transform: Callable[[Array], Coordinates] | None = None


@dataclass(frozen=True, kw_only=True)
class Reducer(ABC):
    """A method that makes maps.

    Args:
        max_points: rows of a split that are shown at most, drawn by class; None for all.
        fit_on: ``train`` fits the map on the train split and places the test split into it; ``each`` makes a map of
            each split alone, which cannot be compared with each other.

    Raises:
        ConfigError: if the method cannot place new rows and ``fit_on`` asks for it.
    """

    max_points: int | None = 10_000
    fit_on: Literal["train", "each"] = "train"
    places_new_rows: ClassVar[bool] = True
    reading: ClassVar[str] = "Axes have no unit; sizes of clusters and distances between them mean little."
    """How to read a map of this method, in one sentence that stands below it."""

    def __post_init__(self) -> None:
        if self.fit_on not in ("train", "each"):
            raise ConfigError(f"reducer.fit_on={self.fit_on} is neither train nor each", fix="reducer.fit_on=train")
        if self.fit_on == "train" and not self.places_new_rows:
            raise ConfigError(
                f"{type(self).__name__} cannot place test images into the train map",
                fix="reducer.fit_on=each, or reducer=tsne, which can",
            )
        if self.max_points is not None and self.max_points < MIN_ROWS:
            raise ConfigError(f"reducer.max_points={self.max_points} makes no map", fix="reducer.max_points=10000")

    @abstractmethod
    def fit(self, rows: Array, seed: int, progress: Progress) -> Fitted:
        """Make a map of ``rows`` (N, D), N ≥ 4, not all equal."""
        ...


def why_no_map(rows: Array) -> str | None:
    """The reason why ``rows`` (N, D) make no map, or None if they do."""
    if len(rows) < MIN_ROWS:
        return f"{len(rows)} images are too few for a map ({MIN_ROWS} needed)"
    if (rows == rows[0]).all():
        return "all rows are equal: there is nothing to map"
    return None
