"""Sweeps: a parent, its children, and a table that names what failed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import Program
from support.laid import LAID
from support.runs import TINY, Tracked


def test_jobs_are_children_of_one_parent_and_a_failing_one_stops_no_other(program: Program, tmp_path: Path) -> None:
    done = program("-m", *TINY, "layer=stage2,block1,last_conv", "metrics=[neighbours]", cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    runs = Tracked(tmp_path).runs()
    parent, *children = sorted(runs, key=lambda r: "mlflow.parentRunId" in r.data.tags)
    assert [c.data.tags["mlflow.parentRunId"] for c in children] == [parent.info.run_id] * 2
    assert sorted(c.data.tags["layer"] for c in children) == ["last_conv", "stage2"]
    assert {c.info.status for c in children} == {"FINISHED"}
    assert parent.info.status == "FAILED"
    assert "no layer 'block1'" in parent.data.tags["mlflow.note.content"]
    assert "no layer 'block1'" in done.stdout
    assert done.stdout.count("finished") == 2
    assert parent.info.run_id in done.stdout.strip().splitlines()[-1]
    assert "Traceback" not in done.stderr
    # What did finish is compared: accuracy by depth, in the folder of the sweep and in the parent run.
    (folder,) = tmp_path.glob("mlruns/_hydra/sweeps/*")
    assert {"depth.png", "depth.svg"} <= set(Tracked(tmp_path).artifacts(parent))
    assert (folder / "depth.png").read_bytes()[:4] == b"\x89PNG"
    assert "stage2" in (folder / "comparison.csv").read_text()
    assert "Missing: " in (folder / "comparison.md").read_text()


OWN_YAML = """_target_: frostmark.backbones.timm_models.TimmBackbone
name: {name}
weights: untrained
size: ${{preprocess.size}}
"""


@pytest.mark.parametrize(
    ("backbones", "name", "size"),
    [
        ("squeezenet1_0,timm_vit", "test_vit", "preprocess.size=64"),
        # As the networks are meant: each at its own size.
        pytest.param("resnet18,vit_b_16,timm_vit", "vit_tiny_patch16_224", "seed=0", marks=pytest.mark.slow),
    ],
)
def test_one_word_fits_a_convolutional_network_and_a_transformer(
    program: Program, tmp_path: Path, backbones: str, name: str, size: str
) -> None:
    pytest.importorskip("timm", reason="pip install 'frostmark[timm]'")
    (tmp_path / "mine" / "backbone").mkdir(parents=True)
    (tmp_path / "mine" / "backbone" / "timm_vit.yaml").write_text(OWN_YAML.format(name=name))
    few = ("dataset=digits", "dataset.limit.train=80", "dataset.limit.test=60", "reducer=none", "tracking=none")
    done = program(
        "--config-dir", str(tmp_path / "mine"), "-m", f"backbone={backbones}", "backbone.weights=untrained", *few, size,
        "layer=embedding", "layer.pool=max", "metrics=[linear,neighbours]", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (report,) = tmp_path.glob("mlruns/_hydra/sweeps/*/comparison.md")
    text = report.read_text()
    for backbone in backbones.split(","):
        assert f"{backbone if backbone != 'timm_vit' else name} · embedding" in text
    assert "is better than" in text or "no significant difference" in text
    assert "layer.pool=max has no effect: layer=embedding is one vector per image without a pool" in done.stdout


@pytest.mark.slow
def test_a_job_gives_the_numbers_that_it_gives_alone(program: Program, tmp_path: Path) -> None:
    import json

    words = [*TINY, "metrics=[separability,neighbours]"]
    roots = [tmp_path / "sweep", tmp_path / "alone"]
    for root in roots:
        root.mkdir()
    sweep = program("-m", *words, "layer=stage2,last_conv", "tracking=none", cwd=roots[0])
    alone = program(*words, "layer=last_conv", "tracking=none", cwd=roots[1])
    assert (sweep.returncode, alone.returncode) == (0, 0), sweep.stderr + alone.stderr
    assert "Not tracked" in alone.stdout
    assert not (roots[1] / "mlruns" / "mlflow.db").exists()
    (second,) = roots[0].glob("mlruns/_hydra/sweeps/*/1/raw/metrics.json")
    (single,) = roots[1].glob("mlruns/_hydra/runs/*/raw/metrics.json")
    found = [json.loads(p.read_text())["values"] for p in (second, single)]
    kept = [{k: v for k, v in values.items() if not k.startswith("cost/")} for values in found]
    assert kept[0] == kept[1]
    assert second.with_name("map.png").read_bytes() == single.with_name("map.png").read_bytes()


def test_swept_devices_are_refused_in_the_job_that_has_them(program: Program, tmp_path: Path) -> None:
    quick = ("reducer=none", "tracking=none", "metrics=[neighbours]")
    words = [*TINY, "trainer.accelerator=cpu", "trainer.devices=1,2", *quick]
    done = program("-m", *words, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert done.stdout.count("finished") == 1
    assert "would begin the whole sweep" in done.stderr
    assert len(list(tmp_path.glob("mlruns/_hydra/sweeps/*"))) == 1


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["backbone=resnt18,squeezenet1_0"], "no backbone 'resnt18'"),
        (["layer=stage1,stage2", "tracking.experiment=${oc.env:NOPE}"], "NOPE"),
    ],
)
def test_a_sweep_that_cannot_start_says_so(words: list[str], told: str, program: Program, tmp_path: Path) -> None:
    done = program("-m", *words, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    if (tmp_path / "mlruns" / "mlflow.db").exists():
        assert Tracked(tmp_path).only().info.status == "FAILED"
        assert "No job was started" in done.stdout


def test_a_sweep_over_several_devices_is_refused_with_the_reason(program: Program, tmp_path: Path) -> None:
    done = program("-m", *TINY, "layer=stage2,last_conv", "trainer=ddp", "trainer.devices=2", cwd=tmp_path)
    assert done.returncode == 2
    assert "would begin the whole sweep" in done.stderr
    assert "Fix:" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "mlruns" / "mlflow.db").exists()


@pytest.mark.parametrize("lay", [LAID["a pipe"], LAID["a device"]], ids=["a pipe", "a device"])
def test_a_sweep_is_gone_on_with_whatever_lies_where_an_earlier_job_left_its_files(
    lay: Callable[[Path], None], program: Program, tmp_path: Path
) -> None:
    words = ("-m", *TINY, "layer=stage2,block1", "metrics=[neighbours]", "reducer=none", "tracking=none")
    assert program(*words, cwd=tmp_path).returncode == 2
    (config,) = tmp_path.glob("mlruns/_hydra/sweeps/*/*/config.yaml")
    config.unlink()
    lay(config)
    again = program(*words, cwd=tmp_path)  # it would wait for ever, or read for ever
    assert again.returncode == 2, again.stderr
    assert "Continuing the sweep" in again.stderr
    assert "done before" not in again.stderr
    assert "Traceback" not in again.stderr
    assert len(list(tmp_path.glob("mlruns/_hydra/sweeps/*/0/raw/metrics.json"))) == 2
