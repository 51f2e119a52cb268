"""The few labelled images of the shots curves: the same choices for every read-out, backbone and layer.

for drawn in choices(train, shots=4):                # (C, 4) positions, 20 times
    ...
asked = asked_of(train, test)                        # positions of the test images that are asked for
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from frostmark.metrics.metric import Split, Undefined
from frostmark.stats.sampling import seeded, stratified

SHOTS = (1, 2, 4, 8, 16)
"""Labelled rows a class of the curve."""

SHOT_DRAWS = 20
"""Random choices of the labelled rows at each of them."""

SHOT_QUERIES = 10_000
"""Test rows that the curve asks at most, classes in their proportions."""

SHOT_COMPARISONS = 2_000_000
"""Test rows times classes at most, where these are many: each of the curve's 100 points compares all of them. 2,000
rows know an accuracy to a hundredth; how it spreads between the draws they know as well as more would."""


def few_of_each(labels: NDArray[np.int64], classes: int, shots: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """(C, shots) positions of rows of each class, drawn without replacement.

    Raises:
        ValueError: if a class has fewer.
    """
    order = rng.permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]  # by class, shuffled within
    start = np.searchsorted(labels[order], np.arange(classes))
    if (np.bincount(labels, minlength=classes)[:classes] < shots).any():
        raise ValueError(f"a class has fewer than {shots} rows")
    return np.asarray(order[start[:, None] + np.arange(shots)])


def too_few(train: Split, shots: int) -> Undefined | None:
    """Why there are no choices of so many labelled rows per class; None if there are."""
    fewest = int(train.moments.count[train.moments.present].min())
    return Undefined(f"a train class has fewer than {shots} images") if shots > fewest else None


def choices(train: Split, shots: int) -> Iterator[NDArray[np.int64]]:
    """The :data:`SHOT_DRAWS` choices (C, shots) of labelled rows, classes that have rows in their order."""
    present = train.moments.present
    labels = np.searchsorted(present, train.labels)
    rng = seeded(0, *train.resamples.context, "shots", str(shots))
    return (few_of_each(labels, len(present), shots, rng) for _ in range(SHOT_DRAWS))


def asked_of(train: Split, test: Split) -> NDArray[np.int64]:
    """Positions of the test rows that the curve asks: :data:`SHOT_QUERIES` at most, and fewer with many classes.

    An image is not asked for where train has images of its group: few labelled images would know it by its group. None
    may be left (:func:`none_asked`).
    """
    rows = np.arange(len(test.labels))
    if test.groups is not None and train.groups is not None:
        rows = np.flatnonzero(~np.isin(test.groups, train.groups))
    most = min(SHOT_QUERIES, max(SHOT_COMPARISONS // len(train.moments.present), 1000))
    return rows[stratified(test.labels[rows], most, seeded(0, *test.resamples.context, "shots"))]


def none_asked(asked: NDArray[np.int64]) -> Undefined | None:
    """Why no test image can be asked; None if there are any."""
    return None if len(asked) else Undefined("train has images of every test image's group")
