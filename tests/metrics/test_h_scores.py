"""H-scores: against the formula and scikit-learn's covariance, at their bounds, and by chance."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frostmark.metrics.h_scores import (
    above_chance,
    explained,
    h_score,
    h_score_shrunk,
    influence,
    shrinkage_weights,
)
from frostmark.metrics.metric import Undefined, make_splits
from frostmark.metrics.spectrum import Spectrum, targets_of
from frostmark.metrics.transfer import MIN_ROWS_PER_AXIS, ROUND, Transfer
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
    assert spectrum.shrinkage(d) == pytest.approx(fitted.shrinkage_, rel=1e-9)
    inside = np.linalg.inv(fitted.covariance_) @ between(rows, labels)
    expected = (1 - fitted.shrinkage_) * np.trace(inside)
    assert h_score_shrunk(spectrum, labels) == pytest.approx(expected, rel=1e-9)


def test_covariances_at_both_ends_of_the_shrinkage() -> None:
    for seed in range(20):
        axes, _ = np.linalg.qr(np.random.default_rng(seed).standard_normal((5, 5)))
        assert Spectrum.of(np.vstack([axes, -axes])).shrinkage(5) == 0  # round: there is nothing to shrink
    noise = np.random.default_rng(0).standard_normal((20, 2000))
    assert 0.9 < Spectrum.of(noise).shrinkage(2000) < 1
    # Each of the 19 axes has 2000/19 times the mean variance, and even so much shrinkage does not hold it down: where
    # D ≫ N the shrunk value too is near its bound for any labels, and only its chance level gives it a meaning.
    labels = np.arange(20) % 2
    assert h_score_shrunk(Spectrum.of(noise), labels) > 0.9
    assert scores(noise, labels).chance["test/transfer/h_score_shrunk"] > 0.9
    # Within the 19 dimensions that they span, such rows are round but for noise: all is shrunk away.
    assert Spectrum.of(noise).shrinkage(19) == 1
    assert scores(noise, labels).values["test/transfer/h_score_excess"] == Undefined(ROUND)


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


# Above chance


def test_above_chance_by_hand() -> None:
    assert above_chance(2.1, chance=1.2, classes=4) == pytest.approx(0.5)
    assert above_chance(np.array([1.2, 3.0]), chance=1.2, classes=4).tolist() == [0, 1]


def test_the_h_score_above_chance_by_its_definition() -> None:
    """Of as many rows as here, and no dead feature, the span is all of the space."""
    rows, labels = blobs(150, 20, 3, apart=0.4)
    found = scores(rows, labels, count=9)
    key = "test/transfer/h_score"
    level = found.chance[f"{key}_shrunk"]
    expected = (found.values[f"{key}_shrunk"] - level) / (3 - 1 - level)  # type: ignore[operator]
    assert found.values[f"{key}_excess"] == pytest.approx(expected, rel=1e-6)
    assert found.chance[f"{key}_excess"] == 0
    for end in ("_p", "_z"):  # permuted labels say the same of both
        assert found.values[f"{key}_excess{end}"] == pytest.approx(found.values[f"{key}_shrunk{end}"], rel=1e-6)


@pytest.mark.parametrize(("n", "d"), [(150, 20), (60, 90)])
def test_copies_of_columns_and_columns_of_zeros_leave_what_is_above_chance(n: int, d: int) -> None:
    rows, labels = blobs(n, d, 3)
    key, rows = "test/transfer/h_score_excess", rows.astype(np.float32)
    plain = scores(rows, labels).values[key]
    assert 0 < float(plain) <= 1  # type: ignore[arg-type]
    for more in (rows, np.zeros_like(rows)):
        assert scores(np.hstack([rows, more]), labels).values[key] == pytest.approx(plain, rel=1e-5)


def spanned(rows: Array, labels: Array) -> tuple[Spectrum, Array, float]:
    """Spectrum, weights and the H-score shrunk within the span."""
    spectrum = Spectrum.of(rows)
    weights = shrinkage_weights(spectrum, spectrum.rank)
    return spectrum, weights, float(explained(*targets_of(spectrum, labels)) @ weights)


def weighted_h(rows: Array, labels: Array, alpha: float, weight: Array) -> float:
    """The shrunk H-score of weighted rows, as one would write it down."""
    weight = weight / weight.mean()
    x = rows - weight @ rows / len(rows)
    cov = (x * weight[:, None]).T @ x / len(rows)
    inverse = np.linalg.inv((1 - alpha) * cov + alpha * np.trace(cov) / len(cov) * np.eye(len(cov)))
    score = 0.0
    for c in np.unique(labels):
        of = weight * (labels == c)
        mean = of @ x / of.sum()
        score += (1 - alpha) * of.sum() / len(rows) * float(mean @ inverse @ mean)
    return score


def test_what_an_image_adds_to_the_h_score_is_its_derivative() -> None:
    rows, labels = blobs(60, 6, 3, apart=0.5)
    spectrum, weights, score = spanned(rows, labels)
    alpha = spectrum.shrinkage(6)
    assert 0.01 < alpha < 1
    assert weighted_h(rows, labels, alpha, np.ones(60)) == pytest.approx(score, rel=1e-10)
    added, step = influence(spectrum, labels, weights), 1e-4
    for c in range(3):
        mine = np.flatnonzero(labels == c)
        slopes = np.array([
            (weighted_h(rows, labels, alpha, 1 + step * unit) - weighted_h(rows, labels, alpha, 1 - step * unit))
            * 60 / (2 * step)
            for unit in np.eye(60)[mine]
        ])  # fmt: skip
        # About the mean of the class, which a resample leaves alone, and without what an image draws towards itself.
        expected = (slopes - slopes.mean()) / (1 - weights.sum() / 60)
        assert added[mine] - added[mine].mean() == pytest.approx(expected, abs=1e-5)


def test_draws_are_around_the_value_and_stay_below_one() -> None:
    for apart in (0.3, 8.0):
        rows, labels = blobs(90, 5, 3, apart=apart)
        splits = make_splits({"test": rows.astype(np.float32)}, {"test": labels}, tuple("abc"), resamples=400)
        found, key = Transfer(nleep=False)(splits), "test/transfer/h_score_excess"
        value, draws = found.values[key], found.draws[key]
        assert found.values[f"{key}_lo"] < value < found.values[f"{key}_hi"] <= 1  # type: ignore[operator]
        assert abs(draws.mean() - value) < 4 * draws.std() / np.sqrt(400)
        assert draws.max() <= 1


def test_copies_of_columns_leave_the_draws() -> None:
    """Also where they make more columns than there are rows, whose axes are then found from the rows' side."""
    rows, labels = blobs(60, 30, 3)
    drawn = []
    for copies in (1, 3):
        features = np.hstack([rows.astype(np.float32)] * copies)
        splits = make_splits({"test": features}, {"test": labels}, tuple("abc"), resamples=50, permutations=0)
        drawn.append(Transfer(nleep=False)(splits).draws["test/transfer/h_score_excess"])
    assert np.std(drawn[0]) > 0.01
    assert drawn[1] == pytest.approx(drawn[0], rel=1e-4)


