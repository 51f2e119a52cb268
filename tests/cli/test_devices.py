"""Which device a job gets: a GPU by its number, the next one that is free, and a share of the cores without GPUs."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from frostmark.cli.announced import first_of_each
from frostmark.cli.apart import run_apart
from frostmark.cli.devices import (
    DEVICES,
    VARIABLE,
    Device,
    a_device,
    announce_devices,
    devices_here,
    shared_out,
    visible_gpus,
)
from frostmark.errors import ConfigError, DataError
from support.laid import LAID
from support.seen_device import write_down

THREE = [Device(gpu=name) for name in ("0", "2", "GPU-8d3c")]


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    announce_devices(tmp_path, THREE)
    return tmp_path


@pytest.mark.parametrize(
    ("count", "visible", "names"),
    [
        (0, None, []),
        (3, None, ["0", "1", "2"]),
        (2, "2, 3", ["2", "3"]),
        (1, "1,-1,0", ["1"]),  # CUDA stops at the first that it does not know
        (0, "", []),
        (2, "GPU-8d3c,GPU-91aa", ["GPU-8d3c", "GPU-91aa"]),
    ],
)
def test_gpus_have_the_names_that_a_process_knows_them_by(count: int, visible: str | None, names: list[str]) -> None:
    assert visible_gpus(count, visible) == names


def test_a_job_at_a_time_per_gpu() -> None:
    assert shared_out(["2", "3"], None, [0, 1]) == [Device(gpu="2"), Device(gpu="3")]
    assert shared_out(["2", "3"], 1, [0, 1]) == [Device(gpu="2")]


def test_without_gpus_jobs_share_the_cores_out() -> None:
    assert shared_out([], 2, [0, 1, 4, 5, 7]) == [Device(cores=(0, 1)), Device(cores=(4, 5))]
    assert shared_out([], 1, [3]) == [Device(cores=(3,))]


@pytest.mark.parametrize(
    ("gpus", "at_once", "cores", "problem", "fix"),
    [
        ([], None, [0, 1], "there is no GPU here", "hydra/launcher=joblib, or hydra.launcher.n_jobs=2 for"),
        ([], None, [0], "there is no GPU here", "hydra/launcher=joblib, or hydra.launcher.n_jobs=1 for"),
        ([], 2, [], "there is no GPU here", "hydra/launcher=joblib"),
        ([], 3, [0, 1], "n_jobs=3: of cores, one per job at least, there are 2", "hydra.launcher.n_jobs=2"),
        (["0", "1"], 3, [0, 1], "n_jobs=3: of GPUs, one per job, there are 2", "hydra.launcher.n_jobs=null"),
        (["0"], 0, [0], "n_jobs=0 is not a number of jobs", "hydra.launcher.n_jobs=null"),
        (["0"], -1, [0], "n_jobs=-1 is not a number of jobs", "hydra.launcher.n_jobs=null"),
        (["0"], "all", [0], "n_jobs=all is not a number of jobs", "hydra.launcher.n_jobs=null"),
        (["0"], True, [0], "n_jobs=True is not a number of jobs", "hydra.launcher.n_jobs=null"),
    ],
)
def test_what_cannot_be_dealt_out_is_refused(
    gpus: list[str], at_once: object, cores: list[int], problem: str, fix: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        shared_out(gpus, at_once, cores)
    assert problem in str(refused.value)
    assert refused.value.fix is not None
    assert refused.value.fix.startswith(fix)


def test_the_cores_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("frostmark.cli.devices.gpu_count", lambda: 0)
    (device,) = devices_here(1)
    assert set(device.cores) == os.sched_getaffinity(0)


@pytest.mark.parametrize("number", range(7))
def test_the_number_of_the_job_chooses(sweep: Path, number: int) -> None:
    with a_device(sweep, number) as device:
        assert device == THREE[number % 3]


def test_no_two_jobs_have_one_device_while_another_is_free(sweep: Path) -> None:
    with a_device(sweep, 3) as first, a_device(sweep, 0) as second:
        with a_device(sweep, 6) as third:
            assert [first, second, third] == THREE
        with a_device(sweep, 9) as again:  # the only one that is free
            assert again == THREE[2]


def test_a_job_waits_until_a_device_is_free(sweep: Path) -> None:
    got: list[Device | None] = []

    def job() -> None:
        with a_device(sweep, 0) as device:
            got.append(device)

    waiting = threading.Thread(target=job, daemon=True)
    with a_device(sweep, 0), a_device(sweep, 2):
        with a_device(sweep, 1):
            waiting.start()
            waiting.join(0.5)
            assert not got
        waiting.join(10)
    assert got == [THREE[1]]


def test_a_device_is_free_again_after_a_job_that_failed(sweep: Path) -> None:
    with pytest.raises(RuntimeError), a_device(sweep, 1):
        raise RuntimeError
    with a_device(sweep, 1) as device:
        assert device == THREE[1]


def test_other_launchers_deal_out_nothing(tmp_path: Path) -> None:
    for folder in (tmp_path, None):
        with a_device(folder, 0) as device:
            assert device is None


@pytest.mark.parametrize("before", [None, "0,2,GPU-8d3c"])
def test_the_variable_is_as_it_was_afterwards(sweep: Path, before: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    if before is None:
        monkeypatch.delenv(VARIABLE, raising=False)
    else:
        monkeypatch.setenv(VARIABLE, before)
    with a_device(sweep, 1):
        assert os.environ[VARIABLE] == "2"
    assert os.environ.get(VARIABLE) == before


@pytest.fixture
def start_method() -> Iterator[None]:
    """A job's own process is started anew, and that way is set for the whole process: here it is set back."""
    before = multiprocessing.get_start_method()
    yield
    multiprocessing.set_start_method(before, force=True)


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="processes can be pinned on Linux alone")
@pytest.mark.usefixtures("start_method")
def test_the_process_of_a_job_sees_its_device_alone(tmp_path: Path) -> None:
    last = max(os.sched_getaffinity(0))
    mine = os.sched_getaffinity(0)
    announce_devices(tmp_path, [Device("3", (last,))])
    with a_device(tmp_path, 0):
        run_apart(write_down, OmegaConf.create({}), tmp_path, "layer=stage1")
    assert (tmp_path / "seen").read_text() == f"3 [{last}]"
    assert os.sched_getaffinity(0) == mine


def test_one_job_of_every_pass_begins_before_those_that_read_its_rows() -> None:
    assert first_of_each(["a", "a", "a", "b", "b", "c"]) == [0, 3, 5, 1, 2, 4]
    assert first_of_each(["a", "b", "a"]) == [0, 1, 2]
    assert first_of_each([]) == []


FORGED = ["{", "[]]", "7", '[{"gpu": 0, "cores": []}]', '[{"gpu": null, "cores": ["0"]}]', '["x"]', "[" * 99_999]


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "lay",
    [*LAID.values(), *(partial(Path.write_text, data=text) for text in FORGED)],
    ids=[*LAID, *(text[:30] for text in FORGED)],
)
def test_devices_that_cannot_be_read_are_told_of(lay: Callable[[Path], object], sweep: Path) -> None:
    (sweep / DEVICES).unlink()
    with a_device(sweep, 0) as device:
        assert device is None  # nobody announced any
    lay(sweep / DEVICES)
    with pytest.raises(DataError, match="the devices of the sweep cannot be read"), a_device(sweep, 0):
        pass
