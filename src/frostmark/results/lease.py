"""Who is at a sweep: a file that is touched every few seconds by the process that works on it.

    lease = Lease(folder)
    lease.take()                                # … and lease.give_back()
    seconds_since_sign_of_life(folder)          # None: nobody ever was, or it was given back

The number of a process says nothing on another machine, and soon belongs to another program on the same one.
"""

from __future__ import annotations

import os
import stat
import threading
import uuid
from contextlib import suppress
from pathlib import Path

BEAT_S = 5.0
"""Seconds between two signs of life."""

LEASE_S = 60.0
"""Seconds after which nobody is taken to be there any more."""

_FILE = "lease"


class Lease:
    """A hold on a folder, with signs of life from a thread of its own until it is given back."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / _FILE
        self._over = threading.Event()

    def take(self) -> None:
        """Begin to give signs of life; without a place to write them there are none."""
        with suppress(OSError):
            _touch(self._file)
        threading.Thread(target=self._beat, daemon=True).start()

    def give_back(self) -> None:
        """Leave the folder to others at once."""
        self._over.set()
        with suppress(OSError):
            self._file.unlink()

    def _beat(self) -> None:
        while not self._over.wait(BEAT_S):
            with suppress(OSError):
                _touch(self._file, make=0)


def seconds_since_sign_of_life(folder: Path) -> float | None:
    """By the clock of the disk that holds the folder, which all machines share; None where nobody has a lease."""
    probe = folder / f".{_FILE}.{uuid.uuid4().hex}"
    try:
        lease = (folder / _FILE).lstat()
        if not stat.S_ISREG(lease.st_mode):
            return None
        _touch(probe)
        return probe.lstat().st_mtime - lease.st_mtime
    except OSError:
        return None
    finally:
        with suppress(OSError):
            probe.unlink()


def _touch(path: Path, make: int = os.O_CREAT) -> None:
    """Give a file the time of now; where a link lies nothing happens at its other end.

    Args:
        make: 0 if only a file that is there is meant.

    Raises:
        OSError: if there is no place for it, or something else lies there.
    """
    flags = os.O_WRONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0)
    descriptor = os.open(path, flags | make, 0o666)
    try:
        os.utime(descriptor if os.utime in os.supports_fd else path)
    finally:
        os.close(descriptor)
