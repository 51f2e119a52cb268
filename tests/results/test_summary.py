"""What a person reads: tables and words, with names as text whatever is in them."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import pytest
from pyarrow import parquet
from rich.console import Console

from frostmark.metrics.deciding import Rule
from frostmark.results.findings import Findings
from frostmark.results.progress import ProgressLine
from frostmark.results.summary import MAP_CAVEAT, summarise
from frostmark.results.tables import metric_lines, metrics_table, notes, number, sweep_table, write_csv, write_parquet


def test_csv_keeps_names_as_text_and_leaves_undefined_cells_empty(tmp_path: Path) -> None:
    names = ["=cmd()", "+1", "@x", 'a,b\n"c"', "é犬"]
    path = write_csv(tmp_path / "t.csv", {"name": names, "value": [1.5, -2.0, float("nan"), float("inf"), 0.1]})
    with path.open(newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    assert [line["name"] for line in lines] == ["'=cmd()", "'+1", "'@x", 'a,b\n"c"', "é犬"]
    assert [line["value"] for line in lines] == ["1.5", "-2.0", "", "", "0.1"]


def test_parquet_keeps_columns_and_their_kinds(tmp_path: Path) -> None:
    columns = {"split": ["train", "test"], "index": [0, 1], "x": [0.5, -1.0], "neighbours_kept": [0.4, None]}
    read = parquet.read_table(write_parquet(tmp_path / "t.parquet", columns))
    assert read.to_pydict() == columns
    assert [str(field.type) for field in read.schema] == ["string", "int64", "double", "double"]


def rendered(table: object) -> str:
    console = Console(width=200, record=True, file=open("/dev/null", "w"))  # noqa: PTH123, SIM115
    console.print(table)
    console.file.close()
    return console.export_text()


@pytest.mark.parametrize(
    ("name", "p", "expected"),
    [
        ("separability/fisher_ratio", 0.01, "yes"),
        ("separability/fisher_ratio", 0.4, "not significant"),
        ("neighbours/knn_accuracy", None, "yes"),
        ("variance/intra", None, "within this run"),
        ("map/variance_intra", None, "within this map"),
        ("map/trustworthiness", None, "yes"),
    ],
)
def test_every_line_says_what_it_is_good_for(name: str, p: float | None, expected: str) -> None:
    values = {f"test/{name}": 0.5} | ({} if p is None else {f"test/{name}_p": p})
    _, (line,) = metric_lines(values, {}, {})
    assert line.valid == expected
    assert metric_lines({}, {f"test/{name}": "one class"}, {})[1][0].valid == "no"
    assert expected in rendered(metrics_table(values, {}))


def test_the_table_stands_train_beside_test_and_leaves_classes_to_the_files() -> None:
    values = {"train/variance/intra": 12345.6, "test/variance/intra": 0.25, "test/intra_variance/0_a": 9.0}
    text = rendered(metrics_table(values, {"test/separability/fisher_ratio": "one class"}))
    (line,) = [row for row in text.splitlines() if "variance/intra" in row]
    assert line.split() == ["variance/intra", "12,346", "0.25", "within", "this", "run"]
    assert "undefined" in text
    assert "0_a" not in text


def test_what_prints_variances_says_what_they_compare() -> None:
    said = notes({"test/variance/intra": 1.0, "test/map/variance_intra": 2.0}, {"test/a/b": "one class"})
    assert [line.split(":")[0] for line in said] == ["variance/intra", "map/variance_intra", "undefined"]
    assert "do not compare runs by these" in said[1]
    assert notes({"test/neighbours/knn_accuracy": 1.0}, {}) == []


def test_a_sweeps_table_names_what_failed() -> None:
    text = rendered(sweep_table([("a · b", 0, 0.5), ("c [x]", 3, None), ("d", None, None)]))
    assert "finished" in text
    assert "failed (3)" in text
    assert "c [x]" in text
    assert "did not finish" in text


@pytest.mark.parametrize(
    ("value", "shown"), [(0.0, "0"), (0.83472, "0.8347"), (7485.2, "7485"), (22412.0, "22,412"), (1e-5, "1.000e-05")]
)
def test_numbers(value: float, shown: str) -> None:
    assert number(value) == shown


FINDINGS = Findings(
    values={
        "train/variance/intra": 4.0,
        "train/variance/inter": 10.0,
        "test/map/variance_intra": 8.0,
        "test/map/variance_inter": 2.0,
        "test/neighbours/knn_accuracy": 0.834,
    },
    undefined={"test/separability/fisher_ratio": "one class"},
    tables={
        "class_variance": {
            "space": ["features"] * 3 + ["map"],
            "split": ["train"] * 3 + ["test"],
            "name": ["Bag", "Trouser", "<script>Shirt</script>", "Bag"],
            "variance": [22.0, 7.0, 21.0, 1.0],
        },
        "pair_variance": {
            "space": ["features"] * 2,
            "split": ["train"] * 2,
            "name_i": ["Bag", "Bag"],
            "name_j": ["Trouser", "Coat"],
            "mean_distance": [9.0, 2.0],
            "pooled_variance": [30.0, 15.0],
        },
    },
    skipped={"map.png": "all rows are equal"},
)


def test_the_summary_says_what_the_report_said_with_its_caveats() -> None:
    text = summarise("resnet18 · last_conv · x", {"Seed": "0"}, FINDINGS)
    for sentence in (
        "Tightest class: Trouser (variance 7); loosest: Bag (22).",
        "Closest pair: Bag and Coat (distance of the means 2); farthest: Bag and Trouser (9).",
        "Smallest variance of two classes pooled into one set: Bag and Coat (15); largest: Bag and Trouser (30).",
        "Variance between the class means: 10; within the classes: 4; ratio: 2.5.",
        "Variance between the class means: 2; within the classes: 8; ratio: 0.25.",
        MAP_CAVEAT,
        "83.4% of the test images",
        "one class",
        "all rows are equal",
    ):
        assert sentence in text, sentence
    assert "<script>" not in text


def test_what_decides_comes_first_beside_its_controls_and_what_describes_says_so() -> None:
    values = {
        "test/linear/accuracy": 0.8, "test/linear/accuracy_lo": 0.75, "test/linear/accuracy_hi": 0.85,
        "test/linear/balanced_accuracy": 0.7, "test/neighbours/knn_accuracy": 0.6, "test/separability/eta_squared": 0.1,
    }  # fmt: skip
    gain = {"control": ["pixels"], "metric": ["test/linear/accuracy"], "of_control": [0.9], "difference": [-0.1]}
    controls = {**gain, "lo": [math.nan], "hi": [math.nan]}
    text = summarise("t", {}, Findings(values, {}, {"controls": controls}, {}))
    lines = text[text.index("## What decides") :].splitlines()[2:8]
    assert [line[:40] for line in lines] == [
        "- Linear accuracy decides: 80.0% (75.0–85.0) of the test"[:40],
        "- Raw pixels: 90.0%. The layer minus raw pixels: -10.0 points."[:40],
        "- k-NN accuracy: 60.0% of the test images are"[:40],
        "- Balanced linear accuracy: 70.0%, the mean"[:40],
        "- The classes explain 10.0% of the variance"[:40],
        "- The Fisher ratio and η² describe the features"[:40],
    ]
    assert "nan" not in text
    asked = summarise("t", {}, Findings(values, {}, {}, {}, rule=Rule("knn", balanced=True)))
    assert "- k-NN accuracy decides: 60.0%" in asked  # without a balanced one there


def test_progress_without_a_terminal_is_a_line_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    with ProgressLine() as progress:
        for i in range(50):
            progress(f"extracting: {i}")
        progress("metrics: variance")
    assert capsys.readouterr().err.splitlines() == ["  extracting: 0", "  metrics: variance"]
