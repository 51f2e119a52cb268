"""How the program begins and ends without work that nobody asked for.

start()                 # imports are not searched for garbage
imported()              # what is there by now stays, and is not searched later either
leave(0)                # everything open is closed; modules are not taken apart one by one

Python looks for garbage again and again while some thousand modules are imported, and takes all of them apart at the
end: of a run that only replays stored rows that was a third of the time.
"""

from __future__ import annotations

import atexit
import gc
import os
import sys
import threading
from contextlib import suppress
from typing import NoReturn


def start() -> None:
    """Before anything large is imported."""
    gc.disable()


def imported() -> None:
    """Once all of it is; the jobs of a sweep come here one after the other, and the first counts."""
    if not gc.isenabled():
        gc.freeze()
        gc.enable()


def leave(code: int) -> NoReturn:
    """End the process: its threads have ended, what was registered for the end is done, what was printed is out."""
    if "torch" not in sys.modules:  # nothing large to take apart
        sys.exit(code)
    threading._shutdown()  # type: ignore[attr-defined]  # as the interpreter does first: waits for its threads
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # whoever reads has gone
            stream.flush()
    os._exit(code)
