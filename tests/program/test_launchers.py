"""Sweeps whose jobs run side by side: whatever launches them, they are children of one parent and share one pass."""

from __future__ import annotations

import dataclasses
import importlib
import json
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
    folders = [path.parent for path in root.glob("mlruns/_hydra/sweeps/*/*/metrics.json")]
    assert len(folders) == 4
    assert all(json.loads((folder / "outcome.json").read_text())["code"] == 0 for folder in folders)


ABSENT = [("joblib", "joblib"), pytest.param("submitit_slurm", "slurm", marks=pytest.mark.slow)]


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
