"""LogME, H-scores, GBC and NLEEP: against dense algebra, by hand, under what must not matter, and at their traps."""

from __future__ import annotations

from itertools import combinations, permutations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from frostmark.metrics.metric import ONE_CLASS, Scores, Undefined, make_splits
from frostmark.metrics.transfer import (
    EQUAL_ROWS,
    FLAT_CLASS,
    Evidence,
    Spectrum,
    Transfer,
    gbc,
    h_score,
    h_score_shrunk,
    logme,
    mixture_posterior,
    nleep,
    spherical,
)
from frostmark.stats.permutation import Permutations, p_value, z_score
from frostmark.stats.sampling import seeded

Array = np.ndarray[Any, Any]
NAMES = ("logme", "h_score", "h_score_shrunk", "gbc")
LN_2PI = np.log(2 * np.pi)


def blobs(n: int, d: int, classes: int, *, apart: float = 1.0, seed: int = 0) -> tuple[Array, Array]:
    """Classes of uneven sizes, features of uneven variances, rows far from zero."""
    rng = np.random.default_rng(seed)
    labels = np.concatenate([np.arange(classes), np.minimum(rng.integers(0, classes + 1, n - classes), classes - 1)])
    rows = rng.standard_normal((n, d)) + apart * rng.standard_normal((classes, d))[labels]
    return rows * np.exp(rng.uniform(-1, 1, d)) + 3, labels


def scores(rows: Array, labels: Array, *, nleep: bool = False, count: int = 0, classes: int | None = None) -> Scores:
    names = tuple(f"c{i}" for i in range(classes or int(labels.max()) + 1))
    splits = make_splits({"test": rows.astype(np.float32)}, {"test": labels}, names, permutations=count)
    return Transfer(nleep=nleep)(splits)


def four(rows: Array, labels: Array) -> Array:
    spectrum = Spectrum.of(rows)
    overlap = gbc(*spherical(spectrum.coordinates(64), labels))
    return np.array([logme(spectrum, labels), h_score(spectrum, labels), h_score_shrunk(spectrum, labels), overlap])


def between(rows: Array, labels: Array) -> Array:
    """cov(E[x|y]), divided by N, as one would write it down."""
    expected = np.stack([rows[labels == y].mean(0) for y in labels])
    return np.cov(expected.T, bias=True).reshape(rows.shape[1], -1)


# LogME


def dense_evidence(log_precisions: Array, x: Array, y: Array) -> float:
    """ln p(y | X, α, β) of Bishop (3.86), with the D×D matrix A and its determinant."""
    alpha, beta = np.exp(log_precisions)
    n, d = x.shape
    a = alpha * np.eye(d) + beta * x.T @ x
    m = beta * np.linalg.solve(a, x.T @ y)
    fit = beta / 2 * ((y - x @ m) ** 2).sum() + alpha / 2 * m @ m
    return float(d / 2 * np.log(alpha) + n / 2 * np.log(beta) - fit - np.linalg.slogdet(a)[1] / 2 - n / 2 * LN_2PI)


def dense_logme(rows: Array, labels: Array) -> float:
    x = rows - rows.mean(0)
    best = []
    for c in np.unique(labels):
        y = (labels == c).astype(float)
        starts = [(-4.0, 1.0), (0.0, 2.0), (4.0, 3.0)]  # of ln α, ln β
        found = [minimize(lambda t, y=y: -dense_evidence(t, x, y), s, method="Nelder-Mead", tol=1e-9) for s in starts]
        best.append(-min(f.fun for f in found) / len(x))
    return float(np.mean(best))


@pytest.mark.parametrize(("n", "d"), [(60, 7), (30, 45), (24, 23), (25, 23)])
def test_logme_is_the_maximum_over_both_precisions_of_the_dense_evidence(n: int, d: int) -> None:
    rows, labels = blobs(n, d, 3, apart=2)
    # Nelder–Mead stops within 1e-9 of the maximum; the determinants of D = 45 lose no more.
    assert logme(Spectrum.of(rows), labels) == pytest.approx(dense_logme(rows, labels), abs=1e-8)


