"""The composition root in this process: what it returns, and what is kept when something goes wrong late."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from frostmark.benchmark.run import run_benchmark
from frostmark.config.compose import compose
from frostmark.reducers.pca import PCA
from support.environment import REPOSITORY
from support.runs import TINY

CONF = REPOSITORY / "conf"


def test_a_benchmark_without_a_tracker_leaves_its_files(tmp_path: Path) -> None:
    config = compose(CONF, [*TINY, "tracking=none", "metrics=[separability]", f"paths.root={tmp_path}"])
    result = run_benchmark(config, tmp_path)
    assert result is not None
    assert result.title == "squeezenet1_0 · last_conv · synthetic"
    assert (result.run_id, result.link) == (None, None)
    assert {"test/separability/fisher_ratio", "test/map/variance_intra"} <= set(result.values)
    assert not [k for k in result.values if "/variance/" in k]  # that family was not asked for
    assert {p.name for p in tmp_path.iterdir()} >= {"map.png", "summary.md", "config.yaml", "metrics.json"}
    assert not (tmp_path / "pair_variance.png").exists()


def test_what_was_found_before_something_went_wrong_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("no map today")

    monkeypatch.setattr(PCA, "fit", fail)
    with pytest.raises(RuntimeError, match="no map today"):
        run_benchmark(compose(CONF, [*TINY, "tracking=none", f"paths.root={tmp_path}"]), tmp_path)
    kept = json.loads((tmp_path / "metrics.json").read_text())["values"]
    assert "test/neighbours/knn_accuracy" in kept
    assert (tmp_path / "class_variance.csv").is_file()
