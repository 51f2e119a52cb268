"""Which metric decides, and what stands under the short keys."""

from __future__ import annotations

import numpy as np
import pytest

from frostmark.metrics.deciding import Rule, are_unequal, ranked, short_metrics, why_other
from frostmark.metrics.lookup import known_kinds

LINEAR, KNN = ["linear/accuracy", "linear/balanced_accuracy"], [
    "neighbours/knn_accuracy",
    "neighbours/knn_balanced_accuracy",
]  # fmt: skip


@pytest.mark.parametrize(
    ("rule", "names"),
    [
        (Rule(), [LINEAR[0], KNN[0], LINEAR[1]]),
        (Rule("linear", True), [LINEAR[1], KNN[1], LINEAR[0]]),
        (Rule("knn"), [KNN[0], LINEAR[0], KNN[1]]),
        (Rule("knn", True), [KNN[1], LINEAR[1], KNN[0]]),
    ],
)
def test_the_decider_then_the_other_family_then_the_deciders_other_accuracy(rule: Rule, names: list[str]) -> None:
    assert [name for name, _ in ranked(known_kinds(), rule, lambda name: True)] == names


def test_what_is_not_there_does_not_decide() -> None:
    alone = ranked(known_kinds(), Rule(), KNN.__contains__)
    assert [name for name, _ in alone] == KNN
    assert why_other(Rule(), alone).endswith("k-NN accuracy decides")
    assert why_other(Rule("knn"), alone) == ""
    assert ranked(known_kinds(), Rule(), lambda name: False) == []
    assert why_other(Rule(), []) == ""


def test_classes_are_unequal_where_the_largest_is_over_three_times_the_smallest() -> None:
    assert not are_unequal(np.repeat([0, 1], [30, 10]))
    assert are_unequal(np.repeat([0, 1], [31, 10]))
    assert are_unequal(np.repeat([0, 2], [31, 10]))  # a class without images counts in nothing
    assert not are_unequal(np.array([], np.int64))
    assert Rule.of("knn", True, None) == Rule("knn", True)
    assert Rule.of("linear", "auto", None) == Rule()


def test_short_keys_are_of_what_decides() -> None:
    values = {
        **{f"test/linear/accuracy{end}": 0.8 + n for n, end in enumerate(("", "_lo", "_hi"))},
        "test/linear/balanced_accuracy": 0.7, "test/neighbours/knn_accuracy": 0.6, "cost/images_per_second": 12.0,
    }  # fmt: skip
    of_linear = {"accuracy": 0.8, "accuracy_lo": 1.8, "accuracy_hi": 2.8, "balanced_accuracy": 0.7}
    assert short_metrics(values, known_kinds(), Rule()) == {**of_linear, "images_per_second": 12.0}
    assert short_metrics(values, known_kinds(), Rule("linear", True)) == {**of_linear, "images_per_second": 12.0}
    assert short_metrics(values, known_kinds(), Rule("knn")) == {"accuracy": 0.6, "images_per_second": 12.0}
    assert short_metrics({}, known_kinds(), Rule()) == {}
