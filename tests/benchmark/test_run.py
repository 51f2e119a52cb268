"""The composition root in this process: what it returns, and what is kept when something goes wrong late."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

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
    assert {p.name for p in tmp_path.iterdir()} >= {"map.png", "summary.md", "config.yaml", "raw"}
    assert not (tmp_path / "pair_variance.png").exists()
    tags = json.loads((tmp_path / "raw" / "metrics.json").read_text())["tags"]
    assert tags["parameters"] == "1248424"  # of the whole network, as published; what the layer uses is cost/params
    assert result.values["cost/params"] < 1_248_424
    assert "imagenet_top1" not in tags  # of untrained weights


def test_what_was_found_before_something_went_wrong_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("no map today")

    monkeypatch.setattr(PCA, "fit", fail)
    with pytest.raises(RuntimeError, match="no map today"):
        run_benchmark(compose(CONF, [*TINY, "tracking=none", f"paths.root={tmp_path}"]), tmp_path)
    kept = json.loads((tmp_path / "raw" / "metrics.json").read_text())["values"]
    assert "test/neighbours/knn_accuracy" in kept
    assert (tmp_path / "class_variance.csv").is_file()


def test_the_pixel_control_does_not_depend_on_the_preprocessing(tmp_path: Path) -> None:
    """Of files, too, which are decoded to the size that the network gets."""
    generator = np.random.default_rng(0)
    for split in ("train", "test"):
        for label, name in enumerate(("dark", "light")):
            (tmp_path / "images" / split / name).mkdir(parents=True)
            for i in range(8):
                grey = generator.integers(60 * label, 60 * label + 150, (9, 9), dtype=np.uint8)
                Image.fromarray(grey).save(tmp_path / "images" / split / name / f"{i}.png")
    network = [word for word in TINY if not word.startswith("dataset")]
    words = [*network, "dataset=folder", f"dataset.root={tmp_path / 'images'}", "controls=[pixels]", "reducer=none"]
    words += ["tracking=none", "metrics=[neighbours]", "metrics.neighbours.k=3"]
    controls = []
    for size in (32, 64):
        folder = tmp_path / str(size)
        folder.mkdir()
        run_benchmark(compose(CONF, [*words, f"preprocess.size={size}", f"paths.root={folder}"]), folder)
        with (folder / "tables" / "controls.csv").open(encoding="utf-8") as file:
            controls.append({line["metric"]: line["of_control"] for line in csv.DictReader(file)})
    assert "test/neighbours/knn_accuracy" in controls[0]
    assert controls[0] == controls[1]
