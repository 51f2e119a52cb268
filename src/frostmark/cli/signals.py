"""What Ctrl-C and SIGTERM do: the first one closes everything that is open, the second one does not wait for that.

install()                       # in the process of a command
"""

from __future__ import annotations

import os
import signal
from types import FrameType

from frostmark.errors import Terminated


def install() -> None:
    """Let both signals end this process in good order."""
    signal.signal(signal.SIGTERM, terminate)
    signal.signal(signal.SIGINT, interrupt)


def terminate(signum: int, frame: FrameType | None) -> None:
    """What SIGTERM does: everything open is closed; the second one does not wait for that."""
    signal.signal(signal.SIGTERM, _leave)
    raise Terminated


def interrupt(signum: int, frame: FrameType | None) -> None:
    """What Ctrl-C does: everything open is closed; the second one does not wait for that."""
    signal.signal(signal.SIGINT, _leave)
    raise KeyboardInterrupt


def _leave(signum: int, frame: FrameType | None) -> None:
    """At once, whatever is being done: files are whole or absent, and the next start closes the tracked run."""
    os._exit(128 + signum)
