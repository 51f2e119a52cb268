"""What decides: the linear accuracy unless k-NN is asked for or alone, and balanced accuracy of unequal classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from frostmark.comparison.about import About
from frostmark.comparison.comparison import compare
from frostmark.comparison.deciding import AS_MADE, Asked
from frostmark.comparison.groups import Group, comparable
from frostmark.comparison.markdown import comparison_markdown
from frostmark.comparison.runs import Run
from frostmark.comparison.tables import layers, ranking
from frostmark.comparison.verdict import judge
from frostmark.features.store import FeatureStore
from frostmark.metrics.predictions import balanced_accuracy
from frostmark.stats.bootstrap import Resamples
from support.simulated_runs import hits_of, run_of, with_linear

NAMES = ("resnet18", "vgg16", "alexnet")
KNN_DECIDES = Asked(family="knn")


def group_of(runs: Sequence[Run]) -> Group:
    (group,) = comparable(runs)
    return group


def networks(linear: list[float], knn: list[float], images: int = 400, seed: int = 0) -> Group:
    """Networks of these true accuracies."""
    rng = np.random.default_rng(seed)
    both = zip(NAMES, hits_of(linear, images, rng), hits_of(knn, images, rng), strict=False)
    return group_of([with_linear(run_of(near, backbone=name), flat) for name, flat, near in both])


def without_linear(group: Group) -> Group:
    """The same runs of metrics=[neighbours]."""
    runs = []
    for run in group.runs:
        values = {key: value for key, value in run.values.items() if "/linear/" not in key}
        runs.append(replace(run, values=values, outcomes={"test/knn_hits": run.outcomes["test/knn_hits"]}))
    return group_of(runs)


def first_of(group: Group, asked: Asked = AS_MADE) -> str:
    return judge(group, asked).contenders[0].name.partition(" ")[0]


def test_the_network_of_the_higher_linear_accuracy_is_found() -> None:
    right = 0
    for seed in range(60):
        verdict = judge(networks([0.8, 0.88], [0.85, 0.8], seed=seed))
        assert verdict.decides is not None
        assert verdict.decides.name == "linear/accuracy"
        right += verdict.contenders[0].name.startswith("vgg16")
    assert right >= 57


def test_equal_linear_accuracies_are_hardly_ever_told_apart_whatever_knn_says() -> None:
    told = sum(judge(networks([0.8, 0.8], [0.9, 0.7], seed=seed)).pairs[0].told for seed in range(200))
    assert told / 200 <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 200)


def test_knn_decides_in_the_same_order_and_words_as_without_a_linear_accuracy() -> None:
    group = networks([0.9, 0.6, 0.7], [0.7, 0.8, 0.9])
    asked, alone = judge(group, KNN_DECIDES), judge(without_linear(group))
    assert [(c.name, c.place) for c in asked.contenders] == [(c.name, c.place) for c in alone.contenders]
    assert asked.sentence.startswith(alone.sentence.removesuffix("."))
    assert [c.name.partition(" ")[0] for c in asked.contenders] == ["alexnet", "vgg16", "resnet18"]
    assert first_of(group) == "resnet18"


def test_another_winner_by_the_other_accuracy_is_said() -> None:
    sentence = judge(networks([0.9, 0.6], [0.6, 0.9])).sentence
    assert sentence.startswith("resnet18 · last_conv (linear accuracy 89.2%) is better than")
    assert ". However, by k-NN accuracy vgg16 · last_conv is better than resnet18" in sentence
    assert sentence.count("k-NN accuracy") == 1
    assert "points (95% CI +" in sentence.partition("However")[2]
    agreeing = judge(networks([0.9, 0.6], [0.9, 0.6])).sentence
    assert "; it is also better by k-NN accuracy (+" in agreeing
    assert "owever" not in agreeing
    assert "owever" not in judge(networks([0.9, 0.6], [0.8, 0.8])).sentence


def test_the_layer_is_chosen_on_train_by_what_decides() -> None:
    one, two, three = hits_of([0.7, 0.7, 0.7], 100, np.random.default_rng(0))
    runs = [
        with_linear(run_of(one, train=0.2, layer="a", node="a"), one, train=0.9),
        with_linear(run_of(two, train=0.8, layer="b", node="b"), two, train=0.3),
        with_linear(run_of(three, backbone="vgg16"), three),
    ]
    chosen = {c.name for c in judge(group_of(runs)).contenders}
    assert chosen == {"resnet18 · a", "vgg16 · last_conv"}
    by_knn = judge(group_of(runs), KNN_DECIDES)
    assert {c.name for c in by_knn.contenders} == {"resnet18 · b", "vgg16 · last_conv"}
    assert layers(group_of(runs), by_knn)[0][1] == "train k-NN accuracy"


def test_where_the_family_is_not_among_the_metrics_the_other_decides_and_one_line_says_so() -> None:
    runs = [
        replace(run, tags={**run.tags, "decide": "linear"}) for run in without_linear(networks([1, 1], [0.9, 0.6])).runs
    ]
    verdict = judge(group_of(runs))
    assert verdict.decides is not None
    assert verdict.decides.name == "neighbours/knn_accuracy"
    (note,) = verdict.notes
    assert note == "decide=linear, but there is no accuracy of metrics=[linear]: k-NN accuracy decides"


def test_runs_that_were_made_with_unlike_rules_are_compared_by_the_usual_one_and_that_is_said() -> None:
    runs = list(networks([0.9, 0.6], [0.6, 0.9]).runs)
    runs[0] = replace(runs[0], tags={**runs[0].tags, "decide": "knn"})
    verdict = judge(group_of(runs))
    assert verdict.contenders[0].name.startswith("resnet18")
    assert verdict.notes[0].startswith(
        "the runs were made with decide=knn and decide=linear: this comparison uses decide=linear"
    )
    assert judge(group_of(runs), KNN_DECIDES).notes == ()
    made_with_knn = group_of([replace(run, tags={**run.tags, "decide": "knn"}) for run in runs])
    assert first_of(made_with_knn) == "vgg16"


def test_tables_curves_and_costs_follow_what_decides(tmp_path: object) -> None:
    group = networks([0.9, 0.6], [0.6, 0.9])
    assert ranking(group, judge(group))[0][3:5] == ["linear accuracy", "k-NN accuracy"]
    assert ranking(group, judge(group, KNN_DECIDES))[0][3:5] == ["k-NN accuracy", "linear accuracy"]
    for asked, name in ((AS_MADE, "linear/accuracy"), (KNN_DECIDES, "neighbours/knn_accuracy")):
        made = compare(group, FeatureStore(tmp_path / "features"), asked=asked)  # type: ignore[operator]
        wanted = [run.values[f"test/{name}"] for run in group.runs]
        assert [stop.value for stops in made.curves.values() for stop in stops] == wanted
        assert [point.value for point in made.costs] == wanted
    assert "linear accuracy" in comparison_markdown(group, judge(group), About())


def unequal(seed: int, recalls: Sequence[tuple[float, float]], train: Sequence[int] = (1900, 100)) -> Group:
    """Networks of these recalls on test classes of 950 and 50 images."""
    rng, labels = np.random.default_rng(seed), np.repeat([0, 1], [950, 50])
    resamples = Resamples(labels, 100, ("0", "images", "test"))
    runs = []
    for name, recall in zip(NAMES, recalls, strict=False):
        hits = rng.random(1000) < np.array(recall)[labels]
        key, run = "test/linear/balanced_accuracy", with_linear(run_of(hits, backbone=name), hits)
        values = {**run.values, key: balanced_accuracy(labels, np.where(hits, labels, 1 - labels))}
        of_labels = {"test": labels, "train": np.repeat([0, 1], train)}
        draws = {**run.draws, key: resamples.balanced_means(hits)}
        runs.append(replace(run, values=values, labels=of_labels, draws=draws))
    return group_of(runs)


def test_of_unequal_classes_the_balanced_accuracy_decides_rightly() -> None:
    """95:5, one network that always names the first class, one of recalls 0.96 and 0.8."""
    right = equal = 0
    for seed in range(60):
        verdict = judge(unequal(seed, [(1, 0), (0.96, 0.8)]))
        right += verdict.contenders[0].name.startswith("vgg16") and verdict.pairs[0].told
        equal += judge(unequal(seed, [(0.96, 0.8), (0.96, 0.8)])).pairs[0].told
    assert right >= 57
    assert equal / 60 <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 60)


@pytest.mark.parametrize(
    ("train", "word", "balanced"),
    [((400, 100), None, True), ((300, 100), None, False), ((400, 100), "false", False), ((100, 100), "true", True)],
)
def test_balanced_accuracy_decides_where_it_should(train: tuple[int, int], word: str | None, balanced: bool) -> None:
    verdict = judge(unequal(0, [(0.9, 0.5), (0.6, 0.9)], train), Asked(balanced=word))
    assert verdict.decides is not None
    assert verdict.decides.kind.balanced == balanced


def test_without_hits_and_draws_the_sentence_names_no_number_that_is_not_known() -> None:
    runs = [replace(run, draws={}, outcomes={}) for run in networks([0.9, 0.6], [0.9, 0.6]).runs]
    verdict = judge(group_of(runs))
    assert "nan" not in verdict.sentence
    assert "neither hits nor draws" in verdict.sentence
    assert not verdict.pairs[0].told
    assert "nan" not in comparison_markdown(group_of(runs), verdict, About())


def test_without_draws_hits_still_tell_networks_apart() -> None:
    runs = [replace(run, draws={}) for run in networks([0.9, 0.6], [0.6, 0.9]).runs]
    sentence = judge(group_of(runs)).sentence
    assert "points (p < 0.001)" in sentence
    assert "nan" not in sentence


def test_without_linear_and_knn_there_is_no_verdict_and_the_sentence_says_what_to_measure() -> None:
    runs = [replace(run, values={"cost/gmacs": 1.0}, kinds={}) for run in networks([0.9, 0.6], [0.6, 0.9]).runs]
    verdict = judge(group_of(runs))
    assert verdict.decides is None
    assert verdict.sentence.endswith("in common (metrics=[linear,neighbours]).")
