"""Who is at a sweep: a file that is touched every few seconds by the process that works on it.

    lease = Lease(folder)
    lease.take()                                # … and lease.give_back()
    seconds_since_sign_of_life(folder)          # None: nobody ever was, or it was given back

The number of a process says nothing on another machine, and soon belongs to another program on the same one.
"""

from __future__ import annotations

import os
import threading
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
            self._file.touch()
        threading.Thread(target=self._beat, daemon=True).start()

    def give_back(self) -> None:
        """Leave the folder to others at once."""
        self._over.set()
        with suppress(OSError):
            self._file.unlink()

    def _beat(self) -> None:
        while not self._over.wait(BEAT_S):
            with suppress(OSError):
                os.utime(self._file)


def seconds_since_sign_of_life(folder: Path) -> float | None:
    """By the clock of the disk that holds the folder, which all machines share; None where nobody has a lease."""
    probe = folder / f".{_FILE}.{os.getpid()}"
    try:
        last = (folder / _FILE).stat().st_mtime
        probe.touch()
        os.utime(probe)
        return probe.stat().st_mtime - last
    except OSError:
        return None
    finally:
        with suppress(OSError):
            probe.unlink()
