"""Which rows are shown when there are too many: the same images for every backbone.

chosen = stratified(labels, most=10_000, rng=seeded(0, fingerprint, "train"))
shown = shown_sample(labels[chosen], "train")           # those of a map that a comparison shows
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from frostmark.stats.moments import Array

MAX_SHOWN = 3_000
"""Images per split whose thumbnails a run keeps, and which a comparison shows in its linked maps."""

THUMBNAIL = 48
"""Pixels per side of these thumbnails, at most."""


def shown_sample(labels: Array, split: str) -> NDArray[np.int64]:
    """Indices, ascending, of the points of a map that a comparison shows: at most :data:`MAX_SHOWN`, stratified.

    They depend on the ``labels`` (N,) of the map's points and on the name of the split alone: a run can keep the
    thumbnails of these images long before anybody knows what the run will be compared with.
    """
    return stratified(labels, MAX_SHOWN, seeded(0, "comparison", split))


def seeded(seed: int, *context: str) -> np.random.Generator:
    """A generator that depends on ``seed`` and the words of ``context`` alone."""
    digest = hashlib.blake2b("/".join((str(seed), *context)).encode(), digest_size=16).digest()
    return np.random.default_rng(int.from_bytes(digest, "little"))


def some_of_each(labels: Array, most: int, least: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Indices, ascending, of about ``most`` of the rows with ``labels`` (N,), at least ``least`` of each class shown.

    For what compares rows of one class with each other: a class that has fewer rows gives all of them, and where there
    are too many classes for that, some are left out whole.
    """
    if most >= len(labels):
        return np.arange(len(labels))
    classes, counts = np.unique(labels, return_counts=True)
    if len(classes) * least > most:
        shown = np.sort(rng.choice(len(classes), max(most // least, 2), replace=False))
        classes, counts = classes[shown], counts[shown]
    share = np.minimum(counts, np.maximum(least, counts * most // counts.sum()))
    drawn = [rng.choice(np.flatnonzero(labels == c), n, replace=False) for c, n in zip(classes, share, strict=True)]
    return np.sort(np.concatenate(drawn)).astype(np.int64)


def some(count: int, most: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Indices, ascending, of at most ``most`` of ``count`` rows."""
    if most >= count:
        return np.arange(count)
    return np.sort(rng.choice(count, most, replace=False)).astype(np.int64)


def stratified(labels: Array, most: int | None, rng: np.random.Generator) -> NDArray[np.int64]:
    """Indices, ascending, of at most ``most`` of the rows with ``labels`` (N,), classes in their proportions.

    Shares are rounded by largest remainder, ties to the lower class; every index is there if ``most`` allows it.
    """
    if most is None or most >= len(labels):
        return np.arange(len(labels))
    classes, counts = np.unique(labels, return_counts=True)
    exact = counts * (most / len(labels))
    shares = np.floor(exact).astype(int)
    for i in np.argsort(shares - exact, kind="stable")[: most - shares.sum()]:
        shares[i] += 1
    drawn = [
        rng.choice(np.flatnonzero(labels == c), share, replace=False) for c, share in zip(classes, shares, strict=True)
    ]
    return np.sort(np.concatenate(drawn)).astype(np.int64)
