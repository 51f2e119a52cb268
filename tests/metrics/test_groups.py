"""Images in groups, as the metric families take them: neighbours of other groups, draws and nulls of whole ones."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import numpy as np
import pytest

from frostmark.metrics.geometry import Geometry
from frostmark.metrics.linear import Linear
from frostmark.metrics.metric import Metric, Scores, Undefined, make_splits
from frostmark.metrics.neighbours import Neighbours
from frostmark.metrics.separability import Separability
from frostmark.metrics.transfer import NO_LEVEL, Transfer
from frostmark.metrics.variance import Variance

FAMILIES: Mapping[str, Metric] = {
    "linear": Linear(),
    "neighbours": Neighbours(),
    "separability": Separability(),
    "variance": Variance(),
    "transfer": Transfer(),
    "geometry": Geometry(),
}
GROUPS, EACH, CLASSES, WIDTH = 24, 15, 3, 6


def drawn(rng: np.random.Generator, *, nested: bool, alike: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows, labels and groups, which differ by ``alike`` times what images of one do; classes by the first features."""
    groups = np.repeat(np.arange(GROUPS), EACH)
    labels = (groups if nested else rng.permutation(len(groups))) % CLASSES
    rows = rng.normal(size=(len(groups), WIDTH)) + alike * rng.normal(size=(GROUPS, WIDTH))[groups]
    return (rows + 1.0 * np.eye(CLASSES, WIDTH)[labels]).astype(np.float32), labels, groups


@cache
def scored(family: str, *, grouped: bool = True, nested: bool = False, alike: float = 1.0, seed: int = 0) -> Scores:
    rng = np.random.default_rng(seed)
    sets = {split: drawn(rng, nested=nested, alike=alike) for split in ("train", "test")}
    rows, labels, groups = ({split: of[n] for split, of in sets.items()} for n in range(3))
    groups["test"] = groups["test"] + GROUPS
    options = {"groups": groups} if grouped else {}
    splits = make_splits(rows, labels, ("a", "b", "c"), resamples=300, permutations=30, **options)
    return FAMILIES[family](splits)


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("family", [name for name in FAMILIES if name != "linear"])  # its penalty is chosen by group
def test_groups_change_no_value_of_test_but_what_is_said_of_its_uncertainty(family: str, nested: bool) -> None:
    grouped, alone = (scored(family, grouped=grouped, nested=nested) for grouped in (True, False))
    ends = ("_lo", "_hi", "_p", "_z", "h_score_excess")  # the last is what lies above chance, which groups raise
    for key, value in alone.values.items():
        if key.startswith("test/") and not key.endswith(ends) and not isinstance(value, Undefined):
            assert grouped.values[key] == value, key
    assert set(grouped.draws) == set(alone.draws)
    for key, draws in grouped.draws.items():
        assert np.isfinite(draws).all(), key
        assert grouped.values[f"{key}_lo"] <= grouped.values[key] <= grouped.values[f"{key}_hi"], key


def test_what_lies_above_chance_is_that_of_whole_groups_or_is_not_known() -> None:
    """Of 24 groups that are alike within, permuted labels explain more of the variance than they do image by image."""
    key = "test/transfer/h_score_excess"
    grouped, alone = (scored("transfer", nested=True, grouped=grouped) for grouped in (True, False))
    assert grouped.values[key] < alone.values[key] - 0.05
    assert grouped.chance[key] == alone.chance[key] == 0
    rng = np.random.default_rng(0)
    rows, labels, groups = ({"test": of} for of in drawn(rng, nested=True, alike=1.0))
    splits = make_splits(rows, labels, ("a", "b", "c"), resamples=20, permutations=0, groups=groups)
    found = Transfer(nleep=False)(splits)
    assert found.values[key] == Undefined(NO_LEVEL)
    assert key not in found.draws


@pytest.mark.parametrize("family", ["linear", "neighbours", "separability", "variance"])
def test_intervals_of_images_that_are_alike_are_wider(family: str) -> None:
    grouped, alone = scored(family, nested=True, alike=2.0), scored(family, nested=True, alike=2.0, grouped=False)
    wider = {key: np.std(draws) / np.std(alone.draws[key]) for key, draws in grouped.draws.items() if "test/" in key}
    assert np.median(list(wider.values())) > 1.5, wider


def test_train_images_are_asked_of_other_groups_alone() -> None:
    """Labels are one a group and mean nothing: the own group's images know them, those of others do not."""
    rng = np.random.default_rng(3)
    rows, labels, groups = drawn(rng, nested=True, alike=6.0)
    rows[:, :CLASSES] -= np.eye(CLASSES)[labels]
    both = dict.fromkeys(("train", "test"), rows)
    of_both = dict.fromkeys(both, labels)
    leaks = Neighbours(k=5)(make_splits(both, of_both, ("a", "b", "c"), resamples=0, permutations=0))
    apart = make_splits(
        both, of_both, ("a", "b", "c"), resamples=0, permutations=0, groups={"train": groups, "test": groups}
    )
    assert leaks.values["train/neighbours/knn_accuracy"] > 0.95
    assert Neighbours(k=5)(apart).values["train/neighbours/knn_accuracy"] < 0.6
    assert (groups[apart["train"].nearest(5).index] != groups[:, None]).all()
    assert np.array_equal(apart["test"].nearest(5).index[:, 0], np.arange(len(rows)))  # test asks all of train


