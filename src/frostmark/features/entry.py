"""The rows of one layer and one split on disk: written in shards, verified whenever they are opened.

    entry = store.entry(key, width=512)
    for shard in entry.missing():                   # all of them at first; what is damaged is set aside
        entry.write(shard, rows)                    # (len(shard), 512) float32
    entry.commit(about={"backbone": "resnet18"})
    entry.read(shard)                               # (256, 512) float32

A shard's file name carries the digest of its bytes, so that it proves itself before and after the manifest is there;
the manifest, written last, says that the entry is complete. Every file is written under another name, brought to disk
and then renamed: at any moment a file is whole or absent.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import shutil
import sys
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load, save

from frostmark.errors import DataError
from frostmark.faults import point
from frostmark.features.files import DERIVED_NAME, place_of, problem_of, refuse_link, shard_number
from frostmark.features.key import RowKey, canonical, digest_of
from frostmark.features.writer import HOST, host
from frostmark.names import visible_lines
from frostmark.regular import read_regular

Array = NDArray[Any]
Manifest = dict[str, Any]
"""JSON: key, width, shards, created, about."""

SHARD = 256
"""Rows of a shard: what an interrupted extraction loses at most."""

MANIFEST = "manifest.json"
_TEMPORARY = re.compile(r"\.(rows|derived|manifest)[-.].+\.[0-9a-f]{32}")
"""What :meth:`Entry._write` calls a file until it is whole; nothing else that is hidden is ours to remove."""

_DAMAGED = ".damaged"
_MAX_MANIFEST = 2**26
"""Bytes: of a hundred million rows it has 20."""

_NUMBERS = ("count", "schema")
"""What in a key is a number; all else is text."""

_MAX_SIZE = 2**40
"""Rows, or features of a row: fewer."""

_STALE = 3600.0
"""Seconds after which a temporary file has certainly been left behind by a process that is gone."""


def to_stderr(message: str) -> None:
    """Tell a person at once."""
    print(visible_lines(message), file=sys.stderr, flush=True)


def shards_of(count: int) -> list[range]:
    """The rows 0 … count − 1 in pieces of :data:`SHARD`."""
    return [range(start, min(start + SHARD, count)) for start in range(0, count, SHARD)]


@dataclass(frozen=True)
class Entry:
    """The rows of one layer and one split in the store.

    Attributes:
        folder: where they are.
        key: what decides them.
        width: features D of a row.
        tell: is told of what was found damaged.
        dtype: of the rows: features are float32; thumbnails, which are kept like rows, uint8.
    """

    folder: Path
    key: RowKey
    width: int
    tell: Callable[[str], None] = to_stderr
    dtype: str = "float32"
    _places: dict[int, Path] = field(default_factory=dict, repr=False, compare=False)

    @property
    def shards(self) -> list[range]:
        """The ranges of rows that make up the entry."""
        return shards_of(self.key.count)

    @property
    def size(self) -> int:
        """What all of its rows take."""
        return self.bytes_of(self.key.count)

    def bytes_of(self, count: int) -> int:
        """What ``count`` rows take."""
        return count * self.width * np.dtype(self.dtype).itemsize

    def missing(self) -> list[range]:
        """The shards that are not there, intact, after all files were read and verified.

        A file that does not hold what its name says is set aside under a name ending in ``.damaged`` and told of;
        so is a manifest that is not what was written. A damaged entry is therefore an unfinished one.

        Raises:
            DataError: if the folder is a link.
        """
        refuse_link(self.folder)
        self._sweep_out()
        intact = {number for number, path in self._files() if self._verified(path)}
        absent = [shard for number, shard in enumerate(self.shards) if number not in intact]
        manifest = self.folder / MANIFEST
        if manifest.exists() and (absent or read_manifest(manifest) is None):
            problem = "lists shards that are not there" if absent else "is not what was written"
            self._set_aside(manifest, problem, "it is written again at the end")
        return absent

    @property
    def complete(self) -> bool:
        """Whether the manifest is there; :meth:`missing` verifies."""
        return (self.folder / MANIFEST).is_file()

    def intact(self) -> bool:
        """Whether the entry is complete and every file of it verified."""
        return not self.missing() and self.complete

    def write(self, shard: range, rows: Array) -> None:
        """Bring the rows of one shard to disk.

        Args:
            shard: one of :attr:`shards`.
            rows: (len(shard), D) of :attr:`dtype`.

        Raises:
            DataError: if the disk is full.
            ValueError: if the rows are not those of a shard.
        """
        if rows.shape != (len(shard), self.width) or rows.dtype != self.dtype:
            raise ValueError(f"{rows.dtype} rows of shape {rows.shape} are no shard {shard} of width {self.width}")
        number = shard.start // SHARD
        content = save({"rows": np.ascontiguousarray(rows)}, place_of(self.key.digest(), number))
        self._write(f"rows-{number:06d}-{digest_of(content)}.safetensors", content)

    def commit(self, about: Mapping[str, object]) -> None:
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
            "about": {HOST: host(), **about},
        }
        self._write(MANIFEST, _sealed(body))

    def about(self) -> Manifest:
        """What a person should know of it; empty while the entry is unfinished."""
        manifest = read_manifest(self.folder / MANIFEST)
        return {} if manifest is None else manifest["about"]

    def read(self, shard: range) -> Array:
        """The rows of a shard, (len(shard), D) of :attr:`dtype`, as they were verified by :meth:`missing`."""
        number = shard.start // SHARD
        if number not in self._places:  # listed once, not for every shard
            self._places.update(self._files())
        try:
            rows: Array = load(read_regular(self._places[number]))["rows"]
        except FileNotFoundError:  # written anew meanwhile, under the name of its new bytes
            self._places.clear()
            self._places.update(self._files())
            rows = load(read_regular(self._places[number]))["rows"]
        return rows

    def rows(self, positions: NDArray[np.int64]) -> Array:
        """The rows (n, D) at ``positions`` (n,), ascending, of an entry that is :meth:`intact`."""
        shards = [self.shards[number] for number in np.unique(positions // SHARD)]  # those alone that hold any
        pieces = [
            self.read(shard)[positions[(positions >= shard.start) & (positions < shard.stop)] - shard.start]
            for shard in shards
        ]
        return np.concatenate([np.empty((0, self.width), self.dtype), *pieces])

    def derived(self, name: str, compute: Callable[[], Mapping[str, Array]]) -> Mapping[str, Array]:
        """Arrays that follow from the rows, kept beside them: computed the first time, read and verified afterwards.

        Args:
            name: of lower-case letters, digits and hyphens: everything that decides the arrays but the rows.

        Raises:
            ValueError: if the name has other characters.
        """
        if re.fullmatch("[a-z0-9-]+", name) is None:
            raise ValueError(f"{name} is no name of lower-case letters, digits and hyphens")
        for path in sorted(self.folder.glob(f"derived-{name}-*.safetensors")):
            named = DERIVED_NAME.fullmatch(path.name)
            if named is not None and named.group(1) == name and self._verified(path, "it is computed again"):
                arrays: Mapping[str, Array] = load(read_regular(path))
                return arrays
        arrays = compute()
        content = save({k: np.ascontiguousarray(v) for k, v in arrays.items()}, place_of(self.key.digest(), name))
        try:
            self._write(f"derived-{name}-{digest_of(content)}.safetensors", content)
        except (DataError, OSError) as problem:  # nothing is lost but time
            self.tell(f"{name} is not kept: {problem}")
        return arrays

    def _files(self) -> list[tuple[int, Path]]:
        """(number, path) of every shard file; of two with one number either will do: both prove themselves."""
        numbered = ((shard_number(path), path) for path in sorted(self.folder.glob("rows-*.safetensors")))
        return [(number, path) for number, path in numbered if number is not None]

    def _verified(self, path: Path, remedy: str = "its images are forwarded again") -> bool:
        problem = problem_of(path, self.key.digest(), self.bytes_of(SHARD))
        if problem:
            self._set_aside(path, problem, remedy)
        return not problem

    def _sweep_out(self) -> None:
        for path in self.folder.glob(".*"):
            with contextlib.suppress(FileNotFoundError):
                if _TEMPORARY.fullmatch(path.name) and time.time() - path.lstat().st_mtime > _STALE:
                    path.unlink()

    def _set_aside(self, path: Path, problem: str, remedy: str) -> None:
        aside = path.with_name(path.name + _DAMAGED)
        with contextlib.suppress(FileNotFoundError):  # another process was faster
            path.replace(aside)
        self.tell(f"The stored file {path} {problem}. It was set aside as {aside.name}; {remedy}.")

    def _write(self, name: str, content: bytes) -> None:
        refuse_link(self.folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        temporary = self.folder / f".{name}.{uuid.uuid4().hex}"
        kind = re.split("[-.]", name, maxsplit=1)[0]
        try:
            point(f"{kind}.begun")
            with temporary.open("wb") as file:
                file.write(content)
                file.flush()
                point(f"{kind}.written")
                os.fsync(file.fileno())
            point(f"{kind}.synced")
            temporary.replace(self.folder / name)
            point(f"{kind}.renamed")
            _sync_folder(self.folder)
            point(f"{kind}.done")
        except BaseException as problem:
            with contextlib.suppress(OSError):
                temporary.unlink()
            if isinstance(problem, OSError) and problem.errno in (errno.ENOSPC, errno.EDQUOT):
                raise too_full(self.folder, len(content)) from problem
            raise


def _sealed(body: Mapping[str, object]) -> bytes:
    return canonical({"body": body, "digest": digest_of(canonical(body))})


def read_manifest(path: Path) -> Manifest | None:
    """The body of a manifest; None if it is not, to the byte, what was written."""
    try:
        content = read_regular(path, _MAX_MANIFEST)
        body: Manifest = json.loads(content)["body"]
        return body if _is_manifest(body) and _sealed(body) == content else None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _is_manifest(body: object) -> bool:
    """Whether it has the parts of a manifest: of another version, or of whoever can write here, it need not."""
    kinds = {"key": dict, "width": int, "shards": list, "created": float, "about": dict}
    if not isinstance(body, dict) or not all(isinstance(body.get(part), kind) for part, kind in kinds.items()):
        return False
    known = {of.name: of.default is MISSING for of in fields(RowKey)}  # of before there were norms it has none
    if not {name for name, needed in known.items() if needed} <= body["key"].keys() <= known.keys():
        return False
    words = all(type(value) is (int if name in _NUMBERS else str) for name, value in body["key"].items())
    sizes = (body["width"], body["key"]["count"])
    return (
        words
        and all(type(size) is int and 0 <= size < _MAX_SIZE for size in sizes)
        and all(isinstance(name, str) for name in body["shards"])
    )


def _sync_folder(folder: Path) -> None:
    """Bring a rename to disk; where folders cannot be opened (Windows) the system does it by itself."""
    with contextlib.suppress(PermissionError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def too_full(folder: Path, needed: int) -> DataError:
    """The refusal of what a disk cannot hold."""
    free = shutil.disk_usage(folder).free
    return DataError(
        f"the disk of {folder} is too full: {needed:,} bytes are needed and {free:,} are free",
        fix="`python run.py cache prune --max-size 10GB`, or paths.root=<a folder on a larger disk>; the same command "
        "then continues where it stopped",
    )
