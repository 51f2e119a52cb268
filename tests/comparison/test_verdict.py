"""Verdicts: right when the truth is far enough, silent when there is none, and never on unlike runs."""

from __future__ import annotations

from itertools import count

import numpy as np
import pytest
from scipy.optimize import brentq

from frostmark.comparison.groups import Group, comparable, differences
from frostmark.comparison.runs import Run
from frostmark.comparison.verdict import judge
from support.simulated_runs import KNN, TAGS, hits_of, run_of


def two(hits: list[np.ndarray]) -> Group:
    names = ("resnet18", "vgg16", "alexnet", "squeezenet1_0")
    (group,) = comparable([run_of(h, backbone=name) for h, name in zip(hits, names, strict=False)])
    return group


def test_a_true_difference_is_found_and_given_to_the_right_one() -> None:
    images, low = 400, 0.8

    def beyond(high: float) -> float:
        return high - low - 3 * np.sqrt((high * (1 - high) + low * (1 - low)) / images)

    high = float(brentq(beyond, low, 0.99))  # three standard errors of the difference of two separate samples
    rng, right = np.random.default_rng(1), 0
    for draw in range(200):
        order = [low, high] if draw % 2 else [high, low]
        verdict = judge(two(hits_of(order, images, rng)))
        best = "vgg16" if draw % 2 else "resnet18"
        right += verdict.contenders[0].name.startswith(best) and verdict.pairs[0].told
        assert ("is better than" in verdict.sentence) == verdict.pairs[0].told
    assert right >= 190


def test_no_difference_is_not_claimed() -> None:
    rng = np.random.default_rng(2)
    verdicts = [judge(two(hits_of([0.8, 0.8], 400, rng))) for _ in range(200)]
    silent = [v for v in verdicts if "cannot tell" in v.sentence]
    assert len(silent) >= 186
    assert all({c.place for c in v.contenders} == {1} for v in silent)


def test_among_many_equals_hardly_any_difference_is_claimed() -> None:
    rng = np.random.default_rng(3)
    claimed = sum(any(p.told for p in judge(two(hits_of([0.8] * 4, 300, rng))).pairs) for _ in range(100))
    assert claimed <= 7  # Holm: of six pairs each time


def test_the_layer_is_chosen_on_train_and_reported_on_test() -> None:
    rng = np.random.default_rng(0)
    modest, lucky, other = hits_of([0.7, 0.9, 0.75], 400, rng)
    runs = [
        run_of(modest, train=0.8, layer="stage3", node="layer3"), run_of(lucky, train=0.6),
        run_of(other, backbone="vgg16"),
    ]  # fmt: skip
    (group,) = comparable(runs)
    verdict = judge(group)
    assert [(c.name, c.of) for c in verdict.contenders] == [("vgg16 · last_conv", 1), ("resnet18 · stage3", 2)]


def test_of_one_network_the_layers_are_set_against_each_other() -> None:
    rng = np.random.default_rng(0)
    hits = hits_of([0.6, 0.9], 400, rng)
    (group,) = comparable([run_of(hits[0], layer="stage1", node="relu"), run_of(hits[1])])
    verdict = judge(group)
    assert verdict.sentence.startswith(f"resnet18 · last_conv (k-NN accuracy {hits[1].mean():.1%}) is better than")
    assert "points (95 %: +" in verdict.sentence
    assert [c.place for c in verdict.contenders] == [1, 2]


def test_who_is_behind_is_said_beside_who_cannot_be_told_apart() -> None:
    rng = np.random.default_rng(5)
    verdict = judge(two(hits_of([0.9, 0.895, 0.6], 400, rng)))
    assert verdict.sentence.startswith("The data cannot tell")
    assert "alexnet · last_conv is worse than" in verdict.sentence
    assert [c.place for c in verdict.contenders] == [1, 1, 2]


def test_the_difference_is_that_of_the_values_and_its_interval_that_of_paired_draws() -> None:
    rng = np.random.default_rng(6)
    one, other = hits_of([0.9, 0.8], 400, rng, shared=0.95)
    (pair,) = judge(two([one, other])).pairs
    assert pair.difference.mean == pytest.approx(one.mean() - other.mean())
    assert pair.difference.low < pair.difference.mean < pair.difference.high
    apart = np.sqrt(one.var() / 400 + other.var() / 400)
    assert pair.difference.high - pair.difference.low < 0.8 * 2 * 1.96 * apart  # sharing mistakes makes it narrower


