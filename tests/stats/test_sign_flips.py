"""Sign flips: cases done by hand, the exact tests that they extend, and how often they claim what is not so."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from frostmark.stats.paired import mcnemar
from frostmark.stats.sign_flips import FLIPS, balanced_test, hits_test, sign_flip
from support.simulated_groups import QUICK, WHOLE, WORLDS, Counts, World, false_claims


def test_sign_flips_by_hand() -> None:
    assert sign_flip(np.array([1, 1, 1, 1, 1, 1])) == pytest.approx(2 / 64)
    assert sign_flip(np.array([1, 1, 1, 1, 1, -1])) == pytest.approx(2 * 7 / 64)  # as far: none or one of six against
    assert sign_flip(np.array([3, 1, 1])) == pytest.approx(2 / 8)
    assert sign_flip(np.array([3, -1, -1])) == 1  # 3 − 1 − 1 is the nearest to zero that there is
    assert sign_flip(np.array([1, -1])) == 1
    assert sign_flip(np.zeros(9)) == 1
    assert sign_flip(np.array([0, 0, 2, 2])) == pytest.approx(2 / 4)  # who does not differ says nothing


@given(st.lists(st.integers(-5, 5), min_size=1, max_size=9))
def test_all_signs_against_a_loop(values: list[int]) -> None:
    totals = [
        abs(sum(s * v for s, v in zip(signs, values, strict=True))) for signs in product((1, -1), repeat=len(values))
    ]
    assert sign_flip(np.array(values)) == pytest.approx(np.mean(np.array(totals) >= abs(sum(values))))
    assert sign_flip(-np.array(values)) == pytest.approx(sign_flip(np.array(values)))


def test_drawn_signs_are_near_all_signs_and_never_zero() -> None:
    rng = np.random.default_rng(0)
    values = np.round(rng.normal(0.3, 1, 16), 2)
    sums = np.zeros(1)
    for value in values:
        sums = np.concatenate([sums + value, sums - value])
    exact = float(np.mean(np.abs(sums) >= abs(values.sum()) - 1e-9))
    assert sign_flip(values) == pytest.approx(exact, abs=4 * np.sqrt(exact / FLIPS))
    assert sign_flip(values) == sign_flip(values)  # the same signs every time
    assert sign_flip(np.ones(400)) == 1 / (1 + FLIPS)


def test_groups_of_one_image_are_mcnemars() -> None:
    rng = np.random.default_rng(1)
    one, other = rng.random((2, 40)) < 0.85
    assert 6 <= (one != other).sum() <= 15
    assert hits_test(one, other, np.arange(40)) == pytest.approx(mcnemar(one, other))


@given(st.integers(0, 12), st.integers(0, 12), st.integers(0, 30))
def test_one_class_is_mcnemars(gained: int, lost: int, both: int) -> None:
    one = np.array([True] * gained + [False] * lost + [True] * both, dtype=bool)
    other = np.array([False] * gained + [True] * lost + [True] * both, dtype=bool)
    labels = np.zeros(len(one), np.int64)
    assert balanced_test(one, other, labels) == pytest.approx(mcnemar(one, other))


def test_balanced_by_hand() -> None:
    # 4 images of class 0, of which each gained counts 1/8, 1 of class 1, which counts 1/2.
    labels = np.array([0, 0, 0, 0, 1])
    one, other = np.array([1, 1, 0, 0, 1], bool), np.array([0, 0, 0, 0, 0], bool)
    assert balanced_test(one, other, labels) == pytest.approx(2 / 8)  # ± 1/8 ± 1/8 ± 1/2: only ± 3/4 is as far
    assert balanced_test(other, one, labels) == pytest.approx(2 / 8)
    assert balanced_test(one, one, labels) == 1


def test_balanced_of_many_classes_is_drawn_and_near_what_is_exact() -> None:
    rng = np.random.default_rng(2)
    labels = np.arange(1000) % 10
    one, other = rng.random((2, 1000)) < np.array([[0.83], [0.8]])
    # Classes of one size: every discordant image counts as much, as McNemar has it.
    exact = mcnemar(one, other)
    assert balanced_test(one, other, labels) == pytest.approx(exact, abs=4 * np.sqrt(exact / FLIPS))


def test_fewer_than_six_groups_give_no_p() -> None:
    one, other, labels = np.ones(50, bool), np.zeros(50, bool), np.arange(50) % 2
    assert np.isnan(hits_test(one, other, np.arange(50) % 5))
    assert np.isnan(balanced_test(one, other, labels, np.arange(50) % 5))
    assert hits_test(one, other, np.arange(50) % 6) == pytest.approx(2 / 64)
    assert balanced_test(one, other, labels, np.arange(50) % 6) == pytest.approx(2 / 64)


def test_outcomes_of_other_images_are_refused() -> None:
    with pytest.raises(ValueError, match="same images"):
        hits_test(np.ones(3, bool), np.ones(2, bool), np.arange(3))
    with pytest.raises(ValueError, match="same images"):
        balanced_test(np.ones(3, bool), np.ones(3, bool), np.arange(2))


# How often equal networks are told apart


@pytest.mark.parametrize("world", WORLDS[:4:3], ids=str)
def test_equal_networks_are_told_apart_about_as_rarely_as_it_says(world: World) -> None:
    check_claims(world, QUICK)


@pytest.mark.slow  # minutes
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("world", WORLDS, ids=str)
def test_equal_networks_are_told_apart_as_rarely_as_it_says(world: World) -> None:
    check_claims(world, WHOLE)


def check_claims(world: World, counts: Counts) -> None:
    claims = false_claims(world, counts)
    error = 2 * np.sqrt(0.06 * 0.94 / counts.sets)
    assert claims.by_group <= 0.06 + error
    assert claims.balanced <= 0.06 + error
    if not world.shared and world.icc == 0.3:
        assert claims.by_image > 0.4  # why McNemar's test will not do


# Classes of unequal size

SHARES = np.repeat([0, 1], [950, 50])


def balanced_ps(recalls: tuple[tuple[float, float], tuple[float, float]], sets: int) -> np.ndarray:
    """p of two networks of such recalls on 950 and 50 images, in so many data sets."""
    rng = np.random.default_rng(8)
    one, other = (np.array(of)[SHARES] for of in recalls)
    return np.array([balanced_test(rng.random(1000) < one, rng.random(1000) < other, SHARES) for _ in range(sets)])


def test_who_always_says_the_first_class_loses_by_balanced_accuracy() -> None:
    assert np.mean(balanced_ps(((1.0, 0.0), (0.96, 0.8)), 300) <= 0.05) >= 0.95
    rng = np.random.default_rng(9)
    one, other = SHARES == 0, rng.random(1000) < np.array([0.96, 0.8])[SHARES]
    assert mcnemar(one, other) > 0.05  # accuracy cannot tell


@pytest.mark.parametrize(
    ("recalls", "other"), [((0.96, 0.8), (0.96, 0.8)), ((0.9, 0.5), (0.9, 0.5)), ((0.9, 0.6), (0.8, 0.7))]
)
def test_equal_balanced_accuracies_are_told_apart_as_rarely_as_it_says(
    recalls: tuple[float, float], other: tuple[float, float]
) -> None:
    sets = 1000
    assert np.mean(balanced_ps((recalls, other), sets) <= 0.05) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / sets)
