"""What Ctrl-C and SIGTERM do: the first one closes everything that is open, the second one does not wait for that.

install()                       # in the process of a command
"""

from __future__ import annotations

import os
import signal
import socket
import threading
from types import FrameType

from frostmark.errors import Terminated

STOPPING = (signal.SIGTERM, signal.SIGINT)


def install() -> None:
    """Let both signals end this process in good order."""
    signal.signal(signal.SIGTERM, terminate)
    signal.signal(signal.SIGINT, interrupt)
    _watch()


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


def _watch() -> None:
    """See the second signal from another thread, too.

    Python calls handlers between two steps of the main thread, and one step may be minutes in a library. The number of
    a signal is written to the wakeup descriptor when it arrives.
    """
    reading, writing = socket.socketpair()
    writing.setblocking(False)
    before = signal.set_wakeup_fd(writing.fileno(), warn_on_full_buffer=False)
    if before != -1:  # somebody watches already
        signal.set_wakeup_fd(before)
        reading.close()
        writing.close()
        return
    # A forked process would write its own signals into the same pipe.
    os.register_at_fork(after_in_child=lambda: signal.set_wakeup_fd(-1))

    def watch() -> None:
        seen: set[int] = set()
        while arrived := reading.recv(1):
            if arrived[0] in STOPPING and arrived[0] in seen:
                _leave(arrived[0], None)
            seen.add(arrived[0])
        writing.close()  # never: the pair lives as long as the process

    threading.Thread(target=watch, daemon=True).start()
