"""The answer of a run in sentences, and the few numbers below it, at any width."""

from __future__ import annotations

import re
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from frostmark.metrics.deciding import Rule
from frostmark.results.answer import answer
from frostmark.results.findings import Findings
from frostmark.results.short_table import short_table

KEY = "test/linear/accuracy"
VALUES = {
    KEY: 0.841, f"{KEY}_lo": 0.817, f"{KEY}_hi": 0.863, f"{KEY}_p": 0.01, "train/linear/accuracy": 0.87,
    "test/linear/balanced_accuracy": 0.83, "test/neighbours/knn_accuracy": 0.8, "train/variance/intra": 12345.6,
    "train/variance/inter": 2.5, "test/variance/intra": 912.0, "test/variance/inter": 1608.0,
    "test/separability/eta_squared": 0.54, "test/map/knn_preservation": 0.58, "train/map/knn_preservation": 0.5,
}  # fmt: skip
CLASSES = ("Shirt", "T-shirt", "Bag")


def recalls(*of: float) -> dict[str, list[Any]]:
    lines = [("test", "linear", c, name, 100, recall) for c, (name, recall) in enumerate(zip(CLASSES, of, strict=True))]
    return dict(
        zip(
            ("split", "read_out", "class", "name", "images", "recall"), map(list, zip(*lines, strict=True)), strict=True
        )
    )


def confusions(*cells: tuple[int, int, int]) -> dict[str, list[Any]]:
    lines = [("test", a, CLASSES[a], b, CLASSES[b], count) for a, b, count in cells]
    columns = ("split", "class", "name", "predicted", "predicted_name", "images")
    return dict(zip(columns, map(list, zip(*lines, strict=True)), strict=True))


def controls(*lines: tuple[str, float, float, float]) -> dict[str, list[Any]]:
    cells = [(control, KEY, 0.841 - diff, 0.841, diff, low, high) for control, diff, low, high in lines]
    columns = ("control", "metric", "of_control", "of_layer", "difference", "lo", "hi")
    return dict(zip(columns, map(list, zip(*cells, strict=True)), strict=True))


def findings(**more: Any) -> Findings:
    tables = {
        "class_recall": recalls(0.58, 0.9, 0.95),
        "linear_confusion": confusions((0, 0, 58), (0, 1, 40), (0, 2, 2), (1, 1, 90), (1, 0, 10), (2, 2, 95)),
    } | more.pop("tables", {})
    return Findings(
        **{"values": VALUES, "undefined": {}, "tables": tables, "skipped": {}, "chance": {KEY: 0.1}, **more}
    )


def test_the_answer_says_how_good_against_what_and_where_it_fails() -> None:
    assert answer("squeezenet1_0 · last_conv", findings()) == [
        "Linear read-out of squeezenet1_0 · last_conv: 84.1% of 300 test images correct (95% CI 81.7–86.3).",
        "Always predicting the most common class: 10.0%.",
        "Weakest class: Shirt (58.0% of 100 test images), most often predicted as T-shirt.",
    ]


def test_a_control_takes_the_place_of_the_most_common_class() -> None:
    beside = controls(("pixels", 0.13, 0.1, 0.16), ("untrained", 0.01, -0.02, 0.04))
    said = answer("x", findings(tables={"controls": beside}))[1]
    assert said == "13.0 points above raw pixels and no significant difference from the untrained network (83.1%)."
    worse = answer("x", findings(tables={"controls": controls(("pixels", -0.05, -0.08, -0.02))}))[1]
    assert worse == "5.0 points below raw pixels."


def test_what_is_not_better_than_chance_is_said() -> None:
    said = answer("x", findings(values=VALUES | {f"{KEY}_p": 0.4}))
    assert said[1] == "The result is not significantly better than chance (p = 0.4)."


def test_balanced_accuracy_and_knn_are_called_by_their_names() -> None:
    balanced = answer("x", findings(rule=Rule("linear", balanced=True)))
    assert balanced[0] == "Linear read-out of x: balanced accuracy 83.0% on 300 test images."
    knn = answer("x", findings(rule=Rule("knn")))
    assert knn[0] == "k-NN on x: 80.0% of the test images correct."
    assert len(knn) == 1  # no recalls of k-NN, no chance of it


def test_without_a_mistake_no_class_is_the_weakest() -> None:
    said = answer("x", findings(tables={"class_recall": recalls(1, 1, 1)}))
    assert said[-1] == "Every test image is classified correctly."
    assert answer("x", findings(values={})) == []


def screen(width: int, of: Findings) -> str:
    console = Console(width=width, file=StringIO(), record=True)
    console.print(short_table(of, width))
    return console.export_text()


@pytest.mark.parametrize("width", [40, 60, 80, 120, 200])
def test_no_number_is_cut_at_any_width(width: int) -> None:
    """Columns go before digits; words wrap."""
    many = findings(tables={"controls": controls(("pixels", 0.13, 0.1, 0.16), ("untrained", 0.01, -0.02, 0.04))})
    text = screen(width, many)
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= width
    assert len([line for line in text.splitlines() if line.strip()]) <= 2 + 2 * 8
    for number in re.findall(r"[\d.,]+%?", text):
        assert number in {
            *("84.1%", "87.0%", "81.7", "86.3", "10.0%", "83.0%", "80.0%", "54.0%", "58.0%", "50.0%", "71.1%", "83.1%"),
            *("12,346", "2.5", "912", "1608", "95%"),
        }, (number, text)
    assert "84.1%" in text  # the test value stays to the last
    assert ("untrained" in text) == (width >= 120)
    assert ("81.7–86.3" in text) == (width >= 60)
