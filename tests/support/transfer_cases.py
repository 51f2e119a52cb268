"""Rows with a few classes, and the four transfer measures of them in one call."""

from __future__ import annotations

from typing import Any

import numpy as np

from frostmark.metrics.evidence import logme
from frostmark.metrics.gbc import gbc, spherical
from frostmark.metrics.h_scores import h_score, h_score_shrunk
from frostmark.metrics.metric import Scores, make_splits
from frostmark.metrics.spectrum import Spectrum
from frostmark.metrics.transfer import Transfer

Array = np.ndarray[Any, Any]
NAMES = ("logme", "h_score", "h_score_shrunk", "gbc")


def blobs(n: int, d: int, classes: int, *, apart: float = 1.0, seed: int = 0) -> tuple[Array, Array]:
    """Classes of uneven sizes, features of uneven variances, rows far from zero."""
    rng = np.random.default_rng(seed)
    labels = np.concatenate([np.arange(classes), np.minimum(rng.integers(0, classes + 1, n - classes), classes - 1)])
    rows = rng.standard_normal((n, d)) + apart * rng.standard_normal((classes, d))[labels]
    return rows * np.exp(rng.uniform(-1, 1, d)) + 3, labels


def scores(rows: Array, labels: Array, *, nleep: bool = False, count: int = 0, classes: int | None = None) -> Scores:
    names = tuple(f"c{i}" for i in range(classes or int(labels.max()) + 1))
    only = {"test": rows.astype(np.float32)}, {"test": labels}
    splits = make_splits(*only, names, resamples=0, permutations=count)
    return Transfer(nleep=nleep)(splits)


def four(rows: Array, labels: Array) -> Array:
    spectrum = Spectrum.of(rows)
    overlap = gbc(*spherical(spectrum.coordinates(64), labels))
    return np.array([logme(spectrum, labels), h_score(spectrum, labels), h_score_shrunk(spectrum, labels), overlap])


def between(rows: Array, labels: Array) -> Array:
    """cov(E[x|y]), divided by N, as one would write it down."""
    expected = np.stack([rows[labels == y].mean(0) for y in labels])
    return np.cov(expected.T, bias=True).reshape(rows.shape[1], -1)