def test_too_few_rows_have_no_interval() -> None:
    for n, has in ((30, True), (29, False)):
        rows, labels = blobs(n, 20, 3)
        splits = make_splits({"test": rows.astype(np.float32)}, {"test": labels}, tuple("abc"), resamples=50)
        assert ("test/transfer/h_score_excess" in Transfer(nleep=False)(splits).draws) is has
    assert MIN_ROWS_PER_AXIS == 1.5


@pytest.mark.parametrize(("n", "classes"), [(60, 3), (120, 3), (240, 3), (60, 8), (240, 8)])
def test_intervals_hold_what_many_samples_give_on_average(n: int, classes: int) -> None:
    """40 features of uneven variances: 1.5 to 6 rows for each.

    Of 2,000 samples 94.6, 95.7, 95.5, 96.5 and 95.2 %, in this order. (Of ten classes of rows with heavy tails, also
    1.5 to 6 for each feature, 84 to 88 % of 200.)
    """
    rng = np.random.default_rng(0)
    spread = (1 + np.arange(40.0)) ** -0.5
    centres = 0.5 * rng.standard_normal((classes, 40)) * spread
    labels = np.arange(n) % classes
    values, errors = [], []
    for _ in range(200):
        rows = (centres[labels] + rng.standard_normal((n, 40)) * spread).astype(np.float32)
        spectrum, weights, score = spanned(rows, labels)
        level = (classes - 1) / (n - 1) * float(weights.sum())
        added = influence(spectrum, labels, weights)
        around = added - np.array([added[labels == c].mean() for c in range(classes)])[labels]
        values.append(above_chance(score, level, classes))
        errors.append(np.sqrt((around**2).sum()) / n / (classes - 1 - level))  # of the mean of a resample
    held = np.abs(np.array(values) - np.mean(values)) < 1.96 * np.array(errors)
    assert held.mean() > 0.91  # 95 % less 2.6 standard errors of 200
