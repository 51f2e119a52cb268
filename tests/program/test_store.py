"""One forward pass, never twice: sweeps share it, later runs replay it, and what is damaged or cut short is mended."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from conftest import Program
from support.runs import TINY, metrics_of, rows_in

IMAGES = 90 + 61
QUICK = (*(word for word in TINY if not word.startswith("reducer")), "reducer=none", "tracking=none")


def values_of_jobs(root: Path) -> list[dict[str, float]]:
    files = sorted(root.glob("mlruns/_hydra/sweeps/*/*/raw/metrics.json"), key=lambda path: int(path.parents[1].name))
    return [json.loads(path.read_text())["values"] for path in files]


def test_layers_share_a_pass_whatever_runs_the_jobs(program: Program, tmp_path: Path) -> None:
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher", reason="the joblib launcher is not installed")
    parallel = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2")
    few = ("metrics=[neighbours]", "uncertainty.resamples=40")
    done = program("-m", *QUICK, *few, "layer=stage2,last_conv", *parallel, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    forwarded = [values["cost/images_forwarded"] for values in values_of_jobs(tmp_path)]
    assert sorted(forwarded) == [0, IMAGES]


def test_a_layer_that_one_backbone_lacks_does_not_keep_the_others_from_sharing(
    program: Program, tmp_path: Path
) -> None:
    words = [word for word in QUICK if not word.startswith("backbone=")]
    two = ("backbone=squeezenet1_0,resnet18", "layer=stage1,stage5,last_conv")
    done = program("-m", *words, *two, "metrics=[neighbours]", cwd=tmp_path)
    assert done.returncode == 2, done.stderr  # SqueezeNet has four stages
    forwarded = [values["cost/images_forwarded"] for values in values_of_jobs(tmp_path)]
    assert forwarded == [IMAGES, 0, IMAGES, 0, 0]


def test_the_cache_is_listed_verified_healed_and_pruned(program: Program, tmp_path: Path) -> None:
    assert program(*QUICK, "metrics=[variance]", cwd=tmp_path).returncode == 0
    before = rows_in(tmp_path)
    listed = program("cache", "ls", cwd=tmp_path)
    assert listed.returncode == 0
    assert "squeezenet1_0 · untrained · features.12.cat gap · synthetic · train 90" in " ".join(listed.stdout.split())
    assert "2 entries" in listed.stdout
    victim = tmp_path / "mlruns" / "features" / next(iter(before))
    content = bytearray(victim.read_bytes())
    content[-1] ^= 1
    victim.write_bytes(content)
    verified = program("cache", "verify", cwd=tmp_path)
    assert verified.returncode == 3
    assert victim.name in verified.stdout
    assert "1 of 2 entries" in verified.stderr
    healed = program(*QUICK, cwd=tmp_path)
    assert healed.returncode == 0, healed.stderr
    assert victim.name in healed.stderr
    assert "set aside" in healed.stderr
    assert rows_in(tmp_path) == before
    assert program("cache", "verify", cwd=tmp_path).returncode == 0
    would = program("cache", "prune", "--max-size", "0B", "--older-than", "1h", "--dry-run", cwd=tmp_path)
    assert would.stdout.count("would be removed") == 2
    gone = program("cache", "prune", "--max-size", "0B", cwd=tmp_path)
    assert gone.stdout.count("removed") == 2
    assert not rows_in(tmp_path)
    wrong = program("cache", "prune", "--max-size", "huge", cwd=tmp_path)
    assert wrong.returncode == 2
    assert "\nFix: " in wrong.stderr


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_the_memory_of_wide_rows_does_not_grow_with_the_images(
    program: Program, shared_weights: Path, shared_data: Path, tmp_path: Path
) -> None:
    def peak(count: int, *more: str) -> float:
        root = tmp_path / f"{count}{more}"
        root.mkdir()
        done = program(
            "backbone=squeezenet1_0", f"backbone.weights={shared_weights}", f"dataset.root={shared_data}",
            "layer=stage4", "layer.pool=flatten", f"dataset.limit.train={count * 3 // 4}",
            f"dataset.limit.test={count // 4}", "reducer=none", "tracking=none", *more, cwd=root, timeout=1800,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return float(metrics_of(root)["values"]["cost/peak_memory_mb"])

    for more in ((), ("features.max_bytes=0",)):
        assert peak(4000, *more) - peak(400, *more) < 300, more


def test_read_outs_are_fitted_once_and_kept_beside_the_rows(program: Program, tmp_path: Path) -> None:
    def kept() -> dict[str, int]:
        found = tmp_path.glob("mlruns/features/*/derived-linear1-*.safetensors")
        return {path.name: path.stat().st_mtime_ns for path in found}

    def values() -> list[dict[str, float]]:
        files = sorted(tmp_path.glob("mlruns/_hydra/runs/*/raw/metrics.json"))
        found = [json.loads(path.read_text())["values"] for path in files]
        return [{key: value for key, value in of.items() if "/linear/" in key} for of in found]

    words = (*QUICK, "metrics=[linear]")
    assert program(*words, cwd=tmp_path).returncode == 0
    first = kept()
    assert len(first) == 2  # the read-out beside the train rows, the shots curve beside the test rows
    assert program(*words, cwd=tmp_path).returncode == 0
    assert kept() == first
    before, after = values()
    assert after == before
    assert program(*words, "metrics.linear.folds=3", cwd=tmp_path).returncode == 0
    assert len(kept()) > 2


def test_neighbours_are_found_once_and_kept_beside_the_rows(program: Program, tmp_path: Path) -> None:
    def graphs() -> dict[str, int]:
        found = tmp_path.glob("mlruns/features/*/derived-nearest2-*.safetensors")
        return {path.name: path.stat().st_mtime_ns for path in found}

    both = (*QUICK, "metrics=[neighbours,geometry]")
    assert program(*both, cwd=tmp_path).returncode == 0
    first = graphs()
    assert len(first) == 3  # train in train, test in train, and for the dimension of test also test in itself
    assert program(*both, "metrics.neighbours.k=5", cwd=tmp_path).returncode == 0
    assert graphs() == first
