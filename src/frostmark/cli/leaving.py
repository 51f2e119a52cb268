"""How the program begins and ends without work that nobody asked for.

start()                 # imports are not searched for garbage, and threads that wait for each other sleep
loading()               # a line that says what the first seconds are for
imported()              # what is there by now stays, and is not searched later either
leave(0)                # everything open is closed; modules are not taken apart one by one

Python looks for garbage again and again while some thousand modules are imported, and takes all of them apart at the
end: of a run that only replays stored rows that was a third of the time.

The threads of a forward pass meet after every operation, and by default the first spins for milliseconds until the
others come. Beside another program, or in a container with a share of the processors, that is most of the time:
MobileNetV3-small took 5 to 37 ms an image instead of 2, ResNet18 38 instead of 17. Where nothing else ran, spinning
for microseconds took 0.93 ms instead of 0.84, and 9.6 in both ways.
"""

from __future__ import annotations

import atexit
import gc
import os
import sys
import threading
from contextlib import suppress
from typing import NoReturn

SPINS = "1000"
"""Looks at whether the others have come before a thread sleeps; 300,000 by default."""

STOPPED = (130, 143)
"""Codes of processes that were asked to stop."""


def start() -> None:
    """Before anything large is imported: OpenMP reads its environment when it is loaded."""
    gc.disable()
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", SPINS)


def loading() -> None:
    """Say to whoever watches what the first seconds are for."""
    if sys.stderr.isatty():
        print("loading torch …", end="\r", file=sys.stderr, flush=True)


def imported() -> None:
    """Once all of it is; the jobs of a sweep come here one after the other, and the first counts."""
    if sys.stderr.isatty() and not gc.isenabled():
        print("\x1b[K", end="", file=sys.stderr, flush=True)  # what loading() said
    if not gc.isenabled():
        gc.freeze()
        gc.enable()


def nobody_reads() -> None:
    """Whoever reads has had enough (``| head``): what else is printed goes nowhere, and is no error."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def leave(code: int) -> NoReturn:
    """End the process: its threads have ended, what was registered for the end is done, what was printed is out.

    One that was asked to stop does not wait for its threads: a fit takes minutes, and nobody needs its result.
    """
    if "torch" not in sys.modules and code not in STOPPED:  # nothing large to take apart
        sys.exit(code)
    if code not in STOPPED:
        threading._shutdown()  # type: ignore[attr-defined]  # as the interpreter does first: waits for its threads
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # whoever reads has gone
            stream.flush()
    os._exit(code)
