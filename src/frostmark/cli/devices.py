"""A device for every job of ``hydra/launcher=gpus``: a GPU, or where there are none a share of the cores.

devices = devices_here(config.hydra.launcher.n_jobs)     # one per GPU
announce_devices(folder, devices)                       # devices.json of the sweep's folder
with a_device(folder, number=3):                        # processes that start here see one device alone
    ...
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from frostmark.errors import ConfigError, DataError
from frostmark.lit.trainer import gpu_count
from frostmark.regular import read_regular, write_whole

VARIABLE = "CUDA_VISIBLE_DEVICES"
"""Environment variable by which a process knows its GPUs; ROCm reads it as well."""

DEVICES = "devices.json"
_MAX_BYTES = 1 << 20
"""Bytes of that file, at most."""

WAIT = 0.2
"""Seconds between two looks for a device that is free."""


@dataclass(frozen=True)
class Device:
    """What one job at a time works on.

    Attributes:
        gpu: its name in :data:`VARIABLE`, a number or an identifier; None: cores instead.
        cores: the numbers of the cores that the job is pinned to; none: it is not pinned.
    """

    gpu: str | None = None
    cores: tuple[int, ...] = ()

    def __str__(self) -> str:
        return f"GPU {self.gpu}" if self.gpu is not None else f"cores {', '.join(map(str, self.cores))}"


def devices_here(at_once: object) -> list[Device]:
    """The devices of this machine that jobs are dealt to.

    Args:
        at_once: how many jobs run at once; None: as many as there are GPUs.

    Raises:
        ConfigError: if there are fewer devices than that, or none.
    """
    gpus = visible_gpus(gpu_count(), os.environ.get(VARIABLE))
    return shared_out(gpus, at_once, sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [])


def visible_gpus(count: int, visible: str | None) -> list[str]:
    """The names of the GPUs that a process would see.

    Args:
        count: how many it would see.
        visible: what :data:`VARIABLE` says, None if it is not set.
    """
    names = [str(number) for number in range(count)] if visible is None else visible.split(",")
    return [name.strip() for name in names[:count]]


def shared_out(gpus: list[str], at_once: object, cores: list[int]) -> list[Device]:
    """One device per job that runs at once: a GPU each, or without GPUs an equal share of the cores.

    Args:
        gpus: by their names.
        at_once: how many jobs; None: one per GPU.
        cores: the cores that may be used; none where processes cannot be pinned.

    Raises:
        ConfigError: as :func:`devices_here`.
    """
    if at_once is not None and (not isinstance(at_once, int) or isinstance(at_once, bool) or at_once < 1):
        raise ConfigError(
            f"hydra.launcher.n_jobs={at_once} is not a number of jobs", fix="hydra.launcher.n_jobs=null, one per GPU"
        )
    if gpus:
        if at_once is not None and at_once > len(gpus):
            raise ConfigError(
                f"hydra.launcher.n_jobs={at_once}: of GPUs, one per job, there are {len(gpus)}",
                fix="hydra.launcher.n_jobs=null, or hydra/launcher=joblib for jobs that share a GPU",
            )
        return [Device(gpu=name) for name in gpus[:at_once]]
    if at_once is None or not cores:
        pinned = f", or hydra.launcher.n_jobs={min(2, len(cores))} for jobs pinned to cores" if cores else ""
        raise ConfigError("hydra/launcher=gpus: there is no GPU here", fix=f"hydra/launcher=joblib{pinned}")
    share = len(cores) // at_once
    if not share:
        raise ConfigError(
            f"hydra.launcher.n_jobs={at_once}: of cores, one per job at least, there are {len(cores)}",
            fix=f"hydra.launcher.n_jobs={len(cores)}",
        )
    return [Device(cores=tuple(cores[share * n : share * (n + 1)])) for n in range(at_once)]


def announce_devices(folder: Path, devices: list[Device]) -> None:
    """Tell every job of the sweep in ``folder`` what there is to choose from."""
    write_whole(folder / DEVICES, json.dumps([asdict(device) for device in devices]))


def _announced(folder: Path) -> list[Device]:
    """What :func:`announce_devices` wrote; nothing where it was not called.

    Raises:
        DataError: if that cannot be read: nobody knows what the other jobs work on.
    """
    try:
        known = json.loads(read_regular(folder / DEVICES, _MAX_BYTES))
        devices = [Device(each["gpu"], tuple(each["cores"])) for each in known]
        if not all(isinstance(of.gpu, str | None) and all(type(core) is int for core in of.cores) for of in devices):
            raise TypeError("these are not devices")
    except FileNotFoundError:
        return []
    except (OSError, ValueError, TypeError, LookupError, RecursionError) as problem:
        told = f"the devices of the sweep cannot be read: {folder / DEVICES}: {problem}"
        raise DataError(told, fix="the same command again: what finished is not done again") from problem
    return devices


@contextmanager
def a_device(folder: Path | None, number: int) -> Iterator[Device | None]:
    """A device that no other job of the sweep has; processes that are started meanwhile work on it alone.

    The job's number chooses. If that device is taken, the next one that is free is it; if none is free, the job waits.

    Args:
        folder: of the sweep.
        number: of the job.

    Yields:
        The device; None if the sweep in ``folder`` deals out none.

    Raises:
        DataError: if it cannot be read which there are.
    """
    devices = [] if folder is None else _announced(folder)
    if folder is None or not devices:
        yield None
        return
    place, lock = _taken(folder, len(devices), number)
    try:
        with _seen_alone(devices[place]):
            yield devices[place]
    finally:
        lock.release()


def _taken(folder: Path, count: int, number: int) -> tuple[int, FileLock]:
    """The place of a device that was free, and its lock, which ends with this process at the latest."""
    while True:
        for place in ((number + step) % count for step in range(count)):
            lock = FileLock(folder / f".device-{place}.lock", timeout=0)
            try:
                lock.acquire()
            except Timeout:
                continue
            return place, lock
        time.sleep(WAIT)


@contextmanager
def _seen_alone(device: Device) -> Iterator[None]:
    """What is started in here inherits the device: CUDA and OpenMP look once, when a process begins."""
    before = os.environ.get(VARIABLE)
    cores = os.sched_getaffinity(0) if device.cores else set()
    try:
        if device.gpu is not None:
            os.environ[VARIABLE] = device.gpu
        if device.cores:
            os.sched_setaffinity(0, device.cores)
        yield
    finally:
        if cores:
            os.sched_setaffinity(0, cores)
        if before is not None:
            os.environ[VARIABLE] = before
        else:
            os.environ.pop(VARIABLE, None)