@pytest.mark.parametrize(("family", "name"), [("linear", "linear"), ("neighbours", "neighbours/knn")])
def test_one_group_of_train_images_has_no_accuracy(family: str, name: str) -> None:
    rows, labels, groups = drawn(np.random.default_rng(3), nested=False, alike=1.0)
    both, of_both = dict.fromkeys(("train", "test"), rows), dict.fromkeys(("train", "test"), labels)
    one = {"train": np.zeros(len(rows), np.int64), "test": groups + 1}
    values = FAMILIES[family](make_splits(both, of_both, ("a", "b", "c"), groups=one)).values
    separator = "/" if family == "linear" else "_"
    refused = values[f"train/{name}{separator}accuracy"]
    assert isinstance(refused, Undefined)
    assert "one group" in refused.reason
    assert values[f"test/{name}{separator}accuracy"] > 0.3


@pytest.mark.parametrize("family", ["linear", "neighbours"])
def test_few_labelled_images_are_not_asked_for_images_of_their_groups(family: str) -> None:
    """Labels are one a group and mean nothing: an image of a group that train has, too, would be known by it."""
    rng, each = np.random.default_rng(3), GROUPS * EACH
    groups = np.concatenate([np.repeat(np.arange(GROUPS), EACH)] * 2 + [GROUPS + np.repeat(np.arange(GROUPS), EACH)])
    labels = groups % CLASSES
    rows = (6 * rng.normal(size=(2 * GROUPS, 40))[groups] + rng.normal(size=(3 * each, 40))).astype(np.float32)
    train, half = slice(0, each), slice(each, None)

    def shots(some: slice, *, grouped: bool) -> float | Undefined:
        of = {"train": train, "test": some}
        more = {"groups": {split: groups[part] for split, part in of.items()}} if grouped else {}
        splits = make_splits(
            {split: rows[part] for split, part in of.items()},
            {split: labels[part] for split, part in of.items()},
            ("a", "b", "c"), resamples=0, permutations=0, **more,
        )  # fmt: skip
        return FAMILIES[family](splits).values[f"test/{family}/shots_16"]

    leaks, apart, others = (
        shots(half, grouped=False),
        shots(half, grouped=True),
        shots(slice(-each, None), grouped=True),
    )
    assert leaks > apart + 0.1
    assert apart == others  # the images of the groups that train has are as if they were not there
    nobody = shots(train, grouped=True)
    assert isinstance(nobody, Undefined)
    assert "every test image's group" in nobody.reason


def test_recalls_of_images_in_groups_are_known_less_well() -> None:
    grouped, alone = (scored("linear", alike=2.0, nested=True, grouped=grouped) for grouped in (True, False))
    width = [
        np.subtract(of.tables["class_recall"]["recall_hi"], of.tables["class_recall"]["recall_lo"])
        for of in (grouped, alone)
    ]
    assert (width[0] > 1.2 * width[1]).all()


@pytest.mark.parametrize("family", ["separability", "transfer"])
def test_labels_that_mean_nothing_are_chance_in_groups_and_not_without(family: str) -> None:
    """Groups alike within, their labels dealt out: images exchanged one by one would be told apart from chance."""
    keys = {"separability": "test/separability/eta_squared", "transfer": "test/transfer/logme"}
    p = {grouped: [] for grouped in (True, False)}
    for seed in range(8):
        rng = np.random.default_rng((9, seed))
        rows, labels, groups = drawn(rng, nested=True, alike=3.0)
        rows[:, :CLASSES] -= np.eye(CLASSES)[labels]
        for grouped, of in p.items():
            more = {"groups": {"train": groups, "test": groups}} if grouped else {}
            splits = make_splits(
                dict.fromkeys(("train", "test"), rows), dict.fromkeys(("train", "test"), labels), ("a", "b", "c"),
                resamples=0, permutations=40, **more,
            )  # fmt: skip
            of.append(FAMILIES[family](splits).values[f"{keys[family]}_p"])
    assert max(p[False]) < 0.05
    assert np.median(p[True]) > 0.1


def test_chance_of_groups_is_that_of_the_null() -> None:
    for family in ("separability", "transfer"):
        grouped, alone = scored(family, nested=True, alike=2.0), scored(family, nested=True, alike=2.0, grouped=False)
        key = {"separability": "test/separability/eta_squared", "transfer": "test/transfer/h_score"}[family]
        assert grouped.chance[key] > 2 * alone.chance[key]  # few groups: any labels of theirs explain much


def test_fewer_than_six_groups_have_values_and_no_intervals() -> None:
    rows, labels, groups = drawn(np.random.default_rng(5), nested=False, alike=1.0)
    both, of_both = dict.fromkeys(("train", "test"), rows), dict.fromkeys(("train", "test"), labels)
    splits = make_splits(both, of_both, ("a", "b", "c"), groups=dict.fromkeys(both, groups % 5))
    for family in FAMILIES.values():
        scores = family(splits)
        assert not scores.draws
        assert not [key for key in scores.values if key.endswith(("_lo", "_hi"))]


@pytest.mark.parametrize("family", FAMILIES)
def test_names_of_groups_change_nothing(family: str) -> None:
    rng = np.random.default_rng(0)
    sets = {split: drawn(rng, nested=False, alike=1.0) for split in ("train", "test")}
    rows, labels, groups = ({split: of[n] for split, of in sets.items()} for n in range(3))
    found = [
        FAMILIES[family](
            make_splits(
                rows,
                labels,
                ("a", "b", "c"),
                resamples=50,
                permutations=5,
                groups={k: m * g for k, g in groups.items()},
            )
        )
        for m in (1, 17)
    ]
    assert found[0].values == found[1].values
