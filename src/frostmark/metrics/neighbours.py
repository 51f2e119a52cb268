"""How well an image's neighbours tell its class, and how many labels one would need.

    votes = knn_votes(graph.first(20), train_labels, classes=10)      # (M, C)
    hits = votes.argmax(1) == labels
    ncm_predict(class_means, queries)                                 # (M,)

The protocol of DINO: rows of unit length, cosine similarity s, each of the k nearest votes exp(s / T) for its class
(Wu et al., arXiv 1805.01978; Caron et al., arXiv 2104.14294).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from frostmark.metrics.kinds import Across, Kind
from frostmark.metrics.metric import ONE_CLASS, Scores, Split, Splits, Table, Undefined, columns, stacked
from frostmark.stats.moments import Array, Float
from frostmark.stats.neighbours import Graph
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

AUDITED = 100
"""Images in the label audit."""

_accuracy = partial(Kind, better="higher", across=Across.NETWORKS, share=True, range=(0, 1))

KINDS: Mapping[str, Kind] = {
    "neighbours/knn_accuracy": _accuracy(
        "k-NN accuracy",
        pairs="knn_hits",
        headline=1,
        meaning="20 nearest by cosine, weighted; test asks train, train asks train without itself",
    ),
    "neighbours/ncm_accuracy": _accuracy(
        "nearest-mean accuracy", pairs="ncm_hits", headline=2, meaning="the nearest class mean of train"
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
    for start in range(0, len(weights), 4096):  # in pieces: float64 for all rows and 1,000 classes is much
        part = slice(start, start + 4096)
        size = len(weights[part])
        cells = np.arange(size)[:, None] * classes + bank_labels[graph.index[part]]
        votes[part] = np.bincount(cells.ravel(), weights[part].ravel(), size * classes).reshape(size, classes)
    return votes


def ncm_predict(means: Array, queries: Array) -> NDArray[np.int64]:
    """(M,) the nearest of the class ``means`` (C, D) to each of ``queries`` (M, D), Euclidean; the lower one of two."""
    centre = means.mean(0)
    near = (means - centre).astype(np.float32)
    halves = (near**2).sum(1) / 2
    nearest = np.empty(len(queries), np.int64)
    for start in range(0, len(queries), 4096):  # in pieces: centred rows are not held twice
        part = slice(start, start + 4096)
        nearest[part] = ((queries[part] - centre).astype(np.float32) @ near.T - halves).argmax(1)
    return nearest


def few_shot_means(rows: Array, labels: NDArray[np.int64], classes: int, shots: int, rng: np.random.Generator) -> Array:
    """(C, D) means of ``shots`` rows of each class, drawn without replacement.

    Raises:
        ValueError: if a class has fewer.
    """
    order = rng.permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]  # by class, shuffled within
    start = np.searchsorted(labels[order], np.arange(classes))
    if (np.bincount(labels, minlength=classes)[:classes] < shots).any():
        raise ValueError(f"a class has fewer than {shots} rows")
    drawn = order[start[:, None] + np.arange(shots)].ravel()
    # Summed where they lie: a copy of 16 rows of each of 1,000 classes takes longer than their means.
    member = csr_array(
        (np.ones(len(drawn), rows.dtype), drawn, np.arange(0, len(drawn) + 1, shots)), (classes, len(rows))
    )
    return np.asarray((member @ rows) / rows.dtype.type(shots))


@dataclass(frozen=True)
class Neighbours:
    """k-NN, nearest class mean and the shots curve: test rows ask the train rows.

    Train rows ask each other, themselves left out.

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
            undefined = Undefined(ONE_CLASS.replace("split", "train split"))
            of_test = ("knn_accuracy", "ncm_accuracy", *(f"shots_{shots}" for shots in SHOTS))
            names = ("train/neighbours/knn_accuracy", *(f"test/neighbours/{name}" for name in of_test))
            for name in names:
                scores.add(name, undefined)
            return scores
        confusion, audit = [], []
        for split in splits.values():
            votes = knn_votes(split.nearest(self.k), train.labels, len(train.classes), self.temperature)
            predicted = votes.argmax(1)
            _add_accuracy(scores, split, train, "knn", predicted)
            confusion.append(_confusion(split, predicted))
            audit.append(_audit(split, votes))
        scores.tables |= {"knn_confusion": stacked(confusion), "label_audit": stacked(audit)}
        means = train.row_moments.summary.mean
        predicted = train.moments.present[ncm_predict(means, splits["test"].rows)]
        _add_accuracy(scores, splits["test"], train, "ncm", predicted)
        _add_shots(scores, train, splits["test"])
        return scores


