"""Paired tests: cases done by hand, the libraries' own numbers, and how often they claim what is not so."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from frostmark.stats.paired import agreement, difference, groups, holm, mcnemar


def hits(pattern: str) -> np.ndarray:
    return np.array([c == "1" for c in pattern])


def test_mcnemar_by_hand() -> None:
    # Six images are right for one alone, none for the other: 2 / 2⁶.
    assert mcnemar(hits("11111100"), hits("00000000")) == pytest.approx(2 / 64)
    # One against one: nothing is rarer.
    assert mcnemar(hits("10"), hits("01")) == 1.0
    # Where both are right or both wrong nothing is learnt.
    assert mcnemar(hits("1" * 50 + "11111100"), hits("1" * 50 + "00000000")) == pytest.approx(2 / 64)
    assert mcnemar(hits("0110"), hits("0110")) == 1.0
    with pytest.raises(ValueError, match="same images"):
        mcnemar(hits("01"), hits("011"))


@given(st.integers(0, 30), st.integers(0, 30))
def test_mcnemar_is_the_binomial(gained: int, lost: int) -> None:
    one = np.array([True] * gained + [False] * lost, dtype=bool)
    p = min(1.0, 2 * float(binom.cdf(min(gained, lost), gained + lost, 0.5))) if gained != lost else 1.0
    assert mcnemar(one, ~one) == pytest.approx(p)
    assert mcnemar(~one, one) == mcnemar(one, ~one)


def test_mcnemar_errs_as_rarely_as_it_says() -> None:
    rng = np.random.default_rng(0)
    ps = [mcnemar(*(rng.random((2, 200)) < 0.8)) for _ in range(400)]
    assert np.mean(np.array(ps) < 0.05) < 0.07


def test_a_difference_of_draws_by_hand() -> None:
    base = np.linspace(0.5, 0.6, 1000)
    same = difference(base + 0.1, base)
    assert (same.mean, same.low, same.high) == pytest.approx((0.1, 0.1, 0.1))
    assert same.p < 1e-12
    assert same.told
    none = difference(base, base[::-1])
    assert none.p > 0.9
    assert not none.told
    other_way = difference(base, base + 0.1)
    assert (other_way.mean, other_way.p) == pytest.approx((-0.1, 0), abs=1e-12)
    assert difference(np.ones(50), np.ones(50)).p == 1
    assert difference(np.ones(50), np.zeros(50)).p == 0
    with pytest.raises(ValueError, match="resamples"):
        difference(base, base[:-1])


def test_p_of_draws_is_their_share_beyond_zero() -> None:
    draws = np.random.default_rng(0).normal(0.02, 0.01, 100_000)
    assert difference(draws, np.zeros(100_000)).p == pytest.approx(2 * (draws < 0).mean(), rel=0.05)


def test_holm_by_hand() -> None:
    # Smallest first: 3 · 0.01, 2 · 0.03, then no less than the one before it.
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holm_lies_between_the_values_and_bonferroni(p: list[float]) -> None:
    adjusted = holm(p)
    for raw, mended in zip(p, adjusted, strict=True):
        assert raw <= mended <= min(1.0, len(p) * raw) + 1e-12 or mended == max(adjusted)
    order = np.argsort(p, kind="stable")
    assert (np.diff(np.array(adjusted)[order]) >= 0).all()


def test_rankings_agree_or_not() -> None:
    assert agreement(np.array([1, 2, 3]), np.array([10, 20, 30])) == 1.0
    assert agreement(np.array([1, 2, 3]), np.array([3, 2, 1])) == -1.0
    assert agreement(np.array([1, 1, 1]), np.array([1, 2, 3])) is None
    assert agreement(np.array([1]), np.array([1])) is None


def test_groups_hold_who_cannot_be_told_from_their_best() -> None:
    close = {("a", "b"), ("b", "c"), ("c", "d")}
    assert groups(["a", "b", "c", "d"], lambda one, other: (one, other) in close) == [["a", "b"], ["c", "d"]]
    assert groups([], lambda one, other: True) == []
