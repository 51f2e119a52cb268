"""Images in groups from end to end: handed over with the images, in the metrics, in the record, in the verdict."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn

from frostmark.api import benchmark, compare
from frostmark.benchmark.result import Result
from frostmark.comparison.runs import Run
from frostmark.data.given import GivenImages
from frostmark.data.source import Limits, groups_of, limited
from frostmark.errors import ConfigError, DataError

SETTINGS = (
    "preprocess.size=16", "reducer=none", "uncertainty.permutations=0", "uncertainty.resamples=100",
    "metrics=[neighbours,separability]", "decide=knn",
)  # fmt: skip
TRAIN, TEST = 300, 200


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(True), nn.Conv2d(8, 16, 3, 2, 1), nn.ReLU(True))
        self.head = nn.Linear(16, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(x).mean((2, 3)))


def digits(test_groups: int | None, *, shared: bool = False) -> dict[str, object]:
    """Digits by writer, as one would know them: 20 writers of train, so many of test."""
    data = load_digits()
    images, labels = (data.images * 15.9).astype(np.uint8), data.target
    split = {"train": slice(0, TRAIN), "test": slice(TRAIN, TRAIN + TEST)}
    given: dict[str, object] = {name: (images[part], labels[part]) for name, part in split.items()}
    if test_groups is not None:
        writers = [f"writer {i // (TRAIN // 20)}" for i in range(TRAIN)]
        of_test = [("writer", i % test_groups) for i in range(TEST)]
        given["groups"] = {"train": writers, "test": [writers[0]] * 3 + of_test[3:] if shared else of_test}
    return given


def run(folder: Path, data: dict[str, object], layers: list[str] | None = None) -> list[Result]:
    return benchmark(
        Small(), data, layers or ["last_conv"], name="digits", root=folder, tracking="none", overrides=SETTINGS
    )


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, list[Result]]]:
    folders = {name: tmp_path_factory.mktemp(name) for name in ("groups", "alone")}
    return {
        name: (folder, run(folder, digits(25 if name == "groups" else None), ["stage1", "last_conv"]))
        for name, folder in folders.items()
    }


def test_a_run_says_how_many_groups_there_are(found: dict[str, tuple[Path, list[Result]]]) -> None:
    result = found["groups"][1][0]
    tags = json.loads((result.folder / "raw" / "metrics.json").read_text())["tags"]
    counts = "20 train (the largest 5.0% of the images), 25 test (the largest 4.0% of the images)"
    assert tags["groups"] == counts
    assert len(tags["group_digest"]) == 32
    (said,) = result.remarks
    assert said == f"groups of images: {counts}; intervals and p values treat each group as one unit"
    summary = (result.folder / "summary.md").read_text()
    assert said in summary
    assert "independent of each other" not in summary


def test_without_groups_the_summary_says_what_intervals_take_for_granted(
    found: dict[str, tuple[Path, list[Result]]],
) -> None:
    folder, results = found["alone"]
    assert (results[0].folder / "summary.md").read_text().count("independent of each other") == 1
    assert not results[0].remarks
    record = json.loads((results[0].folder / "raw" / "metrics.json").read_text())
    assert "groups" not in record["tags"]
    assert compare(results, root=folder).markdown.count("independent of each other") == 1


def test_intervals_and_leave_one_out_are_those_of_groups(found: dict[str, tuple[Path, list[Result]]]) -> None:
    groups, alone = (found[name][1][0].values for name in ("groups", "alone"))
    key = "test/neighbours/knn_accuracy"
    assert groups[key] == alone[key]
    assert groups[f"{key}_lo"] != alone[f"{key}_lo"]
    assert groups["train/neighbours/knn_accuracy"] != alone["train/neighbours/knn_accuracy"]


def test_runs_of_groups_are_compared_by_them(found: dict[str, tuple[Path, list[Result]]]) -> None:
    folder, results = found["groups"]
    read = Run.read(results[0].folder)
    assert {split: len(np.unique(of)) for split, of in read.groups.items()} == {"train": 20, "test": 25}
    assert np.array_equal(read.labels["test"], load_digits().target[TRAIN : TRAIN + TEST])
    compared = compare(results, root=folder)
    assert "over 25 groups" in compared.sentence
    assert "The test images come in 25 groups" in compared.markdown
    page = next(file for file in compared.files if file.name == "comparison.html").read_text()
    assert "The test images come in 25 groups" in page


def test_runs_with_and_without_groups_are_not_compared(found: dict[str, tuple[Path, list[Result]]]) -> None:
    with pytest.raises(ConfigError, match="groups of the images"):
        compare([found["groups"][1][0], found["alone"][1][0]], root=found["groups"][0])


def test_few_groups_and_groups_in_both_splits_are_told_of(tmp_path: Path) -> None:
    (few,) = run(tmp_path, digits(7, shared=True))
    assert few.remarks[1] == "test: 8 groups are few: intervals and p values are unreliable"
    said = "1 group has images in train and in test (15 of 300 train and 3 of 200 test images)"
    assert few.remarks[2].startswith(said)
    (fewer,) = run(tmp_path, digits(5))
    assert fewer.remarks[1] == "test: 5 groups cannot give p < 0.05: the smallest p is 0.06"
    assert "test/neighbours/knn_accuracy_lo" not in fewer.values
    assert "train/neighbours/knn_accuracy_lo" in fewer.values


# What cannot be groups

IMAGES = (np.zeros((4, 5, 5), np.uint8), np.arange(4))


@pytest.mark.parametrize(
    ("groups", "told"),
    [
        ({"train": [1, 2, 3, 4], "test": [1, 2, 3]}, "3 groups for 4 images of test"),
        ({"train": [1, 2, 3, 4]}, "must be those of train and test, and are those of train"),
        ({"train": [1, 2, 3, 4], "test": [1, 2, 3, 4], "val": []}, "are those of train, test, val"),
        ([1, 2, 3, 4], "must be those of train and test"),
        ({"train": [1, 2, 3, 4], "test": "abcd"}, "groups of test are not a list"),
        ({"train": [1, 2, 3, 4], "test": 7}, "groups of test are not a list"),
        ({"train": [1, [2], 3, 4], "test": [1, 2, 3, 4]}, "group of image 1 of train cannot be used"),
        ({"train": np.zeros((4, 2)), "test": [1, 2, 3, 4]}, "group of image 0 of train cannot be used"),
        ({"train": [1, 2, float("nan"), 4], "test": [1, 2, 3, 4]}, "image 2 of train has no group"),
    ],
)
def test_what_cannot_be_groups_is_refused(groups: object, told: str) -> None:
    with pytest.raises(DataError, match=told):
        GivenImages("mine", IMAGES, IMAGES, groups=groups)  # type: ignore[arg-type]


def test_groups_stay_with_their_images() -> None:
    ids = {"train": np.array([7, 7, 8, 9]), "test": torch.tensor([7, 1, 1, 2])}
    source = GivenImages("mine", IMAGES, IMAGES, groups=ids)  # type: ignore[arg-type]
    assert groups_of(source.split("train")) == [7, 7, 8, 9]
    assert groups_of(limited(source.split("test"), "test", Limits(test=2))) == [7, 1]
    assert groups_of(GivenImages("mine", IMAGES, IMAGES).split("train")) is None


def test_keys_that_nobody_knows_are_refused() -> None:
    with pytest.raises(ConfigError, match="unknown key 'group'"):
        benchmark("resnet18", {"train": IMAGES, "test": IMAGES, "group": {}})
    with pytest.raises(DataError, match="3 files for 4 images of test"):
        benchmark("resnet18", {"train": IMAGES, "test": IMAGES, "files": {"train": ["a"] * 4, "test": ["a"] * 3}})
