"""Sweeps whose jobs run side by side: whatever launches them, they are children of one parent and share one pass."""

from __future__ import annotations

import dataclasses
import importlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from conftest import Program
from support.environment import REPOSITORY, environment
from support.plugin import installed
from support.runs import TINY, Tracked

LAUNCHERS = REPOSITORY / "conf" / "hydra" / "launcher"
IMAGES = 90 + 61
QUICK = (
    *(word for word in TINY if not word.startswith("reducer")),
    "reducer=none",
    "metrics=[variance]",
    "uncertainty.resamples=0",
    "uncertainty.permutations=0",
)
FOUR = ("layer=stage2,last_conv", "layer.pool=gap,max")


@pytest.mark.parametrize(
    ("name", "schema"),
    [
        ("joblib", "hydra_joblib_launcher.config.JobLibLauncherConf"),
        ("gpus", "hydra_joblib_launcher.config.JobLibLauncherConf"),
        ("submitit_local", "hydra_submitit_launcher.config.LocalQueueConf"),
        ("submitit_slurm", "hydra_submitit_launcher.config.SlurmQueueConf"),
    ],
)
def test_a_launcher_takes_the_keys_that_its_yaml_has(name: str, schema: str) -> None:
    module, _, conf = f"hydra_plugins.{schema}".rpartition(".")
    theirs = getattr(pytest.importorskip(module, reason=f"the launcher {name} is not installed"), conf)
    ours: dict[str, Any] = yaml.safe_load((LAUNCHERS / f"{name}.yaml").read_text(encoding="utf-8"))
    assert set(ours) <= {field.name for field in dataclasses.fields(theirs)}
    assert ours["_target_"] == theirs._target_
    target, _, launcher = ours["_target_"].rpartition(".")
    assert hasattr(importlib.import_module(target), launcher)


