"""H-scores: against the formula and scikit-learn's covariance, at their bounds, and by chance."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frostmark.metrics.h_scores import h_score, h_score_shrunk
from frostmark.metrics.metric import Undefined, make_splits
from frostmark.metrics.spectrum import Spectrum
from frostmark.metrics.transfer import Transfer
from support.transfer_cases import between, blobs, scores

Array = np.ndarray[Any, Any]
LN_2PI = np.log(2 * np.pi)


def test_h_score_against_the_formula() -> None:
    rows, labels = blobs(80, 9, 4)
    expected = np.trace(np.linalg.inv(np.cov(rows.T, bias=True)) @ between(rows, labels))
    # Float64; the covariance has a condition number of about 1e2.
    assert h_score(Spectrum.of(rows), labels) == pytest.approx(expected, rel=1e-11)


def test_dead_and_repeated_features_change_nothing() -> None:
    rows, labels = blobs(80, 9, 4)
    rows = rows.astype(np.float32)
    more = np.hstack([rows, np.zeros((80, 3), np.float32), np.full((80, 2), 7.25, np.float32), rows[:, :4]])
    spectrum = Spectrum.of(more)
    assert spectrum.rank == 9
    assert h_score(spectrum, labels) == pytest.approx(h_score(Spectrum.of(rows), labels), rel=1e-10)
    pseudo = np.linalg.pinv(np.cov(more.T.astype(float), bias=True), rcond=1e-10)
    assert h_score(spectrum, labels) == pytest.approx(np.trace(pseudo @ between(more.astype(float), labels)), rel=1e-8)


def test_h_score_by_hand() -> None:
    # 0, 2 | 4, 6: between classes 4·2², in total 3² + 1² + 1² + 3².
    assert h_score(Spectrum.of(np.array([[0.0], [2], [4], [6]])), np.array([0, 0, 1, 1])) == pytest.approx(16 / 20)


@pytest.mark.parametrize("classes", [2, 5])
def test_h_score_of_classes_without_overlap_is_at_its_bound(classes: int) -> None:
    labels = np.arange(60) % classes
    rows = np.hstack([np.eye(classes)[labels], np.random.default_rng(0).standard_normal((60, 7))])
    assert h_score(Spectrum.of(rows), labels) == pytest.approx(classes - 1, rel=1e-12)


@given(st.integers(0, 10_000), st.integers(2, 6), st.integers(1, 12), st.sampled_from([0.0, 1.0, 100.0]))
@settings(max_examples=40, deadline=None)
def test_h_scores_lie_between_zero_and_the_number_of_classes_less_one(
    seed: int, classes: int, d: int, apart: float
) -> None:
    rows, labels = blobs(40, d, classes, apart=apart, seed=seed)
    spectrum = Spectrum.of(rows)
    plain, shrunk = h_score(spectrum, labels), h_score_shrunk(spectrum, labels)
    assert 0 <= shrunk <= plain + 1e-12  # shrinking adds to the covariance and takes from the between-class part
    assert plain <= min(classes - 1, d) + 1e-9


@pytest.mark.parametrize(("n", "d"), [(30, 40), (40, 40), (41, 40)])
def test_h_score_is_its_bound_for_any_labels_where_it_is_undefined(n: int, d: int) -> None:
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((n, d))
    for _ in range(5):
        labels = rng.permutation(np.arange(n) % 3)
        assert h_score(Spectrum.of(rows), labels) == pytest.approx(2, rel=1e-9)
        found = scores(rows, labels).values
        assert found["test/transfer/h_score"] == Undefined(
            f"{n} rows are too few for {d} features: it is C − 1, or nearly so, for any labels"
        )
        assert 0 <= float(found["test/transfer/h_score_shrunk"]) < 1.5  # type: ignore[arg-type]
    assert isinstance(scores(rng.standard_normal((43, 40)), np.arange(43) % 3).values["test/transfer/h_score"], float)
    twice = np.repeat(rng.standard_normal((15, 40)), 2, axis=0)  # fewer axes still, but no more rows than features
    assert isinstance(scores(twice, np.arange(30) % 3).values["test/transfer/h_score"], Undefined)


@pytest.mark.parametrize(("n", "d"), [(80, 9), (25, 60), (30, 1), (7, 300)])
def test_shrunk_h_score_against_scikit_learns_covariance(n: int, d: int) -> None:
    from sklearn.covariance import LedoitWolf

    rows, labels = blobs(n, d, 3)
    fitted, spectrum = LedoitWolf().fit(rows), Spectrum.of(rows)
    # Float64 throughout; Σ‖x xᵀ − cov‖² is a difference of sums that agree in their first digits.
    assert spectrum.shrinkage == pytest.approx(fitted.shrinkage_, rel=1e-9)
    inside = np.linalg.inv(fitted.covariance_) @ between(rows, labels)
    expected = (1 - fitted.shrinkage_) * np.trace(inside)
    assert h_score_shrunk(spectrum, labels) == pytest.approx(expected, rel=1e-9)


def test_covariances_at_both_ends_of_the_shrinkage() -> None:
    for seed in range(20):
        axes, _ = np.linalg.qr(np.random.default_rng(seed).standard_normal((5, 5)))
        assert Spectrum.of(np.vstack([axes, -axes])).shrinkage == 0  # round: there is nothing to shrink
    noise = np.random.default_rng(0).standard_normal((20, 2000))
    assert 0.9 < Spectrum.of(noise).shrinkage < 1
    # Each of the 19 axes has 2000/19 times the mean variance, and even so much shrinkage does not hold it down: where
    # D ≫ N the shrunk value too is near its bound for any labels, and only its chance level gives it a meaning.
    labels = np.arange(20) % 2
    assert h_score_shrunk(Spectrum.of(noise), labels) > 0.9
    assert scores(noise, labels).chance["test/transfer/h_score_shrunk"] > 0.9


@pytest.mark.parametrize("d", [2, 12])
def test_the_chance_level_of_h_scores_is_the_mean_over_all_permutations(d: int) -> None:
    rows = np.random.default_rng(0).standard_normal((8, d))
    spectrum = Spectrum.of(rows)
    every = [np.isin(np.arange(8), chosen).astype(int) for chosen in combinations(range(8), 3)]
    analytic = scores(rows, every[0], count=0).chance
    if d == 2:
        assert analytic["test/transfer/h_score"] == pytest.approx(2 / 7)
        assert np.mean([h_score(spectrum, y) for y in every]) == pytest.approx(2 / 7, rel=1e-12)
    # The rows of the family are float32.
    shrunk = np.mean([h_score_shrunk(spectrum, y) for y in every])
    assert analytic["test/transfer/h_score_shrunk"] == pytest.approx(shrunk, rel=1e-5)


def test_the_null_of_the_h_score_lies_around_its_chance_level() -> None:
    rows, labels = blobs(120, 30, 4, apart=3)
    splits = make_splits({"test": rows.astype(np.float32)}, {"test": labels}, ("a", "b", "c", "d"), permutations=100)
    null = [h_score(Spectrum.of(rows), y) for y in splits["test"].permutations]
    chance = Transfer()(splits).chance["test/transfer/h_score"]
    assert chance == pytest.approx(3 * 30 / 119)
    assert abs(np.mean(null) - chance) < 3 * np.std(null) / np.sqrt(100)  # three standard errors
