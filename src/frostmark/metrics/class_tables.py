"""Tables of classes and of pairs of classes: whom each is confused with, and how far it moves between the splits.

scores.tables["confusable_pairs"] = stacked([confused_table(split) for split in splits.values()])
class_shift(train.moments, test.moments)       # (C,) in units of the class's own spread
"""

from __future__ import annotations

import numpy as np

from frostmark.metrics.confusability import confused_pairs, nearest_between
from frostmark.metrics.metric import Split, Splits, Table, columns
from frostmark.stats.moments import ClassMoments, Float
from frostmark.stats.permutation import in_threads

PAIRS_LISTED = 20
"""Pairs of classes in the table of the most confusable ones."""


def separability_table(split: Split, silhouette: Float | None) -> Table:
    """One line a class: its mean silhouette, and the class it is confused with most."""
    present, matrix = split.moments.present, split.confusability
    partner = [_worst(matrix[c]) for c in present]
    of_class = [np.nan if silhouette is None else _mean_of_known(silhouette[split.labels == c]) for c in present]
    return {
        "split": [split.name] * len(present),
        "class": present.tolist(),
        "name": [split.classes[c] for c in present],
        "images": split.moments.count[present].tolist(),
        "silhouette": of_class,
        "most_confused_with": ["" if p is None else split.classes[p] for p in partner],
        "directional_cdnv": [
            np.nan if p is None else float(matrix[c, p]) for c, p in zip(present, partner, strict=True)
        ],
    }


def _worst(line: Float) -> int | None:
    return int(np.nanargmax(line)) if np.isfinite(line).any() else None


def _mean_of_known(values: Float) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")


def confused_table(split: Split) -> Table:
    """The pairs confused most, each with the two images that look most alike (positions in the split)."""
    matrix = split.confusability
    pairs = confused_pairs(matrix, PAIRS_LISTED)
    alike = in_threads(lambda pair: nearest_between(split.rows, split.labels, *pair), pairs)
    lines = [
        (split.name, split.classes[i], split.classes[j], float(matrix[i, j]), *images)
        for (i, j), images in zip(pairs, alike, strict=True)
    ]
    return columns(("split", "name_i", "name_j", "directional_cdnv", "image_i", "image_j", "cosine"), lines)


def class_shift(one: ClassMoments, other: ClassMoments) -> Float:
    """(C,) how far each class mean moves between two splits, in units of the class's own spread.

    ‖μ_c − μ'_c‖ / √((σ_c² + σ'_c²)/2), from the squared distance less the scatter s²/n of both estimated means; 0 where
    nothing is left of it, NaN for a class with fewer than two rows in either split, or without spread.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        noise = one.variance / (one.count - 1) + other.variance / (other.count - 1)
        squared = ((one.mean - other.mean) ** 2).sum(1) - noise
        shift = np.sqrt(np.maximum(squared, 0) / ((one.variance + other.variance) / 2))
    return np.where((one.count > 1) & (other.count > 1) & np.isfinite(shift), shift, np.nan)


def shift_table(splits: Splits) -> Table:
    """One line a class: :func:`class_shift` between train and test."""
    train, test = splits["train"], splits["test"]
    shift = class_shift(train.moments, test.moments)
    lines = [(c, name, float(value)) for c, (name, value) in enumerate(zip(train.classes, shift, strict=True))]
    return columns(("class", "name", "shift_in_spreads"), lines)
