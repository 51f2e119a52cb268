"""One image file as pixels: upright, on white, eight bits a channel, and no more of a JPEG than is needed.

    decode(path).pixels                                 # (3, H, W) uint8, every pixel of the file
    decode(path, digest, Decoding(least=448)).pixels    # of a JPEG a half, a quarter or an eighth: 448 a side or more

libjpeg makes a picture of a half, a quarter or an eighth while it decodes, in a fraction of the time; what is resized
afterwards to at most half of ``least`` differs from what the whole picture gives by 0.4 grey levels.
"""

from __future__ import annotations

import hashlib
import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import torch
from PIL import ExifTags, Image, UnidentifiedImageError
from PIL.ImageFile import ImageFile
from torch import Tensor

from frostmark.data.depth import eight_bits
from frostmark.data.heif import formats_of
from frostmark.errors import DataError
from frostmark.regular import read_regular

FORMATS = ("JPEG", "PNG", "PPM", "BMP", "DIB", "TIFF", "WEBP", "GIF")
"""What an image file may hold, whatever it is called: Pillow also reads formats that start other programs."""

SUFFIXES = (
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".ppm", ".pgm", ".pbm", ".pnm", ".bmp", ".dib", ".tif", ".tiff", ".webp",
    ".gif", ".avif", ".heic", ".heif",
)  # fmt: skip
"""What the names of image files end in, in any case: files of other names are not looked at."""

MAX_PIXELS = 2**26
"""Larger pictures are refused: each takes some ten bytes a pixel while it is read, and several are read at once."""

MAX_BYTES = 2**29
"""Larger files are refused unread."""

UPRIGHT = "upright on white"
"""What is done to every picture: it is turned as its EXIF data say, and stands on white where it is transparent."""

_JPEG = b"\xff\xd8\xff"


class UnreadableImageError(DataError):
    """A file that is no readable image."""


class Held(Protocol):
    """An image that is not a file of its own: ``held()`` is its bytes, or the file after all; ``name`` is its name."""

    @property
    def name(self) -> str: ...
    def held(self) -> bytes | Path: ...


class Decoded(NamedTuple):
    """``pixels`` (3, H, W) uint8, whether they are ``near`` those of the file instead of them, and the file's ``size``.

    The size is the width and the height of the picture as it is stored, before it is turned or reduced.
    """

    pixels: Tensor
    near: bool
    size: tuple[int, int]


@dataclass(frozen=True)
class Decoding:
    """How image files become pixels.

    Attributes:
        least: pixels that both sides of a JPEG keep at least, if they divide by 2, 4 or 8; None to decode every pixel.
        bits: of the samples in files of 16 bits that do not say so themselves; None: unknown.
    """

    least: int | None = None
    bits: int | None = None

    def __str__(self) -> str:
        sizes = "every pixel decoded" if self.least is None else f"JPEG to {self.least} pixels or more, in 8 bits"
        return f"{UPRIGHT}, {sizes}" + ("" if self.bits is None else f", {self.bits} bits")


WHOLE = Decoding()
"""Every pixel of a file."""


def decode(path: Path | Held, digest: bytes | None = None, decoding: Decoding = WHOLE) -> Decoded:
    """The picture in an image file; of an animation the first.

    Nothing but the file itself is read, and nothing is started, whatever it holds.

    Args:
        digest: what the file's bytes had when it was listed.

    Raises:
        UnreadableImageError: if the file is no readable image.
        DataError: if it is not what it was.
    """
    content = _content(path)
    if digest is not None and digest_of(content) != digest:
        raise DataError(
            f"{path} has changed while its data set was in use",
            fix="run the command again when no other program writes there; stored rows are not mixed up",
        )
    least = decoding.least if content.startswith(_JPEG) else None
    with _opened(path, content) as image:
        size = image.size
        if least is not None:
            image.draft(None, _reduced(image.size, least))
        if isinstance(image, ImageFile):
            image.decodermaxblock = len(content)  # in one go: libjpeg is slower at the end of every block
        image.load()
        pixels = np.array(eight_bits(_upright(image), content, decoding.bits))
    planes = torch.from_numpy(pixels).permute(2, 0, 1)
    return Decoded(planes if least is not None else planes.contiguous(), least is not None, size)


def listed(path: Path | Held) -> tuple[bytes, str]:
    """The digest of a file, and what its first bytes alone show to be wrong; nothing is decoded."""
    digest = b""
    try:
        content = _content(path)
        digest = digest_of(content)
        with _opened(path, content):
            return digest, ""
    except UnreadableImageError as problem:
        return digest, problem.problem


def digest_of(content: bytes) -> bytes:
    """BLAKE2b of a file's bytes, 16 of its own."""
    return hashlib.blake2b(content, digest_size=16).digest()


@contextmanager
def _opened(path: Path | Held, content: bytes) -> Iterator[Image.Image]:
    """The image with its header read. What fails while it is open is told as the file's."""
    Image.init()  # else only the most common formats are known by name
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd metadata; what is too large raises
            with Image.open(io.BytesIO(content), formats=(*FORMATS, *formats_of(content))) as image:
                _refuse_size(*image.size)
                yield image
    except UnidentifiedImageError as problem:
        what = f"its bytes are none of {', '.join(FORMATS)}" if content else "it is empty"
        raise _unreadable(path, what) from problem
    except Exception as problem:  # damaged bytes may fail anywhere in whatever parses them
        raise _unreadable(path, str(problem).splitlines()[0] if str(problem) else type(problem).__name__) from problem


def _content(path: Path | Held) -> bytes:
    """The bytes of an image, unless they are too many."""
    try:
        held = path if isinstance(path, Path) else path.held()
        content = held if isinstance(held, bytes) else read_regular(held, MAX_BYTES, links=True)
        _refuse_bytes(len(content))
        return content
    except OSError as problem:
        raise _unreadable(path, problem.strerror or str(problem)) from problem


def _refuse_bytes(count: int) -> None:
    if count > MAX_BYTES:
        raise OSError(f"it has {count:,} bytes; at most {MAX_BYTES:,} are read")


def _reduced(size: tuple[int, int], least: int) -> tuple[int, int]:
    """The smallest size of which libjpeg makes a picture, with ``least`` pixels a side or more.

    Both sides must divide: else the last pixels of a line stand for less than the others, and what is resized
    afterwards is shifted.
    """
    for part in (8, 4, 2):
        if all(side % part == 0 and side // part >= least for side in size):
            return size[0] // part, size[1] // part
    return size


def _refuse_size(width: int, height: int) -> None:
    if width * height == 0:
        raise ValueError("it has no pixels")
    if width * height > MAX_PIXELS:
        raise ValueError(f"{width:,} × {height:,} pixels are more than {MAX_PIXELS:,}; save it smaller")


def _upright(image: Image.Image) -> Image.Image:
    """The image turned and mirrored as its EXIF data say; damaged data say nothing."""
    orientation = 1
    with suppress(Exception):  # whatever parses them
        orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    turn = _TURNS.get(orientation)
    return image if turn is None else image.transpose(turn)


_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF's orientations, and what brings an image upright."""


def _unreadable(path: Path | Held, reason: str) -> UnreadableImageError:
    return UnreadableImageError(
        f"{path} cannot be read as an image: {reason}",
        fix="repair or remove that file, or leave such files out: dataset.on_bad_image=skip",
    )