def test_the_example_of_the_docs_composes(program: Program, tmp_path: Path) -> None:
    page = (REPOSITORY / "docs" / "clusters.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    (tmp_path / "mine" / "experiment").mkdir(parents=True)
    (tmp_path / "mine" / "experiment" / "on_slurm.yaml").write_text(example, encoding="utf-8")
    words = ("--config-dir", str(tmp_path / "mine"), "experiment=on_slurm", "--cfg", "hydra", "-p", "hydra.launcher")
    done = program(*words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert {"partition: gpu", "max_num_timeout: 3"} <= set(done.stdout.splitlines())


# Four jobs, each in a process of its own that imports everything anew; test_store has a quicker one.
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_joblib_runs_two_jobs_at_a_time(program: Program, tmp_path: Path) -> None:
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher", reason="the joblib launcher is not installed")
    done = program("-m", *QUICK, *FOUR, "hydra/launcher=joblib", cwd=tmp_path, timeout=600)
    assert done.returncode == 0, done.stderr
    assert_one_family_and_one_pass(tmp_path)


SEEN = """
import os
from pathlib import Path

import torch

from frostmark.data.synthetic import Synthetic


class Seen(Synthetic):
    def split(self, split):
        cores = " ".join(map(str, sorted(os.sched_getaffinity(0))))
        Path(f"seen-{os.getpid()}").write_text(f"{cores},{torch.get_num_threads()}")
        return super().split(split)
"""
"""Images that note which cores the process has that asks for them, and how many threads."""


# Each job is a process of its own that imports everything anew.
@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="processes can be pinned on Linux alone")
def test_without_gpus_each_job_has_cores_of_its_own(tmp_path: Path) -> None:
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher", reason="the joblib launcher is not installed")
    synthetic = (REPOSITORY / "conf" / "dataset" / "synthetic.yaml").read_text(encoding="utf-8")
    yaml_of_seen = synthetic.replace("frostmark.data.synthetic.Synthetic", "cores_seen.data.Seen")
    path = installed(tmp_path / "site", "cores_seen", {"data": SEEN}, {"dataset/seen": yaml_of_seen})
    cores = sorted(os.sched_getaffinity(0))
    at_once = min(2, len(cores))
    words = ["dataset=seen" if word == "dataset=synthetic" else word for word in QUICK]
    swept = ("preprocess.size=32,48", "layer=stage2,last_conv", "tracking=none")
    devices = ("hydra/launcher=gpus", f"hydra.launcher.n_jobs={at_once}")
    # No GPU is seen, and joblib alone says how many threads there are.
    surroundings = environment(PYTHONPATH=str(path), CUDA_VISIBLE_DEVICES="")
    done = subprocess.run(
        [sys.executable, str(REPOSITORY / "run.py"), "-m", *words, *swept, *devices], cwd=tmp_path, capture_output=True,
        text=True, timeout=600, env={k: v for k, v in surroundings.items() if k != "OMP_NUM_THREADS"}, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    share = len(cores) // at_once
    shares = [" ".join(map(str, cores[share * n : share * (n + 1)])) for n in range(at_once)]
    seen = [file.read_text().split(",") for file in tmp_path.glob("seen-*")]
    assert {cores for cores, _ in seen} == set(shares), seen  # each job one share, and together all of them
    assert {int(threads) for _, threads in seen} == {share}
    assert done.stderr.count(": on cores ") == 4
    files = sorted(tmp_path.glob("mlruns/_hydra/sweeps/*/*/raw/metrics.json"))
    forwarded = [json.loads(file.read_text())["values"]["cost/images_forwarded"] for file in files]
    assert forwarded == [IMAGES, IMAGES, 0, 0]  # one job of each size began first


@pytest.mark.parametrize(
    ("more", "problem", "fix"),
    [
        ((), "there is no GPU here", " hydra/launcher=joblib\n"),
        (("hydra.launcher.n_jobs=9999",), "hydra.launcher.n_jobs=9999: of cores", " hydra.launcher.n_jobs="),
    ],
)
def test_what_the_machine_lacks_is_told_before_the_sweep(
    more: tuple[str, ...], problem: str, fix: str, program: Program, tmp_path: Path
) -> None:
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher", reason="the joblib launcher is not installed")
    words = ("-m", *QUICK, "layer=stage2,last_conv", "hydra/launcher=gpus", *more)
    done = program(*words, cwd=tmp_path, CUDA_VISIBLE_DEVICES="")
    assert done.returncode == 2, done.stderr
    assert problem in done.stderr
    assert fix in done.stderr
    assert not (tmp_path / "mlruns").exists()


# As many processes again, and all at once.
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_submitit_runs_each_job_in_a_process_of_its_own(program: Program, tmp_path: Path) -> None:
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher", reason="the submitit launcher is not installed")
    done = program("-m", *QUICK, *FOUR, "hydra/launcher=submitit_local", cwd=tmp_path, timeout=600)
    assert done.returncode == 0, done.stderr
    assert_one_family_and_one_pass(tmp_path)
    logs = [path.read_text() for path in tmp_path.glob("mlruns/_hydra/sweeps/*/logs/*/*_log.out")]
    assert sum("Files: " in log for log in logs) == 4
    assert [path.name for path in tmp_path.iterdir()] == ["mlruns"]


# A job of SLURM waits for the scheduler.
@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(shutil.which("sbatch") is None, reason="there is no SLURM on this machine")
def test_slurm_runs_each_job_as_one_of_its_own(program: Program, tmp_path: Path) -> None:
    small = ("hydra.launcher.cpus_per_task=1", "hydra.launcher.mem_gb=null", "hydra.launcher.timeout_min=20")
    done = program("-m", *QUICK, *FOUR, "hydra/launcher=submitit_slurm", *small, cwd=tmp_path, timeout=600)
    assert done.returncode == 0, done.stderr
    assert_one_family_and_one_pass(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mlruns"]


def assert_one_family_and_one_pass(root: Path) -> None:
    runs = Tracked(root).runs()
    (parent,) = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    jobs = [run for run in runs if run is not parent]
    assert [job.data.tags["mlflow.parentRunId"] for job in jobs] == [parent.info.run_id] * 4
    assert {run.info.status for run in runs} == {"FINISHED"}
    asked = {(job.data.tags["layer"], job.data.tags["pool"]) for job in jobs}
    assert asked == {(layer, pool) for layer in ("stage2", "last_conv") for pool in ("gap", "max")}
    assert sorted(job.data.metrics["cost/images_forwarded"] for job in jobs) == [0, 0, 0, IMAGES]
    folders = [path.parents[1] for path in root.glob("mlruns/_hydra/sweeps/*/*/raw/metrics.json")]
    assert len(folders) == 4
    assert all(json.loads((folder / "outcome.json").read_text())["code"] == 0 for folder in folders)


ABSENT = [
    ("joblib", "joblib"),
    pytest.param("gpus", "joblib", marks=pytest.mark.slow),
    pytest.param("submitit_slurm", "slurm", marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("launcher", "extra"), ABSENT)
def test_an_absent_launcher_is_told_with_what_to_install(launcher: str, extra: str, tmp_path: Path) -> None:
    (tmp_path / "none" / "hydra_plugins").mkdir(parents=True)
    (tmp_path / "none" / "hydra_plugins" / "__init__.py").touch()  # hides every plugin that is installed
    words = ("-m", *QUICK, "layer=stage2,last_conv", f"hydra/launcher={launcher}")
    # A process of its own: what hides plugins has to be there before anything is imported.
    done = subprocess.run(
        [sys.executable, str(REPOSITORY / "run.py"), *words], cwd=tmp_path, capture_output=True, text=True, timeout=240,
        env=environment(PYTHONPATH=str(tmp_path / "none")), check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert f"pip install 'frostmark[{extra}]'" in done.stderr
    assert not (tmp_path / "mlruns").exists()
