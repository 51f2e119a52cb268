"""A thousand classes of six images: a run that leaves megabytes, not hundreds of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pyarrow import csv, parquet

from conftest import Program
from support.runs import Tracked

CLASSES = 1_000
MOST = 10_000_000
"""Bytes of all files of a run."""


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_thousand_classes_leave_ten_megabytes(program: Program, tmp_path: Path) -> None:
    done = program(
        "backbone=squeezenet1_0", "backbone.weights=untrained", "dataset=synthetic", "dataset.size=76",
        "dataset.separation=8", f"dataset.num_classes={CLASSES}", "dataset.train=4000", "dataset.test=2000",
        "preprocess.size=32", "reducer=pca", "uncertainty.resamples=100", "uncertainty.permutations=19",
        cwd=tmp_path, timeout=1100,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (folder,) = (tmp_path / "mlruns" / "_hydra" / "runs").iterdir()
    run = Tracked(tmp_path).only()
    for place in (folder, Path(run.info.artifact_uri.removeprefix("file://"))):
        sizes = {str(path.relative_to(place)): path.stat().st_size for path in place.rglob("*") if path.is_file()}
        assert sum(sizes.values()) <= MOST, sorted(sizes.items(), key=lambda item: -item[1])[:12]
        assert {"map.html", "pair_variance.csv", "pair_variance.parquet", "maps/thumbnails.npz"} <= sizes.keys()
    few, all_pairs = csv.read_csv(folder / "pair_variance.csv"), parquet.read_table(folder / "pair_variance.parquet")
    assert all_pairs.column_names == [name for name in few.column_names if name != "standardised_distance"]
    assert (few.num_rows, all_pairs.num_rows) == (2_000, CLASSES * (CLASSES - 1))
    keys = ("split", "class_i", "class_j")
    every, shown = (zip(*(of[key].to_pylist() for key in keys), strict=True) for of in (all_pairs, few))
    places = {pair: place for place, pair in enumerate(every)}
    lines = [places[pair] for pair in shown]
    for name in ("pooled_variance", "mean_distance", "directional_cdnv"):
        np.testing.assert_allclose(all_pairs[name].to_numpy()[lines], few[name].to_numpy(), rtol=2**-7)
