"""Rows on disk: written once, in shards, verified whenever they are opened.

    store = FeatureStore(Path("mlruns/features"))
    entry = store.entry(key, width=512)
    with store.extracting([entry]):                     # of several processes one goes on, the others wait
        for shard in entry.missing():                   # all of them at first; what is damaged is set aside
            entry.write(shard, rows)                    # (len(shard), 512) float32
        entry.commit(about={"backbone": "resnet18"})
    entry.read(shard)                                   # (256, 512) float32

One folder an entry, named by its key. A shard's file name carries the digest of its bytes, so that it proves itself
before and after the manifest is there; the manifest, written last, says that the entry is complete. Every file is
written under another name, brought to disk and then renamed: at any moment a file is whole or absent.
"""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import re
import shutil
import sys
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from frostmark.errors import DataError
from frostmark.features.key import RowKey, canonical, digest_of

SHARD = 256
"""Rows of a shard: what an interrupted extraction loses at most."""

MANIFEST = "manifest.json"
_SHARD_NAME = re.compile(r"rows-(\d{6})-([0-9a-f]{32})\.safetensors")
_ENTRY_NAME = re.compile(r"[0-9a-f]{32}")
_DAMAGED = ".damaged"
_STALE = 3600.0
"""Seconds after which a temporary file has certainly been left behind by a process that is gone."""


def _to_stderr(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


def shards_of(count: int) -> list[range]:
    """The rows 0 … count − 1 in pieces of :data:`SHARD`."""
    return [range(start, min(start + SHARD, count)) for start in range(0, count, SHARD)]


def row_bytes(count: int, width: int) -> int:
    """Bytes of ``count`` rows of ``width`` float32 features."""
    return 4 * count * width


@dataclass(frozen=True)
class Entry:
    """The rows of one layer and one split in the store.

    Attributes:
        folder: where they are.
        key: what decides them.
        width: features D of a row.
        tell: is told of what was found damaged.
    """

    folder: Path
    key: RowKey
    width: int
    tell: Callable[[str], None] = _to_stderr

    @property
    def shards(self) -> list[range]:
        """The ranges of rows that make up the entry."""
        return shards_of(self.key.count)

    @property
    def size(self) -> int:
        """What all of its rows take."""
        return row_bytes(self.key.count, self.width)

    def missing(self) -> list[range]:
        """The shards that are not there, intact, after all files were read and verified.

        A file that does not hold what its name says is set aside under a name ending in ``.damaged`` and told of;
        so is a manifest that is not what was written. A damaged entry is therefore an unfinished one.
        """
        self._sweep_out()
        intact = {number for number, path in self._files() if self._verified(number, path)}
        absent = [shard for number, shard in enumerate(self.shards) if number not in intact]
        manifest = self.folder / MANIFEST
        if manifest.exists() and (absent or read_manifest(manifest) is None):
            self._set_aside(manifest, "is not what was written" if not absent else "lists shards that are not there")
        return absent

    @property
    def complete(self) -> bool:
        """Whether the manifest is there; :meth:`missing` verifies."""
        return (self.folder / MANIFEST).is_file()

    def intact(self) -> bool:
        """Whether the entry is complete and every file of it verified."""
        return not self.missing() and self.complete

    def write(self, shard: range, rows: NDArray[np.float32]) -> None:
        """Bring the rows of one shard to disk.

        Args:
            shard: one of :attr:`shards`.
            rows: (len(shard), D) float32.

        Raises:
            DataError: if the disk is full.
            ValueError: if the rows are not those of a shard.
        """
        if rows.shape != (len(shard), self.width) or rows.dtype != np.float32:
            raise ValueError(f"{rows.dtype} rows of shape {rows.shape} are no shard {shard} of width {self.width}")
        number = shard.start // SHARD
        content = save({"rows": np.ascontiguousarray(rows)}, _metadata(self.key.digest(), number))
        self._write(f"rows-{number:06d}-{digest_of(content)}.safetensors", content)

    def commit(self, about: Mapping[str, Any]) -> None:
        """Declare the entry complete.

        Args:
            about: what a person should know of it; it decides nothing.

        Raises:
            ValueError: if a shard is missing.
        """
        names = {number: path.name for number, path in self._files()}  # one a shard
        if len(names) != len(self.shards):
            raise ValueError(f"{self.folder.name} has {len(names)} of {len(self.shards)} shards")
        body = {
            "key": asdict(self.key),
            "width": self.width,
            "shards": [names[number] for number in sorted(names)],
            "created": time.time(),
            "about": dict(about),
        }
        self._write(MANIFEST, _sealed(body))

    def read(self, shard: range) -> NDArray[np.float32]:
        """The rows of a shard, (len(shard), D) float32, as they were verified by :meth:`missing`."""
        number = shard.start // SHARD
        path = next(path for found, path in self._files() if found == number)
        rows: NDArray[np.float32] = load(path.read_bytes())["rows"]
        return rows

    def _files(self) -> list[tuple[int, Path]]:
        """(number, path) of every shard file; of two with one number either will do: both prove themselves."""
        matches = ((_SHARD_NAME.fullmatch(path.name), path) for path in sorted(self.folder.glob("rows-*.safetensors")))
        return [(int(match.group(1)), path) for match, path in matches if match is not None]

    def _verified(self, number: int, path: Path) -> bool:
        problem = _problem(path, self.key.digest(), number)
        if problem:
            self._set_aside(path, problem)
        return not problem

    def _sweep_out(self) -> None:
        for path in self.folder.glob(".*"):
            with contextlib.suppress(FileNotFoundError):
                if time.time() - path.stat().st_mtime > _STALE:
                    path.unlink()

    def _set_aside(self, path: Path, problem: str) -> None:
        aside = path.with_name(path.name + _DAMAGED)
        with contextlib.suppress(FileNotFoundError):  # another process was faster
            path.replace(aside)
        self.tell(
            f"The stored file {path} {problem}. It was set aside as {aside.name}; its images are forwarded again."
        )

    def _write(self, name: str, content: bytes) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        temporary = self.folder / f".{name}.{uuid.uuid4().hex}"
        try:
            with temporary.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self.folder / name)
            _sync_folder(self.folder)
        except OSError as problem:
            with contextlib.suppress(OSError):
                temporary.unlink()
            if problem.errno in (errno.ENOSPC, errno.EDQUOT):
                raise _too_full(self.folder, len(content)) from problem
            raise


