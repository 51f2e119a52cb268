"""Who wrote an entry of the store: this user on this host, or somebody else.

    host()                              # the name that an entry keeps of where it was committed
    is_own(files, about)                # whether this user wrote every file, and committed the entry on this host
    writer_of(manifest, about)          # "alice on node7", for messages

A digest proves that a file holds what its writer wrote. It does not say who that was; the file system does.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Mapping
from pathlib import Path

HOST = "host"
"""Under which an entry keeps the name of the host in what a person should know of it."""


def host() -> str:
    """The name of this host."""
    return socket.gethostname()


def is_own(files: Iterable[Path], about: Mapping[str, object]) -> bool:
    """Whether this user wrote all of the ``files``, and committed their entry on this host.

    Where files have no owner that is a number (Windows), the host decides alone. Entries of before the host was kept
    are nobody's own.
    """
    if about.get(HOST) != host():
        return False
    user = getattr(os, "getuid", None)
    return user is None or all(path.lstat().st_uid == user() for path in files)


def writer_of(file: Path, about: Mapping[str, object]) -> str:
    """The owner of a file, and the host that its entry was committed on."""
    try:
        user = file.owner()
    except (KeyError, OSError, NotImplementedError):  # a user of another machine has a number alone
        user = f"user {file.lstat().st_uid}"
    return f"{user} on {about.get(HOST, 'an unknown host')}"
