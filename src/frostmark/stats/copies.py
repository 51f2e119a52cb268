"""Near copies between two sets of images: the same picture saved again, at another size or quality, or mirrored.

    copies = near_copies(train, test)                   # sketches (N, 1025) and (M, 1025) uint8
    copies.query, copies.bank, copies.correlation       # (K,) each: which test images, of which train images, how alike

A perceptual hash is the low frequencies of a small grey picture: the 35 lowest coefficients of its cosine transform
without the mean, at unit length. Saving a picture again hardly changes them. A test image is a near copy of its nearest
train image if the two hashes nearly agree, if no other picture comes anywhere near (ten times nearer than the sixth
nearest train image: in a class of trousers all hashes nearly agree), and if their pixels agree as well, up to the
sixteenth frequency. docs/leaks.md has what was measured.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dctn

from frostmark.stats.moments import Array
from frostmark.stats.neighbours import nearest_rows

EDGE = 32
"""Pixels a side of the grey picture in a sketch."""

SKETCH_WIDTH = EDGE * EDGE + 1
"""Bytes of a sketch: the picture, and the shorter side of the image in pixels, 255 at most."""

HASHED, COMPARED = 6, 16
"""Frequencies along a side that make the hash, and those that pixels are compared by."""

OTHERS = 5
"""Train images that may be copies of the same picture: the next one is what a copy must be nearer than."""

MAX_DISTANCE = 0.01
"""Of the hashes of two copies: one less their cosine."""

MAX_RATIO = 0.1
"""Of this distance to that of the picture that comes next."""

MIN_CORRELATION = 0.9
"""Of the pixels of two copies."""

MIN_SIDE = 12
"""Pixels: too little is in smaller images, of which many have the same hash."""

MIN_SPREAD = 2.0
"""Grey levels, as a standard deviation: of plainer pictures the hash is noise."""

_AT_ONCE = 4096


@dataclass(frozen=True)
class Copies:
    """Pairs of near copies, in the order of the queries, each of which has one at most.

    Attributes:
        query, bank: (K,) int64 which images.
        correlation: (K,) float64 of their pixels.
        mirrored: (K,) bool, whether one is the mirror image of the other.
    """

    query: NDArray[np.int64]
    bank: NDArray[np.int64]
    correlation: NDArray[np.float64]
    mirrored: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.query)


@dataclass(frozen=True)
class _Pictures:
    """What is compared of images.

    Attributes:
        hashes: (N, 35) float32 of unit length; zeros of an image that cannot be told from others.
        fit: (N,) bool, whether it can.
    """

    sketches: NDArray[np.uint8]
    hashes: NDArray[np.float32]
    fit: NDArray[np.bool_]

    @classmethod
    def of(cls, sketches: NDArray[np.uint8]) -> Self:
        hashes = np.empty((len(sketches), HASHED * HASHED - 1), np.float32)
        fit = sketches[:, -1] >= MIN_SIDE
        for part in _parts(len(sketches)):
            low = _frequencies(sketches[part], HASHED)
            spread = np.linalg.norm(low, axis=1) / EDGE
            fit[part] &= spread >= MIN_SPREAD
            hashes[part] = _unit(low)
        hashes[~fit] = 0
        return cls(sketches, hashes, fit)

    def pixels(self, which: NDArray[np.int64]) -> NDArray[np.float32]:
        """(n, 255) what pixels are compared by, of unit length."""
        return _unit(_frequencies(self.sketches[which], COMPARED))


def are_small(sketches: NDArray[np.uint8]) -> bool:
    """Whether all images are too small for near copies to be told from other images."""
    return bool((sketches[:, -1] < MIN_SIDE).all())


def near_copies(
    bank: NDArray[np.uint8], queries: NDArray[np.uint8], nearest: NDArray[np.integer] | None = None
) -> Copies:
    """The images among ``queries`` (M, :data:`SKETCH_WIDTH`) that are near copies of an image of the ``bank`` (N, …).

    Args:
        nearest: (M, k) images of the bank that are near each query for another reason, such as the features of a
            network, which know a mirror image: these are compared mirrored as well.
    """
    count = min(OTHERS + 1, len(bank))
    if count < 2 or not len(queries):
        return _chosen(np.zeros((0, 4)))
    ours, theirs = _Pictures.of(queries), _Pictures.of(bank)
    index, similarity = nearest_rows(theirs.hashes, ours.hashes, count, "cosine")
    distance = np.maximum(1 - similarity.astype(np.float64), 0)
    limit = np.minimum(MAX_DISTANCE, MAX_RATIO * distance[:, -1])
    found = [_confirmed(ours, theirs, index[:, 0], distance[:, 0], limit, mirrored=False)]
    if nearest is not None:
        found += [_confirmed(ours, theirs, *_mirrored(ours, theirs, of), limit, mirrored=True) for of in nearest.T]
    return _chosen(np.concatenate(found))


def _mirrored(
    ours: _Pictures, theirs: _Pictures, which: NDArray[np.integer]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The images of the bank, and the distance of every query's hash to that of the mirror image of its own."""
    similarity = (ours.hashes * _SIGNS[HASHED] * theirs.hashes[which]).sum(1)
    return which.astype(np.int64), 1 - similarity.astype(np.float64)


def _confirmed(
    ours: _Pictures,
    theirs: _Pictures,
    which: NDArray[np.int64],
    distance: NDArray[np.float64],
    limit: NDArray[np.float64],
    *,
    mirrored: bool,
) -> Array:
    """(K, 4) query, image of the bank, correlation and mirrored, of those whose pixels agree as their hashes do."""
    query = np.flatnonzero((distance <= limit) & ours.fit & theirs.fit[which])
    pixels = ours.pixels(query) * (_SIGNS[COMPARED] if mirrored else 1)
    correlation = (pixels * theirs.pixels(which[query])).sum(1)
    lines: Array = np.stack([query, which[query], correlation, np.full(len(query), mirrored)], axis=1)
    return np.asarray(lines[correlation >= MIN_CORRELATION])


def _chosen(lines: Array) -> Copies:
    """Of several lines of one query that with the highest correlation; as it is before mirrored."""
    order = np.lexsort((lines[:, 3], -lines[:, 2], lines[:, 0]))
    lines = lines[order]
    lines = lines[np.unique(lines[:, 0], return_index=True)[1]]
    return Copies(lines[:, 0].astype(np.int64), lines[:, 1].astype(np.int64), lines[:, 2], lines[:, 3] > 0)


def _frequencies(sketches: NDArray[np.uint8], count: int) -> NDArray[np.float32]:
    """(n, count² − 1) the lowest coefficients of the cosine transform of each picture, without the mean."""
    pictures = sketches[:, :-1].reshape(-1, EDGE, EDGE).astype(np.float32)
    low: NDArray[np.float32] = dctn(pictures, axes=(1, 2), norm="ortho")[:, :count, :count]
    return np.asarray(low.reshape(len(sketches), count * count)[:, 1:], np.float32)


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(length > 0, length, 1), np.float32)


def _signs(count: int) -> NDArray[np.float32]:
    """(count² − 1,) what mirroring left and right does to the coefficients: those of odd frequencies change sign."""
    row = np.where(np.arange(count) % 2, -1, 1).astype(np.float32)
    return np.tile(row, count)[1:]


_SIGNS = {count: _signs(count) for count in (HASHED, COMPARED)}


def _parts(count: int) -> Iterator[slice]:
    """Some images at a time: the pictures of all of them as float32 are not held at once."""
    return (slice(start, start + _AT_ONCE) for start in range(0, count, _AT_ONCE))
