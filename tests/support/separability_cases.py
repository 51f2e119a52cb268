"""Rows with a few classes, and every separability measure of them in one call."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from frostmark.metrics.class_ratios import (
    OF_SUMMARY,
    class_spreads,
)
from frostmark.metrics.collapse import nc1
from frostmark.metrics.metric import Scores, make_splits
from frostmark.metrics.separability import Separability
from frostmark.stats.moments import ClassMoments, ClassSummary
from frostmark.stats.scatter import total_scatter

Array = np.ndarray[Any, Any]
NAMES = (*OF_SUMMARY, "nc1", "silhouette")


def blobs(n: int, d: int, classes: int, *, apart: float = 1.0, seed: int = 0) -> tuple[Array, Array]:
    """Classes of uneven sizes, two rows each at least, features of uneven variances, rows away from zero."""
    rng = np.random.default_rng(seed)
    labels = np.concatenate(
        [np.repeat(np.arange(classes), 2), np.minimum(rng.integers(0, classes + 1, n), classes - 1)]
    )
    labels = rng.permutation(labels[:n])
    rows = rng.standard_normal((n, d)) + apart * rng.standard_normal((classes, d))[labels]
    return rows * np.exp(rng.uniform(-1, 1, d)) + 3, labels


def summary_of(rows: Array, labels: Array) -> ClassSummary:
    moments = ClassMoments.of(rows, labels, int(labels.max()) + 1)
    return replace(moments.summary, spread=class_spreads(rows, labels, moments))


def nc1_of(rows: Array, labels: Array) -> float:
    summary = summary_of(rows, labels)
    return nc1(summary.mean, total_scatter(rows), summary.count)


def every(rows: Array, labels: Array) -> dict[str, float]:
    summary = summary_of(rows, labels)
    return {name: float(f(summary)) for name, f in OF_SUMMARY.items()} | {"nc1": nc1_of(rows, labels)}


def scatters(rows: Array, labels: Array) -> tuple[Array, Array]:
    """S_W and S_B, D×D, as one would write them down."""
    grand, d = rows.mean(0), rows.shape[1]
    within, between = np.zeros((d, d)), np.zeros((d, d))
    for c in np.unique(labels):
        x = rows[labels == c]
        within += (x - x.mean(0)).T @ (x - x.mean(0))
        between += len(x) * np.outer(x.mean(0) - grand, x.mean(0) - grand)
    return within, between


def scores(
    rows: Array, labels: Array, *, train: tuple[Array, Array] | None = None, classes: int | None = None, **more: int
) -> Scores:
    """The family of a test split, beside a train split that has nothing wrong with it unless one is given."""
    names = tuple(f"c{i}" for i in range(classes or int(labels.max()) + 1))
    sound = (
        np.random.default_rng(9).standard_normal((3 * len(names), rows.shape[1])),
        np.arange(3 * len(names)) % len(names),
    )
    train_rows, train_labels = sound if train is None else train
    splits = make_splits(
        {"train": train_rows.astype(np.float32), "test": rows.astype(np.float32)},
        {"train": train_labels, "test": labels},
        names,
        resamples=more.get("resamples", 20),
        permutations=more.get("permutations", 10),
    )
    return Separability()(splits)


SHAPES = [(60, 5, 2), (200, 12, 7), (40, 90, 3), (30, 1, 3)]
