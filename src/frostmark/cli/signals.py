"""What Ctrl-C and SIGTERM do: the first one closes everything that is open, the second one does not wait for that.

install()                       # in the process of a command
install_below()                 # in a process that another one started and stops
asked()                         # whether either came

Nor does closing take longer than :data:`CLOSING_S`: a library may have swallowed the exception. The interpreter
swallows it, too, in a finalizer and in a hook of a fork: it is raised again a moment later.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import sys
import threading
import time
from contextlib import suppress
from multiprocessing.connection import wait
from types import FrameType

from frostmark.errors import Terminated

STOPPING = (signal.SIGTERM, signal.SIGINT)

CLOSING_S = 5.0
"""Seconds that closing may take: it takes less than one, but on a machine that does much else."""

TOGETHER_S = 0.3
"""Seconds within which two signals are one: ``timeout`` and a terminal send theirs to a process and to its group."""

STOPPED = "\nStopped. Finished work is kept.\nFix: run the same command again to continue."

_LOOK_S = 0.1

_AGAIN_S = 0.02
"""Seconds after which an exception that the interpreter ignored is raised again: by then its finalizer is over."""

_MAIN = threading.main_thread().ident or 0

_first: list[float] = []
"""When the first signal came."""

_closing: list[float] = []
"""When closing began."""

_ignored: list[type[BaseException]] = []
"""The stop that was raised where nobody hears it."""


def install() -> None:
    """Let both signals end this process in good order."""
    signal.signal(signal.SIGTERM, terminate)
    signal.signal(signal.SIGINT, interrupt)
    _insist()
    _watch()


def install_below() -> None:
    """The same where a parent hears Ctrl-C and passes it on as SIGTERM; the process ends with its parent."""
    signal.signal(signal.SIGTERM, terminate)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _insist()
    _watch()
    threading.Thread(target=_end_with_parent, daemon=True).start()


def asked() -> bool:
    """Whether this process was asked to stop."""
    return bool(_first or _closing)


def terminate(signum: int, frame: FrameType | None) -> None:
    """What SIGTERM does: everything open is closed; the second one does not wait for that."""
    if _closing:  # a library put this handler back
        return _again(signum, frame)
    _begin_closing()
    raise Terminated


def interrupt(signum: int, frame: FrameType | None) -> None:
    """What Ctrl-C does: everything open is closed; the second one does not wait for that."""
    if _closing:
        return _again(signum, frame)
    _begin_closing()
    raise KeyboardInterrupt


def _insist() -> None:
    """Raise a stop again that was raised where the interpreter ignores exceptions (``sys.unraisablehook``)."""
    before = sys.unraisablehook

    def ignored(what: sys.UnraisableHookArgs) -> None:
        if not issubclass(what.exc_type, KeyboardInterrupt | Terminated):
            before(what)
            return
        _ignored.append(what.exc_type)
        signal.setitimer(signal.ITIMER_REAL, _AGAIN_S)

    sys.unraisablehook = ignored
    signal.signal(signal.SIGALRM, _poked)


def _poked(signum: int, frame: FrameType | None) -> None:
    if _ignored:
        raise _ignored.pop()


def _begin_closing() -> None:
    now = time.monotonic()
    _first[:] = _first or [now]
    _closing[:] = _closing or [now]
    for kind in STOPPING:
        if signal.getsignal(kind) is not signal.SIG_IGN:
            signal.signal(kind, _again)


def _again(signum: int, frame: FrameType | None) -> None:
    if time.monotonic() - _first[0] > TOGETHER_S:
        _leave(signum)


def _leave(signum: int) -> None:
    """At once, whatever is being done: files are whole or absent, and the next start closes the tracked run."""
    os._exit(128 + signum)


def _watch() -> None:
    """See the second signal from another thread, too, and that closing takes too long.

    Python calls handlers between two steps of the main thread, and one step may be minutes in a library, or a wait
    without an end. The number of a signal is written to the wakeup descriptor when it arrives.
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

    threading.Thread(target=_look, args=(reading, writing), daemon=True).start()


def _look(reading: socket.socket, writing: socket.socket) -> None:
    """Until the process ends; ``writing`` is only held, so that it stays open."""
    kind = 0
    while True:
        arrived = _received(reading)
        if arrived in STOPPING and not kind:
            kind = arrived
            _first[:] = _first or [time.monotonic()]
            reading.settimeout(_LOOK_S)
        elif arrived in STOPPING:
            _again(arrived, None)
        elif kind and not arrived and not _closing:
            # The main thread began to wait just before it would have looked, or another thread got the signal.
            signal.pthread_kill(_MAIN, signal.SIGALRM)
        if _closing and time.monotonic() - _closing[0] > CLOSING_S:
            with suppress(OSError):
                os.write(2, f"{STOPPED}\n".encode())
            _leave(kind)


def _received(reading: socket.socket) -> int:
    """The number of the next signal; 0 if none came for a while."""
    try:
        return reading.recv(1)[0]
    except TimeoutError:
        return 0


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    wait([parent.sentinel])
    if asked():  # it does not wait, and neither does this one
        _leave(signal.SIGTERM)
    os.kill(os.getpid(), signal.SIGTERM)