def test_runs_without_outcomes_have_no_verdict_but_a_reason() -> None:
    numbers = count()
    runs = [Run("t", TAGS | {"backbone": f"b{next(numbers)}"}, ("a",), {"cost/gmacs": 1.0}) for _ in range(2)]
    (group,) = comparable(runs)
    verdict = judge(group)
    assert verdict.sentence.startswith("There is no verdict")
    assert verdict.contenders == ()


@pytest.mark.parametrize(
    ("tag", "value", "told"),
    [
        ("seed", "1", "seed: 0 and 1"),
        ("dataset_fingerprint", "0" * 32, "images: ffffffff and 00000000"),
        ("label_digest", "0" * 32, "labels: aaaaaaaa and 00000000"),
        ("preprocess", "official", "preprocessing: resize to 224 pixels and official"),
        ("image_size", "96", "preprocessing: resize to 224 pixels and resize to 96 pixels"),
        ("dataset", "digits", "data set: synthetic and digits"),
        ("protocol", "neighbours k=5", "settings of the metrics: neighbours k=20 and neighbours k=5"),
    ],
)
def test_unlike_runs_are_kept_apart_with_the_difference_named(tag: str, value: str, told: str) -> None:
    hits = np.ones(400, dtype=bool)
    one, other = run_of(hits), run_of(hits, **{tag: value})
    assert differences(one, other) == [told]
    assert [len(group.runs) for group in comparable([one, other])] == [1, 1]
    assert differences(one, one) == []


def test_a_network_is_named_by_what_sets_it_apart() -> None:
    hits = np.ones(400, dtype=bool)
    runs = [run_of(hits), run_of(hits, weights="untrained"), run_of(hits, backbone="vgg16")]
    (group,) = comparable(runs)
    assert group.names == ("resnet18 IMAGENET1K_V1", "resnet18 untrained", "vgg16 IMAGENET1K_V1")
    (group,) = comparable([runs[0], runs[2], run_of(hits, pool="max")])
    assert group.titles == ("resnet18 · last_conv gap", "vgg16 · last_conv gap", "resnet18 · last_conv max")


def test_an_untrained_network_is_called_so_beside_trained_ones() -> None:
    hits = np.ones(400, dtype=bool)
    (group,) = comparable([run_of(hits), run_of(hits, backbone="vgg16", weights="untrained")])
    assert group.names == ("resnet18", "vgg16 untrained")
    (group,) = comparable([run_of(hits, backbone=name, weights="untrained") for name in ("resnet18", "vgg16")])
    assert group.names == ("resnet18", "vgg16")


def test_one_node_by_two_words_is_one_layer() -> None:
    hits = np.ones(400, dtype=bool)
    (group,) = comparable([run_of(hits, layer="stage5"), run_of(hits), run_of(hits, layer="stage1", node="relu")])
    assert group.titles == ("resnet18 · stage5 = last_conv", "resnet18 · stage1")


def test_against_whom_the_best_is_better_or_worse_is_said() -> None:
    rng = np.random.default_rng(0)
    runs = []
    for name, hits, eta in zip(("a", "b", "c"), hits_of([0.95, 0.8, 0.6], 400, rng), (0.1, 0.5, 0.05), strict=True):
        run, key = run_of(hits, backbone=name), "test/separability/eta_squared"
        draws = {**run.draws, key: eta + 0.01 * np.random.default_rng(1).normal(size=200)}
        runs.append(Run("t", run.tags, run.classes, {**run.values, key: eta}, {}, draws, run.outcomes))
    (group,) = comparable(runs)
    assert judge(group).sentence.endswith("; but it is worse than that one by η² (-0.400).")


def test_of_a_run_made_twice_the_later_counts() -> None:
    hits = np.ones(400, dtype=bool)
    (group,) = comparable([run_of(~hits), run_of(hits, backbone="vgg16"), run_of(hits)])
    assert [run.values[KNN] for run in group.runs] == [1.0, 1.0]


def test_metrics_that_order_the_layers_alike_agree() -> None:
    rng = np.random.default_rng(0)
    runs = []
    for n, hits in enumerate(hits_of([0.6, 0.7, 0.8, 0.9], 400, rng)):
        run = run_of(hits, layer=f"stage{n}", node=f"layer{n}")
        more = {"test/transfer/logme": float(n), "test/separability/cdnv": float(n)}
        runs.append(Run(run.title, run.tags, run.classes, {**run.values, **more}, {}, run.draws, run.outcomes))
    (group,) = comparable(runs)
    assert judge(group).agreement == {"LogME": 1.0, "CDNV (negative)": -1.0}
