"""One file of the store: its name, and whether it is what its name says.

    shard_number(Path("rows-000003-….safetensors"))             # 3
    problem_of(path, key, rows=524_288)                         # "" of a file that proves itself

Whatever lies there is opened as what it must be: a file of the right size.
"""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

from frostmark.errors import DataError
from frostmark.features.key import digest_of
from frostmark.regular import read_regular

_SHARD_NAME = re.compile(r"rows-([0-9]{6})-([0-9a-f]{32})\.safetensors")
DERIVED_NAME = re.compile(r"derived-([a-z0-9-]+)-([0-9a-f]{32})\.safetensors")
"""What an entry keeps beside its rows: the name of what it is, and the digest of its bytes."""

_HEADER = 4096
"""Bytes of a shard that are not rows, at most."""


def shard_number(path: Path) -> int | None:
    """The number of a shard by its file's name; None for other files."""
    match = _SHARD_NAME.fullmatch(path.name)
    return None if match is None else int(match.group(1))


def shards_in(folder: Path) -> dict[int, Path]:
    """The shard files of an entry by their number, verified or not; of two with one number either."""
    paths = sorted(folder.iterdir()) if folder.is_dir() else []
    return {number: path for path in paths if (number := shard_number(path)) is not None}


def is_derived(path: Path) -> bool:
    """Whether a file holds what :meth:`Entry.derived` keeps."""
    return DERIVED_NAME.fullmatch(path.name) is not None


def refuse_link(folder: Path) -> None:
    """Nothing of the store is read or written through a link: it may lead to somebody's own files.

    Raises:
        DataError: if an entry's folder is a link.
    """
    if folder.is_symlink():
        raise DataError(
            f"{folder} is a link to {folder.readlink()}; the store does not follow links",
            fix=f"rm {shlex.quote(str(folder))}; to keep rows on another disk, paths.root=<a folder on that disk>",
        )


def problem_of(path: Path, key: str, rows: int | None = None) -> str:
    """What is wrong with a shard or derived file of the entry ``key``, or nothing.

    Args:
        rows: bytes that the rows of a shard take; None where that is not known.
    """
    shard = _SHARD_NAME.fullmatch(path.name)
    match = shard or DERIVED_NAME.fullmatch(path.name)
    try:
        content = read_regular(path, None if rows is None or shard is None else rows + _HEADER)
    except OSError as problem:
        return f"cannot be read ({problem.strerror})"
    if match is None or digest_of(content) != match.group(2):
        return "is damaged (its bytes are not those that were written)"
    # Sound bytes in the wrong place: the header names the entry and the number.
    size = int.from_bytes(content[:8], "little")
    try:
        metadata = json.loads(content[8 : 8 + size])["__metadata__"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return "is damaged (it is not a shard)"
    place = match.group(1)
    return "" if metadata == place_of(key, int(place) if place.isdigit() else place) else "belongs elsewhere"


def place_of(key: str, number: int | str) -> dict[str, str]:
    """Where a file belongs. One item: safetensors writes several in an order of chance, and the digest would vary."""
    return {"place": f"{key}/{number}"}
