"""Hits of samples: every image is predicted without itself, without its group, and without the other half."""

from __future__ import annotations

import numpy as np
import pytest

from frostmark.metrics.left_out import LeftOut, decider_among
from frostmark.metrics.linear import Linear
from frostmark.metrics.neighbours import Neighbours
from frostmark.metrics.read_out import Train, held_out, read

RNG = np.random.default_rng(0)
LABELS = np.repeat(np.arange(3), 40)
ROWS = (RNG.normal(size=(120, 8)) + 4 * np.eye(8)[LABELS]).astype(np.float32)
DECIDERS = [Linear(), Neighbours(k=5)]


@pytest.mark.parametrize("decider", DECIDERS, ids=["linear", "knn"])
def test_separable_rows_are_told_and_noise_is_not(decider: Linear | Neighbours) -> None:
    sample = LeftOut(decider, LABELS, None, 3, seed=0)
    for rows, low, high in ((ROWS, 0.8, 1.0), (RNG.normal(size=ROWS.shape).astype(np.float32), 0.15, 0.5)):
        for hits in (sample.of(rows), sample.of_halves(rows)):
            assert hits is not None
            assert low <= hits.mean() <= high


@pytest.mark.parametrize("decider", DECIDERS, ids=["linear", "knn"])
def test_images_of_a_group_do_not_tell_each_other(decider: Linear | Neighbours) -> None:
    """Four copies of noise: whoever sees a copy knows the label, and without the group nobody does."""
    rows = np.repeat(RNG.normal(size=(60, 8)).astype(np.float32), 4, axis=0)
    labels, groups = np.repeat(np.arange(60) % 2, 4), np.repeat(np.arange(60), 4)
    nearest = Neighbours(k=1) if isinstance(decider, Neighbours) else decider
    alone = LeftOut(nearest, labels, groups, 2, seed=0).of(rows)
    assert alone is not None
    assert alone.mean() < 0.75
    if isinstance(nearest, Neighbours):
        seen = LeftOut(nearest, labels, None, 2, seed=0).of(rows)
        assert seen is not None
        assert seen.all()


def test_halves_are_read_by_themselves() -> None:
    """A class that only one image of each half has cannot be told there; in the whole sample it has a twin."""
    rows = np.concatenate([ROWS[:80], np.full((2, 8), 50, np.float32)])
    labels = np.concatenate([LABELS[:80], [2, 2]])
    sample = LeftOut(Neighbours(k=1), labels, None, 3, seed=0)
    whole, halves = sample.of(rows), sample.of_halves(rows)
    assert whole is not None
    assert halves is not None
    assert whole[-2:].all()
    assert not halves[-2:].any()


def test_the_hits_of_a_read_out_are_those_of_its_folds() -> None:
    folds = np.arange(120) % 5
    assert np.array_equal(held_out(Train.of(ROWS, LABELS), folds), read(Train.of(ROWS, LABELS), folds).held_out)


@pytest.mark.parametrize("decider", DECIDERS, ids=["linear", "knn"])
@pytest.mark.parametrize("what", ["one class", "one group", "few images"])
def test_where_nothing_can_be_left_out_there_are_no_hits(decider: Linear | Neighbours, what: str) -> None:
    labels = np.zeros(120, np.int64) if what == "one class" else LABELS
    groups = np.zeros(120, np.int64) if what == "one group" else None
    count = 2 if what == "few images" else 120
    sample = LeftOut(decider, labels[:count], None if groups is None else groups[:count], 3, seed=0)
    assert sample.of(ROWS[:count]) is None
    assert sample.of_halves(ROWS[:count]) is None


def test_the_decider_is_the_metric_as_it_is_configured() -> None:
    assert decider_among([Linear(folds=3), Neighbours(k=7)], "linear") == Linear(folds=3)
    assert decider_among([Linear(folds=3), Neighbours(k=7)], "knn") == Neighbours(k=7)
    assert decider_among([], "knn") == Neighbours()
