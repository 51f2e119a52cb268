"""Groups of images: their numbers, what is drawn and exchanged of them, and that their intervals hold the truth."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import norm, t

from frostmark.metrics.variance import intra_variance
from frostmark.stats.bootstrap import Resamples, interval, recentred, resampled_summaries
from frostmark.stats.grouped import (
    MIN_GROUPS,
    cut_groups,
    drawn_groups,
    effective_images,
    group_codes,
    group_names,
    is_constant,
    largest_share,
    smallest_p,
    why_too_few,
)
from frostmark.stats.moments import ClassMoments
from frostmark.stats.permutation import Permutations
from support.simulated_groups import QUICK, WHOLE, WORLDS, Counts, World, coverage, recall_coverage

Array = np.ndarray[Any, Any]
RNG = np.random.default_rng(0)
GROUPS = RNG.permutation(np.repeat(np.arange(10), RNG.integers(1, 9, 10)))
LABELS = RNG.integers(0, 3, len(GROUPS))
OF_GROUP = (np.arange(10) % 3)[GROUPS]  # labels that are one a group


# Which groups there are


def test_groups_have_the_names_that_they_were_given() -> None:
    named = group_names({"train": ["p1", np.int64(7), torch.tensor(8)], "test": [("a", 1)]})
    assert {split: of.tolist() for split, of in named.items()} == {"train": ["p1", "7", "8"], "test": ["('a', 1)"]}
    assert group_names({"train": [1, "1"]})["train"].tolist() == ["1", "'1'"]  # two groups


def test_one_id_is_one_group_in_both_splits() -> None:
    codes = group_codes({"train": ["b", "a", "b"], "test": ["a", "c"]})
    assert {split: of.tolist() for split, of in codes.items()} == {"train": [0, 1, 0], "test": [1, 2]}
    mixed = group_codes({"train": [("p", 1), 7, None], "test": [7, ("p", 1)]})
    assert [of.tolist() for of in mixed.values()] == [[0, 1, 2], [1, 0]]


def test_ids_out_of_arrays_and_tensors_are_what_they_hold() -> None:
    ids = {"train": np.array([5, 6, 5]), "test": torch.tensor([6, 5])}
    assert [of.tolist() for of in group_codes(ids).values()] == [[0, 1, 0], [1, 0]]  # type: ignore[arg-type]


def test_fewer_than_six_groups_cannot_tell() -> None:
    assert why_too_few(5) == "5 groups cannot give p < 0.05: the smallest p is 0.06"
    assert why_too_few(1) == "1 group cannot give p < 0.05: the smallest p is 1.00"
    assert why_too_few(MIN_GROUPS) == ""
    assert smallest_p(MIN_GROUPS) < 0.05 < smallest_p(MIN_GROUPS - 1)


def test_shares_and_constant_labels_by_hand() -> None:
    groups = np.array([4, 4, 9, 9, 9, 1])
    assert largest_share(groups) == 0.5
    assert is_constant(np.array([2, 2, 0, 1, 0, 7]), groups).tolist() == [True, True, False]  # groups 1, 4, 9


def test_fewer_groups_are_drawn_than_there_are() -> None:
    assert [drawn_groups(n) for n in (1, 2, 6, 10, 20, 50, 1000)] == [1, 2, 2, 6, 16, 46, 996]


# What is drawn


def all_counts(resamples: Resamples, cells: int = 1) -> dict[int, Array]:
    parts = [counts for _, counts in resamples.blocks(cells)]
    return {c: np.concatenate([counts[c] for counts in parts]) for c in parts[0]}


def drawn_rows(labels: Array, counts: dict[int, Array], draw: int) -> Array:
    return np.concatenate([np.repeat(np.flatnonzero(labels == c), counts[c][draw].astype(int)) for c in counts])


def test_whole_groups_are_drawn() -> None:
    of_row = all_counts(Resamples(np.zeros(len(LABELS), np.int64), 300, ("a",), GROUPS))[0]
    for group in range(10):
        mine = of_row[:, group == GROUPS]
        assert (mine == mine[:, :1]).all()
    assert (of_row[:, [np.flatnonzero(g == GROUPS)[0] for g in range(10)]].sum(1) == drawn_groups(10)).all()


def test_the_same_groups_are_drawn_whatever_they_are_called_and_however_large_blocks_are() -> None:
    one = Resamples(LABELS, 300, ("0", "abc", "test"), GROUPS)
    renamed = Resamples(LABELS, 300, ("0", "abc", "test"), 7 * GROUPS + 3)
    for other in (all_counts(renamed), all_counts(one, 1 << 22)):
        assert all(np.array_equal(of, other[c]) for c, of in all_counts(one).items())
    another = Resamples(LABELS, 300, ("1", "abc", "test"), GROUPS)
    assert not np.array_equal(one.means(LABELS), another.means(LABELS))
    assert (one.means(LABELS)[:20] == Resamples(LABELS, 20, ("0", "abc", "test"), GROUPS).means(LABELS)).all()


def test_a_class_of_no_drawn_group_keeps_its_rows() -> None:
    counts = all_counts(Resamples(OF_GROUP, 500, ("a",), GROUPS))
    sizes = {c: of.sum(1) for c, of in counts.items()}
    assert all((of > 0).all() for of in sizes.values())
    assert any((of == 1).all(1).any() for of in counts.values())


def test_means_of_groups_against_a_loop() -> None:
    outcomes = np.random.default_rng(1).standard_normal(len(LABELS))
    resamples = Resamples(LABELS, 270, ("a",), GROUPS)
    rows = all_counts(replace(resamples, labels=np.zeros(len(LABELS), np.int64)))[0]
    counts, means, by_class = all_counts(resamples), resamples.means(outcomes), resamples.class_means(outcomes)
    for b in range(270):
        assert means[b] == pytest.approx(outcomes[np.repeat(np.arange(len(rows[b])), rows[b].astype(int))].mean())
        drawn = drawn_rows(LABELS, counts, b)
        each = [outcomes[drawn[LABELS[drawn] == c]].mean() for c in range(3)]
        assert by_class[b] == pytest.approx(each, rel=1e-6, abs=1e-6)
    assert (resamples.balanced_means(outcomes) == by_class.mean(1)).all()


def test_means_of_classes_of_independent_images_against_a_loop() -> None:
    outcomes = np.random.default_rng(1).random(len(LABELS)) < 0.7
    resamples = Resamples(LABELS, 40, ("a",))
    counts, by_class = all_counts(resamples), resamples.class_means(outcomes)
    for b in range(40):
        drawn = drawn_rows(LABELS, counts, b)
        assert by_class[b] == pytest.approx([outcomes[drawn[LABELS[drawn] == c]].mean() for c in range(3)], abs=1e-12)
    shares = np.bincount(LABELS) / len(LABELS)
    assert by_class @ shares == pytest.approx(resamples.means(outcomes), abs=1e-12)


def test_summaries_of_groups_are_those_of_the_rows_drawn() -> None:
    rows = np.random.default_rng(1).standard_normal((len(LABELS), 6)).astype(np.float32)
    moments, resamples = ClassMoments.of(rows, LABELS, 3), Resamples(LABELS, 60, ("a",), GROUPS)
    counts = all_counts(resamples)
    for part, summary in resampled_summaries(rows, moments, resamples, spread=True):
        assert summary.count.shape == (part.stop - part.start, 3)
        pieces = list(summary.pieces())
        assert sum(len(piece.count) for piece in pieces) == part.stop - part.start
        for at, b in enumerate(range(part.start, part.stop)):
            drawn = drawn_rows(LABELS, counts, b)
            expected = ClassMoments.of(rows[drawn], LABELS[drawn], 3).summary
            assert summary.count[at].tolist() == expected.count.tolist()
            # Sums of some dozen float32 numbers of order 1.
            assert summary.variance[at] == pytest.approx(expected.variance, rel=1e-5, abs=1e-5)
            np.testing.assert_allclose(summary.mean[at] + moments.grand_mean, expected.mean, rtol=0, atol=5e-6)
            assert float(summary.between[at]) == pytest.approx(float(expected.between), rel=1e-4, abs=1e-4)
            assert float(summary.within[at]) == pytest.approx(float(expected.within), rel=1e-5)


def test_fewer_than_six_groups_have_no_resamples() -> None:
    assert Resamples(LABELS, 100, ("a",), GROUPS % 5).draws == 0
    assert Resamples(LABELS, 100, ("a",), GROUPS % 6).draws == 100


def test_some_of_the_rows_keep_their_groups() -> None:
    rows = np.flatnonzero(GROUPS > 2)
    some = Resamples(LABELS, 50, ("a",), GROUPS).among(rows, ("b",))
    assert (some.means(LABELS[rows]) == Resamples(LABELS[rows], 50, ("b",), GROUPS[rows]).means(LABELS[rows])).all()


def test_rows_of_groups_of_one_spread_as_independent_rows_do() -> None:
    n = 400
    labels, outcomes = np.arange(n) % 2, np.random.default_rng(3).random(n) < 0.8
    apart = Resamples(labels, 4000, ("a",)).means(outcomes)
    alone = Resamples(labels, 4000, ("a",), np.arange(n)).means(outcomes)
    assert alone.std() == pytest.approx(apart.std(), rel=0.05)  # known to 1/√8000


# What is exchanged


def test_labels_of_whole_groups_are_exchanged_between_them() -> None:
    orders = list(Permutations(OF_GROUP, 200, ("a",), GROUPS))
    wanted = sorted(np.arange(10) % 3)
    for labels in orders:
        assert is_constant(labels, GROUPS).all()
        assert sorted(int(labels[g == GROUPS][0]) for g in range(10)) == wanted
    assert len({labels.tobytes() for labels in orders}) > 190
    of_first = np.array([labels[GROUPS == 0][0] for labels in orders])
    assert np.abs(np.bincount(of_first, minlength=3) / 200 - [0.4, 0.3, 0.3]).max() < 4 * 0.5 / np.sqrt(200)


def test_labels_that_differ_within_a_group_stay_in_it() -> None:
    orders = list(Permutations(LABELS, 50, ("a",), GROUPS))
    for labels in orders:
        for group in range(10):
            if len(np.unique(LABELS[group == GROUPS])) > 1:
                assert sorted(labels[group == GROUPS]) == sorted(LABELS[group == GROUPS])
        assert (np.bincount(labels) > 0).all()
    assert len({labels.tobytes() for labels in orders}) == 50
    assert not np.array_equal(orders[0], LABELS)


def test_orders_of_groups_follow_from_the_context() -> None:
    one = Permutations(LABELS, 10, ("0", "abc", "test"), GROUPS)
    assert np.array_equal(list(one), list(Permutations(LABELS, 25, ("0", "abc", "test"), GROUPS))[:10])
    assert not np.array_equal(list(one), list(Permutations(LABELS, 10, ("1", "abc", "test"), GROUPS)))
    rows = np.flatnonzero(GROUPS > 2)
    again = Permutations(LABELS[rows], 10, ("b",), GROUPS[rows])
    assert np.array_equal(list(one.among(rows, ("b",))), list(again))


@pytest.mark.parametrize("whole", [True, False])
def test_p_of_labels_that_mean_nothing_is_as_rarely_small_as_it_says(whole: bool) -> None:
    """Features that groups have in common, as images of a patient do; labels by group, or any within it."""
    claims = np.zeros(2)
    for s in range(300):
        rng = np.random.default_rng((4, s))
        groups = np.repeat(np.arange(12), 10)
        labels = rng.permutation(np.arange(12) % 2)[groups] if whole else rng.integers(0, 2, 120)
        feature = rng.normal(size=12)[groups] + rng.normal(size=120)
        for i, of in enumerate((groups, None)):
            orders = [labels, *Permutations(labels, 39, (str(s),), of)]
            apart = [abs(feature[y == 1].mean() - feature[y == 0].mean()) for y in orders]
            claims[i] += np.mean(np.array(apart) >= apart[0]) <= 0.05
    assert claims[0] / 300 < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 300)
    if whole:  # images exchanged one by one would claim what is not so
        assert claims[1] / 300 > 0.3


# Coverage


@pytest.mark.parametrize("world", WORLDS[:4:3], ids=str)
def test_intervals_hold_the_truth_about_as_often_as_they_say(world: World) -> None:
    check_coverage(world, QUICK)


@pytest.mark.slow  # minutes
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("world", WORLDS, ids=str)
def test_intervals_hold_the_truth_as_often_as_they_say(world: World) -> None:
    check_coverage(world, WHOLE)


def check_coverage(world: World, counts: Counts) -> None:
    of_one, of_difference = coverage(world, counts)
    error = 2 * np.sqrt(0.95 * 0.05 / counts.sets)  # of a share of so many draws, 95 %
    for covered in (of_one, of_difference):
        assert 0.92 - error <= covered <= 0.97 + error, (of_one, of_difference)


def test_images_drawn_one_by_one_would_not() -> None:
    assert coverage(World(20, 0.3, shared=False), QUICK, by_group=False)[0] < 0.5


def test_intervals_of_variances_hold_the_truth_about_as_often_as_they_say() -> None:
    """Of rows that groups have in common: 20 groups of 10, half of the variance between groups."""
    groups, covered, sets = np.repeat(np.arange(20), 10), 0, 150
    labels = np.arange(200) % 2
    for s in range(sets):
        rng = np.random.default_rng((5, s))
        rows = (rng.normal(size=(20, 8))[groups] + rng.normal(size=(200, 8))).astype(np.float32)
        moments = ClassMoments.of(rows, labels, 2)
        parts = resampled_summaries(rows, moments, Resamples(labels, 300, (str(s),), groups))
        draws = np.concatenate([intra_variance(summary) for _, summary in parts])
        low, high = interval(recentred(draws, float(intra_variance(moments.summary))))
        covered += low <= 8 * (19 / 20 + 9.5 / 10.0) <= high  # what a sample of 20 groups has on average, about
    assert 0.88 <= covered / sets <= 0.99


# How much is known of a recall

RECALLS = [(groups, icc, recall) for groups in (6, 10, 20, 50) for icc in (0.1, 0.3) for recall in (0.5, 0.8, 0.95)]


def check_recall_coverage(groups: int, icc: float, recall: float, sets: int) -> None:
    """Between 91 and 99 %: at few groups and recalls near 1 the interval is rather too wide."""
    by_group, by_image = recall_coverage(groups, icc, recall, sets)
    error = 2 * np.sqrt(0.95 * 0.05 / sets)
    assert 0.91 - error <= by_group <= 0.99 + error
    assert by_image < by_group


@pytest.mark.parametrize(("groups", "icc", "recall"), [(6, 0.3, 0.95), (20, 0.3, 0.8)])
def test_intervals_of_a_recall_hold_it_about_as_often_as_they_say(groups: int, icc: float, recall: float) -> None:
    check_recall_coverage(groups, icc, recall, 300)


@pytest.mark.slow
@pytest.mark.parametrize(("groups", "icc", "recall"), RECALLS)
def test_intervals_of_a_recall_hold_it_as_often_as_they_say(groups: int, icc: float, recall: float) -> None:
    check_recall_coverage(groups, icc, recall, 2000)


def test_images_that_a_group_decides_count_once_a_group() -> None:
    groups, few = np.repeat(np.arange(40), 5), (norm.ppf(0.975) / t.ppf(0.975, 39)) ** 2
    hits = (np.arange(40) % 4 > 0)[groups]  # 3 of 4 groups, whole: the design effect is 5 · 40/39
    assert effective_images(hits, groups) == pytest.approx(39 * few)
    assert effective_images(np.ones(200, bool), groups) == pytest.approx(40 * few)
    assert effective_images(np.tile([True, True, True, True, False], 40), groups) == pytest.approx(200 * few)


def test_images_of_groups_in_both_splits_are_found() -> None:
    codes = group_codes({"train": list("aabbc"), "test": list("dcba")})
    cut = cut_groups(codes)
    assert cut["train"].tolist() == [0, 1, 2, 3, 4]
    assert cut["test"].tolist() == [1, 2, 3]
    assert [len(of) for of in cut_groups({"train": codes["train"][:2], "test": codes["test"][:1]}).values()] == [0, 0]
