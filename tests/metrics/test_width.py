"""What claims to compare any networks does not follow their width, of networks that know as much at every width."""

from __future__ import annotations

import re

import numpy as np
import pytest

from frostmark.metrics.kinds import words_of
from support.environment import REPOSITORY
from support.width_zoo import (
    BY_PUBLISHED_SHRINKAGE,
    FAMILIES,
    KINDS,
    SEEDS,
    WIDTHS,
    compares_networks,
    following,
    measured,
    networks,
)

BOUND = 0.2
"""Of the mean |τ| with the width over 20 seeds."""

FEW = 0.4
"""Of fewer seeds and networks: far from what follows the width, and out of reach of chance."""


def test_the_networks_of_the_zoo_know_as_much_whatever_their_width() -> None:
    """The latent's variance is there, and noise of half of it, turned so that every feature has a part of both."""
    for rows, _ in networks(0, grades=[0.2]):
        of_features = rows["train"].var(0)
        assert rows["train"].shape[1] in WIDTHS
        latent, noise = 64 * 1.2, 64 * 0.5  # the centres add a little
        assert of_features.sum() == pytest.approx(latent + noise, rel=0.15)
        assert of_features.max() < 4 * of_features.mean()


def test_what_follows_the_width_is_found() -> None:
    width = np.tile(np.arange(5.0), (3, 1))
    grade = np.repeat(100 * np.arange(3.0)[:, None], 5, axis=1)
    of_seed = {"width": width, "falls": -width, "grade": grade, "both": grade + width, "flat": 0 * width}
    found = following([of_seed, of_seed])
    of = {name: (follows.strength, follows.alike) for name, follows in found.items()}
    assert of["width"] == pytest.approx((1, 1))
    assert of["falls"] == pytest.approx((1, -1))
    assert of["grade"] == of["flat"] == pytest.approx((0, 0))
    assert of["both"][1] == pytest.approx(1)
    assert of["both"][0] == pytest.approx(30 / np.sqrt(105 * 90))  # 3 · 10 of 105 pairs, 15 of equal width


def test_scores_that_compare_networks_hardly_follow_the_width() -> None:
    seeds = [measured(seed, ("neighbours", "transfer"), grades=[0.1, 0.4]) for seed in range(2)]
    found = following(seeds)
    assert {key: of for key, of in found.items() if compares_networks(key) and of.strength > FEW} == {}
    assert found["test/transfer/h_score_shrunk"].strength > 2 * FEW  # which follows it, and says so
    assert not compares_networks("test/transfer/h_score_shrunk")
    assert compares_networks("test/transfer/h_score_excess")


@pytest.mark.slow  # ten minutes
@pytest.mark.timeout(3600)
def test_no_score_that_compares_networks_follows_the_width() -> None:
    """And the page has the table that this gives."""
    found = following([measured(seed, tuple(FAMILIES)) for seed in range(SEEDS)])
    assert {key: of for key, of in found.items() if compares_networks(key) and of.strength > BOUND} == {}
    assert sum(map(compares_networks, found)) > 20
    assert found["test/transfer/h_score_shrunk"].strength > 0.5
    assert found[BY_PUBLISHED_SHRINKAGE].strength > BOUND  # why the space that the rows span is taken instead
    page = (REPOSITORY / "docs" / "validity.md").read_text(encoding="utf-8").replace("−", "-")
    told = dict(re.findall(r"^\| ([^|]+) \|.* [%–] \| (\d\.\d\d) \| [+-]?\d\.\d\d \|$", page, re.MULTILINE))
    assert told.keys() == {words_of(key, KINDS) for key in found}
    for key, of in found.items():
        assert float(told[words_of(key, KINDS)]) == pytest.approx(of.strength, abs=0.02), key
