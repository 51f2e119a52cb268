"""Files in folders that others can write to, such as ``mlruns/``: read and written as what they must be.

    read_regular(path, most=10_000)                 # its bytes; of a pipe, a device or a link never
    write_whole(path, "text")                       # there whole or not at all, and never through a link

A pipe would be waited for, a device may never end, a sparse file may be larger than memory, and a link may lead to
somebody's own files.
"""

from __future__ import annotations

import errno
import os
import stat
import uuid
from contextlib import suppress
from pathlib import Path

MAX_FILE = 2**31
"""Bytes of a file, at most, where nothing says how many it must have."""


def read_regular(path: Path, most: int | None = None, *, links: bool = False) -> bytes:
    """The bytes of a file that is one.

    Args:
        most: bytes that it may have.
        links: whether links are followed: in folders of the user's own, never below ``mlruns/``.

    Raises:
        OSError: if it is not a file, if it is a link, or if it is larger.
    """
    most = MAX_FILE if most is None else most
    follow = 0 if links else getattr(os, "O_NOFOLLOW", 0)
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | follow | getattr(os, "O_BINARY", 0)
    descriptor = os.open(path, flags)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "it is not a file")
        if status.st_size > most:
            raise OSError(errno.EFBIG, f"it has {status.st_size:,} bytes; at most {most:,} are read")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read(status.st_size)  # never without a number: it may grow meanwhile
    finally:
        os.close(descriptor)


def write_whole(path: Path, content: str | bytes) -> Path:
    """Write a file; whoever reads it finds it whole, or the one before it.

    Raises:
        OSError: if there is no place for it.
    """
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")  # a name at which nobody can have laid a link
    try:
        with temporary.open("xb") as file:
            file.write(content.encode("utf-8") if isinstance(content, str) else content)
        return temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
