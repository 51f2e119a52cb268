"""How well an image's neighbours tell its class, and how many labels one would need.

    votes = knn_votes(graph.first(20), train_labels, classes=10)      # (M, C)
    hits = votes.argmax(1) == labels
    ncm_predict(class_means, queries)                                 # (M,)

The protocol of DINO: rows of unit length, cosine similarity s, each of the k nearest votes exp(s / T) for its class
(Wu et al., arXiv 1805.01978; Caron et al., arXiv 2104.14294).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from frostmark.metrics.kinds import Across, Kind
from frostmark.metrics.metric import ONE_CLASS, Scores, Split, Splits, Table, Undefined, columns, stacked
from frostmark.metrics.predictions import add_accuracies, confusion, recalls
from frostmark.metrics.shots import SHOTS, asked_of, choices, none_asked, too_few
from frostmark.stats.grouped import count_groups
from frostmark.stats.moments import Array
from frostmark.stats.neighbours import Graph

ONE_GROUP = "all train images are of one group: none has neighbours of another"

AUDITED = 100
"""Images in the label audit."""

_PIECE = 4096
"""Rows at a time."""

_accuracy = partial(Kind, better="higher", across=Across.NETWORKS, share=True, range=(0, 1))

KINDS: Mapping[str, Kind] = {
    "neighbours/knn_accuracy": _accuracy(
        "k-NN accuracy",
        pairs="knn_hits",
        headline=2,
        meaning="weighted vote of the 20 nearest train images by cosine; a train image does not vote for itself",
    ),
    "neighbours/ncm_accuracy": _accuracy(
        "nearest-mean accuracy", pairs="ncm_hits", meaning="the nearest class mean of train"
    ),
    "neighbours/knn_balanced_accuracy": _accuracy(
        "balanced k-NN accuracy",
        pairs="knn_hits",
        balanced=True,
        headline=4,
        meaning="mean recall of the classes, regardless of their sizes",
    ),
    "neighbours/ncm_balanced_accuracy": _accuracy(
        "balanced nearest-mean accuracy",
        pairs="ncm_hits",
        balanced=True,
        meaning="mean recall of the classes, regardless of their sizes",
    ),
    "neighbours/shots_<m>": _accuracy(
        "<m>-shot accuracy",
        meaning="the nearest class mean with m labelled images per class, mean of 20 random choices (± their standard "
        "deviation)",
    ),
}


def knn_votes(
    graph: Graph, bank_labels: NDArray[np.int64], classes: int, temperature: float = 0.07
) -> NDArray[np.float32]:
    """(M, C) share of each class in the votes of each query's neighbours.

    Args:
        graph: the k neighbours that vote.
        bank_labels: (N,) labels of the rows that the graph points to.
        temperature: T of the weights exp(s / T).
    """
    # Relative to the nearest: the shares are the same, and exp does not overflow at a small T.
    similarity = graph.similarity.astype(np.float64)
    weights = np.exp((similarity - similarity[:, :1]) / temperature)
    weights /= weights.sum(1, keepdims=True)
    votes = np.empty((len(weights), classes), np.float32)
    for start in range(0, len(weights), _PIECE):  # in pieces: float64 for all rows and 1,000 classes is much
        part = slice(start, start + _PIECE)
        size = len(weights[part])
        cells = np.arange(size)[:, None] * classes + bank_labels[graph.index[part]]
        votes[part] = np.bincount(cells.ravel(), weights[part].ravel(), size * classes).reshape(size, classes)
    return votes


@dataclass(frozen=True)
class Told:
    """What neighbours say of M rows.

    Attributes:
        predicted: (M,) the class with most votes.
        own, other: (M,) float32 the shares of the row's own class and of the predicted one.
    """

    predicted: NDArray[np.int64]
    own: NDArray[np.float32]
    other: NDArray[np.float32]

    @classmethod
    def by(cls, graph: Graph, bank_labels: NDArray[np.int64], labels: NDArray[np.int64], count: int, at: float) -> Told:
        """From the votes of a ``graph``, some rows at a time: the votes for 1,000 classes may outweigh the rows.

        Args:
            bank_labels: (N,) of the rows that the graph points to.
            labels: (M,) of the rows that ask.
            count: of the classes.
            at: temperature of the votes.
        """
        told = cls(np.empty(len(labels), np.int64), *(np.empty(len(labels), np.float32) for _ in range(2)))
        for start in range(0, len(labels), _PIECE):
            part = slice(start, start + _PIECE)
            votes = knn_votes(Graph(graph.index[part], graph.similarity[part]), bank_labels, count, at)
            line = np.arange(len(votes))
            told.predicted[part] = votes.argmax(1)
            told.own[part], told.other[part] = votes[line, labels[part]], votes[line, told.predicted[part]]
        return told


def ncm_predict(means: Array, queries: Array) -> NDArray[np.int64]:
    """(M,) the nearest of the class ``means`` (C, D) to each of ``queries`` (M, D), Euclidean; the lower one of two."""
    centre = means.mean(0)
    near = (means - centre).astype(np.float32)
    halves = (near**2).sum(1) / 2
    nearest = np.empty(len(queries), np.int64)
    for start in range(0, len(queries), _PIECE):  # in pieces: centred rows are not held twice
        part = slice(start, start + _PIECE)
        nearest[part] = ((queries[part] - centre).astype(np.float32) @ near.T - halves).argmax(1)
    return nearest


def means_of(rows: Array, chosen: NDArray[np.int64]) -> Array:
    """(C, D) means of the ``rows`` (N, D) at the positions ``chosen`` (C, m) of each class."""
    classes, shots = chosen.shape
    # Summed where they lie: a copy of 16 rows of each of 1,000 classes takes longer than their means.
    member = csr_array(
        (np.ones(chosen.size, rows.dtype), chosen.ravel(), np.arange(0, chosen.size + 1, shots)), (classes, len(rows))
    )
    return np.asarray((member @ rows) / rows.dtype.type(shots))


@dataclass(frozen=True)
class Neighbours:
    """k-NN, nearest class mean and the shots curve: test rows ask the train rows.

    Train rows ask each other, themselves left out, and all images of their group. Where not all of them ask
    (``Split.asked``), the numbers are of those who do, and the key's ``_images`` says how many these are.

    Args:
        k: neighbours that vote; fewer where the train split has fewer.
        temperature: of their weights.
        metric: of the neighbours; the protocol knows one.

    Raises:
        ValueError: if k or the temperature is not positive.
    """

    kinds: ClassVar[Mapping[str, Kind]] = KINDS

    k: int = 20
    temperature: float = 0.07
    metric: Literal["cosine"] = "cosine"

    def __post_init__(self) -> None:
        if self.k < 1 or self.temperature <= 0:
            raise ValueError(f"k={self.k} and temperature={self.temperature} must be positive")

    def __call__(self, splits: Splits) -> Scores:
        scores, train = Scores(self.kinds), splits["train"]
        if len(train.moments.present) < 2:
            for name in _NAMES:
                scores.add(name, Undefined(ONE_CLASS.replace("split", "train split")))
            return scores
        confused, audit, recalled = [], [], []
        for split in splits.values():
            if split.name == "train" and split.groups is not None and count_groups(split.groups) < 2:
                scores.add("train/neighbours/knn_accuracy", Undefined(ONE_GROUP))
                continue
            asking = _asking(split)
            near = split.nearest(self.k)
            told = Told.by(near, train.labels, asking.labels, len(train.classes), self.temperature)
            add_accuracies(scores, asking, train, "neighbours/knn_", "knn", told.predicted)
            confused.append(confusion(asking, told.predicted))
            recalled.append(recalls(asking, "k-NN", told.predicted))
            audit.append(_audit(asking, told, split.asked))
            if split.asked is not None:
                _say_sampled(scores, split, split.asked)
        test, present = splits["test"], train.moments.present
        predicted = present[ncm_predict(train.row_moments.summary.mean, test.rows)]
        add_accuracies(scores, test, train, "neighbours/ncm_", "ncm", predicted)
        recalled.append(recalls(test, "nearest mean", predicted))
        scores.tables |= {
            "knn_confusion": stacked(confused),
            "label_audit": stacked(audit),
            "class_recall": stacked(recalled),
        }
        _add_shots(scores, train, test)
        return scores


_NAMES = (
    *(f"{split}/neighbours/knn_{name}" for split in ("train", "test") for name in ("accuracy", "balanced_accuracy")),
    *(f"test/neighbours/ncm_{name}" for name in ("accuracy", "balanced_accuracy")),
    *(f"test/neighbours/shots_{shots}" for shots in SHOTS),
)
"""What is undefined of a train split of one class."""


def _asking(split: Split) -> Split:
    """The split of the rows that ask, with resamples and permutations of their own."""
    asked = split.asked
    if asked is None:
        return split
    context = (*split.resamples.context, "asked")
    return replace(
        split,
        rows=split.rows[asked],
        labels=split.labels[asked],
        resamples=split.resamples.among(asked, context),
        permutations=split.permutations.among(asked, context),
        groups=None if split.groups is None else split.groups[asked],
        asked=None,
    )


def _say_sampled(scores: Scores, split: Split, asked: NDArray[np.int64]) -> None:
    """How many train rows asked, beside the values. Hits are kept for all images of a split or for none."""
    for name in ("accuracy", "balanced_accuracy"):
        scores.add_end(f"{split.name}/neighbours/knn_{name}", "_images", float(len(asked)))
    del scores.outcomes[f"{split.name}/knn_hits"]


def _audit(split: Split, told: Told, asked: NDArray[np.int64] | None) -> Table:
    """The images whose neighbours disagree with their label most: candidates for a wrong label.

    ``image`` is the position in the split, ``own_share`` and ``other_share`` of the neighbours' votes.

    Args:
        split: the rows that asked.
        asked: (M,) their positions among all; None if all asked.
    """
    doubt = told.other - told.own
    worst = np.argsort(-doubt, kind="stable")[:AUDITED]
    worst = worst[doubt[worst] > 0]
    return {
        "split": [split.name] * len(worst),
        "image": (worst if asked is None else asked[worst]).tolist(),
        "label": [split.classes[c] for c in split.labels[worst]],
        "neighbours_say": [split.classes[c] for c in told.predicted[worst]],
        "own_share": told.own[worst].astype(float).tolist(),
        "other_share": told.other[worst].astype(float).tolist(),
    }


def _add_shots(scores: Scores, train: Split, test: Split) -> None:
    """Accuracy of the nearest class mean when only a few rows of each class are labelled."""
    lines: list[tuple[int, int, float]] = []
    present = train.moments.present
    sample = asked_of(train, test)
    queries, wanted = test.rows[sample], test.labels[sample]
    for shots in SHOTS:
        key = f"test/neighbours/shots_{shots}"
        if why := none_asked(sample) or too_few(train, shots):
            scores.add(key, why)
            continue
        means = (means_of(train.rows, chosen) for chosen in choices(train, shots))
        accuracy = np.array([(present[ncm_predict(of, queries)] == wanted).mean() for of in means])
        scores.add(key, float(accuracy.mean()))
        scores.add_end(key, "_std", float(accuracy.std(ddof=1)))
        lines += [(shots, draw, float(value)) for draw, value in enumerate(accuracy)]
    scores.tables["shots"] = columns(("shots", "draw", "accuracy"), lines)
