"""What must be said of the images of a data set: the same words beside the metrics of a run and in ``check``.

image_remarks(labels, classes, k=20)        # ["2 classes have fewer than 20 train images: cat (3), dog (7); …"]
group_remarks({"train": codes, "test": codes})
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from frostmark.metrics.deciding import MAX_EQUAL, are_unequal
from frostmark.metrics.graphs import USUAL, Search
from frostmark.stats.grouped import Codes, count_groups, cut_groups, few_groups, largest_share

MIN_CLASS_TEST = 10
"""Test images of a class; from fewer its recall is known to within 30 points."""

MIN_TEST = 100
"""Test images; from fewer an accuracy is known to within 10 points."""

MAX_NAMED = 5
"""Classes that a sentence names."""

Labels = Mapping[str, NDArray[np.int64]]


def image_remarks(labels: Labels, classes: Sequence[str], k: int | None, search: Search = USUAL) -> list[str]:
    """Warnings of how many images there are, of which classes; none of a data set of usual size.

    Args:
        labels: (N,) of both splits.
        classes: names in the order of their labels.
        k: neighbours that vote; None if none are asked.
        search: how neighbours are found.
    """
    count = {split: np.bincount(of, minlength=len(classes)) for split, of in labels.items()}
    train, test = count["train"], count["test"]
    said = [
        *_of_one_split(count, classes),
        *(
            _few(
                train,
                classes,
                k,
                "train",
                f"some of the {k} nearest neighbours of their images are always of other classes",
            )
            if k
            else ()
        ),
        *_few(test, classes, MIN_CLASS_TEST, "test", "the recall of a class with so few test images is very uncertain"),
    ]
    if k:
        said += _not_all_asked(len(labels["train"]), search)
    if are_unequal(labels["train"]):
        said.append(_unequal(train, classes))
    if test.sum() < MIN_TEST:
        images = "1 image" if test.sum() == 1 else f"{test.sum():,} images"
        said.append(
            f"the test split has {images}: with fewer than {MIN_TEST}, an accuracy is known to within 10 points at best"
        )
    return said


def _of_one_split(count: Mapping[str, NDArray[np.int64]], classes: Sequence[str]) -> list[str]:
    """The classes that one split alone has images of."""
    said = []
    for split, other, what in (
        ("train", "test", "the test split does not measure their recall"),
        ("test", "train", "their images cannot be classified correctly"),
    ):
        alone = np.flatnonzero((count[split] > 0) & (count[other] == 0))
        if len(alone):
            said.append(f"{_classes(len(alone))} images in {split} only: {_named(alone, classes)}; {what}")
    return said


def _few(count: NDArray[np.int64], classes: Sequence[str], least: int, split: str, what: str) -> list[str]:
    few = np.flatnonzero((count > 0) & (count < least))
    few = few[np.argsort(count[few], kind="stable")]
    if not len(few):
        return []
    return [f"{_classes(len(few))} fewer than {least} {split} images: {_named(few, classes, count)}; {what}"]


def _unequal(count: NDArray[np.int64], classes: Sequence[str]) -> str:
    present = np.flatnonzero(count)
    small, large = present[count[present].argmin()], present[count[present].argmax()]
    ratio = count[large] / count[small]
    most, least = _named(np.array([large]), classes, count), _named(np.array([small]), classes, count)
    return (
        f"the largest class has {ratio:.1f} times as many train images as the smallest: {most}, {least}; over "
        f"{MAX_EQUAL} times, balanced accuracy decides unless decide.balanced=false"
    )


def _classes(count: int) -> str:
    return "1 class has" if count == 1 else f"{count:,} classes have"


def _named(which: NDArray[np.int64], classes: Sequence[str], count: NDArray[np.int64] | None = None) -> str:
    names = [classes[c] if count is None else f"{classes[c]} ({count[c]:,})" for c in which[:MAX_NAMED].tolist()]
    more = f" and {len(which) - MAX_NAMED:,} more" if len(which) > MAX_NAMED else ""
    return ", ".join(names) + more


def _not_all_asked(train: int, search: Search) -> list[str]:
    """What must be said where a sample of so many train images asks for neighbours."""
    asking = search.asking(train)
    if asking == train:
        return []
    return [
        f"k-NN of the train split classifies {asking:,} of the {train:,} train images, drawn by class: without a GPU, "
        f"more images would take too long (neighbours.exact_up_to={search.exact_up_to}). Every test image is compared "
        "with all train images"
    ]


def group_remarks(groups: Mapping[str, Codes] | None) -> list[str]:
    """What must be said of the independence of the images: nothing where all are taken to be independent."""
    if groups is None:
        return []
    said = [f"groups of images: {group_counts(groups)}; intervals and p values treat each group as one unit"]
    for split, of in groups.items():
        said += [f"{split}: {told}" for told in [few_groups(count_groups(of))] if told]
    cut = cut_groups(groups)
    count = count_groups(groups["test"][cut["test"]])
    if count:
        many = "1 group has" if count == 1 else f"{count:,} groups have"
        images = " and ".join(f"{len(cut[split]):,} of {len(of):,} {split}" for split, of in groups.items())
        many += f" images in train and in test ({images} images)"
        said.append(f"{many}: a layer may recognise the group instead of the class")
    return said


def group_counts(groups: Mapping[str, Codes]) -> str:
    """``20 train (the largest 5.0 % of the images), 12 test (…)``."""
    of_splits = (f"{count_groups(of):,} {split} (the largest {largest_share(of):.1%}" for split, of in groups.items())
    return " of the images), ".join(of_splits) + " of the images)"
