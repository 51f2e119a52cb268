"""The pictures of what the metric families found.

for picture in metric_pictures(scores, splits, "resnet18 · last_conv · digits", thumbnails):
    picture.name, picture.figure        # or why there is no figure: picture.why_none
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from frostmark.figures.examples import draw_image_pairs
from frostmark.figures.fonts import labels_of
from frostmark.figures.pairs import draw_confusability, draw_pairs
from frostmark.figures.shots import draw_shots
from frostmark.metrics.confusability import similarity_order
from frostmark.metrics.metric import Scores, Splits, Table
from frostmark.metrics.variance import pair_variance

Thumbnails = Callable[[str, Sequence[int], int | None], NDArray[np.uint8]]
"""(split, positions, longest side or None for as they are) → images (n, H, W, 3)."""

MAX_PAIR_CLASSES = 10
"""Classes of which every pair is drawn with its variance; the tables hold those of more."""

PAIRS_SHOWN = 8
"""Pairs of classes in ``confusable_pairs.png``."""

NO_IMAGES = "the images of the rows are not known"
"""Why there are no thumbnails."""

ALL_LABELS = "test/neighbours/ncm_accuracy"
"""What accuracy with few labels is set beside."""


@dataclass(frozen=True)
class Picture:
    """One picture of a run.

    Attributes:
        name: of the artifact.
        figure: what is drawn; None if there is nothing to draw.
        image_key: under which it stands in the tracker's grid of images; empty for not at all.
        vector: whether an SVG of the same stem goes with it where SVG is asked for, for papers.
        why_none: why there is no figure.
    """

    name: str
    figure: Figure | None
    image_key: str = ""
    vector: bool = False
    why_none: str = ""


def metric_pictures(scores: Scores, splits: Splits, title: str, thumbnails: Thumbnails | None) -> Iterator[Picture]:
    """What the tables of a family allow to draw.

    Args:
        scores: of one family.
        splits: what the family saw.
        title: of the figures.
        thumbnails: the images themselves; None where they are not known.
    """
    if "pair_variance" in scores.tables:
        yield _pair_variance(splits, title)
    if "confusable_pairs" in scores.tables:
        yield _confusability(splits, title)
        yield _confused_images(scores.tables["confusable_pairs"], splits["train"].classes, title, thumbnails)
    if scores.tables.get("shots", {}).get("shots"):
        yield _shots(scores, title)


def _pair_variance(splits: Splits, title: str) -> Picture:
    classes = splits["train"].classes
    if len(classes) > MAX_PAIR_CLASSES:
        why = f"drawn up to {MAX_PAIR_CLASSES} classes; pair_variance.csv holds the pairs"
        return Picture("pair_variance.png", None, why_none=why)
    matrices = {name: pair_variance(split.moments) for name, split in splits.items()}
    if not all(np.isfinite(m).any() for m in matrices.values()):
        return Picture("pair_variance.png", None, why_none="no class has an image")
    figure = draw_pairs(matrices, classes, _order(splits), f"{title} · variance of pooled pairs")
    return Picture("pair_variance.png", figure, vector=True)


def _confusability(splits: Splits, title: str) -> Picture:
    matrices = {name: split.confusability for name, split in splits.items()}
    if not all(np.isfinite(m).any() for m in matrices.values()):
        return Picture("confusability.png", None, why_none="no two classes have means that differ")
    classes = splits["train"].classes
    figure = draw_confusability(matrices, classes, _order(splits), f"{title} · which classes lie close in the features")
    return Picture("confusability.png", figure, "confusability", vector=True)


def _confused_images(table: Table, classes: Sequence[str], title: str, thumbnails: Thumbnails | None) -> Picture:
    if thumbnails is None:
        return Picture("confusable_pairs.png", None, why_none=NO_IMAGES)
    lines = [dict(zip(table, line, strict=True)) for line in zip(*table.values(), strict=True)]
    shown = [line for line in lines if line["split"] == "test"][:PAIRS_SHOWN]
    if not shown:
        return Picture("confusable_pairs.png", None, why_none="no two classes of the test split can be compared")
    wanted = [int(line[side]) for line in shown for side in ("image_i", "image_j")]
    images = thumbnails("test", wanted, None)
    said = dict(zip(classes, labels_of(classes), strict=True))
    pairs = [
        (
            images[2 * n],
            said[str(line["name_i"])],
            images[2 * n + 1],
            said[str(line["name_j"])],
            float(line["cosine"]),
        )
        for n, line in enumerate(shown)
    ]
    figure = draw_image_pairs(pairs, f"{title} · the most similar images of the closest classes (test)")
    return Picture("confusable_pairs.png", figure, "confusable_pairs")


def _shots(scores: Scores, title: str) -> Picture:
    table = scores.tables["shots"]
    shots, accuracy = np.array(table["shots"]), np.array(table["accuracy"])
    everything = scores.values.get(ALL_LABELS)
    figure = draw_shots(
        {int(m): accuracy[shots == m] for m in np.unique(shots)},
        everything if isinstance(everything, float) else None,
        scores.chance.get(ALL_LABELS),
        f"{title} · accuracy with few labels",
    )
    return Picture("shots.png", figure, vector=True)


def _order(splits: Splits) -> list[int]:
    """Classes that are alike stand side by side, in every picture of their pairs."""
    return [int(c) for c in similarity_order(splits["train"].confusability)]
