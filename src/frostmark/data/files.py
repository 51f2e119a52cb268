"""Image files: all of them tried before anything is forwarded, and read to the byte as they were then.

splits = inspected({"train": files, "test": others}, known=Path("mlruns/features"), folder=run_folder, progress)
decode(path)            # (3, H, W) uint8
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import stat
import uuid
import warnings
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import PIL
import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms.functional import pil_to_tensor

from frostmark.data.source import Batch, ImageSet
from frostmark.errors import DataError
from frostmark.names import storable

FORMATS = ("JPEG", "PNG", "PPM", "BMP", "DIB", "TIFF", "WEBP", "GIF")
"""What an image file may hold, whatever it is called: Pillow also reads formats that start other programs."""

MAX_PIXELS = 2**26
"""Larger pictures are refused: each takes some ten bytes a pixel while it is read, and several are read at once."""

MAX_BYTES = 2**29
"""Larger files are refused unread."""

MAX_NAMED = 20
"""Damaged files that an error names; the rest are in a file."""

T = TypeVar("T")

_DEEP = ("I", "I;16", "I;16B", "I;16L", "I;16N")


@dataclass
class ImageFiles:
    """Images decoded when they are asked for.

    Attributes:
        paths: in the order of the split.
        labels: (N,) int64.
        root: the folder that the paths are named from.
        skip_bad: whether files that are no readable image are left out instead of refused.
        skipped: names of those that were.
        digests: of every file as it was inspected; None before.
        groups: of every image; None where none are known.
        home: the folder of the whole data set, for the names that a person sees; ``root`` if None.
    """

    paths: list[Path]
    labels: Tensor
    root: Path
    uniform: bool = False
    geometry: Callable[[Tensor], Tensor] | None = None
    skip_bad: bool = False
    skipped: tuple[str, ...] = ()
    digests: list[bytes] | None = None
    groups: Sequence[Hashable] | None = None
    home: Path | None = None

    def __len__(self) -> int:
        return len(self.paths)

    def __getitems__(self, indices: Sequence[int]) -> Batch:
        index = torch.as_tensor(indices)
        assert self.geometry is not None, "the data module sets the geometry of sets that are not uniform"
        digests = [None if self.digests is None else self.digests[i] for i in indices]
        images = [self.geometry(decode(self.paths[i], d)) for i, d in zip(indices, digests, strict=True)]
        return Batch(index, torch.stack(images), self.labels[index])

    def take(self, count: int) -> ImageFiles:
        digests = None if self.digests is None else self.digests[:count]
        groups = None if self.groups is None else self.groups[:count]
        return replace(self, paths=self.paths[:count], labels=self.labels[:count], digests=digests, groups=groups)

    def content(self) -> Sequence[bytes]:
        """Relative path and digest of every file, and the names of those that were skipped."""
        digests = self.digests or [_digest(_content(path)) for path in self.paths]
        names = [self.name(path) for path in self.paths]
        left_out = [b"skipped\0" + name.encode("utf-8", "surrogateescape") for name in self.skipped]
        return [
            n.encode("utf-8", "surrogateescape") + b"\0" + d for n, d in zip(names, digests, strict=True)
        ] + left_out

    @property
    def files(self) -> list[str]:
        """The name of every file, from the folder of the data set."""
        return [storable(path.relative_to(self.home or self.root).as_posix()) for path in self.paths]

    def name(self, path: Path) -> str:
        """How a file is called in the set."""
        return str(path.relative_to(self.root))

    def without(self, bad: Mapping[int, str]) -> ImageFiles:
        """The set without the files at some positions."""
        kept = [i for i in range(len(self)) if i not in bad]
        return replace(
            self,
            paths=[self.paths[i] for i in kept],
            labels=self.labels[kept],
            skipped=tuple(self.name(self.paths[i]) for i in sorted(bad)),
            digests=None if self.digests is None else [self.digests[i] for i in kept],
            groups=None if self.groups is None else [self.groups[i] for i in kept],
        )


def decode(path: Path, digest: bytes | None = None) -> Tensor:
    """The image file as (3, H, W) uint8; of an animation the first picture, of 16 bits the upper 8.

    Nothing but the file itself is read, and nothing is started, whatever it holds.

    Args:
        digest: what the file's bytes had when it was inspected.

    Raises:
        DataError: if the file is no readable image, or is not what it was.
    """
    try:
        content = _content(path)
    except OSError as problem:
        raise _unreadable(path, problem.strerror or str(problem)) from problem
    if digest is not None and _digest(content) != digest:
        raise DataError(
            f"{path} has changed while its data set was in use",
            fix="run it again once nobody writes there any more; what is stored keeps its own name and is not mixed up",
        )
    Image.init()  # else only the most common formats are known by name
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd metadata; what is too large raises
            with Image.open(io.BytesIO(content), formats=FORMATS) as image:
                _refuse_size(*image.size)
                return _eight_bits(image)
    except Exception as problem:  # damaged bytes may fail anywhere in whatever parses them
        raise _unreadable(path, str(problem).splitlines()[0] if str(problem) else type(problem).__name__) from problem


def _content(path: Path) -> bytes:
    """The bytes of a file. A pipe would be waited for, and a device may never end: both are refused unread."""
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    with os.fdopen(os.open(path, flags), "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise OSError("it is no file")
        if status.st_size > MAX_BYTES:
            raise OSError(f"it has {status.st_size:,} bytes; at most {MAX_BYTES:,} are read")
        return file.read()


def _refuse_size(width: int, height: int) -> None:
    if width * height == 0:
        raise ValueError("it has no pixels")
    if width * height > MAX_PIXELS:
        raise ValueError(f"{width:,} × {height:,} pixels are more than {MAX_PIXELS:,}; save it smaller")


def _unreadable(path: Path, reason: str) -> DataError:
    return DataError(
        f"{path} cannot be read as an image: {reason}",
        fix="repair or remove that file, or leave such files out: dataset.on_bad_image=skip",
    )


def _eight_bits(image: Image.Image) -> Tensor:
    """(3, H, W) uint8. Pillow by itself cuts deeper pixels off at 255 and gives a white picture."""
    if image.mode == "F":
        raise ValueError("its pixels are floating-point numbers without a known range; save it with 8 or 16 bits")
    if image.mode in _DEEP:
        deep: Tensor = pil_to_tensor(image.convert("I"))
        lowest, highest = int(deep.min()), int(deep.max())
        if lowest < 0 or highest > 65535:
            raise ValueError(f"its pixels reach from {lowest} to {highest}; save it with 8 or 16 bits")
        return (deep >> 8).to(torch.uint8).expand(3, -1, -1).contiguous()
    tensor: Tensor = pil_to_tensor(image if image.mode == "RGB" else image.convert("RGB"))
    return tensor.contiguous()


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=16).digest()


# ---------------------------------------------------------------- inspection


def inspected(
    splits: Mapping[str, ImageSet], known: Path, folder: Path | None, progress: Callable[[str], None]
) -> dict[str, ImageSet]:
    """The splits with every file of them tried, each set of files once on a machine.

    Args:
        known: where it is noted what was tried before, by content.
        folder: where the names of more than :data:`MAX_NAMED` damaged files go.
        progress: told how far it is.

    Raises:
        DataError: naming the files that are no readable image; unless they are to be skipped.
    """
    readable: dict[str, ImageSet] = {}
    refused: list[str] = []
    for split, images in splits.items():
        if not isinstance(images, ImageFiles):
            readable[split] = images
            continue
        images = replace(images, digests=list(_each(_digest_of, images.paths, f"reading {split}", progress)))
        bad = _bad(images, known / ".inspected", split, progress)
        if images.skip_bad:
            images = images.without(bad) if bad else images
            if not len(images):
                raise DataError(f"the {split} split holds no readable image", fix="repair its files")
        else:
            refused += bad.values()
        readable[split] = images
    if refused:
        raise _refusal(refused, folder)
    return readable


def _refusal(refused: Sequence[str], folder: Path | None) -> DataError:
    named = "\n".join(f"  {problem}" for problem in refused[:MAX_NAMED])
    rest = ""
    if len(refused) > MAX_NAMED and folder is not None:
        file = folder / "bad_images.txt"
        file.write_text("\n".join(refused) + "\n", encoding="utf-8", errors="backslashreplace")
        rest = f"\n  … and {len(refused) - MAX_NAMED} more: all are in {file}"
    count = "1 file is" if len(refused) == 1 else f"{len(refused):,} files are"
    return DataError(
        f"{count} no readable image:\n{named}{rest}",
        fix="repair or remove them, or leave them out: dataset.on_bad_image=skip",
    )


def _bad(images: ImageFiles, known: Path, split: str, progress: Callable[[str], None]) -> dict[int, str]:
    """Position → problem of the files that cannot be decoded."""
    note = known / f"{_digest(b''.join([PIL.__version__.encode(), *images.content()])).hex()}.json"
    with suppress(OSError, ValueError, AttributeError):
        return {int(i): str(problem) for i, problem in json.loads(note.read_text(encoding="utf-8")).items()}
    problems = _each(_problem, images.paths, f"trying every file of {split}", progress)
    bad = {i: problem for i, problem in enumerate(problems) if problem}
    with suppress(OSError):  # it is only found out once more
        known.mkdir(parents=True, exist_ok=True)
        temporary = note.with_name(f".{uuid.uuid4().hex}")
        temporary.write_text(json.dumps(bad), encoding="utf-8")
        temporary.replace(note)
    return bad


def _problem(path: Path) -> str:
    try:
        decode(path)
    except DataError as problem:
        return problem.problem
    return ""


def _digest_of(path: Path) -> bytes:
    try:
        return _digest(_content(path))
    except OSError:  # it is told of when it is tried
        return b""


def _each(work: Callable[[Path], T], paths: Sequence[Path], what: str, progress: Callable[[str], None]) -> Iterator[T]:
    """``work`` of every path, in order; reading and decoding leave the interpreter to other threads."""
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        for done, result in enumerate(pool.map(work, paths), start=1):
            progress(f"{what}: {done:,} of {len(paths):,} files")
            yield result
