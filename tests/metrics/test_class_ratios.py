"""Ratios of between to within: against scikit-learn and full matrices, by hand, and under what must not matter."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frostmark.metrics.class_ratios import (
    OF_SUMMARY,
    calinski_harabasz,
    cdnv,
    davies_bouldin,
    eta_squared,
    fisher_ratio,
    omega_squared,
)
from frostmark.stats.bootstrap import Resamples, resampled_summaries
from frostmark.stats.moments import ClassMoments, ClassSummary
from support.separability_cases import SHAPES, blobs, every, nc1_of, scatters, summary_of

Array = np.ndarray[Any, Any]


# Against others


@pytest.mark.parametrize(("n", "d", "classes"), SHAPES)
@pytest.mark.parametrize("apart", [0.0, 1.0, 30.0])
def test_traces_against_the_full_scatter_matrices(n: int, d: int, classes: int, apart: float) -> None:
    rows, labels = blobs(n, d, classes, apart=apart)
    summary = summary_of(rows, labels)
    within, between = (float(np.trace(s)) for s in scatters(rows, labels))
    centred = rows - rows.mean(0)
    total = float(np.trace(centred.T @ centred))
    # Sums of N·D squares in float64.
    assert fisher_ratio(summary) == pytest.approx(between / within, rel=1e-12)
    assert eta_squared(summary) == pytest.approx(between / total, rel=1e-12)
    mean_square = within / (n - classes)
    # A difference of numbers as large as η²: what it loses is measured against that.
    expected = (between - (classes - 1) * mean_square) / (total + mean_square)
    assert omega_squared(summary) == pytest.approx(expected, rel=1e-12, abs=1e-13)


@pytest.mark.parametrize(("n", "d", "classes"), SHAPES)
@pytest.mark.parametrize("apart", [0.0, 1.0, 30.0])
def test_calinski_harabasz_and_davies_bouldin_are_scikit_learns(n: int, d: int, classes: int, apart: float) -> None:
    from sklearn.metrics import calinski_harabasz_score, davies_bouldin_score

    rows, labels = blobs(n, d, classes, apart=apart)
    summary = summary_of(rows, labels)
    assert calinski_harabasz(summary) == pytest.approx(calinski_harabasz_score(rows, labels), rel=1e-11)
    # scikit-learn takes the distances of the means from products, which cost digits where means are close.
    assert davies_bouldin(summary) == pytest.approx(davies_bouldin_score(rows, labels), rel=1e-9)


@pytest.mark.parametrize(("n", "d", "classes"), SHAPES)
@pytest.mark.parametrize("apart", [0.0, 1.0, 30.0])
def test_cdnv_against_a_loop_over_pairs(n: int, d: int, classes: int, apart: float) -> None:
    rows, labels = blobs(n, d, classes, apart=apart)
    ratios = []
    for i in range(classes):
        for j in range(classes):
            if i != j:
                a, b = rows[labels == i], rows[labels == j]
                spread = ((a - a.mean(0)) ** 2).sum(1).mean() + ((b - b.mean(0)) ** 2).sum(1).mean()
                ratios.append(spread / (2 * ((a.mean(0) - b.mean(0)) ** 2).sum()))
    assert cdnv(summary_of(rows, labels)) == pytest.approx(np.mean(ratios), rel=1e-11)


# By hand


def test_by_hand() -> None:
    # Class 0: (0, 0), (2, 0); class 1: (0, 4), (0, 6), (0, 8). Means (1, 0) and (0, 6); σ² = 1 and 8/3; S_W = 2 + 8.
    rows, labels = np.array([[0.0, 0], [2, 0], [0, 4], [0, 6], [0, 8]]), np.array([0, 0, 1, 1, 1])
    summary = summary_of(rows, labels)
    between = 2 * 3 / 5 * 37  # n_i n_j / (n_i + n_j) ‖μ_i − μ_j‖²
    assert fisher_ratio(summary) == pytest.approx(between / 10)
    assert eta_squared(summary) == pytest.approx(between / (between + 10))
    assert omega_squared(summary) == pytest.approx((between - 10 / 3) / (between + 10 + 10 / 3))
    assert calinski_harabasz(summary) == pytest.approx(between / (10 / 3))
    assert cdnv(summary) == pytest.approx((1 + 8 / 3) / (2 * 37))
    assert summary.spread is not None
    assert summary.spread.tolist() == [1, pytest.approx(4 / 3)]
    assert davies_bouldin(summary) == pytest.approx((1 + 4 / 3) / np.sqrt(37))
    # Σ_B has one eigenvalue 37/4 along u = (1, −6)/√37; uᵀS_W u = (2·1 + 8·36)/37; C = 2, N = 5.
    assert nc1_of(rows, labels) == pytest.approx(290 / 37 / 5 / (37 / 4) / 2)


def test_davies_bouldin_takes_the_worst_partner_of_each_class() -> None:
    # Means 0, 4, 10 on a line; mean distances to them 1, 1, 2: (1+1)/4, max((1+1)/4, 3/6), max(3/10, 3/6).
    rows = np.array([[-1.0], [1], [3], [5], [8], [12]])
    assert davies_bouldin(summary_of(rows, np.array([0, 0, 1, 1, 2, 2]))) == pytest.approx(0.5)
    # Means 0, 4, 20: the third has 3/16 with the second, 3/20 with the first.
    rows[4:] += 10
    found = davies_bouldin(summary_of(rows, np.array([0, 0, 1, 1, 2, 2])))
    assert found == pytest.approx((0.5 + 0.5 + 3 / 16) / 3)


def test_davies_bouldin_needs_spreads() -> None:
    with pytest.raises(ValueError, match="no spreads"):
        davies_bouldin(replace(summary_of(*blobs(20, 2, 2)), spread=None))


def test_classes_that_shrink_to_points_are_as_far_apart_as_can_be() -> None:
    rows, labels = blobs(60, 5, 3, apart=0)
    centres = np.random.default_rng(1).standard_normal((3, 5))
    for size in (1e-2, 1e-4, 1e-6):
        found = every(centres[labels] + size * rows, labels)
        assert found["eta_squared"] == pytest.approx(1, abs=30 * size**2)
        assert found["davies_bouldin"] < 30 * size
        assert max(found["cdnv"], found["nc1"]) < 300 * size**2
        assert found["nc1"] > 0.01 * size**2  # S_T − S_B keeps the digits that matter


# What must not matter


@given(
    seed=st.integers(0, 10_000),
    classes=st.integers(2, 6),
    d=st.integers(1, 40),
    apart=st.sampled_from([0.0, 0.5, 5.0]),
    log_scale=st.floats(-4, 4),
    shift=st.sampled_from([0.0, 1.0, 100.0]),
)
@settings(max_examples=60, deadline=None)
def test_rotation_scale_shift_order_and_names_change_nothing(
    seed: int, classes: int, d: int, apart: float, log_scale: float, shift: float
) -> None:
    rows, labels = blobs(40, d, classes, apart=apart, seed=seed)
    rng = np.random.default_rng(seed)
    rotation, _ = np.linalg.qr(rng.standard_normal((d, d)))
    order, names = rng.permutation(len(rows)), rng.permutation(classes)
    moved = 10**log_scale * (rows @ rotation + shift * rng.standard_normal(d))
    before, after = every(rows, labels), every(moved[order], names[labels[order]])
    # A shift of 100 spreads rounds rows at 1e-14 spreads. Two means of noise in one dimension may lie 1e-3 spreads
    # apart and be the only thing that cdnv and nc1 see: three digits more, and six where the distance is squared.
    for name, value in before.items():
        assert after[name] == pytest.approx(value, rel=1e-7, abs=1e-12), name


@given(st.integers(0, 10_000), st.integers(2, 6), st.integers(1, 40), st.sampled_from([0.0, 0.5, 5.0, 1e3]))
@settings(max_examples=60, deadline=None)
def test_identities_and_bounds(seed: int, classes: int, d: int, apart: float) -> None:
    n = 50
    summary = summary_of(*blobs(n, d, classes, apart=apart, seed=seed))
    j, eta, omega = fisher_ratio(summary), eta_squared(summary), omega_squared(summary)
    assert calinski_harabasz(summary) == pytest.approx(j * (n - classes) / (classes - 1), rel=1e-13)
    assert eta == pytest.approx(j / (1 + j), rel=1e-13)
    f = calinski_harabasz(summary)  # ω² in terms of F
    assert omega == pytest.approx((classes - 1) * (f - 1) / ((classes - 1) * (f - 1) + n), rel=1e-9, abs=1e-12)
    assert 0 <= eta <= 1
    assert omega <= eta


def test_what_depends_on_pairs_alone_ignores_how_many_images_a_class_has() -> None:
    rows, labels = blobs(40, 4, 3)
    more = np.vstack([rows, *[rows[labels == 1]] * 5])
    of_more = np.concatenate([labels, np.ones(5 * (labels == 1).sum(), int)])
    before, after = every(rows, labels), every(more, of_more)
    for name in ("cdnv", "davies_bouldin"):
        assert after[name] == pytest.approx(before[name], rel=1e-12)
    assert after["eta_squared"] != pytest.approx(before["eta_squared"], rel=1e-3)


# Many draws at once


@pytest.mark.parametrize("name", list(OF_SUMMARY))
def test_one_formula_of_many_draws_is_a_loop_over_them(name: str) -> None:
    rng = np.random.default_rng(0)
    classes, d, measure = 5, 7, OF_SUMMARY[name]
    count = np.array([3, 9, 4, 12, 5])
    many = ClassSummary(
        count,
        rng.uniform(0.5, 2, (6, classes)),
        rng.standard_normal((6, classes, d)) + 0.5,
        rng.uniform(0.5, 2, (6, classes)),
    )
    found = measure(many)
    assert found.shape == (6,)
    assert many.spread is not None
    for at in range(6):
        one = ClassSummary(count, many.variance[at], many.mean[at], many.spread[at])
        # Distances of means by products near the origin, against differences.
        assert found[at] == pytest.approx(float(measure(one)), rel=1e-12, abs=1e-13)


@pytest.mark.parametrize("apart", [0.5, 3.0])
def test_measures_of_resamples_are_those_of_the_rows_drawn(apart: float) -> None:
    rows, labels = blobs(80, 6, 4, apart=apart)
    rows = rows.astype(np.float32)
    moments = ClassMoments.of(rows, labels, 4)
    resamples = Resamples(labels, 12, ("a",))
    ((_, counts),) = resamples.blocks()
    ((_, summary),) = resampled_summaries(rows, moments, resamples, spread=True)
    for b in range(12):
        drawn = np.concatenate([np.repeat(np.flatnonzero(labels == c), counts[c][b].astype(int)) for c in range(4)])
        of_drawn = summary_of(rows[drawn], labels[drawn])
        for name, measure in OF_SUMMARY.items():
            # float32 rounds a mean at 1e-7 spreads; the differences of means are as large as the spreads.
            assert measure(summary)[b] == pytest.approx(float(measure(of_drawn)), rel=1e-4, abs=1e-6), name


@pytest.mark.parametrize("apart", [0.0, 1.0])
def test_measures_of_float32_means_are_those_of_the_exact_ones(apart: float) -> None:
    """What draws and nulls are made of: distances by products in float32."""
    exact = summary_of(*blobs(3000, 40, 200, apart=apart))
    rounded = replace(exact, mean=(exact.mean - exact.mean.mean(0)).astype(np.float32))
    for name, measure in OF_SUMMARY.items():
        assert float(measure(rounded)) == pytest.approx(float(measure(exact)), rel=1e-5), name


# By chance


def test_the_mean_of_eta_squared_over_all_permutations_is_its_chance_level() -> None:
    rows = np.random.default_rng(0).standard_normal((8, 3))
    labels = [np.isin(np.arange(8), chosen).astype(int) for chosen in combinations(range(8), 3)]
    summaries = [summary_of(rows, y) for y in labels]
    assert np.mean([eta_squared(s) for s in summaries]) == pytest.approx(1 / 7, rel=1e-12)
