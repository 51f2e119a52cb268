"""A process that is asked to stop: the second time it does, whatever a library is doing."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

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


def python(code: str) -> subprocess.Popen[str]:
    variables = environment(PYTHONPATH=str(REPOSITORY / "src"))
    return subprocess.Popen([sys.executable, "-c", code], env=variables, stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("kind", [signal.SIGTERM, signal.SIGINT])
def test_the_second_signal_ends_a_process_that_is_inside_a_library(kind: signal.Signals) -> None:
    with python(BUSY) as busy:
        assert busy.stdout is not None
        assert busy.stdout.readline() == "ready\n"
        try:
            time.sleep(0.3)
            busy.send_signal(kind)
            with pytest.raises(subprocess.TimeoutExpired):
                busy.wait(1)  # else nothing is shown by what follows
            start = time.monotonic()
            busy.send_signal(kind)
            assert busy.wait(30) == 128 + kind
            assert time.monotonic() - start < 1
        finally:
            busy.kill()


def test_signals_of_forked_processes_are_their_own() -> None:
    """Three workers are stopped one after the other: none of that is meant for the process that began them."""
    with python(FORKING) as process:
        output, _ = process.communicate(timeout=60)
    assert (output, process.returncode) == ("alive\n", 0)
