"""Processes that are asked to stop: they do so at once, and the second time whatever a library is doing."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from frostmark.cli.signals import CLOSING_S
from support.environment import REPOSITORY, environment

BUSY = """
import hashlib, os, sys
from frostmark.cli.signals import install
install()
print("ready", flush=True)
hashlib.pbkdf2_hmac("sha256", b"x", b"y", 2_000_000_000)  # one step of the main thread, of many minutes
"""

FORKING = """
import os, signal, sys, time
from frostmark.cli.signals import install
install()
for _ in range(3):
    child = os.fork()
    if child == 0:
        try:
            time.sleep(60)
        except BaseException:
            os._exit(0)
    time.sleep(0.2)
    os.kill(child, signal.SIGTERM)
    os.waitpid(child, 0)
time.sleep(0.5)
print("alive", flush=True)
"""

THROUGH_MAIN = """
import hashlib, os, signal, sys, threading, time
from frostmark.cli import signals
from frostmark.cli.leaving import leave
from frostmark.cli.problems import exit_code
from frostmark.stats.permutation import in_threads
from frostmark.waiting import within
def long(_=0):
    os.write(1, b"ready\\n")
    hashlib.pbkdf2_hmac("sha256", b"x", b"y", 2_000_000_000)
def swallowing():
    try:
        os.write(1, b"ready\\n")
        time.sleep(60)
    except BaseException:
        pass  # as a library might
    time.sleep(60)
class Finalized:
    def __del__(self):
        os.write(1, b"ready\\n")
        time.sleep(30)  # the exception is raised here, and ignored
def finalizing():
    kept = Finalized()
    del kept
    time.sleep(30)
def forking():
    hooks = iter([lambda: (os.write(1, b"ready\\n"), time.sleep(30))])
    os.register_at_fork(after_in_parent=lambda: next(hooks, lambda: None)())
    child = os.fork()
    if not child:
        os._exit(0)
    os.waitpid(child, 0)
    time.sleep(30)
def elsewhere():
    os.write(1, b"ready\\n")
    def hit():
        time.sleep(0.3)
        signal.pthread_kill(threading.get_ident(), getattr(signal, sys.argv[2]))
        time.sleep(30)
    threading.Thread(target=hit, daemon=True).start()
    threading.Lock().acquire() and threading.Event().wait()  # no step of this thread ends
signals.install()
work = {
    "in_threads": lambda: in_threads(long, range(50)), "within": lambda: within(None, long),
    "alone": swallowing, "finalizing": finalizing, "forking": forking,
    "elsewhere": elsewhere,
}
leave(exit_code(work[sys.argv[1]]))
"""
"""Long work as the program does it."""

APART = """
import hashlib, os, sys
from pathlib import Path
from omegaconf import OmegaConf
from frostmark.cli import signals
from frostmark.cli.apart import run_apart
from frostmark.cli.leaving import leave
from frostmark.cli.problems import exit_code
def slept(config, folder, choices):
    import time
    print("ready", os.getpid(), flush=True)
    time.sleep(60)
def busy(config, folder, choices):
    print("ready", os.getpid(), flush=True)
    hashlib.pbkdf2_hmac("sha256", b"x", b"y", 2_000_000_000)
def began():
    run_apart({"slept": slept, "busy": busy}[sys.argv[1]], OmegaConf.create({}), Path(sys.argv[2]), "seed=1")
    return 0
if __name__ == "__main__":
    signals.install()
    leave(exit_code(began))
