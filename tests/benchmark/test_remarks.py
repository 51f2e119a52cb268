"""Warnings of a data set: of each kind the sentence that a person reads, and none where there is nothing to say."""

from __future__ import annotations

import numpy as np

from frostmark.benchmark.remarks import image_remarks
from frostmark.metrics.graphs import Search

CLASSES = ("ant", "bee", "cat", "dog", "elk", "fox", "gnu")


def said(train: list[int], test: list[int], k: int | None = 20) -> list[str]:
    """The warnings of so many images per class."""
    labels = {split: np.repeat(np.arange(len(of)), of) for split, of in (("train", train), ("test", test))}
    return image_remarks(labels, CLASSES[: len(train)], k)


def test_of_enough_images_nothing_is_said() -> None:
    assert said([20, 60], [10, 90]) == []


def test_classes_with_fewer_images_than_neighbours_that_vote() -> None:
    assert said([19, 20, 3], [50, 50, 50])[0] == (
        "2 classes have fewer than 20 train images: cat (3), ant (19); "
        "some of the 20 nearest neighbours of their images are always of other classes"
    )
    assert said([19, 20], [50, 50], k=5) == []
    assert said([19, 20], [50, 50], k=None) == []


def test_where_not_all_train_images_ask_for_neighbours() -> None:
    labels = {"train": np.arange(2000) % 2, "test": np.arange(200) % 2}
    few = Search(exact_up_to=1000)
    assert image_remarks(labels, CLASSES[:2], 20, few) == [
        "k-NN of the train split classifies 250 of the 2,000 train images, drawn by class: without a GPU, more images "
        "would take too long (neighbours.exact_up_to=1000). Every test image is compared with all train images"
    ]
    assert image_remarks(labels, CLASSES[:2], None, few) == []
    assert image_remarks(labels, CLASSES[:2], 20, Search(1000, device="cuda")) == []


def test_classes_with_few_test_images() -> None:
    assert said([20, 20], [9, 91]) == [
        "1 class has fewer than 10 test images: ant (9); "
        "the recall of a class with so few test images is very uncertain"
    ]


def test_many_classes_are_counted_and_five_are_named() -> None:
    (line,) = said([30] * 7, [100, 1, 2, 3, 4, 5, 6])
    assert line.startswith(
        "6 classes have fewer than 10 test images: bee (1), cat (2), dog (3), elk (4), fox (5) and 1 m"
    )


def test_unequal_classes() -> None:
    assert said([60, 20], [50, 50]) == []
    assert said([61, 20], [50, 50]) == [
        "the largest class has 3.0 times as many train images as the smallest: ant (61), bee (20); over 3 times, "
        "balanced accuracy decides unless decide.balanced=false"
    ]


def test_few_test_images() -> None:
    assert said([20, 20], [49, 50]) == [
        "the test split has 99 images: with fewer than 100, an accuracy is known to within 10 points at best"
    ]
    assert said([20, 0], [1, 0])[-1].startswith("the test split has 1 image: ")


def test_classes_of_one_split_are_named_for_that_alone() -> None:
    """They are not among the classes that have too few images, which would say it twice."""
    assert said([20, 0, 20], [50, 50, 0]) == [
        "1 class has images in train only: cat; the test split does not measure their recall",
        "1 class has images in test only: bee; their images cannot be classified correctly",
    ]
