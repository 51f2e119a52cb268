"""This machine: which processes work on runs, which of them left a run open, and how busy it is.

tags = {PROCESS_TAG: this_process()}                # of a run, when it is opened
close_left(client, experiment_id)                   # KILLED: runs whose process is gone
monitor = watch_machine(run_id, uri)                # MLflow's own, until monitor.finish()
"""

from __future__ import annotations

import logging
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

PROCESS_TAG = "process"
"""On which machine and by which process a run is worked on, so that the next start can tell whether it was left."""


def close_left(client: MlflowClient, experiment_id: str) -> None:
    """Mark as KILLED what processes of this machine left open that are gone."""
    mine = f"attributes.status = 'RUNNING' and tags.{PROCESS_TAG} LIKE '{machine()} %'"
    for run in client.search_runs([experiment_id], mine, max_results=1000):
        if not is_alive(run.data.tags[PROCESS_TAG]):
            client.set_terminated(run.info.run_id, "KILLED")
            client.set_tag(run.info.run_id, "error", "its process ended without a word")


def machine() -> str:
    """This machine, and on Linux the processes that see each other: containers may share the name of their host."""
    namespace = Path("/proc/self/ns/pid")
    return f"{socket.gethostname()}/{namespace.stat().st_ino if namespace.exists() else 0}"


def this_process() -> str:
    """This process as the tag names it: machine, number, and when it was created."""
    process = psutil.Process()
    return f"{machine()} {process.pid} {process.create_time():.2f}"


def is_alive(tag: str) -> bool:
    """Whether a process of this machine is still there; another one that was given its number is not it."""
    try:
        _, pid, created = tag.rsplit(" ", 2)
        return bool(abs(psutil.Process(int(pid)).create_time() - float(created)) < 1)
    except (psutil.NoSuchProcess, ValueError):
        return False


def another_alive(tag: str) -> bool | None:
    """Whether a process other than this one is still there; None of another machine's, which cannot be seen."""
    if not tag.startswith(f"{machine()} "):
        return None
    return is_alive(tag) and tag != this_process()


def watch_machine(run_id: str, uri: str) -> SystemMetricsMonitor:
    """MLflow's own monitor of processor, memory, disk and GPU: a point a minute, hence none of short runs."""
    from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

    logging.getLogger("mlflow.system_metrics").setLevel(logging.ERROR)  # it tells of every start and end
    monitor = SystemMetricsMonitor(  # type: ignore[no-untyped-call]
        run_id, sampling_interval=10, samples_before_logging=6, tracking_uri=uri
    )
    monitor.start()  # type: ignore[no-untyped-call]
    return monitor
