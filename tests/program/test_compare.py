"""A sweep answers: one table, one sentence, one page; again on demand, and after a job was lost."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from conftest import Program
from support.environment import REPOSITORY, environment
from support.runs import TINY, Tracked

WORDS = tuple(word for word in TINY if not word.startswith("backbone="))
QUICK = ("metrics=[neighbours]", "uncertainty.permutations=20")
SWEEP = ("-m", *WORDS, *QUICK, "backbone=squeezenet1_0,resnet18", "layer=stage2,last_conv")
ACROSS = {"across.html", "across.png", "across.csv", "across.md"}
FILES = {"comparison.html", "comparison.png", "comparison.csv", "comparison.md", "depth.png", "depth.svg"}


def test_a_sweep_ends_with_a_verdict_and_compare_gives_it_again(program: Program, tmp_path: Path) -> None:
    done = program(*SWEEP, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    verdicts = ("is better than", "No significant difference", "classify the same test images correctly")
    (sentence,) = [line for line in done.stdout.splitlines() if any(words in line for words in verdicts)]
    assert "95% CI " in sentence
    parent, *children = sorted(Tracked(tmp_path).runs(), key=lambda r: "mlflow.parentRunId" in r.data.tags)
    (folder,) = tmp_path.glob("mlruns/_hydra/sweeps/*")
    kept = Tracked(tmp_path).artifacts(parent)
    assert set(kept) == FILES
    assert all(kept[name].read_bytes() == (folder / name).read_bytes() for name in FILES)

    text = kept["comparison.md"].read_text()
    assert sentence in text
    link = f"#/compare-runs?runs=%5B%22{children[0].info.run_id}"
    assert link in parent.data.tags["mlflow.note.content"]
    assert link not in text  # out of MLflow it would lead nowhere
    assert parent.data.tags["mlflow.note.content"].startswith(text[:200])
    assert sentence in parent.data.tags["mlflow.note.content"]
    with kept["comparison.csv"].open(encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    assert {(line["network"], line["layer"]) for line in lines} == {
        (b, layer) for b in ("squeezenet1_0", "resnet18") for layer in ("stage2", "last_conv")
    }
    by_id = {run.info.run_id: run for run in children}
    for line in lines:
        measured = by_id[line["run_id"]].data.metrics
        assert float(line["test/neighbours/knn_accuracy"]) == pytest.approx(measured["test/neighbours/knn_accuracy"])
    depth = Tracked(tmp_path).client.get_metric_history(parent.info.run_id, "depth/resnet18")
    assert [point.step for point in depth] == sorted({point.step for point in depth})
    assert depth[-1].step >= 95  # of ResNet18's compute, nearly all lies before its last map
    page = kept["comparison.html"].read_text()
    assert "resnet18 · stage2" in page
    assert "data:image/webp" in page  # the images of the synthetic data set, made anew

    again = program("compare", parent.info.run_id, cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert sentence in again.stdout
    (anew,) = tmp_path.glob("mlruns/_hydra/comparisons/*")
    assert (anew / "comparison.csv").read_bytes() == (folder / "comparison.csv").read_bytes()
    assert f"python run.py compare {parent.info.run_id}" in (anew / "comparison.html").read_text()
    by_folder = program("compare", str(folder), cwd=tmp_path)
    assert sentence in by_folder.stdout, by_folder.stderr


def test_a_sweep_over_data_sets_ends_with_one_ranking_and_compare_across_gives_it_again(
    program: Program, tmp_path: Path
) -> None:
    words = [word for word in WORDS if not word.startswith(("dataset.num_classes", "reducer"))]
    done = program(
        "-m", *words, *QUICK, "reducer=none", "backbone=squeezenet1_0,resnet18", "dataset.num_classes=2,3,4",
        cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "3 data sets are fewer than 10" in done.stdout
    parent, *children = sorted(Tracked(tmp_path).runs(), key=lambda r: "mlflow.parentRunId" in r.data.tags)
    (folder,) = tmp_path.glob("mlruns/_hydra/sweeps/*")
    kept = Tracked(tmp_path).artifacts(parent)
    assert set(kept) >= ACROSS
    assert all(kept[name].read_bytes() == (folder / name).read_bytes() for name in ACROSS)
    assert parent.data.tags["mlflow.note.content"].startswith("# 2 networks over 3 data sets")
    assert {"rank/resnet18", "score/squeezenet1_0"} <= set(parent.data.metrics)

    again = program("compare", "--across", "frostmark", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    (anew,) = tmp_path.glob("mlruns/_hydra/comparisons/*")
    assert (anew / "across.csv").read_bytes() == (folder / "across.csv").read_bytes()
    assert "python run.py compare --across frostmark" in (anew / "across.html").read_text()
    newest = Tracked(tmp_path).runs()[-1]
    assert set(Tracked(tmp_path).artifacts(newest)) == ACROSS
    assert newest.data.metrics == {k: v for k, v in parent.data.metrics.items() if not k.startswith("depth/")}

    both = [run.info.run_id for run in children if run.data.params["dataset.num_classes"] != "4"]
    side_by_side = program("compare", "--across", *both, cwd=tmp_path)
    assert side_by_side.returncode == 0, side_by_side.stderr
    assert "There is no ranking: all 2 networks were run on 2 data sets" in side_by_side.stdout


@pytest.mark.slow
def test_what_cannot_be_compared_is_refused_with_the_difference(program: Program, tmp_path: Path) -> None:
    quick = (*(word for word in TINY if not word.startswith("reducer")), "reducer=none", "metrics=[neighbours]")
    done = program("-m", *quick, "seed=0,1", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "No comparison: nothing can be compared:" in done.stdout
    assert "seed: 0 and 1" in done.stdout
    unknown = program("compare", "frostmrk", cwd=tmp_path)
    assert unknown.returncode == 2
    assert "an experiment: frostmark" in unknown.stderr


@pytest.mark.slow  # every job starts a process of its own
@pytest.mark.timeout(900)
def test_a_job_killed_in_the_middle_is_missed_and_the_same_command_runs_it_alone(tmp_path: Path) -> None:
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher", reason="the joblib launcher is not installed")
    words = [*SWEEP[:-1], "layer=stage2,stage3,last_conv", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]
    command = [sys.executable, str(REPOSITORY / "run.py"), *words]
    with subprocess.Popen(command, cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, text=True) as sweep:
        victim = _at_work(tmp_path, "1")
        os.kill(victim, signal.SIGKILL)
        output, _ = sweep.communicate()
    assert sweep.returncode == 137
    assert "killed by SIGKILL" in output
    assert output.count("finished") == 5
    (first,) = tmp_path.glob("mlruns/_hydra/sweeps/*")
    assert "Missing: " in (first / "comparison.md").read_text()
    assert "layer=stage3" in (first / "comparison.md").read_text()

    again = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    assert again.stderr.count("done before") == 5
    (second,) = set(tmp_path.glob("mlruns/_hydra/sweeps/*")) - {first}
    assert [path.parts[-3] for path in second.glob("*/raw/metrics.json")] == ["1"]
    assert "Missing: " not in (second / "comparison.md").read_text()
    parents = [run for run in Tracked(tmp_path).runs() if "mlflow.parentRunId" not in run.data.tags]
    assert [run.info.status for run in parents] == ["FINISHED"]  # the one parent, gone on with


def _at_work(root: Path, job: str) -> int:
    """The process that works on a job, as soon as it does."""
    for _ in range(1200):
        for path in root.glob(f"mlruns/_hydra/sweeps/*/{job}/outcome.json"):
            found = json.loads(path.read_text())
            if found["pid"] is not None and found["code"] is None:
                return int(found["pid"])
        time.sleep(0.05)
    raise AssertionError(f"job {job} was never begun")