"""

SOON_S = 2.0
"""Seconds from a signal to the end: one, and as much again for a machine that does other things."""


@contextmanager
def python(code: str, *words: str) -> Iterator[subprocess.Popen[str]]:
    """A process of that code, or of a file of that name."""
    variables = environment(PYTHONPATH=str(REPOSITORY / "src"))
    file, pipe = ["-c", code] if not code.endswith(".py") else [code], subprocess.PIPE
    with subprocess.Popen([sys.executable, *file, *words], env=variables, stdout=pipe, stderr=pipe, text=True) as begun:
        try:
            yield begun
        finally:
            begun.kill()


def seconds_to_end(process: subprocess.Popen[str], kind: signal.Signals) -> float:
    start = time.monotonic()
    process.send_signal(kind)
    process.wait(30)
    return time.monotonic() - start


def wait_for_end(orphan: psutil.Process) -> None:
    """Fails if it takes longer than :data:`SOON_S`; whose parent has gone stays a zombie where nobody collects it."""
    end = time.monotonic() + SOON_S
    while orphan.is_running() and orphan.status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.parametrize("kind", [signal.SIGTERM, signal.SIGINT])
def test_the_second_signal_ends_a_process_that_is_inside_a_library(kind: signal.Signals) -> None:
    with python(BUSY) as busy:
        assert busy.stdout is not None
        assert busy.stdout.readline() == "ready\n"
        time.sleep(0.3)
        busy.send_signal(kind)
        with pytest.raises(subprocess.TimeoutExpired):
            busy.wait(1)  # else nothing is shown by what follows
        start = time.monotonic()
        busy.send_signal(kind)
        assert busy.wait(30) == 128 + kind
        assert time.monotonic() - start < SOON_S


def test_signals_of_forked_processes_are_their_own() -> None:
    """Three workers are stopped one after the other: none of that is meant for the process that began them."""
    with python(FORKING) as process:
        output, _ = process.communicate(timeout=60)
    assert (output, process.returncode) == ("alive\n", 0)


@pytest.mark.parametrize(("kind", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
@pytest.mark.parametrize("work", ["finalizing", "forking"])
def test_a_signal_is_heard_where_the_interpreter_ignores_exceptions(work: str, kind: signal.Signals, code: int) -> None:
    with python(THROUGH_MAIN, work) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        assert seconds_to_end(process, kind) < SOON_S
        assert process.returncode == code
        assert process.stderr is not None
        assert "ignored" not in process.stderr.read()


@pytest.mark.parametrize(("kind", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_is_heard_that_does_not_wake_the_main_thread(kind: signal.Signals, code: int) -> None:
    """It came just before the main thread began to wait, or to another thread."""
    with python(THROUGH_MAIN, "elsewhere", kind.name) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        start = time.monotonic()
        assert process.wait(30) == code
        assert time.monotonic() - start < SOON_S


@pytest.mark.parametrize("kind", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("work", ["in_threads", "within"])
def test_long_work_of_a_library_is_not_waited_for(work: str, kind: signal.Signals) -> None:
    with python(THROUGH_MAIN, work) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        assert seconds_to_end(process, kind) < SOON_S
        assert process.returncode == 128 + kind
        assert process.stderr is not None
        assert "Stopped. Finished work is kept." in process.stderr.read()


@pytest.mark.parametrize("kind", [signal.SIGTERM, signal.SIGINT])
def test_a_library_that_swallows_the_first_signal_does_not_keep_the_process(kind: signal.Signals) -> None:
    with python(THROUGH_MAIN, "alone") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        assert CLOSING_S - 1 < seconds_to_end(process, kind) < CLOSING_S + SOON_S
        assert process.returncode == 128 + kind
        assert process.stderr is not None
        assert "Stopped." in process.stderr.read()


def test_a_second_signal_of_another_kind_counts_and_two_at_once_are_one() -> None:
    """``timeout`` sends its signal to the process and to the group; whoever is impatient takes another one."""
    with python(THROUGH_MAIN, "alone") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        time.sleep(0.05)  # two of one kind that nobody has seen yet are one to the system
        process.send_signal(signal.SIGTERM)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1)
        assert seconds_to_end(process, signal.SIGINT) < SOON_S
        assert process.returncode == 130


@pytest.mark.parametrize("kind", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
@pytest.mark.parametrize("work", ["slept", "busy"])
def test_a_job_in_a_process_of_its_own_ends_with_the_one_that_began_it(
    work: str, kind: signal.Signals, tmp_path: Path
) -> None:
    """One that is busy in a library goes at the second signal: its parent then leaves, and it sees that."""
    script = tmp_path / "apart.py"
    script.write_text(APART)
    with python(str(script), work, str(tmp_path)) as process:
        assert process.stdout is not None
        word, pid = process.stdout.readline().split()
        assert word == "ready"
        child = psutil.Process(int(pid))
        time.sleep(0.3)
        try:
            if work == "busy" and kind != signal.SIGKILL:
                process.send_signal(kind)
                with pytest.raises(subprocess.TimeoutExpired):
                    process.wait(1)
            assert seconds_to_end(process, kind) < SOON_S
            if (work, kind) == ("busy", signal.SIGKILL):
                return  # nobody asked it twice: it ends when the library's step has ended
            wait_for_end(child)
            assert process.returncode == (-9 if kind == signal.SIGKILL else 128 + kind)
        finally:
            with suppress(psutil.NoSuchProcess):
                child.kill()