def _problem(path: Path, key: str, number: int) -> str:
    """What is wrong with a shard file, or nothing."""
    try:
        content = path.read_bytes()
    except OSError as problem:
        return f"cannot be read ({problem.strerror})"
    match = _SHARD_NAME.fullmatch(path.name)
    if match is None or digest_of(content) != match.group(2):
        return "is damaged (its bytes are not those that were written)"
    # Sound bytes in the wrong place: the header names the entry and the first row.
    try:
        size = int.from_bytes(content[:8], "little")
        metadata = json.loads(content[8 : 8 + size]).get("__metadata__", {})
    except (ValueError, SafetensorError):
        return "is damaged (it is no shard)"
    if metadata != _metadata(key, number):
        return "belongs elsewhere"
    return ""


def _metadata(key: str, number: int) -> dict[str, str]:
    """Where a shard belongs. One item: safetensors writes several in an order of chance, and the digest would vary."""
    return {"place": f"{key}/{number}"}


def _sealed(body: Mapping[str, Any]) -> bytes:
    return canonical({"body": body, "digest": digest_of(canonical(body))})


def read_manifest(path: Path) -> dict[str, Any] | None:
    """The body of a manifest; None if it is not, to the byte, what was written."""
    try:
        content = path.read_bytes()
        body: dict[str, Any] = json.loads(content)["body"]
        return body if _sealed(body) == content else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _sync_folder(folder: Path) -> None:
    """Bring a rename to disk; where folders cannot be opened (Windows) the system does it by itself."""
    with contextlib.suppress(PermissionError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _too_full(folder: Path, needed: int) -> DataError:
    free = shutil.disk_usage(folder).free
    return DataError(
        f"the disk of {folder} is too full: {needed:,} bytes are needed and {free:,} are free",
        fix="`python run.py cache prune --max-size 10GB`, or paths.root=<a folder on a larger disk>; the same command "
        "then goes on where it stopped",
    )


@dataclass(frozen=True)
class FeatureStore:
    """All entries below a folder.

    Attributes:
        folder: ``mlruns/features``.
        tell: is told of what was found damaged.
    """

    folder: Path
    tell: Callable[[str], None] = _to_stderr

    def entry(self, key: RowKey, width: int) -> Entry:
        """The entry of a key, whether it is there or not."""
        return Entry(self.folder / key.digest(), key, width, self.tell)

    def require_room(self, needed: int) -> None:
        """Refuse, before anything is written, what the disk cannot hold.

        Raises:
            DataError: with the bytes needed and free.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        if needed > shutil.disk_usage(self.folder).free:
            raise _too_full(self.folder, needed)

    @contextmanager
    def extracting(self, entries: Sequence[Entry]) -> Iterator[None]:
        """Hold the entries alone: a process that wants one of them waits until they are done.

        The locks save work; correctness does not rest on them, for every file is whole, names its content, and is the
        same whoever writes it.
        """
        with ExitStack() as held:
            # In one order everywhere: two processes that want some of the same entries cannot wait for each other.
            for key in sorted({entry.folder.name for entry in entries}):
                held.enter_context(self._lock(key))
            yield

    @contextmanager
    def using(self, entries: Iterable[Entry]) -> Iterator[None]:
        """Mark entries as in use, for as long as the process lives at most: nobody prunes them.

        Waits for a process that is extracting them.
        """
        keys = {entry.folder.name for entry in entries}
        with ExitStack() as held:
            for key in sorted(keys):
                with self._lock(key):  # nobody removes it between the look and the mark
                    mark = self._locks / f"{key}.{uuid.uuid4().hex}.use"
                    held.callback(mark.unlink, missing_ok=True)
                    held.enter_context(FileLock(mark))
                    with contextlib.suppress(OSError):  # the age that pruning goes by is that of the last use
                        os.utime(self.folder / key / MANIFEST)
            yield

    def stored(self) -> list[Stored]:
        """What is there, by the time of its last use."""
        folders = [f for f in self.folder.iterdir() if _ENTRY_NAME.fullmatch(f.name)] if self.folder.is_dir() else []
        return sorted((Stored.at(folder) for folder in folders), key=lambda stored: stored.used)

    def verify(self) -> Iterator[tuple[Stored, list[str]]]:
        """Every entry with the problems of its files; nothing is changed."""
        for stored in self.stored():
            yield stored, stored.problems()

    def to_prune(self, older_than: float | None, max_size: int | None) -> list[Stored]:
        """The entries to remove, the longest unused first.

        Args:
            older_than: seconds; what was not used for so long goes. None: age does not matter.
            max_size: bytes; of the rest the latest used stay, as many as fit. None: size does not matter.
        """
        limit = time.time() - older_than if older_than is not None else float("-inf")
        left = math.inf if max_size is None else max_size
        gone = []
        for stored in reversed(self.stored()):
            left -= stored.size
            if stored.used < limit or left < 0:
                gone.append(stored)
        return gone[::-1]

    def remove(self, stored: Stored) -> bool:
        """Remove an entry, unless it is in use."""
        key = stored.folder.name
        try:
            with self._lock(key, wait=False):
                if self._in_use(key):
                    return False
                # The manifest goes first: what is left of a removal that was cut short is an unfinished entry.
                (stored.folder / MANIFEST).unlink(missing_ok=True)
                shutil.rmtree(stored.folder)
                return True
        except Timeout:
            return False

    @property
    def _locks(self) -> Path:
        folder = self.folder / ".locks"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _lock(self, key: str, wait: bool = True) -> FileLock:
        return FileLock(self._locks / f"{key}.lock", timeout=-1 if wait else 0)

    def _in_use(self, key: str) -> bool:
        for mark in self._locks.glob(f"{key}.*.use"):
            try:
                with FileLock(mark, timeout=0):
                    mark.unlink(missing_ok=True)  # its process is gone
            except Timeout:
                return True
        return False


@dataclass(frozen=True)
class Stored:
    """An entry as it lies on disk.

    Attributes:
        folder: where.
        size: of all its files, in bytes.
        used: when it was last used, in seconds since 1970.
        manifest: what it is; None while it is unfinished.
    """

    folder: Path
    size: int
    used: float
    manifest: Mapping[str, Any] | None

    @classmethod
    def at(cls, folder: Path) -> Stored:
        files = [(path, path.stat()) for path in folder.iterdir()]
        manifest = folder / MANIFEST
        used = manifest.stat().st_mtime if manifest.exists() else folder.stat().st_mtime
        return cls(folder, sum(status.st_size for _, status in files), used, read_manifest(manifest))

    @property
    def name(self) -> str:
        """The key's digest."""
        return self.folder.name

    @property
    def words(self) -> str:
        """What the entry is, for a person."""
        if self.manifest is None:
            return "unfinished"
        about, key = self.manifest["about"], self.manifest["key"]
        return " · ".join(
            str(part)
            for part in (
                about.get("backbone", key["architecture"]),
                about.get("weights", key["weights"][:8]),
                f"{key['node']} {key['pool']}",
                about.get("dataset", key["images"][:8]),
                f"{key['split']} {key['count']:,}",
                about.get("preprocess", ""),
                key["precision"],
            )
            if part
        )

    def problems(self) -> list[str]:
        """What is wrong with the files, each in words that begin with the file's name."""
        found = []
        manifest_there = (self.folder / MANIFEST).exists()
        if manifest_there and self.manifest is None:
            found.append(f"{MANIFEST} is not what was written")
        names = {path.name for path in self.folder.iterdir() if _SHARD_NAME.fullmatch(path.name)}
        listed = set(self.manifest["shards"]) if self.manifest is not None else set()
        found += [f"{name} is missing" for name in sorted(listed - names)]
        for name in sorted(names):
            number = int(name[5:11])
            problem = _problem(self.folder / name, self.folder.name, number)
            if problem:
                found.append(f"{name} {problem}")
        return found
