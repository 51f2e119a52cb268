"""A comparison in words and tables: what stands in them, and that names are text."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
from rich.console import Console

from frostmark.comparison.about import About
from frostmark.comparison.classes import separates_better
from frostmark.comparison.groups import Group, comparable
from frostmark.comparison.markdown import comparison_markdown
from frostmark.comparison.runs import Run
from frostmark.comparison.tables import all_runs, layers, provenance, ranking, ranking_table
from frostmark.comparison.verdict import judge
from frostmark.figures.heat import factor
from frostmark.results.tables import write_csv
from support.simulated_runs import KNN, hits_of, run_of

HOSTILE = "=cmd() | <script>alert(1)</script> [x](y) `z`"


def group_of(*names: str, **tags: str) -> Group:
    hits = hits_of([0.6 + 0.1 * n for n in range(len(names))], 300, np.random.default_rng(0))
    runs = [
        run_of(h, backbone=name, **{"version.torch": "2.15.0", **tags}) for name, h in zip(names, hits, strict=True)
    ]
    (group,) = comparable(runs)
    return group


def test_the_classes_that_each_separates_better_are_named_with_how_much() -> None:
    first = np.array([[np.nan, 8, 1, 1], [8, np.nan, 1, 1], [1, 1, np.nan, 0.01], [1, 1, 0.01, np.nan]])
    second = np.array([[np.nan, 2, 3, 1], [2, np.nan, 1, 1], [3, 1, np.nan, 0.1], [1, 1, 0.1, np.nan]])
    said = separates_better(first, second, ("A", "B"), ("coat", "shirt", "shoe", "bag"))
    # Shoes and bags nobody confuses: that A tells them ten times better is nothing to tell.
    assert said == ["A separates better: coat / shoe (3.0×)", "B separates better: coat / shirt (4.0×)"]
    assert separates_better(first, first, ("A", "B"), ("a", "b", "c", "d")) == []
    assert separates_better(np.full((2, 2), np.nan), first[:2, :2], ("A", "B"), ("a", "b")) == []


def test_factors_are_capped() -> None:
    """A pair that one layer hardly ever confuses is told of without its 8,000."""
    first = np.array([[np.nan, 8.0], [8.0, np.nan]])
    said = separates_better(first, first / 8000, ("A", "B"), ("coat", "shirt"))
    assert said == ["B separates better: coat / shirt (> 64×)"]
    assert [factor(ratio) for ratio in (1.84, 64.0, 64.1)] == ["1.8×", "64.0×", "> 64×"]


def test_controls_are_rows_without_a_place_below_the_networks() -> None:
    """The pixels are the same for all networks; each untrained one stands for its own."""
    group = group_of("resnet18", "vgg16")
    pixels, untrained = (f"control/{control}/{KNN}" for control in ("pixels", "untrained"))
    more = ({pixels: 0.25, untrained: 0.375}, {pixels: 0.25, untrained: 0.5})
    runs = [replace(run, values={**run.values, **values}) for run, values in zip(group.runs, more, strict=True)]
    (group,) = comparable(runs)
    head, lines = ranking(group, judge(group))
    assert [line[:4] for line in lines[2:]] == [
        ["–", "raw pixels (control)", "", "25.0%"],
        ["–", "vgg16 · last_conv: the untrained network (control)", "", "50.0%"],
        ["–", "resnet18 · last_conv: the untrained network (control)", "", "37.5%"],
    ]
    assert {len(line) for line in lines} == {len(head)}


def test_the_ranking_begins_with_the_best_and_says_what_it_was_chosen_among() -> None:
    group = group_of("resnet18", "vgg16", "alexnet")
    head, lines = ranking(group, judge(group))
    assert head[:4] == ["place", "network · layer", "chosen among", "k-NN accuracy"]
    assert [line[1] for line in lines] == ["alexnet · last_conv", "vgg16 · last_conv", "resnet18 · last_conv"]
    assert all(line[2] == "1 layer" and " (" in line[3] for line in lines)
    console = Console(width=130, record=True, file=open("/dev/null", "w"))  # noqa: PTH123, SIM115
    console.print(ranking_table(group, judge(group)))
    console.file.close()
    assert "alexnet · last_conv" in console.export_text()


def test_names_are_text_in_markdown_and_in_csv(tmp_path: Path) -> None:
    group = group_of(HOSTILE, "vgg16", dataset=HOSTILE)
    text = comparison_markdown(group, judge(group), About([HOSTILE], [HOSTILE], {}, HOSTILE), [HOSTILE])
    assert "<script>" not in text.replace("`-m", "")[: text.rindex("`=cmd")]
    assert "&lt;script&gt;" in text
    assert "\\[x\\]" in text
    with write_csv(tmp_path / "comparison.csv", all_runs(group)).open(newline="", encoding="utf-8") as file:
        assert {line["network"] for line in csv.DictReader(file)} == {f"'{HOSTILE}", "vgg16"}


def test_the_answer_comes_first_and_what_is_missing_is_named() -> None:
    group = group_of("resnet18", "vgg16")
    verdict = judge(group)
    about = About(["layer=stage9: no such layer"], ["a remark"], {"Compare in MLflow": "#/compare-runs?runs=x"}, "-m x")
    lines = comparison_markdown(group, verdict, about).splitlines()
    assert lines[2] == f"**{verdict.sentence}**"
    assert "- Missing: layer=stage9: no such layer" in lines
    assert "- Note: a remark" in lines
    assert "- [Compare in MLflow](#/compare-runs?runs=x)" in lines


def test_what_grows_with_the_features_is_not_set_side_by_side() -> None:
    hits = np.ones(20, dtype=bool)
    run = run_of(hits)
    more = {"test/variance/intra": 3.0, "test/map/variance_intra": 1.0, "test/intra_variance/0_a": 2.0}
    grown = Run(run.title, run.tags, run.classes, {**run.values, **more}, {}, run.draws, run.outcomes)
    columns = all_runs(comparable([grown])[0])
    assert "test/neighbours/knn_accuracy" in columns
    assert not [key for key in columns if "variance" in key]


def test_layers_stand_by_depth_and_versions_once() -> None:
    hits = np.ones(20, dtype=bool)
    runs = []
    for layer, depth in (("last_conv", 0.9), ("stage1", 0.1)):
        run = run_of(hits, layer=layer, node=layer, **{"version.torch": "2.15.0"})
        runs.append(
            Run("t", run.tags, run.classes, {**run.values, "cost/gmacs_share": depth}, {}, run.draws, run.outcomes)
        )
    (group,) = comparable(runs)
    assert [line[0] for line in layers(group, judge(group))[1]] == ["resnet18 · stage1", "resnet18 · last_conv"]
    shared, own, versions = provenance(group)
    assert versions[1] == [["torch", "2.15.0"]]
    assert ["seed", "0"] in shared[1]
    assert [line[0] for line in own[1]] == ["resnet18 · last_conv", "resnet18 · stage1"]