def _add_accuracy(scores: Scores, split: Split, train: Split, name: str, predicted: NDArray[np.int64]) -> None:
    hits = predicted == split.labels
    key = f"{split.name}/neighbours/{name}_accuracy"
    scores.outcomes[f"{split.name}/{name}_hits"] = hits
    commonest = int(train.moments.count.argmax())  # who always answers this one needs no features
    draws = split.resamples.means(hits) if split.resamples.draws else None
    scores.add(key, float(hits.mean()), draws=draws, chance=float((split.labels == commonest).mean()))


def _confusion(split: Split, predicted: NDArray[np.int64]) -> Table:
    """One line a cell of the k-NN confusion matrix that is not empty."""
    pairs, counts = np.unique(np.stack([split.labels, predicted]), axis=1, return_counts=True)
    lines = [
        (split.name, true, split.classes[true], guess, split.classes[guess], count)
        for (true, guess), count in zip(pairs.T.tolist(), counts.tolist(), strict=True)
    ]
    return columns(("split", "class", "name", "predicted", "predicted_name", "images"), lines)


def _audit(split: Split, votes: NDArray[np.float32]) -> Table:
    """The images whose neighbours disagree with their label most: candidates for a wrong label.

    ``image`` is the position in the split, ``own_share`` and ``other_share`` of the neighbours' votes.
    """
    line = np.arange(len(votes))
    own = votes[line, split.labels]
    other = votes.argmax(1)
    doubt = votes[line, other] - own
    worst = np.argsort(-doubt, kind="stable")[:AUDITED]
    worst = worst[doubt[worst] > 0]
    return {
        "split": [split.name] * len(worst),
        "image": worst.tolist(),
        "label": [split.classes[c] for c in split.labels[worst]],
        "neighbours_say": [split.classes[c] for c in other[worst]],
        "own_share": own[worst].astype(float).tolist(),
        "other_share": votes[worst, other[worst]].astype(float).tolist(),
    }


def _add_shots(scores: Scores, train: Split, test: Split) -> None:
    """Accuracy of the nearest class mean when only a few rows of each class are labelled.

    Of :data:`SHOT_QUERIES` test rows at most, and of fewer with many classes: :data:`SHOT_COMPARISONS`.
    """
    lines: list[tuple[int, int, float]] = []
    present, labels = train.moments.present, np.searchsorted(train.moments.present, train.labels)
    most = min(SHOT_QUERIES, max(SHOT_COMPARISONS // len(present), 1000))
    sample = stratified(test.labels, most, seeded(0, *test.resamples.context, "shots"))
    queries, wanted = test.rows[sample], test.labels[sample]
    for shots, accuracy in _shot_accuracies(
        train, labels, lambda means: present[ncm_predict(means, queries)] == wanted
    ):
        key = f"test/neighbours/shots_{shots}"
        if accuracy is None:
            scores.add(key, Undefined(f"a train class has fewer than {shots} images"))
            continue
        scores.add(key, float(accuracy.mean()))
        scores.add_end(key, "_std", float(accuracy.std(ddof=1)))
        lines += [(shots, draw, float(value)) for draw, value in enumerate(accuracy)]
    scores.tables["shots"] = columns(("shots", "draw", "accuracy"), lines)


def _shot_accuracies(
    train: Split, labels: NDArray[np.int64], hits: Callable[[Array], NDArray[np.bool_]]
) -> Iterator[tuple[int, Float | None]]:
    """Shots with the (20,) accuracies of random choices of the labelled rows; None where there are too few."""
    classes = len(train.moments.present)
    fewest = int(np.bincount(labels).min())
    for shots in SHOTS:
        if shots > fewest:
            yield shots, None
            continue
        rng = seeded(0, *train.resamples.context, "shots", str(shots))
        draws = (few_shot_means(train.rows, labels, classes, shots, rng) for _ in range(SHOT_DRAWS))
        yield shots, np.array([hits(means).mean() for means in draws])
