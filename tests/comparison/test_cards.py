"""The model cards beside a comparison: cells, and the sentence on whether its order is theirs."""

from __future__ import annotations

import numpy as np
import pytest

from frostmark.comparison.about import About
from frostmark.comparison.cards import CARD_HEAD, card_cells, card_sentence
from frostmark.comparison.groups import Group, comparable
from frostmark.comparison.markdown import comparison_markdown
from frostmark.comparison.tables import all_runs, ranking
from frostmark.comparison.verdict import judge
from support.simulated_runs import hits_of, run_of


def group_of(**top1: str | None) -> Group:
    """Networks of which each is more accurate on the test images than the one before."""
    hits = hits_of([0.5 + 0.1 * n for n in range(len(top1))], 400, np.random.default_rng(0))
    runs = [
        run_of(h, backbone=name, parameters="11689512", features="1280", **({"imagenet_top1": card} if card else {}))
        for h, (name, card) in zip(hits, top1.items(), strict=True)
    ]
    (group,) = comparable(runs)
    return group


@pytest.mark.parametrize(
    ("top1", "expected"),
    [
        (("57.0", "70.0", "80.1"), "This order is the order of the model cards: Kendall's τ = +1.00 (3 networks with"),
        (("70.0", "57.0", "80.1"), "This order is not the order of the model cards: Kendall's τ = +0.33 (3 networks"),
        (("80.0", "57.0"), "This order is not the order of the model cards: Kendall's τ = -1.00 (2 networks with"),
        (("70.0", "70.0"), "This order cannot be compared with the order of the model cards: equal figures (2 net"),
        (("70.0", None), "the published ImageNet top-1 is not known for b."),
        ((None, None, None), "the published ImageNet top-1 is not known for c, b and a."),
        (("57.0", None, "80.1"), "τ = +1.00 (2 networks with a published ImageNet top-1). The published ImageNet"),
        (("nan", "57.0", "80.1"), "The published ImageNet top-1 is not known for a."),
    ],
)
def test_the_sentence_compares_the_order_with_that_of_the_cards(top1: tuple[str | None, ...], expected: str) -> None:
    group = group_of(**dict(zip("abc", top1, strict=False)))
    assert expected in card_sentence(group, judge(group))


def test_of_one_network_there_is_no_such_sentence() -> None:
    hits = hits_of([0.6, 0.9], 400, np.random.default_rng(0))
    (group,) = comparable([run_of(hits[0], layer="stage1", node="relu"), run_of(hits[1])])
    assert card_sentence(group, judge(group)) == ""


def test_of_every_network_its_best_layer_counts() -> None:
    """By train; the others of the same network are not further networks."""
    hits = hits_of([0.6, 0.7, 0.9], 400, np.random.default_rng(0))
    runs = [
        run_of(hits[0], backbone="a", imagenet_top1="60"),
        run_of(hits[1], backbone="b", imagenet_top1="70", layer="stage1", node="relu", train=0.4),
        run_of(hits[2], backbone="b", imagenet_top1="70"),
    ]
    (group,) = comparable(runs)
    assert "τ = +1.00 (2 networks" in card_sentence(group, judge(group))


def test_tables_and_markdown_hold_the_figures() -> None:
    group = group_of(a="57.08", b=None)
    head, lines = ranking(group, judge(group))
    assert tuple(head[-3:]) == CARD_HEAD
    assert [line[-3:] for line in lines] == [["", "11.7 M", "1,280"], ["57.1%", "11.7 M", "1,280"]]
    columns = all_runs(group)
    assert (columns["imagenet_top1"], columns["parameters"]) == (["57.08", ""], ["11689512"] * 2)
    text = comparison_markdown(group, judge(group), About())
    assert "ImageNet top-1" in text
    assert "not known for b." in text


def test_runs_of_an_earlier_version_have_empty_cells() -> None:
    (hits,) = hits_of([0.6], 40, np.random.default_rng(0))
    assert card_cells(run_of(hits)) == ["", "", ""]
    assert card_cells(run_of(hits, imagenet_top1="unknown", parameters="")) == ["", "", ""]
