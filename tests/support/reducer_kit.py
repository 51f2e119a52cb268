"""The kit that checks what a reducer hands back; a plugin's own tests may use it.

assert problems(MyReducer()) == []
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from frostmark.errors import FrostmarkError
from frostmark.reducers.contract import fit, place
from frostmark.reducers.reducer import Fitted, Points, Reducer

TRAIN, TEST, WIDTH, CLASSES = 90, 30, 12, 3


def problems(reducer: Reducer) -> list[str]:
    """Everything in which a reducer is not what :class:`Reducer` asks for, on rows of three classes."""
    try:
        return list(_problems(reducer))
    except FrostmarkError as problem:
        return [problem.problem]


def rows() -> tuple[np.ndarray, np.ndarray]:
    """(90, 12) and (30, 12) float32 of three classes."""
    rng = np.random.default_rng(0)
    centres = 4 * rng.standard_normal((CLASSES, WIDTH))
    labels = np.arange(TRAIN + TEST) % CLASSES
    of = (centres[labels] + rng.standard_normal((TRAIN + TEST, WIDTH))).astype(np.float32)
    return of[:TRAIN], of[TRAIN:]


def _problems(reducer: Reducer) -> Iterator[str]:
    train, test = rows()
    before, state = train.copy(), str(np.random.get_state())
    first = _fitted(reducer, train)
    if not np.array_equal(train, before):
        yield "fit() changes the rows"
    if str(np.random.get_state()) != state:
        yield "fit() changes the state of NumPy's global generator"
    again = _fitted(reducer, train)
    if not np.array_equal(first.coordinates, again.coordinates):
        yield "fit() gives another map each time with one seed"
    if len(np.unique(first.coordinates, axis=0)) < 2:
        yield "all points of the map lie in one place"
    if (first.transform is not None) != reducer.places_new_rows:
        yield f"places_new_rows={reducer.places_new_rows}, and the map has transform={first.transform}"
    if first.transform is not None:
        place(reducer, first, Points.among(test, train))
    _fitted(reducer, train[:4])  # the fewest rows that make a map
    yield from ()


def _fitted(reducer: Reducer, of: np.ndarray) -> Fitted:
    return fit(reducer, Points.alone(of), 0, lambda text: None)
