"""The table of all pairs of classes: whole for few classes, the closest pairs and a parquet file for many."""

from __future__ import annotations

import csv
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from pyarrow import parquet

from frostmark.results.pair_tables import DERIVED, MAX_PAIRS, closest, rounded, table_files
from frostmark.results.tables import write_csv

COLUMNS = ("pooled_variance", "mean_distance", "standardised_distance", "directional_cdnv")


def pairs(classes: int) -> dict[str, list[object]]:
    """Every pair of so many classes in both splits, as a run of one space hands it over; one distance is not known."""
    rng = np.random.default_rng(0)
    lines = [(split, i, j) for split in ("train", "test") for i, j in combinations(range(classes), 2)]
    split, first, second = zip(*lines, strict=True)
    table: dict[str, list[object]] = {
        "space": ["features"] * len(lines), "split": [*split], "class_i": [*first], "class_j": [*second],
        "name_i": [f"class {i}" for i in first], "name_j": [f"class {j}" for j in second],
    }  # fmt: skip
    table |= {name: (1e-3 + rng.gamma(4.0, 300.0, len(lines))).tolist() for name in COLUMNS}
    table["mean_distance"][7] = float("nan")
    return table


def test_of_few_classes_every_pair_is_in_the_csv(tmp_path: Path) -> None:
    table = pairs(50)
    (path,) = table_files(tmp_path, "pair_variance", table, 50)
    assert path.read_bytes() == write_csv(tmp_path / "whole.csv", table).read_bytes()


def test_other_tables_are_whole_however_many_classes_there_are(tmp_path: Path) -> None:
    table = {"class": [*range(3_000)], "variance": [1 / 3] * 3_000}
    (path,) = table_files(tmp_path, "class_variance", table, 3_000)
    assert path.read_text().splitlines()[:2] == ["class,variance", "0,0.333333333"]
    assert len(path.read_text().splitlines()) == 3_001


def test_of_many_classes_the_csv_has_the_closest_pairs_and_the_parquet_file_all(tmp_path: Path) -> None:
    table = pairs(60)
    short, whole = table_files(tmp_path, "pair_variance", table, 60)
    assert (short.name, whole.name) == ("pair_variance.csv", "pair_variance.parquet")
    with short.open() as file:
        lines = list(csv.DictReader(file))
    assert [line["split"] for line in lines] == ["train"] * MAX_PAIRS + ["test"] * MAX_PAIRS
    assert list(lines[0]) == list(table)
    for split in ("train", "test"):
        distance = [d for d, s in zip(table["mean_distance"], table["split"], strict=True) if s == split and d == d]
        shown = [float(line["mean_distance"]) for line in lines if line["split"] == split]
        assert shown == pytest.approx(sorted(distance)[:MAX_PAIRS], rel=1e-8)  # type: ignore[type-var]
    read = parquet.read_table(whole)
    assert read.column_names == [name for name in table if name != DERIVED]
    assert read.num_rows == 60 * 59
    for name in ("split", "class_i", "class_j", "name_j"):
        assert read.column(name).to_pylist() == table[name]
    for name in read.column_names[6:]:
        np.testing.assert_allclose(read.column(name).to_numpy(), np.array(table[name], float), rtol=2**-7)


def test_a_thousand_classes_are_four_megabytes(tmp_path: Path) -> None:
    """On 300 classes, whose pairs are of the same kind: 90,000 lines instead of a million."""
    _, whole = table_files(tmp_path, "pair_variance", pairs(300), 300)
    assert whole.stat().st_size / (300 * 299) * (1_000 * 999) < 4e6


def test_what_is_not_known_is_not_close() -> None:
    table = {"space": ["f"] * 3, "split": ["test"] * 3, "mean_distance": [float("nan"), 2.0, 1.0]}
    assert closest(table, 2) == [2, 1]


def test_numbers_are_rounded_to_six_bits_behind_the_first() -> None:
    values = np.array([1.0, 1 + 2**-6, 1 + 2**-7 + 2**-10, -3e-20, 0.0, np.nan])
    kept = rounded(values)
    assert kept[:3].tolist() == [1.0, 1 + 2**-6, 1 + 2**-6]
    np.testing.assert_allclose(kept, values, rtol=2**-7)
    assert kept.dtype == np.float32


@pytest.mark.parametrize("value", [3.4028e38, 1e-45])
def test_the_ends_of_float32_stay_finite(value: float) -> None:
    assert np.isfinite(rounded(np.array([value]))).all()
