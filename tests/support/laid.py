"""What somebody may have laid where a file is expected.

for lay in LAID.values():
    lay(folder / "metrics.json")
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path


def sparse(path: Path) -> None:
    """A file of 3 GiB that takes no room on the disk."""
    path.touch()
    os.truncate(path, 3 << 30)


def _link(path: Path) -> None:
    theirs = path.parent / "somebody's"
    theirs.write_text("{}")
    path.symlink_to(theirs)


LAID: dict[str, Callable[[Path], None]] = {
    "a pipe": os.mkfifo,
    "a device": lambda path: path.symlink_to("/dev/zero"),
    "a link": _link,
    "a link to nothing": lambda path: path.symlink_to(path.parent / "nothing"),
    "a folder": lambda path: path.mkdir(),
    "3 GiB of nothing": sparse,
}
"""Words → what lays it at a path that is free."""
