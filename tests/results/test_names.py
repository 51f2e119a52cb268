"""Images are told of by the names of their files, wherever a table numbers them."""

from __future__ import annotations

import numpy as np

from frostmark.results.names import with_files

FILES = {"train": np.array(["a/1.jpg", "a/2.jpg"]), "test": np.array(["b/3.jpg", "b/4.jpg", "b/5.jpg"])}


def test_a_file_stands_behind_every_number() -> None:
    table = {"split": ["train", "test"], "image": [1, 2], "label": ["x", "y"]}
    named = with_files(table, FILES)
    assert list(named) == ["split", "image", "file", "label"]
    assert named["file"] == ["a/2.jpg", "b/5.jpg"]


def test_pairs_of_images_have_two() -> None:
    named = with_files({"split": ["test"], "image_i": [0], "image_j": [2], "cosine": [0.9]}, FILES)
    assert list(named) == ["split", "image_i", "file_i", "image_j", "file_j", "cosine"]
    assert (named["file_i"], named["file_j"]) == (["b/3.jpg"], ["b/5.jpg"])


def test_counts_of_images_are_no_numbers_of_images() -> None:
    table = {"split": ["test"], "images": [2]}
    assert with_files(table, FILES) == table


def test_arrays_have_no_files() -> None:
    table = {"split": ["test"], "image": [2]}
    assert with_files(table, {}) == table


def test_a_split_without_files_leaves_its_lines_empty() -> None:
    named = with_files({"split": ["train", "test"], "index": [0, 0]}, {"train": FILES["train"]})
    assert named["file"] == ["a/1.jpg", ""]
