"""Verdicts: right when the truth is far enough, silent when there is none, and never on unlike runs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import count

import numpy as np
import pytest
from scipy.optimize import brentq

from frostmark.comparison.contenders import Headline
from frostmark.comparison.groups import Group, comparable, differences
from frostmark.comparison.markdown import how
from frostmark.comparison.paired import difference_of
from frostmark.comparison.runs import Run
from frostmark.comparison.tables import pairs
from frostmark.comparison.verdict import judge
from frostmark.metrics.kinds import Across, Kind
from frostmark.stats.bootstrap import Resamples
from support.simulated_groups import World, drawn, groups_of
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
    silent = [v for v in verdicts if "No significant difference" in v.sentence]
    assert len(silent) >= 186
    assert all({c.place for c in v.contenders} == {1} for v in silent)


def test_layers_that_answer_alike_are_said_to() -> None:
    (hits,) = hits_of([0.8], 400, np.random.default_rng(2))
    (group,) = comparable([run_of(hits), run_of(hits, layer="penultimate", node="flatten")])
    verdict = judge(group)
    assert verdict.sentence == (
        "resnet18 · last_conv and resnet18 · penultimate classify the same test images correctly: "
        f"k-NN accuracy {hits.mean():.1%}."
    )


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
    assert "points (95% CI +" in verdict.sentence
    assert [c.place for c in verdict.contenders] == [1, 2]


def test_who_is_behind_is_said_beside_who_cannot_be_told_apart() -> None:
    rng = np.random.default_rng(5)
    verdict = judge(two(hits_of([0.9, 0.895, 0.6], 400, rng)))
    assert verdict.sentence.startswith("No significant difference between ")
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
        ("preprocess", "official", "preprocessing: resize and official"),
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
    assert group.names == ("resnet18 (IMAGENET1K_V1)", "resnet18 (untrained)", "vgg16 (IMAGENET1K_V1)")
    (group,) = comparable([runs[0], runs[2], run_of(hits, pool="max")])
    assert group.titles == ("resnet18 · last_conv gap", "vgg16 · last_conv gap", "resnet18 · last_conv max")


def test_networks_at_their_own_sizes_are_compared_and_one_at_two_sizes_is_two() -> None:
    hits = np.ones(400, dtype=bool)
    own = [run_of(hits), run_of(hits, backbone="mine", image_size="32")]
    (group,) = comparable(own)
    assert group.names == ("resnet18", "mine")
    assert "resize to 32 or 224 pixels" in group.setting
    (group,) = comparable([run_of(hits, image_size=size) for size in ("96", "224")])
    assert group.names == ("resnet18 (96 px)", "resnet18 (224 px)")


def test_a_pool_that_nobody_chose_is_not_named() -> None:
    hits = np.ones(400, dtype=bool)
    own = [run_of(hits, layer="embedding"), run_of(hits, backbone="vit_b_16", layer="embedding", pool="cls")]
    (group,) = comparable(own)
    assert group.layers == ("embedding", "embedding")
    blocks = [run_of(hits, layer="block1", pool="cls", norm=norm) for norm in ("final", "none")]
    (group,) = comparable(blocks)
    assert group.layers == ("block1", "block1 raw")


def test_an_untrained_network_is_called_so_beside_trained_ones() -> None:
    hits = np.ones(400, dtype=bool)
    (group,) = comparable([run_of(hits), run_of(hits, backbone="vgg16", weights="untrained")])
    assert group.names == ("resnet18", "vgg16 (untrained)")
    (group,) = comparable([run_of(hits, backbone=name, weights="untrained") for name in ("resnet18", "vgg16")])
    assert group.names == ("resnet18", "vgg16")


def test_one_node_by_two_words_is_one_layer() -> None:
    hits = np.ones(400, dtype=bool)
    (group,) = comparable([run_of(hits, layer="stage5"), run_of(hits), run_of(hits, layer="stage1", node="relu")])
    assert group.titles == ("resnet18 · stage5 = last_conv", "resnet18 · stage1")


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


# Images in groups, and classes of unequal size


def grouped(runs: Sequence[Run], groups: np.ndarray) -> Group:
    """The runs with resamples of these groups."""
    labels = np.arange(len(groups)) % 2
    resamples = Resamples(labels, 200, ("0", "images", "test"), groups)
    changed = []
    for run in runs:
        drawn = {KNN: resamples.means(run.outcomes["test/knn_hits"])} if resamples.draws else {}
        tags = {**run.tags, "groups": "…", "group_digest": "c" * 32}
        changed.append(replace(run, draws=drawn, groups={"test": groups}, tags=tags))
    (group,) = comparable(changed)
    return group


def test_equal_networks_on_images_in_groups_are_told_apart_as_rarely_as_it_says() -> None:
    world, told = World(20, 0.3, shared=False), np.zeros(2)
    for draw in range(200):
        one, other = drawn(world, np.random.default_rng((10, draw)))
        runs = [run_of(one), run_of(other, backbone="vgg16")]
        (alone,) = comparable(runs)
        told += judge(grouped(runs, groups_of(world))).pairs[0].told, judge(alone).pairs[0].told
    assert told[0] / 200 <= 0.06 + 2 * np.sqrt(0.06 * 0.94 / 200)
    assert told[1] / 200 > 0.4


def test_the_sentence_says_over_how_many_groups() -> None:
    rng = np.random.default_rng(1)
    groups = np.repeat(np.arange(12), 40)
    runs = [run_of(rng.random(480) < 0.9), run_of(rng.random(480) < 0.6, backbone="vgg16")]
    verdict = judge(grouped(runs, groups))
    assert verdict.pairs[0].told
    assert re.search(r"p (=|<) 0\.\d+ over 12 groups\)", verdict.sentence)

    def told(group: Group) -> str:
        return how(group, judge(group))

    assert "a sign-flip test of the groups' differences" in told(grouped(runs, groups))
    assert "few" in told(grouped(runs, groups % 7))
    assert "independent of each other" in told(two([run.outcomes["test/knn_hits"] for run in runs]))


def test_fewer_than_six_groups_tell_nothing_and_why() -> None:
    runs = [run_of(np.ones(100, bool)), run_of(np.arange(100) % 2 == 0, backbone="vgg16")]
    verdict = judge(grouped(runs, np.arange(100) % 5))
    assert not verdict.pairs[0].told
    assert "(5 groups cannot give p < 0.05: the smallest p is 0.06)" in verdict.sentence
    assert "nan" not in verdict.sentence
    assert all("nan" not in cell for line in pairs(verdict)[1] for cell in line)


def test_without_resamples_and_hits_there_is_a_sentence_without_numbers_that_are_not_known() -> None:
    runs = [run_of(hits, backbone=name) for hits, name in ((np.ones(50, bool), "a"), (np.arange(50) % 2 == 0, "b"))]
    (group,) = comparable([replace(run, draws={}) for run in runs])
    assert "by 50.0 points (p < 0.001)" in judge(group).sentence


def test_runs_with_other_groups_are_not_compared() -> None:
    one, other = run_of(np.ones(20, bool)), run_of(np.ones(20, bool), backbone="vgg16")
    assert len(comparable([replace(one, tags={**one.tags, "group_digest": "c" * 32}), other])) == 2
    assert differences(replace(one, tags={**one.tags, "group_digest": "c" * 32}), other) == [
        "groups of the images: cccccccc and none"
    ]


@pytest.mark.parametrize("by_group", [False, True])
def test_balanced_accuracies_are_compared_class_by_class(by_group: bool) -> None:
    """95:5: always the first class, against recalls of 0.96 and 0.8. Of accuracy nothing is told."""
    rng, labels = np.random.default_rng(2), np.repeat([0, 1], [950, 50])
    first, second = labels == 0, rng.random(1000) < np.array([0.96, 0.8])[labels]
    balanced = Kind("balanced accuracy", "higher", Across.NETWORKS, share=True, pairs="knn_hits", balanced=True)
    key, name = "test/x/balanced", "x/balanced"
    more = {"groups": {"test": np.arange(1000) % 25}} if by_group else {}
    runs = [
        replace(run_of(hits), labels={"test": labels}, values={key: value, KNN: float(hits.mean())}, **more)
        for hits, value in ((first, 0.5), (second, 0.88))
    ]
    assert difference_of(*runs, Headline(name, balanced)).p < 0.01
    assert difference_of(*runs, Headline("neighbours/knn_accuracy", runs[0].kinds["neighbours/knn_accuracy"])).p > 0.05


def test_a_file_of_weights_is_named_without_its_network() -> None:
    (hits,) = hits_of([0.8], 100, np.random.default_rng(0))
    files = ("resnet18-imagenet.pth", "ResNet18_mine.ckpt", "other.pth", "resnet18.pth")
    runs = [run_of(hits, weights=name, weights_digest=name) for name in files]
    (group,) = comparable(runs)
    assert group.names == tuple(f"resnet18 ({of})" for of in ("imagenet.pth", "mine.ckpt", "other.pth", "resnet18.pth"))
