"""Logistic regression against scikit-learn's, on narrow and wide rows, and what must change nothing."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from frostmark.stats.logistic import HeldRows, PrincipalAxes, ReadAnew, fit, log_losses, scores

Drawn = tuple[np.ndarray, np.ndarray]


def drawn(count: int, width: int, classes: int = 4, seed: int = 0) -> Drawn:
    """Overlapping classes of features that differ in scale, far from zero."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    means = np.random.default_rng(9).standard_normal((classes, width))
    rows = (rng.standard_normal((count, width)) + 0.7 * means[labels]) * np.logspace(-2, 2, width) + 30
    return rows.astype(np.float32), labels


def logits(train: Drawn, rows: np.ndarray, penalty: float) -> np.ndarray:
    axes = PrincipalAxes.of(train[0])
    weights = fit(axes.along(train[0]), train[1], int(train[1].max()) + 1, axes.energy, penalty)
    return scores(weights, axes.turned(rows)).astype(np.float64)


def log_probabilities(logits: np.ndarray) -> np.ndarray:
    shifted = logits - logits.max(1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(1, keepdims=True))


@pytest.mark.parametrize(("count", "width"), [(300, 12), (60, 200)])
@pytest.mark.parametrize("penalty", [0.3, 30.0])
def test_against_scikit_learn(count: int, width: int, penalty: float) -> None:
    train, (rows, _) = drawn(count, width), drawn(200, width, seed=1)
    mean, scale = train[0].mean(0, dtype=np.float64), train[0].std(0, dtype=np.float64)
    theirs = LogisticRegression(C=1 / penalty, tol=1e-8, max_iter=5000).fit((train[0] - mean) / scale, train[1])
    mine = log_probabilities(logits(train, rows, penalty))
    expected = theirs.predict_log_proba((rows - mean) / scale)
    # A step that changes the objective by 1e-5 of itself leaves the weights some thousandths from where they end.
    assert np.abs(np.exp(mine) - np.exp(expected)).max() < 0.03
    assert (mine.argmax(1) == expected.argmax(1)).mean() > 0.98


def test_two_images_by_hand() -> None:
    """Rows −1 and 1, weights ±v: 2 · log(1 + exp(−2v)) + penalty · v² is least where v · penalty = 2 · σ(−2v)."""
    rows, labels = np.array([[-1.0], [1.0]], np.float32), np.array([0, 1])
    apart = np.diff(logits((rows, labels), rows, 0.5), axis=1)[:, 0] / 2
    assert apart[1] == pytest.approx(-apart[0])
    assert apart[1] * 0.5 == pytest.approx(2 / (1 + np.exp(2 * apart[1])), rel=1e-2)


def test_axes_keep_what_standardised_rows_are() -> None:
    rows, _ = drawn(100, 10)
    axes = PrincipalAxes.of(rows)
    standardised = (rows - rows.mean(0, dtype=np.float64)) / rows.std(0, dtype=np.float64)
    turned = axes.turned(rows).astype(np.float64)
    np.testing.assert_allclose(turned @ turned.T, standardised @ standardised.T, atol=1e-3)
    np.testing.assert_allclose((turned**2).mean(0), axes.energy, rtol=1e-4)
    assert axes.energy.sum() == pytest.approx(10)


def test_wide_rows_have_fewer_axes_than_rows() -> None:
    axes = PrincipalAxes.of(drawn(30, 100)[0])
    assert len(axes.energy) == 29
    assert axes.energy.sum() == pytest.approx(100)


def test_features_that_do_not_vary_are_left_out() -> None:
    rows, labels = drawn(80, 6)
    more = np.hstack([rows, np.full((80, 3), 1e6, np.float32), np.zeros((80, 2), np.float32)])
    assert PrincipalAxes.of(more).features == 6
    np.testing.assert_allclose(logits((more, labels), more, 1.0), logits((rows, labels), rows, 1.0), atol=1e-3)


def test_rows_that_do_not_vary_at_all_give_the_classes_their_shares() -> None:
    rows, labels = np.ones((40, 3), np.float32), np.repeat([0, 1], [30, 10])
    found = log_probabilities(logits((rows, labels), rows[:1], 1.0))
    np.testing.assert_allclose(np.exp(found), [[0.75, 0.25]], rtol=1e-3)


def test_blocks_of_rows_change_nothing_but_rounding(monkeypatch: pytest.MonkeyPatch) -> None:
    train = drawn(900, 8)
    whole = logits(train, train[0], 1.0)
    monkeypatch.setattr("frostmark.stats.logistic._CELLS", 1)
    np.testing.assert_allclose(logits(train, train[0], 1.0), whole, atol=0.05)


def test_the_same_fit_twice_is_the_same_to_the_bit() -> None:
    train = drawn(200, 30)
    assert np.array_equal(logits(train, train[0], 1.0), logits(train, train[0], 1.0))


def test_log_losses_of_sure_and_unsure_answers() -> None:
    found = log_losses(np.array([[0, 0], [200, 0]], np.float32), np.array([0, 1]))
    np.testing.assert_allclose(found, [np.log(2), 200], rtol=1e-6)


# Rows that are too many to be held twice


def test_rows_that_are_read_anew_are_those_that_are_held() -> None:
    rows, _ = drawn(400, 12)
    rows = np.hstack([rows, np.full((400, 1), 7, np.float32)])
    axes, some = PrincipalAxes.of(rows), np.arange(400) % 3 > 0
    held, anew = HeldRows(axes.turned(rows)), ReadAnew(axes, rows, np.arange(400))
    weights = np.random.default_rng(0).standard_normal((12, 4))
    for one, other in ((held, anew), (held.take(some), ReadAnew(axes, rows, np.flatnonzero(some)))):
        assert len(one) == len(other)
        expected = one.block(slice(5, 90)) @ weights
        np.testing.assert_allclose(other.block(slice(5, 90)) @ other.outward(weights), expected, atol=1e-4)
        gradient = np.random.default_rng(1).standard_normal((85, 4))
        expected = one.inward(one.block(slice(5, 90)).T @ gradient)
        np.testing.assert_allclose(other.inward(other.block(slice(5, 90)).T @ gradient), expected, atol=1e-3)


def test_a_fit_of_rows_that_are_read_anew_is_that_of_rows_that_are_held(monkeypatch: pytest.MonkeyPatch) -> None:
    train = drawn(900, 20)
    whole = log_probabilities(logits(train, train[0], 3.0))
    monkeypatch.setattr("frostmark.stats.logistic.MAX_HELD", 0)
    monkeypatch.setattr("frostmark.stats.logistic._CELLS", 20 * 300)
    assert isinstance(PrincipalAxes.of(train[0]).along(train[0]), ReadAnew)
    np.testing.assert_allclose(log_probabilities(logits(train, train[0], 3.0)), whole, atol=0.02)


@pytest.mark.parametrize(("held", "few"), [(12 * 100, 1 << 30), (12 * 399, 12 * 100)])
def test_few_of_rows_that_are_read_anew_are_held(held: int, few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rows, _ = drawn(400, 12)
    axes = PrincipalAxes.of(rows)
    monkeypatch.setattr("frostmark.stats.logistic.MAX_HELD", held)
    monkeypatch.setattr("frostmark.stats.logistic._FEW", few)
    monkeypatch.setattr("frostmark.stats.logistic._CELLS", 12)
    anew = axes.along(rows)
    assert isinstance(anew.take(np.arange(101)), ReadAnew)
    few = anew.take(np.array([7, 3, 200]))
    assert isinstance(few, HeldRows)
    np.testing.assert_array_equal(few.rows, axes.turned(rows[[7, 3, 200]]))
