"""What the metric families found, put down: numbers and tables into the ledger, and the pictures that go with them.

findings = Findings(ledger, title="resnet18 · last_conv · digits", thumbnails=thumbnails)
findings(scores, splits)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from frostmark.figures.examples import draw_image_pairs
from frostmark.figures.pairs import draw_confusability, draw_pairs
from frostmark.figures.shots import draw_shots
from frostmark.lit.callbacks.ledger import Ledger
from frostmark.metrics.confusability import similarity_order
from frostmark.metrics.metric import Scores, Splits
from frostmark.metrics.variance import pair_variance

Thumbnails = Callable[[str, Sequence[int], int | None], NDArray[np.uint8]]
"""(split, positions, longest side or None for as they are) → images (n, H, W, 3)."""

PAIRS_SHOWN = 8
"""Pairs of classes in ``confusable_pairs.png``."""


class Findings:
    """Takes in what each family found.

    Args:
        ledger: where everything goes.
        title: of the figures.
        thumbnails: the images themselves.
    """

    def __init__(self, ledger: Ledger, title: str, thumbnails: Thumbnails) -> None:
        self._ledger = ledger
        self._title = title
        self._thumbnails = thumbnails

    def __call__(self, scores: Scores, splits: Splits) -> None:
        """Put down ``scores``, and draw what their tables allow."""
        self._ledger.add_scores(scores)
        if "pair_variance" in scores.tables:
            self._draw_pair_variance(splits)
        if "confusable_pairs" in scores.tables:
            self._draw_confusability(splits)
            self._draw_confused_images(scores)
        if scores.tables.get("shots", {}).get("shots"):
            self._draw_shots(scores)

    def _draw_pair_variance(self, splits: Splits) -> None:
        matrices = {name: pair_variance(split.moments) for name, split in splits.items()}
        if not all(np.isfinite(m).any() for m in matrices.values()):
            self._ledger.skipped["pair_variance.png"] = "no class has an image"
            return
        classes = splits["train"].classes
        figure = draw_pairs(matrices, classes, _order(splits), f"{self._title} · variance of pooled pairs")
        self._ledger.add_figure("pair_variance.png", figure, vector=True)

    def _draw_confusability(self, splits: Splits) -> None:
        matrices = {name: split.confusability for name, split in splits.items()}
        if not all(np.isfinite(m).any() for m in matrices.values()):
            self._ledger.skipped["confusability.png"] = "no two classes have means that differ"
            return
        classes = splits["train"].classes
        figure = draw_confusability(matrices, classes, _order(splits), f"{self._title} · which classes are confused")
        self._ledger.add_figure("confusability.png", figure, image_key="confusability", vector=True)

    def _draw_confused_images(self, scores: Scores) -> None:
        table = scores.tables["confusable_pairs"]
        lines = [dict(zip(table, line, strict=True)) for line in zip(*table.values(), strict=True)]
        shown = [line for line in lines if line["split"] == "test"][:PAIRS_SHOWN]
        if not shown:
            self._ledger.skipped["confusable_pairs.png"] = "no two classes of the test split can be compared"
            return
        wanted = [int(line[side]) for line in shown for side in ("image_i", "image_j")]
        images = self._thumbnails("test", wanted, None)
        pairs = [
            (images[2 * n], str(line["name_i"]), images[2 * n + 1], str(line["name_j"]), float(line["cosine"]))
            for n, line in enumerate(shown)
        ]
        figure = draw_image_pairs(pairs, f"{self._title} · the most alike images of the classes confused most (test)")
        self._ledger.add_figure("confusable_pairs.png", figure, image_key="confusable_pairs")

    def _draw_shots(self, scores: Scores) -> None:
        table = scores.tables["shots"]
        shots, accuracy = np.array(table["shots"]), np.array(table["accuracy"])
        key = "test/neighbours/ncm_accuracy"
        everything = self._ledger.values.get(key)
        figure = draw_shots(
            {int(m): accuracy[shots == m] for m in np.unique(shots)},
            everything,
            self._ledger.chance.get(key),
            f"{self._title} · accuracy with few labels",
        )
        self._ledger.add_figure("shots.png", figure, vector=True)


def _order(splits: Splits) -> list[int]:
    """Classes that are alike stand side by side, in every picture of their pairs."""
    return [int(c) for c in similarity_order(splits["train"].confusability)]
