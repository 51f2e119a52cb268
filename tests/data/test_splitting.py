"""Splits by a hash keep images and groups where they are; the splits of a data set are known by their names."""

from __future__ import annotations

import re

import pytest

from frostmark.data.grouping import PathGroups
from frostmark.data.splitting import Chosen, HashSplit
from frostmark.errors import ConfigError, DataError

NAMES = [f"class{i % 3}/patient{i % 40}_{i}.png" for i in range(400)]


def test_others_fate_changes_nobodys_split_and_the_first_are_a_fair_sample() -> None:
    split = HashSplit(0.2, 0)
    parted = split.parted(NAMES)
    assert sorted(parted["train"] + parted["test"]) == list(range(400))
    assert 50 <= len(parted["test"]) <= 110  # 80 expected, a standard deviation of 8
    fewer = split.parted(NAMES[::2])
    assert {NAMES[::2][i] for i in fewer["test"]} == {NAMES[i] for i in parted["test"]} & set(NAMES[::2])
    assert parted["train"] == [i for i in split.order(NAMES) if i in set(parted["train"])]
    assert {NAMES[i][:6] for i in parted["train"][:20]} == {"class0", "class1", "class2"}
    assert HashSplit(0.2, 1).parted(NAMES)["test"] != parted["test"]


def test_groups_stay_whole_and_where_they_are() -> None:
    groups = PathGroups("(patient[0-9]+)_").of(NAMES)
    split = HashSplit(0.3, 0)
    parted = split.parted(NAMES, groups)
    train, test = ({groups[i] for i in parted[name]} for name in ("train", "test"))
    assert train | test == set(groups)
    assert not train & test
    assert sorted(parted["train"] + parted["test"]) == list(range(400))
    few = [i for i in range(400) if groups[i] in ("patient1", "patient2", *sorted(test)[:1], *sorted(train)[:1])]
    again = split.parted([NAMES[i] for i in few], [groups[i] for i in few])
    assert {groups[few[i]] for i in again["test"]} <= test


def test_groups_that_all_fall_into_one_split_are_refused_with_a_seed_that_separates_them() -> None:
    names = ["a/1.png", "a/2.png", "b/1.png"]
    seed = next(s for s in range(99) if HashSplit(0.2, s).is_test("a") == HashSplit(0.2, s).is_test("b"))
    with pytest.raises(DataError, match="none of the 2 groups") as told:
        HashSplit(0.2, seed).parted(names, ["a", "a", "b"])
    fixed = re.fullmatch(r"dataset\.split_seed=(\d+)", told.value.fix)
    assert fixed is not None
    assert all(HashSplit(0.2, int(fixed.group(1))).parted(names, ["a", "a", "b"]).values())
    with pytest.raises(DataError, match="all images are of one group"):
        HashSplit().parted(names, ["a"] * 3)


@pytest.mark.parametrize("given", [{"share": 0.0}, {"share": 1.0}, {"seed": -1}, {"seed": 2**63}])
def test_shares_and_seeds_that_are_none_are_refused(given: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=r"dataset\.(test_share|split_seed)="):
        HashSplit(**given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("sizes", "train", "test", "left_out", "said"),
    [
        ({"train": 8, "test": 2}, "train", "test", {}, []),
        ({"Training": 8, "Testing": 2}, "Training", "Testing", {}, []),
        ({"train": 8, "val": 2}, "train", "val", {}, ["the split val is used as the test split"]),
        ({"train": 8, "VALID": 1, "test": 2}, "train", "test", {"VALID": 1}, ["not used: VALID (1 images)"]),
        ({"test": 2, "train": 8, "extra": 5}, "train", "test", {"extra": 5}, ["not used: extra (5 images)"]),
    ],
)
def test_splits_are_known_by_their_names(
    sizes: dict[str, int], train: str, test: str, left_out: dict[str, int], said: list[str]
) -> None:
    chosen = Chosen.of(sizes, "that.csv", "do")
    assert (chosen.train, chosen.test, chosen.left_out) == (train, test, left_out)
    assert len(chosen.remarks) == len(said)
    assert all(part in remark for part, remark in zip(said, chosen.remarks, strict=True))


@pytest.mark.parametrize(
    ("sizes", "told"),
    [
        ({"train": 8}, r"splits train \(8\); needed are train, and test"),
        ({"0": 4, "1": 5}, r"splits 1 \(5\), 0 \(4\)"),
        ({"train": 8, "Train": 1, "test": 1}, "train and Train, which mean one"),
        ({"train": 8, "val": 1, "dev": 1}, "val and dev"),
        ({"train": 8, "": 1}, r"\(empty\) \(1\)"),
    ],
)
def test_what_are_not_two_splits_is_named(sizes: dict[str, int], told: str) -> None:
    with pytest.raises(DataError, match=told):
        Chosen.of(sizes, "that.csv", "do")


def test_groups_come_out_of_paths_and_paths_without_one_are_counted() -> None:
    assert PathGroups("^(.*)/").of(["a/b/1.png", "c/2.png"]) == ["a/b", "c"]
    with pytest.raises(DataError, match=r"finds nothing in 6 of 7 paths: x1, x2, x3, x4, x5 …"):
        PathGroups("(p[0-9])").of(["p1", *(f"x{i}" for i in range(1, 7))])


@pytest.mark.parametrize(
    ("pattern", "columns", "told"),
    [
        ("(", (), "is not a regular expression"),
        ("p[0-9]", (), "with 0 parentheses instead of one"),
        ("(a)(b)", (), "with 2 parentheses"),
        ("patiemt", ("patient", "site"), "not a column, and .*Columns: patient"),
    ],
)
def test_what_is_no_expression_with_one_parenthesis_is_refused(
    pattern: str, columns: tuple[str, ...], told: str
) -> None:
    with pytest.raises(ConfigError, match=told):
        PathGroups(pattern, columns)