@given(st.integers(0, 10_000), st.integers(3, 60), st.integers(1, 80), st.sampled_from([0.0, 0.3, 3.0, 100.0]))
@settings(max_examples=40, deadline=None)
def test_logme_is_nowhere_below_the_evidence(seed: int, n: int, d: int, apart: float) -> None:
    rows, labels = blobs(n, d, 2, apart=apart, seed=seed)
    x, found = rows - rows.mean(0), logme(Spectrum.of(rows), labels)
    for alpha, beta in np.random.default_rng(seed).uniform(-12, 12, (8, 2)):
        dense = [dense_evidence(np.array([alpha, beta]), x, (labels == c).astype(float)) for c in (0, 1)]
        assert np.mean(dense) / n <= found + 1e-9


def test_logme_by_hand_of_one_feature() -> None:
    # x = ±1 by class: s = N, z² = N/4, ‖y‖² = N/2. With g = s/(λ + s), f′ = 0 is solved by g = (N − 2)/(N − 1).
    n = 10
    rows, labels = np.repeat([[-1.0], [1.0]], n // 2, axis=0), np.repeat([0, 1], n // 2)
    residual = 1 / 2 - (n - 2) / (n - 1) / 4  # R/N
    expected = -np.log(n - 1) / 2 / n - (np.log(residual) + 1 + LN_2PI) / 2
    assert logme(Spectrum.of(rows), labels) == pytest.approx(expected, abs=1e-13)


@pytest.mark.parametrize("weight", [1e-2, 0.5])
def test_logme_by_hand_of_a_weak_feature(weight: float) -> None:
    # As above with any z²: g = (N z² − ‖y‖²)/(z² (N − 1)), here small, that is, λ far above the eigenvalue.
    n = 10
    labels, length = np.repeat([0, 1], n // 2), n / 2
    square = length / (n - weight * (n - 1))
    told, other = (labels - 1 / 2) * 2 / np.sqrt(n), np.tile([1.0, -1, 0, 0, 0], 2) / 2
    share = square / (n / 4)  # of the part of y that a centred feature can explain
    x = np.sqrt(share) * told + np.sqrt(1 - share) * other
    residual = length - square * weight
    expected = np.log(1 - weight) / 2 - n / 2 * (np.log(residual / n) + 1 + LN_2PI)
    zero_weights = -n / 2 * (np.log(length / n) + 1 + LN_2PI)
    assert expected > zero_weights + 1e-6
    assert logme(Spectrum.of(x[:, None]), labels) == pytest.approx(expected / n, abs=1e-13)


def test_evidence_is_finite_where_rounding_lets_the_rows_explain_everything() -> None:
    n, length = 50, np.array([1.0])
    found = Evidence(np.array([3.0]), n).maximum(length[:, None], length)  # z² = ‖y‖²: no centred row can
    assert found[0] <= n / 2 * (np.log(n**2) - 1 - LN_2PI)


@pytest.mark.parametrize(("classes", "level"), [(2, -1.07), (100, 0.88)])
def test_logme_without_any_signal_is_the_evidence_of_zero_weights(classes: int, level: float) -> None:
    rows = np.tile(np.random.default_rng(0).standard_normal((4, 6)), (classes, 1))  # every class has the same rows
    found = logme(Spectrum.of(rows), np.repeat(np.arange(classes), 4))
    assert found == pytest.approx((np.log(classes) - 1 - LN_2PI) / 2, abs=1e-12)
    assert found == pytest.approx(level, abs=0.005)  # what docs call its chance level


def copied_logme(rows: Array, labels: Array) -> float:
    """The fixed point of the code that is widely copied: ln|A| taken over the singular values alone."""
    x = rows - rows.mean(0)
    n, d = x.shape
    u, s, vt = np.linalg.svd(x, full_matrices=False)
    sigma, values = s**2, []
    for c in np.unique(labels):
        y, alpha, beta = (labels == c).astype(float), 1.0, 1.0
        for _ in range(11):
            m = vt.T @ (s / (sigma + alpha / beta) * (u.T @ y))
            gamma, miss = (sigma / (sigma + alpha / beta)).sum(), ((y - x @ m) ** 2).sum()
            alpha, beta = gamma / (m @ m + 1e-5), (n - gamma) / (miss + 1e-5)
        log_a = np.log(alpha + beta * sigma).sum()  # and (D − k) ln α is missing
        fit = beta / 2 * miss + alpha / 2 * m @ m
        values.append((d * np.log(alpha) + n * np.log(beta) - log_a - n * LN_2PI) / 2 - fit)
    return float(np.mean(values)) / n


def test_the_term_that_copied_code_drops_is_there() -> None:
    rng = np.random.default_rng(0)
    rows, labels = rng.standard_normal((60, 400)), np.arange(60) % 4
    found = logme(Spectrum.of(rows), labels)
    assert copied_logme(rows, labels) > 10
    # Noise tells nothing of the labels: zero weights are as good as any.
    assert found == pytest.approx((np.log(4) - 1 - LN_2PI) / 2, abs=0.01)
    # With more rows than features there is nothing to drop, and a fixed point in the interior is the maximum.
    rows, labels = blobs(200, 5, 3, apart=2)
    assert logme(Spectrum.of(rows), labels) == pytest.approx(copied_logme(rows, labels), abs=1e-3)


# H-scores


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


# GBC


def full_gbc(points: Array, labels: Array) -> float:
    """Full covariances σ²I, determinants and all, pair by pair."""
    d, total = points.shape[1], 0.0
    classes = [points[labels == c] for c in np.unique(labels)]
    for a, b in permutations(classes, 2):
        first, second = (np.eye(d) * np.trace(np.cov(x.T, bias=True).reshape(d, d)) / d for x in (a, b))
        middle, apart = (first + second) / 2, a.mean(0) - b.mean(0)
        logs = [np.linalg.slogdet(m)[1] for m in (middle, first, second)]
        total -= np.exp(-apart @ np.linalg.solve(middle, apart) / 8 - (logs[0] - (logs[1] + logs[2]) / 2) / 2)
    return total


@pytest.mark.parametrize(("n", "d"), [(90, 12), (400, 100), (50, 200)])
def test_gbc_against_full_gaussians_on_principal_components(n: int, d: int) -> None:
    rows, labels = blobs(n, d, 4, apart=0.3)
    centred = rows - rows.mean(0)
    u, s, _ = np.linalg.svd(centred, full_matrices=False)
    kept = min(64, d, n - 1)
    expected = full_gbc((u * s)[:, :kept], labels)
    assert expected < -1e-8  # not lost in a tolerance
    found = Spectrum.of(rows).coordinates(64)
    assert found.shape == (n, kept)
    # The exponent is of order 1e1, so its rounding and that of the axes show at 1e-12 or so.
    assert gbc(*spherical(found, labels)) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("apart", [0.0, 1.0, 6.0])
def test_gbc_of_two_equal_gaussians(apart: float) -> None:
    # Four points around each centre: σ² = 1/2 a dimension.
    cross = np.array([[1.0, 0], [-1, 0], [0, 1], [0, -1]])
    rows, labels = np.vstack([cross, cross + np.array([apart, 0])]), np.repeat([0, 1], 4)
    assert four(rows, labels)[3] == pytest.approx(-2 * np.exp(-(apart**2) / (8 * 0.5)), rel=1e-12)


@pytest.mark.parametrize("d", [2, 4, 10])
def test_the_logarithm_of_gbc_counts_every_dimension(d: int) -> None:
    # One centre, deviations 1 and 2: σ̄²/(σ_i σ_j) = (1 + 4)/2/2 = 1.25, in each of d dimensions.
    star = np.vstack([np.eye(d), -np.eye(d)])
    found = four(np.vstack([star, 2 * star]), np.repeat([0, 1], 2 * d))[3]
    assert found == pytest.approx(-2 * 0.8 ** (d / 2), rel=1e-12)
    assert abs(found - -2 * 0.8 ** (1 / 2)) > 0.1  # the released code, whatever d


# NLEEP


def test_nleep_by_hand() -> None:
    labels = np.array([0, 0, 1, 1])
    assert nleep(np.eye(2)[labels], labels) == 0  # the mixture tells the class
    assert nleep(np.full((4, 3), 1 / 3), labels) == pytest.approx(np.log(1 / 2))  # it tells nothing
    # P(y = 0 | v) = 3/4 and 0: rows of class 0 expect 3/4; of class 1, one 1/4 and one 1.
    assert nleep(np.eye(2)[[0, 0, 0, 0, 1]], np.array([0, 0, 0, 1, 1])) == pytest.approx(
        (3 * np.log(3 / 4) + np.log(1 / 4)) / 5
    )
    assert nleep(np.eye(3)[labels], labels) == 0  # a Gaussian that nobody is of


def test_nleep_against_the_whole_procedure_written_down() -> None:
    from sklearn.decomposition import PCA
    from sklearn.mixture import GaussianMixture

    rows, labels = blobs(300, 12, 3, apart=0.7)
    rows = rows.astype(np.float32)
    points = PCA(0.8, svd_solver="full").fit_transform(rows.astype(float))
    assert 2 < points.shape[1] < 12
    rng = np.random.RandomState(seeded(0, "0", "", "test", "gmm").bit_generator)
    # The one thing in the mixture that has a unit: what is added to the diagonal of each covariance.
    mixture = GaussianMixture(15, random_state=rng, reg_covar=1e-6 * points.var(0).mean()).fit(points)
    posterior, logs = mixture.predict_proba(points), []
    for i in range(300):
        expected = 0.0
        for v in range(15):
            of_label = posterior[labels == labels[i], v].sum() / posterior[:, v].sum()
            expected += of_label * posterior[i, v]
        logs.append(np.log(expected))
    found = scores(rows, labels, nleep=True).values["test/transfer/nleep"]
    # Rounding that k-means and some dozens of EM steps carry on.
    assert found == pytest.approx(np.mean(logs), abs=1e-6)
    assert np.mean(logs) > -0.9  # labels are told better than by guessing, at −ln 3


def test_nleep_knows_no_scale_and_no_names() -> None:
    rows, labels = blobs(300, 6, 3)
    points = Spectrum.of(rows).coordinates(6)
    posterior = mixture_posterior(points, 15, np.random.RandomState(0))
    # A power of two, so that not even rounding differs: nothing in the procedure has a unit.
    assert np.array_equal(mixture_posterior(points * 2.0**-20, 15, np.random.RandomState(0)), posterior)
    assert nleep(posterior, 2 - labels) == pytest.approx(nleep(posterior, labels), rel=1e-13)


def test_a_mixture_of_few_distinct_points_is_no_cause_for_alarm() -> None:
    points = np.random.default_rng(0).standard_normal((8, 3))[np.arange(200) % 8]  # k-means warns of 15 clusters
    posterior = mixture_posterior(points, 15, np.random.RandomState(0))
    labels = np.arange(200) % 8 // 4
    assert nleep(posterior, labels) == pytest.approx(0, abs=1e-6)


# What must not matter


@given(st.integers(0, 10_000), st.booleans(), st.floats(-4, 4))
@settings(max_examples=30, deadline=None)
def test_rotation_scale_shift_order_and_names_change_nothing(seed: int, wide: bool, log_scale: float) -> None:
    rows, _ = blobs(24, 30 if wide else 5, 3, apart=0.5, seed=seed)
    labels = np.repeat([0, 1, 2], [5, 8, 11])
    rng = np.random.default_rng(seed)
    rotation, _ = np.linalg.qr(rng.standard_normal((rows.shape[1],) * 2))
    order = rng.permutation(len(rows))
    moved = 10**log_scale * rows @ rotation + rng.standard_normal(rows.shape[1])
    # The Gram matrix rounds at 1e-16 of its largest eigenvalue, the smallest is 1e-4 of that or more; a shift of 1e4
    # times the scale costs four digits more.
    np.testing.assert_allclose(four(moved[order], (2 - labels)[order]), four(rows, labels), rtol=1e-7)


def test_absent_classes_do_not_count() -> None:
    rows, labels = blobs(80, 6, 3)
    sparse = np.array([1, 4, 7])[labels]
    assert scores(rows, sparse, count=5, classes=10).values == scores(rows, labels, count=5).values


# The family


def test_the_family_logs_every_key_and_only_those() -> None:
    rows, labels = blobs(200, 8, 3)
    rows = rows.astype(np.float32)
    parts = {"train": slice(0, 160), "test": slice(100, 200)}
    splits = make_splits(
        {k: rows[p] for k, p in parts.items()}, {k: labels[p] for k, p in parts.items()}, tuple("abc"), permutations=9
    )
    keys = {f"{s}/transfer/{n}" for s in parts for n in NAMES}
    found = Transfer()(splits)
    assert set(found.values) == {f"{k}{end}" for k in keys for end in ("", "_p", "_z")}
    assert set(found.chance) == keys
    # 100 test rows are too few for 15 Gaussians, 160 train rows are enough.
    more = Transfer(nleep=True)(splits)
    assert more.values["test/transfer/nleep"] == Undefined("100 rows are fewer than 10 for each of 15 Gaussians")
    assert float(more.values["train/transfer/nleep"]) <= 0  # type: ignore[arg-type]
    assert more.values == Transfer(nleep=True)(splits).values  # seeded
    assert {k: more.values[k] for k in found.values} == found.values


@pytest.mark.parametrize("classes", [2, 8])  # fewer, more class sums than rows: which of them is turned
def test_rough_targets_are_the_targets(classes: int) -> None:
    rows, labels = blobs(100, 12, classes, apart=0.4)
    spectrum = Spectrum.of(rows.astype(np.float32))
    targets = spectrum.roughly(classes, 20)
    assert (len(rows) < 20 * classes) == (classes == 8)
    for shuffled in Permutations(labels, 20, ("a",)):
        np.testing.assert_allclose(targets(shuffled), spectrum.targets(shuffled, classes), rtol=0, atol=1e-5)


@pytest.mark.parametrize(("n", "d"), [(150, 20), (40, 90)])
def test_nulls_are_the_values_of_permuted_labels(n: int, d: int) -> None:
    rows, labels = blobs(n, d, 3, apart=0.4)
    rows = rows.astype(np.float32)
    splits = make_splits({"test": rows}, {"test": labels}, tuple("abc"), permutations=30)
    found, null = Transfer()(splits), np.array([four(rows, y) for y in splits["test"].permutations])
    for name, draws, value in zip(NAMES, null.T, four(rows, labels), strict=True):
        key = f"test/transfer/{name}"
        if isinstance(found.values[key], Undefined):
            assert (name, d) == ("h_score", 90)
            continue
        assert found.values[key] == pytest.approx(value, rel=1e-9)
        assert found.values[f"{key}_p"] == p_value(value, draws)
        # The null's sums are in float32: 1e-6 of a value, more of the spread between values.
        assert found.values[f"{key}_z"] == pytest.approx(z_score(value, draws), rel=1e-3)
        if name in ("logme", "gbc"):  # of the others the chance level is known
            assert found.chance[key] == pytest.approx(draws.mean(), rel=1e-5)


def test_features_that_tell_the_classes_stand_out_and_noise_does_not() -> None:
    rows, labels = blobs(150, 20, 3, apart=1)
    noise = np.random.default_rng(1).standard_normal((150, 20))
    for name in NAMES:
        assert scores(rows, labels, count=99).values[f"test/transfer/{name}_p"] == 0.01
        assert float(scores(noise, labels, count=99).values[f"test/transfer/{name}_p"]) > 0.02  # type: ignore[arg-type]


def undefined(rows: Array, labels: Array, classes: int) -> dict[str, str]:
    found = scores(rows, labels, nleep=True, count=3, classes=classes).values
    assert not any(isinstance(v, float) and not np.isfinite(v) for v in found.values())
    reasons = {k.removeprefix("test/transfer/"): v.reason for k, v in found.items() if isinstance(v, Undefined)}
    return {k: reason for k, reason in reasons.items() if not k.endswith("_z")}  # three permutations may agree


def test_undefined_values_say_why() -> None:
    rows, labels = blobs(200, 6, 3)
    assert undefined(rows, labels, 3) == {}
    every = {*NAMES, "nleep"}
    assert undefined(rows, np.full(200, 2), 3) == dict.fromkeys(every, ONE_CLASS)
    assert undefined(rows[:0], labels[:0], 3) == dict.fromkeys(every, ONE_CLASS)
    assert undefined(np.full((200, 6), 0.1), labels, 3) == dict.fromkeys(every, EQUAL_ROWS)
    alone = np.where(np.arange(200) == 7, 3, labels)
    assert undefined(rows, alone, 4) == {"gbc": FLAT_CLASS}
    copies = np.where((labels == 1)[:, None], rows[0], rows)
    assert undefined(copies, labels, 3) == {"gbc": FLAT_CLASS}
    wide, many = blobs(700, 1000, 3)  # U √s of equal rows is not equal to the last digit
    wide[many == 1] = wide[0]
    assert undefined(wide, many, 3)["gbc"] == FLAT_CLASS
    assert Spectrum.of(np.full((3, 3), 0.1)).rank == 0  # whose mean is not 0.1
    assert set(undefined(rows[:6], np.arange(6) % 2, 2)) == {"h_score", "nleep"}
    assert set(undefined(rows[:2], np.arange(2), 2)) == {"h_score", "gbc", "nleep"}
