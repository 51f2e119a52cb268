"""All entries below a folder: who extracts them, who uses them, what may go.

    store = FeatureStore(Path("mlruns/features"))
    with store.extracting([entry]):                 # of several processes one goes on, the others wait
        ...
    with store.using([entry]):                      # nobody prunes it
        ...
    for stored in store.to_prune(older_than=30 * 86400, max_size=None):
        store.remove(stored)

One folder an entry, named by its key.
"""

from __future__ import annotations

import contextlib
import math
import os
import re
import shutil
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from frostmark.faults import point
from frostmark.features.entry import (
    MANIFEST,
    SHARD,
    Entry,
    Manifest,
    read_manifest,
    to_stderr,
    too_full,
)
from frostmark.features.files import is_derived, problem_of, refuse_link, shard_number
from frostmark.features.key import RowKey

LARGEST_NUMBER = 4
"""Bytes of a number in a row, at most."""

_ENTRY_NAME = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class FeatureStore:
    """All entries below a folder.

    Attributes:
        folder: ``mlruns/features``.
        tell: is told of what was found damaged.
    """

    folder: Path
    tell: Callable[[str], None] = to_stderr

    def entry(self, key: RowKey, width: int, dtype: str = "float32") -> Entry:
        """The entry of a key, whether it is there or not."""
        return Entry(self.folder / key.digest(), key, width, self.tell, dtype)

    def find(self, name: str) -> Entry | None:
        """The entry in the folder ``name``, if it is there whole."""
        there = _ENTRY_NAME.fullmatch(name) and not (self.folder / name).is_symlink()
        manifest = read_manifest(self.folder / name / MANIFEST) if there else None
        if manifest is None:
            return None
        entry = Entry(self.folder / name, RowKey(**manifest["key"]), manifest["width"], self.tell)
        return entry if entry.intact() else None

    def require_room(self, needed: int) -> None:
        """Refuse, before anything is written, what the disk cannot hold.

        Raises:
            DataError: with the bytes needed and free.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        if needed > shutil.disk_usage(self.folder).free:
            raise too_full(self.folder, needed)

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
            point("store.locked")
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
                        os.utime(self.folder / key / MANIFEST, follow_symlinks=False)
            point("store.marked")
            yield

    def stored(self) -> list[Stored]:
        """What is there, by the time of its last use."""
        named = [f for f in self.folder.iterdir() if _ENTRY_NAME.fullmatch(f.name)] if self.folder.is_dir() else []
        for link in filter(Path.is_symlink, named):
            self.tell(f"{link} is a link: it is left alone")
        folders = [f for f in named if not f.is_symlink()]
        entries = [Stored.at(folder) for folder in folders]
        return sorted((stored for stored in entries if stored is not None), key=lambda stored: stored.used)

    def verify(self) -> Iterator[tuple[Stored, list[str]]]:
        """Every entry with the problems of its files; nothing is changed.

        An entry that another process removes meanwhile, or sets aside, is told of and left out.
        """
        for stored in self.stored():
            problems = stored.problems()
            if problems and stored.has_gone():
                self.tell(f"{stored.folder} was removed or set aside while it was verified ({stored.words})")
            else:
                yield stored, problems

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
                if self._in_use(key) or stored.folder.is_symlink():
                    return False
                # The manifest goes first: what is left of a removal that was cut short is an unfinished entry.
                (stored.folder / MANIFEST).unlink(missing_ok=True)
                shutil.rmtree(stored.folder, ignore_errors=True)
                return not stored.folder.exists()
        except Timeout:
            return False

    @property
    def _locks(self) -> Path:
        folder = self.folder / ".locks"
        refuse_link(folder)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _lock(self, key: str, wait: bool = True) -> FileLock:
        return FileLock(self._locks / f"{key}.lock", timeout=-1 if wait else 0)

    def _in_use(self, key: str) -> bool:
        for mark in self._locks.glob(f"{key}.*.use"):
            try:
                with FileLock(mark, timeout=0):
                    pass
            except Timeout:
                return True
            mark.unlink(missing_ok=True)  # its process is gone
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
    manifest: Manifest | None

    @classmethod
    def at(cls, folder: Path) -> Stored | None:
        """The entry in ``folder``; None if it was removed meanwhile. Files come and go while it is extracted."""
        sizes, used = [], None
        with contextlib.suppress(FileNotFoundError):
            used = folder.stat().st_mtime
            for path in folder.iterdir():
                with contextlib.suppress(FileNotFoundError):
                    sizes.append(path.lstat().st_size)
        with contextlib.suppress(FileNotFoundError):
            used = (folder / MANIFEST).stat().st_mtime
        return None if used is None else cls(folder, sum(sizes), used, read_manifest(folder / MANIFEST))

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
                " ".join(filter(None, (key["node"], key.get("norm"), key["pool"]))),
                about.get("dataset", key["images"][:8]),
                f"{key['split']} {key['count']:,}",
                about.get("preprocess", ""),
                key["precision"],
            )
            if part
        )

    def has_gone(self) -> bool:
        """Whether another process took away what made it an entry; of an unfinished one, its folder."""
        return not (self.folder if self.manifest is None else self.folder / MANIFEST).exists()

    def problems(self) -> list[str]:
        """What is wrong with the files, each in words that begin with the file's name."""
        problems: list[str] = []
        manifest_there = (self.folder / MANIFEST).exists()
        if manifest_there and self.manifest is None:
            problems.append(f"{MANIFEST} is not what was written")
        rows = None if self.manifest is None else SHARD * int(self.manifest["width"]) * LARGEST_NUMBER
        try:
            paths = list(self.folder.iterdir())
        except FileNotFoundError:
            return ["its folder is missing"]
        numbers = {path.name: shard_number(path) for path in paths}
        names = {name for name, number in numbers.items() if number is not None}
        listed = set(self.manifest["shards"]) if self.manifest is not None else set()
        problems += [f"{name} is missing" for name in sorted(listed - names)]
        derived = {path.name for path in paths if is_derived(path)}
        for name in sorted(names | derived):
            problem = problem_of(self.folder / name, self.folder.name, rows)
            # What no manifest lists may be set aside meanwhile by a process that uses the entry.
            if problem and (name in listed or (self.folder / name).exists()):
                problems.append(f"{name} {problem}")
        return problems
