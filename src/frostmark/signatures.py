"""What a file is, by its first bytes and whether its end is there: for messages about a file that cannot be read.

    kind_of(Path("features.npz"))       # FileKind('a text file that begins with "file_name,label"', …)
    kind_of(Path("last.ckpt")).cut      # whether a part of it is missing
    with in_our_words(Path("labels.csv"), (OSError, ValueError), fix="write the file again"):
        Path("labels.csv").read_text()  # DataError: labels.csv cannot be read: it is …

Nothing of a file is run, and no more of it is read than its beginning, its end and the list of what is in it.
"""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from frostmark.errors import DataError
from frostmark.names import visible

MAX_HEADER = 100 * 2**20
"""Bytes of the longest header that safetensors allows."""

_START = 512

WEB_PAGE, LFS_POINTER = "a web page", "a Git LFS pointer"
"""The words of what a download leaves instead of the file."""

_MARKS = (
    (b"version https://git-lfs", LFS_POINTER),
    (b"\x93NUMPY", "one array of np.save (.npy)"),
    (b"\x89HDF\r\n", "an HDF5 file"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ\x00", "an xz archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!", "a RAR archive"),
    (b"%PDF", "a PDF"),
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"SQLite format 3", "an SQLite database"),
    (b"ARROW1", "an Arrow file"),
)
"""First bytes → what begins with them."""

PICKLE = "a pickle"
"""The words of one; whoever loads it runs what is in it."""

_OF_TORCH = (".pth", ".pt", ".ckpt", ".bin", ".tar")
_OF_TEXT = (".csv", ".tsv", ".txt", ".jsonl", ".ndjson", ".json")


@dataclass(frozen=True)
class FileKind:
    """What a file is.

    Attributes:
        words: for a person, with the article; empty if nothing is known.
        cut: whether a part of it is missing.
        endings: that such files have, of kinds that are read somewhere; the usual one first.
    """

    words: str = ""
    cut: bool = False
    endings: tuple[str, ...] = ()

    def suits(self, path: Path) -> bool:
        """Whether the name of a file ends as files of this kind do."""
        return path.suffix.lower() in self.endings


def kind_of(path: Path) -> FileKind:
    """What a file is, as far as its bytes tell.

    Raises:
        OSError: if it is not a file that can be opened.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(_START)
    if not size:
        return FileKind("an empty file", cut=True)
    if not start.strip(b"\0"):
        return FileKind("a file of zero bytes", cut=True)
    if start.startswith(b"PK"):
        return _archive(path)
    if start.startswith(b"PAR1"):
        return _parquet(path, size)
    for mark, words in _MARKS:
        if start.startswith(mark):
            return FileKind(words)
    if start[257:262] == b"ustar":
        return FileKind("a tar archive")
    if start.lstrip()[:1] == b"<":
        return FileKind(WEB_PAGE)
    if start[0] == 0x80 and start[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return FileKind(PICKLE, endings=(*_OF_TORCH, ".pkl"))
    return _safetensors(path, start, size) or _text(start)


def _archive(path: Path) -> FileKind:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile):
        return FileKind("a ZIP archive that was cut off or damaged: its list of files cannot be found", cut=True)
    if not names:
        return FileKind("an empty ZIP archive")
    if all(name.endswith(".npy") for name in names):
        return FileKind("an npz file", endings=(".npz",))
    if any(name.rpartition("/")[2] == "data.pkl" for name in names):
        return FileKind("a file of torch.save", endings=_OF_TORCH)
    return FileKind(f"a ZIP archive of other files, such as {visible(names[0])!r:.60}")


def _parquet(path: Path, size: int) -> FileKind:
    with path.open("rb") as file:
        file.seek(max(0, size - 4))
        whole = file.read() == b"PAR1" and size > 8
    return (
        FileKind("a parquet file", endings=(".parquet",))
        if whole
        else FileKind("a parquet file that was cut off", cut=True)
    )


def _safetensors(path: Path, start: bytes, size: int) -> FileKind | None:
    """Its first eight bytes are the length of a header, JSON, that says where the data of every tensor is."""
    length = int.from_bytes(start[:8], "little")
    if start[8:9] != b"{" or length > MAX_HEADER:
        return None
    if 8 + length > size:
        return FileKind("a safetensors file that was cut off in its header", cut=True)
    with path.open("rb") as file:
        header = file.read(8 + length)[8:]
    try:
        entries = [entry["data_offsets"][1] for key, entry in json.loads(header).items() if key != "__metadata__"]
        end = 8 + length + max(map(int, entries), default=0)
    except (ValueError, TypeError, KeyError, IndexError, RecursionError, AttributeError):
        return FileKind("a safetensors file with a damaged header", cut=True)
    if end > size:
        return FileKind(f"a safetensors file that was cut off: {size:,} of {end:,} bytes are there", cut=True)
    return FileKind("a safetensors file", endings=(".safetensors",))


def _text(start: bytes) -> FileKind:
    try:
        text = start.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        if problem.start < len(start) - 3 or len(start) < _START:
            return FileKind()
        text = start[: problem.start].decode("utf-8-sig")  # a character that the beginning was cut in
    if re.search(r"[\x00-\x08\x0e-\x1f]", text):
        return FileKind()
    line = text.strip().partition("\n")[0].strip()
    shown = f"{line[:40]}{'…' if len(line) > 40 else ''}"
    return FileKind(f'a text file that begins with "{visible(shown)}"', endings=_OF_TEXT)


@contextmanager
def in_our_words(path: Path, problems: tuple[type[Exception], ...], fix: str) -> Iterator[None]:
    """While a file is read: what a library raises about it becomes a DataError that says what the file is.

    Args:
        problems: what the library raises.
        fix: the way out.
    """
    try:
        yield
    except DataError:
        raise
    except problems as problem:
        raise DataError(f"{path} cannot be read: {told_of(path, problem)}", fix=fix) from problem


def told_of(path: Path, problem: BaseException) -> str:
    """Why a file cannot be read: what it is where that is not what its ending says, else the error's first line."""
    try:
        kind = kind_of(path)
    except OSError:
        return first_line(problem)
    if not kind.words:
        return f"its bytes are not those of a {path.suffix.lower()} file"
    return first_line(problem) if kind.suits(path) and not kind.cut else f"it is {kind.words}"


def first_line(problem: BaseException) -> str:
    """The first line of an error, or its name where it says nothing."""
    return (str(problem).strip() or type(problem).__name__).splitlines()[0]
