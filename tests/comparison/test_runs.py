"""A run read back from its folder, and a damaged one named."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from pyarrow import parquet, table

from frostmark.comparison.runs import Run
from frostmark.errors import DataError
from frostmark.results.record import SCHEMA
from support.simulated_runs import TAGS


def a_folder(folder: Path) -> Path:
    (folder / "raw").mkdir(parents=True)
    found = {
        "title": "t",
        "run_id": None,
        "tags": TAGS | {"test_images": "1"},
        "classes": ["a", "b"],
        "values": {"x": 1.0},
        "undefined": {},
    }
    (folder / "raw" / "metrics.json").write_text(json.dumps(found))
    np.savez(folder / "draws.npz", **{"draws/test/x/y": np.arange(3.0), "outcomes/test/knn_hits": np.array([True])})
    points = {
        "split": ["train", "train", "test"], "index": [4, 7, 0], "label": [0, 1, 1], "class": ["a", "b", "b"],
        "x": [0.0, 1.0, 2.0], "y": [3.0, 4.0, 5.0], "neighbours_kept": [None, 0.5, 1.0],
    }  # fmt: skip
    parquet.write_table(table(points), folder / "embedding.parquet")
    pairs = [
        "space,split,class_i,class_j,directional_cdnv",
        "features,test,0,1,0.25",
        "map,test,0,1,9",
        "features,train,0,1,7",
    ]
    (folder / "pair_variance.csv").write_text("\n".join(pairs))
    return folder


def test_a_run_is_read_back_from_its_folder(tmp_path: Path) -> None:
    run = Run.read(a_folder(tmp_path / "run"), "id")
    assert (run.run_id, run.classes, run.values) == ("id", ("a", "b"), {"x": 1.0})
    assert run.draws["test/x/y"].tolist() == [0, 1, 2]
    assert run.outcomes["test/knn_hits"].tolist() == [True]
    shown = run.shown
    assert shown["train"].index.tolist() == [4, 7]
    assert shown["test"].coordinates.tolist() == [[2.0, 5.0]]
    assert np.isnan(shown["train"].kept[0])
    assert run.confusability is not None
    np.testing.assert_equal(run.confusability, [[np.nan, 0.25], [0.25, np.nan]])


def test_what_the_export_measured_belongs_to_the_run(tmp_path: Path) -> None:
    folder = a_folder(tmp_path / "run")
    (folder / "raw" / "exported.json").write_text(json.dumps({"cost/latency_ms_p50": 4.5}))
    assert Run.read(folder).values == {"x": 1.0, "cost/latency_ms_p50": 4.5}
    for damaged in ('{"test/linear/accuracy": 1.0}', '{"cost/latency_ms_p50": NaN}', "[]"):
        (folder / "raw" / "exported.json").write_text(damaged)
        with pytest.raises(DataError, match=r"exported\.json"):
            Run.read(folder)


def test_runs_of_before_there_were_folders_are_read(tmp_path: Path) -> None:
    folder = a_folder(tmp_path / "run")
    (folder / "raw" / "exported.json").write_text(json.dumps({"cost/latency_ms_p50": 4.5}))
    now = Run.read(folder)
    for name in ("metrics.json", "exported.json"):
        (folder / "raw" / name).rename(folder / name)
    (folder / "raw").rmdir()
    assert Run.read(folder).values == now.values == {"x": 1.0, "cost/latency_ms_p50": 4.5}


def test_runs_of_the_version_before_are_read_and_those_of_a_later_one_are_not(tmp_path: Path) -> None:
    folder = a_folder(tmp_path / "run")
    found = json.loads((folder / "raw" / "metrics.json").read_text())
    assert "schema" not in found  # as it was before there were versions
    (folder / "raw" / "metrics.json").write_text(json.dumps({**found, "schema": SCHEMA}))
    assert Run.read(folder).values == {"x": 1.0}
    for later in (SCHEMA + 1, "2"):
        (folder / "raw" / "metrics.json").write_text(json.dumps({**found, "schema": later}))
        with pytest.raises(DataError, match="is of a later version of Frostmark") as told:
            Run.read(folder)
        assert told.value.fix == "pip install --upgrade frostmark"


@pytest.mark.parametrize("damage", ["missing", "no JSON", "of 0.1", "draws"])
def test_a_damaged_run_is_named_with_the_way_out(damage: str, tmp_path: Path) -> None:
    folder = a_folder(tmp_path / "run")
    if damage == "missing":
        (folder / "raw" / "metrics.json").unlink()
    elif damage == "no JSON":
        (folder / "raw" / "metrics.json").write_text("{")
    elif damage == "of 0.1":
        (folder / "raw" / "metrics.json").write_text(json.dumps({"values": {}, "undefined": {}}))
    else:
        (folder / "draws.npz").write_bytes(b"PK nothing")
    with pytest.raises(DataError, match="cannot be compared") as told:
        Run.read(folder)
    assert str(folder) in str(told.value)
