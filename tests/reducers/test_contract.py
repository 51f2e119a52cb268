"""A reducer that is not ours and hands back something else than a map is named, with what it gave."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

from frostmark.errors import ConfigError
from frostmark.reducers.contract import fit, place
from frostmark.reducers.reducer import Fitted, Points, Progress, Reducer
from support.reducer_kit import problems, rows

TRAIN, TEST = rows()


def placing(points: Points) -> np.ndarray:
    return points.rows[:, :2].astype(np.float64)


@dataclass(frozen=True, kw_only=True)
class Giving(Reducer):
    """Gives whatever a function makes of the points."""

    make: Callable[[Points], object]

    def fit(self, points: Points, seed: int, progress: Progress) -> Fitted:
        return self.make(points)  # type: ignore[return-value]


class GivingEach(Giving):
    places_new_rows: ClassVar[bool] = False


def with_nan(points: Points) -> np.ndarray:
    coordinates = placing(points)
    coordinates[3, 1] = np.nan
    return coordinates


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda p: placing(p), "gave a ndarray as fit(); it must give Fitted(coordinates, transform)"),
        (lambda p: None, "gave a NoneType as fit()"),
        (lambda p: Fitted(p.rows[:, :3], placing), "gave coordinates of shape (90, 3); it must give a NumPy array of"),
        (lambda p: Fitted(placing(p)[:-1], placing), "gave coordinates of shape (89, 2)"),
        (lambda p: Fitted(with_nan(p), placing), "gave 1 of 90 points that are not finite"),
        (lambda p: Fitted(placing(p).tolist(), placing), "gave list as coordinates"),
        (lambda p: Fitted(placing(p).astype(int), placing), "gave an array of int64 as coordinates"),
        (lambda p: Fitted(placing(p)), "gave a map without transform, and fit_on=train needs one"),
        (lambda p: Fitted(placing(p), placing, "low"), "gave kl_divergence='low'"),
        (lambda p: 1 / 0, "Giving: fit() raised ZeroDivisionError: division by zero"),
    ],
)
def test_what_is_not_a_map_is_named(make: Callable[[Points], object], sentence: str) -> None:
    reducer = Giving(make=make)
    with pytest.raises(ConfigError) as told:
        fit(reducer, Points.alone(TRAIN), 0, print)
    assert told.value.code == 2
    assert sentence in told.value.problem
    assert "test_contract.Giving" in told.value.problem
    assert problems(reducer) == [told.value.problem]


@pytest.mark.parametrize(
    ("transform", "sentence"),
    [
        (lambda p: p.rows, "gave coordinates of shape (30, 12)"),
        (lambda p: placing(p)[1:], "gave coordinates of shape (29, 2); it must give a NumPy array of shape (30, 2)"),
        (with_nan, "gave 1 of 30 points that are not finite"),
        (lambda p: {}["x"], "transform() raised KeyError: 'x'"),
    ],
)
def test_placed_rows_are_looked_at_too(transform: Callable[[Points], np.ndarray], sentence: str) -> None:
    reducer = Giving(make=lambda p: Fitted(placing(p), transform))
    fitted = fit(reducer, Points.alone(TRAIN), 0, print)
    with pytest.raises(ConfigError) as told:
        place(reducer, fitted, Points.among(TEST, TRAIN))
    assert sentence in told.value.problem


def test_a_right_map_passes() -> None:
    assert problems(Giving(make=lambda p: Fitted(placing(p), placing))) == []
    assert problems(GivingEach(make=lambda p: Fitted(placing(p)), fit_on="each")) == []


def test_the_kit_finds_what_a_run_cannot() -> None:
    noise = np.random.default_rng(0)
    drawn = Giving(make=lambda p: Fitted(noise.random((len(p.rows), 2)), placing))
    assert problems(drawn) == ["fit() gives another map each time with one seed"]
    still = Giving(make=lambda p: Fitted(np.zeros((len(p.rows), 2)), placing))
    assert problems(still) == ["all points of the map lie in one place"]
