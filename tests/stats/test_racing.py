"""A race drops what is worse, keeps the best, and knows that learning curves cross."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm

from frostmark.stats.racing import LEVEL, Look, behind, doubling, nested
from support.simulated_race import ONE_IN_TEN, Field, raced

NO_HALVES = np.zeros((0, 0), bool)


def look(hits: np.ndarray, groups: np.ndarray | None = None, labels: np.ndarray | None = None) -> Look:
    """Hits (N, C) of candidates that gained nothing from the second half of the sample."""
    return Look.of(hits, hits, labels, groups)


def discordant(gained: int, lost: int, images: int = 400) -> np.ndarray:
    """Two candidates: the second alone is right on ``gained`` images, the first alone on ``lost``."""
    hits = np.ones((images, 2), bool)
    hits[:gained, 0] = False
    hits[gained : gained + lost, 1] = False
    return hits


def test_samples_double_up_to_all_images() -> None:
    assert doubling(4_000, 60) == [62, 125, 250, 500, 1_000, 2_000, 4_000]
    assert doubling(100, 60) == [100]
    assert doubling(10, 60) == [10]


def test_every_beginning_of_the_order_is_a_stratified_sample() -> None:
    labels = np.random.default_rng(0).choice(4, 1_000, p=[0.1, 0.2, 0.3, 0.4])
    order = np.concatenate(nested(labels, np.random.default_rng(1)))
    assert sorted(order) == list(range(1_000))
    for size in (60, 125, 250, 500):
        share = np.bincount(labels[order[:size]], minlength=4) / size
        assert np.abs(share - np.bincount(labels) / 1_000).max() <= 1.5 / size


def test_groups_are_kept_whole() -> None:
    groups = np.random.default_rng(0).integers(0, 30, 300)
    units = nested(groups % 3, np.random.default_rng(1), groups)
    assert sorted(np.concatenate(units)) == list(range(300))
    assert all(len(np.unique(groups[unit])) == 1 for unit in units)
    assert len(units) == len(np.unique(groups))


@pytest.mark.parametrize(("gained", "lost"), [(30, 5), (30, 15), (12, 2), (9, 2), (5, 0), (200, 150)])
def test_two_candidates_are_told_apart_as_by_mcnemar_s_test(gained: int, lost: int) -> None:
    worse = (gained - lost) / np.sqrt(gained + lost) > norm.isf(0.05 / 2)
    assert behind([look(discordant(gained, lost))], 0, 0.05).tolist() == [worse, False]


def test_equal_hits_of_few_groups_and_a_single_candidate_drop_nobody() -> None:
    assert not behind([look(discordant(0, 0))], 0, 0.05).any()
    assert not behind([look(discordant(40, 0)[:, :1])], 0, 0.05).any()
    assert not behind([look(discordant(200, 0), np.arange(400) % 5)], 0, 0.05).any()


def test_images_of_one_group_count_for_little_more_than_one() -> None:
    hits = discordant(30, 5)
    assert behind([look(hits)], 0, 0.05)[0]
    apart = np.arange(400)
    assert behind([look(hits, apart)], 0, 0.05)[0]
    assert not behind([look(hits, apart // 20)], 0, 0.05).any()


def test_balanced_accuracy_counts_an_image_by_its_class() -> None:
    labels = np.arange(400) // 380  # 20 of the second class
    hits = np.ones((400, 2), bool)
    hits[380:395, 0] = False  # the first candidate misses the small class
    hits[:30, 1] = False  # the second one misses more images, of the large class
    assert behind([look(hits)], 0, 0.05).tolist() == [False, True]
    assert behind([look(hits, labels=labels)], 0, 0.05).tolist() == [True, False]


def test_whoever_catches_up_is_not_dropped_before_the_end() -> None:
    """The first is behind by ten points and has just gained ten more than the second from twice the images."""
    hits, halves = discordant(60, 20), discordant(60, 20)
    halves[360:, 0] = False
    catching_up = Look.of(hits, halves)
    assert behind([look(hits)], 3, 0.05)[0]
    assert not behind([catching_up], 3, 0.05)[0]
    assert behind([catching_up], 0, 0.05)[0]


def test_the_looks_before_are_remembered() -> None:
    """A gain that one look cannot tell from noise is seen in three."""
    rng = np.random.default_rng(0)
    field = Field(np.array([0.8, 0.8, 0.8]), np.array([0.30, 0.02, 0.02]), doubling(1_000, 60))
    last, all_of_them = [], []
    for _ in range(60):
        looks = [Look.of(*sample) for sample in field.hits(rng)[:3]]
        last.append(behind(looks[-1:], 2, LEVEL)[0])
        all_of_them.append(behind(looks, 2, LEVEL)[0])
    assert np.mean(all_of_them) <= np.mean(last)


def test_hits_of_other_candidates_are_refused() -> None:
    with pytest.raises(ValueError, match="not of the same images"):
        Look.of(discordant(1, 1), NO_HALVES)


SETTINGS = [(4_000, 0.05, 0.25), (1_000, 0.05, 0.5), (4_000, 0.02, 0.6)]
"""Images, spread of the accuracies, and the share of the forward passes of the full grid that may be needed."""


def race_many(draws: int, images: int, spread: float, slow_best: bool = False, power: float = 0.5) -> np.ndarray:
    """(draws, 3): share of the forward passes, whether the best of the full grid is left, share of crossing pairs."""
    told = []
    for draw in range(draws):
        rng = np.random.default_rng(draw)
        field = Field.drawn(30, images, spread, rng, power=power)
        if slow_best:
            gains = field.gains.copy()
            gains[field.final.argmax()] = 0.06 + 1.5 * ONE_IN_TEN * spread
            field = replace(field, gains=gains)
        samples = field.hits(rng)
        left, forwarded = raced(field, samples)
        told.append((forwarded, samples[-1][0].sum(0).argmax() in left, field.crossing))
    return np.array(told)


@pytest.mark.parametrize(("images", "spread", "most"), SETTINGS)
def test_a_race_of_thirty_keeps_the_best_and_forwards_a_fraction(images: int, spread: float, most: float) -> None:
    forwarded, kept, crossing = race_many(20, images, spread).mean(0)
    assert kept >= 0.95
    assert forwarded <= most + 0.02  # the mean of few draws
    assert 0.08 <= crossing <= 0.12


@pytest.mark.slow
@pytest.mark.parametrize(("images", "spread", "most"), SETTINGS)
def test_two_hundred_races_keep_the_best_and_forward_a_fraction(images: int, spread: float, most: float) -> None:
    forwarded, kept, crossing = race_many(200, images, spread).mean(0)
    print(f"\n{images} images, spread {spread}: {forwarded:.1%} forwarded, {kept:.1%} kept, {crossing:.1%} crossing")
    assert kept >= 0.95
    assert forwarded <= most
    assert 0.09 <= crossing <= 0.11


@pytest.mark.slow
@pytest.mark.parametrize(("slow_best", "power"), [(True, 0.5), (False, 0.25), (False, 1.0), (True, 0.25), (True, 1.0)])
def test_the_best_is_kept_if_it_starts_slowly_or_curves_have_another_shape(slow_best: bool, power: float) -> None:
    forwarded, kept, _ = race_many(200, 1_000, 0.05, slow_best, power).mean(0)
    print(f"\nslow best {slow_best}, power {power}: {forwarded:.1%} forwarded, best kept {kept:.1%}")
    assert kept >= 0.95


def dropped_equals(draws: int, candidates: int, best: int, crossing: float) -> float:
    """Share of races in which any of the ``best`` equal candidates drops out."""
    wrong = 0
    for draw in range(draws):
        rng = np.random.default_rng(draw)
        field = Field.drawn(candidates, 1_000, 0.05, rng, crossing)
        final = np.full(candidates, 0.8)
        final[best:] -= 0.05 * np.abs(rng.standard_normal(candidates - best))
        field = replace(field, final=final)
        wrong += len(np.setdiff1d(np.arange(best), raced(field, field.hits(rng))[0])) > 0
    return wrong / draws


@pytest.mark.parametrize("candidates", [3, 30])
def test_equal_networks_are_hardly_ever_dropped(candidates: int) -> None:
    assert dropped_equals(100, candidates, candidates, ONE_IN_TEN) <= 0.05 + 0.045  # two standard errors


@pytest.mark.slow
@pytest.mark.parametrize(
    ("candidates", "best", "crossing"),
    [(2, 2, 0.0), (3, 3, 0.0), (3, 3, ONE_IN_TEN), (30, 30, 0.0), (30, 30, ONE_IN_TEN), (30, 5, ONE_IN_TEN)],
)
def test_one_of_the_best_drops_out_in_one_race_of_twenty_at_most(candidates: int, best: int, crossing: float) -> None:
    wrong = dropped_equals(1_000, candidates, best, crossing)
    print(f"\n{candidates} candidates, {best} of them best, crossing {crossing:.2f}: {wrong:.1%}")
    assert wrong <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 1_000)
