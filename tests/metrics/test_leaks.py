"""The accuracy without leaked test images: by cases done in the head."""

from __future__ import annotations

import numpy as np
import pytest

from frostmark.metrics.leaks import LEAK_KINDS, leak_scores
from frostmark.metrics.metric import Split, make_splits


def split_of(labels: list[int], groups: list[int] | None = None) -> Split:
    rows = np.random.default_rng(0).normal(size=(len(labels), 3)).astype(np.float32)
    of = np.array(labels)
    known = None if groups is None else {"train": np.array(groups) + 100, "test": np.array(groups)}
    splits = make_splits({"train": rows, "test": rows}, {"train": of, "test": of}, ("a", "b"), groups=known)
    return splits["test"]


def test_few_leaks_are_counted_and_change_nothing() -> None:
    test = split_of([0, 1] * 200)
    leaked = np.zeros(400, np.bool_)
    leaked[:2] = True  # 0.5 %
    scores = leak_scores(leaked, test, np.ones(400))
    assert scores.values == {"test/leaks/images": 2.0, "test/leaks/share": 0.005}


def test_what_decides_is_told_of_the_other_images() -> None:
    test = split_of([0, 0, 0, 1])
    leaked, hits = np.array([True, False, False, False]), np.array([1, 0, 1, 1])
    scores = leak_scores(leaked, test, hits)
    assert scores.values["test/leaks/accuracy"] == pytest.approx(2 / 3)
    balanced = leak_scores(leaked, test, hits, balanced=True)
    assert balanced.values["test/leaks/accuracy"] == pytest.approx((1 / 2 + 1) / 2)


def test_the_interval_is_of_the_other_images() -> None:
    rng = np.random.default_rng(0)
    labels, hits = rng.integers(0, 2, 400), rng.random(400) < 0.7
    leaked = np.arange(400) < 100
    hits[leaked] = True
    values = leak_scores(leaked, split_of(labels.tolist()), hits).values
    low, value, high = (values[f"test/leaks/accuracy{end}"] for end in ("_lo", "", "_hi"))
    assert value == hits[100:].mean()
    assert low < value < high
    assert high - low == pytest.approx(2 * 1.96 * (value * (1 - value) / 300) ** 0.5, rel=0.15)  # binomial


def test_of_few_groups_there_is_no_interval() -> None:
    test = split_of([0, 1] * 10, groups=[0, 1, 2, 3] * 5)
    values = leak_scores(np.arange(20) < 2, test, np.ones(20)).values
    assert values["test/leaks/accuracy"] == 1
    assert "test/leaks/accuracy_lo" not in values


@pytest.mark.parametrize("hits", [None, np.ones(4)])
def test_nothing_is_left_or_nothing_decides(hits: np.ndarray | None) -> None:
    leaked = np.ones(4, np.bool_) if hits is not None else np.arange(4) < 2
    assert set(leak_scores(leaked, split_of([0, 1, 0, 1]), hits).values) == {"test/leaks/images", "test/leaks/share"}


def test_every_key_has_a_kind() -> None:
    assert set(LEAK_KINDS) == {"leaks/images", "leaks/share", "leaks/accuracy"}
