"""A reducer hands back what it promises: a map of two dimensions for every row, and a way into it.

fitted = fit(reducer, points, seed=0, progress=print)       # ConfigError that names the class and what it gave
coordinates = place(reducer, fitted, points)
"""

from __future__ import annotations

import numpy as np

from frostmark.errors import FrostmarkError, breach, foreign
from frostmark.reducers.reducer import Coordinates, Fitted, Points, Progress, Reducer


def fit(reducer: Reducer, points: Points, seed: int, progress: Progress) -> Fitted:
    """The map of ``points``.

    Raises:
        ConfigError: if the reducer's class is not ours and raises something, or gives what it must not.
    """
    with foreign(reducer, "reducer", "fit()"):
        fitted: object = reducer.fit(points, seed, progress)
    if not isinstance(fitted, Fitted):
        gave = f"gave a {type(fitted).__name__} as fit()"
        raise _breach(reducer, gave, "give Fitted(coordinates, transform) of frostmark.reducers.reducer")
    check_coordinates(reducer, fitted.coordinates, len(points.rows))
    if fitted.transform is None and reducer.fit_on == "train":
        raise _breach(
            reducer,
            "gave a map without transform, and fit_on=train needs one",
            "give Fitted(coordinates, transform), or declare places_new_rows = False and be used with fit_on=each",
        )
    divergence: object = fitted.kl_divergence
    if divergence is not None and not isinstance(divergence, int | float):
        gave = f"gave kl_divergence={divergence!r}"
        raise _breach(reducer, gave, "give a number of nats, or None")
    return fitted


def place(reducer: Reducer, fitted: Fitted, points: Points) -> Coordinates:
    """Where other points lie in the map.

    Raises:
        ConfigError: if the reducer's class is not ours and raises something, or gives what it must not.
    """
    assert fitted.transform is not None, "fit() refuses a map without transform where one is needed"
    with foreign(reducer, "reducer", "transform()"):
        placed = fitted.transform(points)
    check_coordinates(reducer, placed, len(points.rows))
    return placed


def check_coordinates(reducer: Reducer, coordinates: object, count: int) -> None:
    """Refuse what is not ``count`` finite points of two dimensions."""
    must = f"give a NumPy array of shape ({count}, 2): one point per row"
    if not isinstance(coordinates, np.ndarray) or coordinates.dtype.kind != "f":
        kind = f"an array of {coordinates.dtype}" if isinstance(coordinates, np.ndarray) else type(coordinates).__name__
        raise _breach(reducer, f"gave {kind} as coordinates", f"{must}, of floating-point numbers")
    if coordinates.shape != (count, 2):
        raise _breach(reducer, f"gave coordinates of shape {coordinates.shape}", must)
    bad = int((~np.isfinite(coordinates)).any(axis=1).sum())
    if bad:
        raise _breach(reducer, f"gave {bad} of {count} points that are not finite", "give finite coordinates")


def _breach(reducer: Reducer, gave: str, must: str) -> FrostmarkError:
    return breach(reducer, "reducer", gave, must)
