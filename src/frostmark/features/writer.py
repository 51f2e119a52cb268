"""Who wrote an entry of the store: this user on this host, or somebody else.

    host()                              # the name that an entry keeps of where it was committed
    is_own(folder, about)               # whether this user wrote its rows, and committed them on this host
    writer_of(folder, about)            # "alice on node7", for messages

A digest proves that a file holds what its writer wrote. It does not say who that was; the file system does.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from pathlib import Path

from frostmark.features.files import is_derived

HOST = "host"
"""Under which an entry keeps the name of the host in what a person should know of it."""


def host() -> str:
    """The name of this host."""
    return socket.gethostname()


def is_own(folder: Path, about: Mapping[str, object]) -> bool:
    """Whether this user wrote all rows of the entry in ``folder``, and committed it on this host.

    Where files have no owner that is a number (Windows), the host decides alone. Entries of before the host was kept
    are nobody's own.
    """
    if about.get(HOST) != host():
        return False
    user = getattr(os, "getuid", None)
    return user is None or all(path.lstat().st_uid == user() for path in _files(folder))


def writer_of(folder: Path, about: Mapping[str, object]) -> str:
    """The owners of the files of an entry, and the host that it was committed on."""
    owners = ", ".join(dict.fromkeys(map(_owner, _files(folder))))
    return f"{owners} on {about.get(HOST, 'an unknown host')}"


def _files(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.iterdir()) if not path.name.startswith(".") and not is_derived(path)]


def _owner(path: Path) -> str:
    try:
        return path.owner()
    except (KeyError, OSError, NotImplementedError):  # a user of another machine has a number alone
        return f"user {path.lstat().st_uid}"
