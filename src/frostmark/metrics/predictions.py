"""What predictions are worth: accuracy, balanced accuracy, recall of every class, and which classes are confused.

add_accuracies(scores, split, train, "linear/", "linear", predicted)       # linear/accuracy, linear/balanced_accuracy
scores.tables["linear_confusion"] = confusion(split, predicted)
scores.tables["class_recall"] = recalls(split, "linear", predicted)
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from frostmark.metrics.metric import Scores, Split, Table, columns
from frostmark.stats.bootstrap import LEVEL
from frostmark.stats.grouped import Codes, count_groups, effective_images, why_too_few
from frostmark.stats.moments import Array, Float


def add_accuracies(
    scores: Scores,
    split: Split,
    train: Split,
    prefix: str,
    name: str,
    predicted: NDArray[np.int64],
    *,
    null: bool = False,
) -> None:
    """Take in the accuracy and the balanced accuracy of predictions (N,), with intervals, and the hits per image.

    Args:
        prefix: of the keys behind the split: ``linear/`` or ``neighbours/knn_``.
        name: of the outcomes: ``linear`` of ``test/linear_hits``.
        null: whether the labels are permuted against the predictions as they are. Right of a split whose labels the
            predictions were made without.
    """
    hits = predicted == split.labels
    scores.outcomes[f"{split.name}/{name}_hits"] = hits
    commonest = int(train.moments.count.argmax())  # answering with this class alone needs no features
    resampled = split.resamples.draws > 0
    shuffled = list(split.permutations) if null else []
    scores.add(
        f"{split.name}/{prefix}accuracy",
        float(hits.mean()),
        draws=split.resamples.means(hits) if resampled else None,
        null=np.array([(predicted == labels).mean() for labels in shuffled]),
        chance=float((split.labels == commonest).mean()),
    )
    scores.add(
        f"{split.name}/{prefix}balanced_accuracy",
        balanced_accuracy(split.labels, predicted),
        draws=split.resamples.balanced_means(hits) if resampled else None,
        null=np.array([balanced_accuracy(labels, predicted) for labels in shuffled]),
        chance=float((np.unique(split.labels) == commonest).mean()),
    )


def balanced_accuracy(labels: NDArray[np.int64], predicted: NDArray[np.int64]) -> float:
    """Mean recall of the classes that ``labels`` (N,) hold, whatever their sizes."""
    return mean_recall(labels, predicted == labels)


def mean_recall(labels: NDArray[np.int64], hits: NDArray[np.bool_]) -> float:
    """The same of ``hits`` (N,), whether each image is given its class."""
    count = np.bincount(labels)
    right = np.bincount(labels, hits)
    return float((right[count > 0] / count[count > 0]).mean())


def recalls(split: Split, read_out: str, predicted: NDArray[np.int64]) -> Table:
    """One line per class of the split: the share of its images that are recognised, with Wilson's interval.

    Wilson, J. Am. Stat. Assoc. 22 (1927): it holds for few images and for recalls of 0 and 1, where resampled hits all
    agree. Of images in groups it is that of as many independent images as know the recall as well
    (:func:`~frostmark.stats.grouped.effective_images`); NaN where the class is in fewer than 6 groups.
    """
    count = np.bincount(split.labels, minlength=len(split.classes))
    present = np.flatnonzero(count)
    hits = predicted == split.labels
    recall = np.bincount(split.labels, hits, minlength=len(split.classes))[present] / count[present]
    known = count[present] if split.groups is None else _known(split, present, hits, split.groups)
    low, high = wilson(recall * known, known)
    lines = zip(present.tolist(), count[present].tolist(), recall.tolist(), low.tolist(), high.tolist(), strict=True)
    return columns(
        ("split", "read_out", "class", "name", "images", "recall", "recall_lo", "recall_hi"),
        [(split.name, read_out, c, split.classes[c], *numbers) for c, *numbers in lines],
    )


def _known(split: Split, present: NDArray[np.int64], hits: NDArray[np.bool_], groups: Codes) -> Float:
    """(C,) how many independent images know each recall as well; NaN where too few groups have the class."""

    def of_class(label: int) -> float:
        mine = split.labels == label
        too_few = why_too_few(count_groups(groups[mine]))
        return float("nan") if too_few else effective_images(hits[mine], groups[mine])

    return np.array([of_class(label) for label in present.tolist()])


def wilson(hits: Array, count: Array, level: float = LEVEL) -> tuple[Float, Float]:
    """The ends of the interval of ``level`` of shares of ``hits`` among ``count``, elementwise."""
    z = float(norm.ppf((1 + level) / 2))
    share, weight = hits / count, z**2 / count
    middle = (share + weight / 2) / (1 + weight)
    half = z / (1 + weight) * np.sqrt(share * (1 - share) / count + weight / count / 4)
    return np.maximum(middle - half, 0), np.minimum(middle + half, 1)


def confusion(split: Split, predicted: NDArray[np.int64]) -> Table:
    """One line per cell of the confusion matrix that is not empty."""
    pairs, counts = np.unique(np.stack([split.labels, predicted]), axis=1, return_counts=True)
    lines = [
        (split.name, true, split.classes[true], guess, split.classes[guess], count)
        for (true, guess), count in zip(pairs.T.tolist(), counts.tolist(), strict=True)
    ]
    return columns(("split", "class", "name", "predicted", "predicted_name", "images"), lines)
