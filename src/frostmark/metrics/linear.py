"""How well a linear classifier reads the classes out of the rows: a linear probe, deterministic and in seconds.

    scores = Linear()(splits)
    scores.values["test/linear/accuracy"], scores.outcomes["test/linear_hits"]

Multinomial logistic regression of rows standardised by train, its penalty chosen on train images held out; see
:mod:`frostmark.metrics.read_out`. docs/validity.md compares it with a probe tuned by cross-validation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from itertools import islice
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from frostmark.metrics.graphs import Arrays
from frostmark.metrics.kept import digest, drawn_from
from frostmark.metrics.kinds import Across, Kind
from frostmark.metrics.metric import ONE_CLASS, Scores, Split, Splits, Undefined, columns, stacked
from frostmark.metrics.predictions import add_accuracies, confusion, recalls
from frostmark.metrics.read_out import MIN_HELD_OUT, ReadOut, Train, can_hold_out, folds_of, read
from frostmark.metrics.shots import SHOT_DRAWS, SHOTS, asked_of, choices, none_asked, too_few
from frostmark.stats.grouped import count_groups
from frostmark.stats.sampling import seeded

SHOT_WORK = 3e10
"""Multiplications of one step of all fits to the choices of so many labelled rows: more choices take too long."""

SCHEMA = "linear1"
"""Names the way a read-out is fitted; read-outs that were kept under another name are fitted anew."""

_share = partial(Kind, better="higher", across=Across.NETWORKS, share=True, range=(0, 1), of_axes=True)

KINDS: Mapping[str, Kind] = {
    "linear/accuracy": _share(
        "linear accuracy",
        pairs="linear_hits",
        headline=1,
        meaning="logistic regression of standardised rows, fitted on train; a train image is predicted without itself",
    ),
    "linear/balanced_accuracy": _share(
        "balanced linear accuracy",
        pairs="linear_hits",
        balanced=True,
        headline=3,
        meaning="mean recall of the classes, regardless of their sizes",
    ),
    "linear/shots_<m>": _share(
        "<m>-shot linear accuracy",
        meaning="fitted to m labelled images per class, mean of 20 random choices (± their standard deviation)",
    ),
}

_NAMES = (
    *(f"{split}/linear/{name}" for split in ("train", "test") for name in ("accuracy", "balanced_accuracy")),
    *(f"test/linear/shots_{shots}" for shots in SHOTS),
)


@dataclass(frozen=True)
class Linear:
    """A linear read-out fitted on train: accuracies, recalls, confused classes, and the shots curve.

    Args:
        folds: into which train is divided, to choose the penalty and to predict every train image without itself. Of
            30,000 images and more three will do: each fold is a fit.

    Raises:
        ValueError: if there are fewer than two folds.
    """

    kinds: ClassVar[Mapping[str, Kind]] = KINDS

    folds: int = 5

    def __post_init__(self) -> None:
        if self.folds < 2:
            raise ValueError(f"folds={self.folds} must be at least 2")

    def __call__(self, splits: Splits) -> Scores:
        scores, train, test = Scores(self.kinds), splits["train"], splits["test"]
        if len(train.moments.present) < 2:
            for name in _NAMES:
                scores.add(name, Undefined(ONE_CLASS.replace("split", "train split")))
            return scores
        rows = cache(partial(Train.of, train.rows, train.labels))
        read_out = self._read(train, rows)
        confused, recalled = [], []
        for split, predicted in ((train, read_out.held_out), (test, read_out.predict(test.rows))):
            if len(predicted) < len(split.labels):
                for name in ("accuracy", "balanced_accuracy"):
                    scores.add(f"{split.name}/linear/{name}", Undefined(self._why_not_held_out(train)))
                continue
            add_accuracies(scores, split, train, "linear/", "linear", predicted, null=split is test)
            confused.append(confusion(split, predicted))
            recalled.append(recalls(split, "linear", predicted))
        scores.tables |= {"linear_confusion": stacked(confused), "class_recall": stacked(recalled)}
        asked = asked_of(train, test)
        _add_shots(scores, train, asked, self._shots(train, test, asked, read_out, rows))
        return scores

    def read_out(self, train: Split) -> ReadOut:
        """The read-out of the train split, which has two classes at least: the one that is kept, if one is."""
        return self._read(train, partial(Train.of, train.rows, train.labels))

    def _read(self, train: Split, rows: Callable[[], Train]) -> ReadOut:
        """The read-out, fitted unless it is kept."""
        folds = folds_of(
            train.labels, self.count(len(train.labels)), seeded(0, *train.resamples.context, "folds"), train.groups
        )
        held_out = folds if self._enough(train) and can_hold_out(train.labels, folds) else None
        name = f"{SCHEMA}-{digest(folds, train.labels, np.array(held_out is None))}"
        return ReadOut.from_arrays(train.kept(name, lambda: vars(read(rows(), held_out))))

    def count(self, images: int) -> int:
        """The number of folds of so many train images."""
        return min(self.folds, 3) if images >= 3 * MIN_HELD_OUT else self.folds

    def _enough(self, train: Split) -> bool:
        return len(train.labels) >= self.folds

    def _why_not_held_out(self, train: Split) -> str:
        if train.groups is not None and count_groups(train.groups) < 2:
            return "all train images are of one group: none can be held out"
        if not self._enough(train):
            return f"{self.folds} folds need as many train images, and there are {len(train.labels)}"
        return "without a fold of the train images one class only is left"

    def _shots(
        self, train: Split, test: Split, asked: NDArray[np.int64], read_out: ReadOut, rows: Callable[[], Train]
    ) -> Arrays:
        """The accuracies of the shots curve, computed unless they are kept."""
        words = drawn_from(train, test)
        name = f"{SCHEMA}-shots-{digest(train.labels, test.labels, asked, read_out.strength, *words)}"
        return test.kept(name, lambda: _shot_accuracies(train, test, asked, rows(), float(read_out.strength[0])))


def _shot_accuracies(train: Split, test: Split, asked: NDArray[np.int64], rows: Train, strength: float) -> Arrays:
    """Accuracies by the number of labelled rows per class; none where there are too few rows, or too much work.

    The strength is that which was chosen on all train rows.
    """
    classes, axes = len(rows.present), len(rows.axes.energy)
    queries, wanted = rows.axes.turned(test.rows[asked]), test.labels[asked]
    found = {}
    for shots in SHOTS:
        draws = min(SHOT_DRAWS, int(SHOT_WORK / (shots * classes * classes * max(axes, 1))))
        possible = draws > 1 and len(asked) > 0 and too_few(train, shots) is None
        some = islice(choices(train, shots), draws) if possible else iter(())
        found[str(shots)] = rows.few_label_accuracies(strength, some, queries, wanted)
    return found


def _add_shots(scores: Scores, train: Split, asked: NDArray[np.int64], kept: Arrays) -> None:
    lines: list[tuple[int, int, float]] = []
    for shots in SHOTS:
        key, accuracy = f"test/linear/shots_{shots}", kept[str(shots)]
        if not len(accuracy):
            classes = len(train.moments.present)
            why = Undefined(f"fits to {shots} images of each of {classes:,} classes take too long")
            scores.add(key, none_asked(asked) or too_few(train, shots) or why)
            continue
        scores.add(key, float(accuracy.mean()))
        scores.add_end(key, "_std", float(accuracy.std(ddof=1)))
        lines += [(shots, draw, float(value)) for draw, value in enumerate(accuracy)]
    scores.tables["linear_shots"] = columns(("shots", "draw", "accuracy"), lines)
