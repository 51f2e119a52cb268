"""Ranks over data sets: by hand, and how often intervals and places are right in simulated suites."""

from __future__ import annotations

import time

import numpy as np
import pytest
from scipy.stats import rankdata

from frostmark.stats.ranks import bradley_terry, over_data_sets, ranks_of, tied
from support.simulated_suites import suite_of

SUITES = 400


def no_draws(data_sets: int, networks: int) -> list[np.ndarray]:
    return [np.empty((0, networks))] * data_sets


def test_ranks_are_those_of_scipy_with_ties_averaged() -> None:
    scores = np.random.default_rng(0).integers(0, 6, size=(50, 9)) / 6
    assert np.array_equal(ranks_of(scores), rankdata(-scores, axis=1))


def test_a_suite_by_hand() -> None:
    scores = np.array([[0.9, 0.8, 0.7], [0.6, 0.6, 0.5], [0.7, 0.8, 0.6]])
    ranking = over_data_sets(scores, no_draws(3, 3), np.random.default_rng(0))
    assert ranking.ranks.tolist() == [[1, 2, 3], [1.5, 1.5, 3], [2, 1, 3]]
    assert ranking.mean_rank == pytest.approx([1.5, 1.5, 3])
    assert ranking.mean_score == pytest.approx(scores.mean(0))
    assert ranking.wins == pytest.approx([0.5, 0.5, 0], abs=0.06)
    assert not ranking.calibrated
    assert np.all((ranking.low >= 1) & (ranking.high <= 3) & (ranking.score_low >= 0) & (ranking.score_high <= 1))


def test_fewer_than_three_data_sets_have_no_ranking() -> None:
    with pytest.raises(ValueError, match="2 data sets of 3 networks"):
        over_data_sets(np.full((2, 3), 0.5), no_draws(2, 3), np.random.default_rng(0))


def test_a_network_that_always_wins_is_told_from_the_next() -> None:
    scores = np.tile([0.9, 0.6, 0.5], (12, 1))
    ranking = over_data_sets(scores, no_draws(12, 3), np.random.default_rng(0))
    assert ranking.critical < 1
    assert ranking.wins.tolist() == [1, 0, 0]


def test_few_data_sets_that_agree_tell_no_two_networks_apart() -> None:
    """By chance they agree in one suite of sixteen."""
    ranking = over_data_sets(np.tile([0.9, 0.5], (5, 1)), no_draws(5, 2), np.random.default_rng(0))
    assert ranking.critical >= 1


def test_images_count_where_data_sets_agree() -> None:
    rng = np.random.default_rng(0)
    scores = np.tile([0.71, 0.70, 0.2], (10, 1))
    draws = [np.clip(scores[0] + 0.05 * rng.normal(size=(300, 3)), 0, 1) for _ in range(10)]
    ranking = over_data_sets(scores, draws, rng)
    assert ranking.high[0] > 1
    assert ranking.high[2] == ranking.low[2] == 3


def test_sets_of_networks_that_are_not_told_apart() -> None:
    assert tied(np.array([1.0, 1.4, 1.9, 4.0]), 0.6) == [(0, 1), (1, 2)]
    assert tied(np.array([1.0, 3.0]), 0.5) == []
    assert tied(np.array([2.0, 1.0, 1.5]), 1.0) == [(0, 2)]


def test_strengths_make_the_wins_that_there_were() -> None:
    scores = np.random.default_rng(1).random((30, 6)) + np.linspace(0, 0.5, 6)
    strengths = bradley_terry(scores)
    wins = (6 - ranks_of(scores)).sum(0) + 5 / 2
    expected = strengths[:, None] / (strengths[:, None] + strengths)
    np.fill_diagonal(expected, 0)
    assert 31 * expected.sum(1) == pytest.approx(wins, rel=1e-6)
    assert np.log(strengths).mean() == pytest.approx(0, abs=1e-9)
    assert np.isfinite(bradley_terry(np.tile([0.9, 0.1], (3, 1)))).all()


def test_300_networks_on_40_data_sets_take_seconds() -> None:
    rng = np.random.default_rng(0)
    quality = rng.normal(0.8, 0.05, 300)
    draws = [np.round(quality + 0.02 * rng.normal(size=(1000, 300)), 3).clip(0, 1) for _ in range(40)]
    scores = np.stack([of.mean(0) for of in draws])
    begun = time.process_time()
    over_data_sets(scores, draws, rng)
    bradley_terry(scores)
    assert time.process_time() - begun < 5


def shared_places(networks: int, data_sets: int, images: int, apart: float, suites: int) -> float:
    """In how many of the suites equal networks share the first place."""
    rng, shared = np.random.default_rng(networks + data_sets), 0
    for _ in range(suites):
        ranking = over_data_sets(*suite_of(rng, np.zeros(networks), data_sets, images, apart), rng)
        shared += bool(np.ptp(ranking.mean_rank) <= ranking.critical)
    return shared / suites


def coverage(quality: np.ndarray, data_sets: int, images: int, apart: float, suites: int) -> tuple[float, float]:
    """How often the intervals of ranks and of mean scores hold what many data sets would give."""
    rng = np.random.default_rng(data_sets)
    many, _ = suite_of(rng, quality, 6000, images, apart, draws=0)
    rank, score = ranks_of(many).mean(0), many.mean(0)
    of_rank = of_score = 0.0
    for _ in range(suites):
        ranking = over_data_sets(*suite_of(rng, quality, data_sets, images, apart), rng)
        of_rank += float(((ranking.low <= rank) & (rank <= ranking.high)).mean()) / suites
        of_score += float(((ranking.score_low <= score) & (score <= ranking.score_high)).mean()) / suites
    return of_rank, of_score


def test_equal_networks_share_a_place_in_a_few_suites() -> None:
    assert shared_places(5, 10, 60, 0.3, suites=40) >= 0.85


def test_intervals_cover_in_a_few_suites() -> None:
    of_rank, of_score = coverage(np.linspace(0, 0.3, 5), 12, 60, 0.2, suites=40)
    assert min(of_rank, of_score) >= 0.85


@pytest.mark.slow
@pytest.mark.parametrize("networks", [2, 5, 12])
@pytest.mark.parametrize("data_sets", [3, 4, 6, 10, 20])
@pytest.mark.parametrize(("images", "apart"), [(200, 0.0), (200, 0.3), (400, 0.8)])
def test_equal_networks_share_a_place(networks: int, data_sets: int, images: int, apart: float) -> None:
    """93 %, less two standard errors of the share of so many suites."""
    assert shared_places(networks, data_sets, images, apart, SUITES) >= 0.93 - 2 * np.sqrt(0.93 * 0.07 / SUITES)


@pytest.mark.slow
@pytest.mark.parametrize("data_sets", [10, 20, 40])
@pytest.mark.parametrize(("networks", "spread", "apart"), [(3, 0.3, 0.2), (8, 0.3, 0.2), (8, 0.3, 0.0), (8, 1.0, 0.2)])
def test_intervals_cover_what_they_say(data_sets: int, networks: int, spread: float, apart: float) -> None:
    """92 to 97 %, give or take two standard errors: scores of one suite go together, as the data sets are the same."""
    for covered in coverage(np.linspace(0, spread, networks), data_sets, 200, apart, SUITES):
        assert 0.92 - 2 * np.sqrt(0.05 * 0.95 / SUITES) <= covered <= 0.97 + 2 * np.sqrt(0.05 * 0.95 / SUITES)
