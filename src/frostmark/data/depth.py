"""Pillow's images as eight bits of red, green and blue: on white, and as deep as their file says.

    eight_bits(image, content, None)        # an image of mode RGB

Pillow by itself shows the colours that lie hidden under transparency, and cuts deeper pixels off at 255.
"""

from __future__ import annotations

import numpy as np
from PIL import Image
from PIL.TiffImagePlugin import BITSPERSAMPLE

DEEPEST = 16
DEEP_MODES = ("I", "I;16", "I;16B", "I;16L", "I;16N")
MAX_SAMPLE_VALUE = 281
"""TIFF's tag of the largest value that a sample has."""

MAX_DARK = 2**12
"""Samples of 16 bits that all lie below this make a black picture, unless they have fewer bits in truth."""


def eight_bits(image: Image.Image, content: bytes, bits: int | None) -> Image.Image:
    """The image with mode RGB; transparency shows white.

    Args:
        content: of its file, which may say how many of 16 bits are used.
        bits: how many they are where the file does not say so.

    Raises:
        ValueError: if nobody knows what its values mean.
    """
    if image.mode == "F":
        raise ValueError("its pixels are floating-point numbers without a known range; save it with 8 or 16 bits")
    told = told_bits(image, content)
    if image.mode in DEEP_MODES:
        return _shallow(image, told, bits)
    if image.has_transparency_data:
        coloured = _on_white(image)
    else:
        coloured = image if image.mode == "RGB" else image.convert("RGB")  # which would copy it
    if told is not None and told < DEEPEST and np.asarray(coloured).max() < 2 ** (told - 8):
        raise ValueError(f"its channels have {told} bits in 16, of which only 8 are read; save it with 8 bits")
    return coloured


def _shallow(image: Image.Image, told: int | None, bits: int | None) -> Image.Image:
    deep = np.asarray(image.convert("I"))
    lowest, highest = int(deep.min()), int(deep.max())
    if lowest < 0 or highest >= 2**DEEPEST:
        raise ValueError(f"its pixels reach from {lowest} to {highest}; save it with 8 or 16 bits")
    if told is not None and highest >= 2**told:
        told = None  # PNG's own way: samples are scaled to 16 bits, and what is told is where they came from
        bits = DEEPEST
    used = told or bits
    if used is None and 0 < highest < MAX_DARK:
        likely = 10 if highest < 2**10 else 12
        raise ValueError(
            f"its pixels reach {highest:,} of 65,535, and it does not say how many bits they have; "
            f"say dataset.bits={likely}, or dataset.bits=16 if it is that dark"
        )
    if used is not None and highest >= 2**used:
        raise ValueError(f"its pixels reach {highest:,}, more than dataset.bits={used} allows")
    shallow = (deep >> (used or DEEPEST) - 8).astype(np.uint8)
    return Image.fromarray(shallow).convert("RGB")


def _on_white(image: Image.Image) -> Image.Image:
    shown = image.convert("RGBA")
    if np.asarray(shown)[..., 3].min() < 255:
        shown = Image.alpha_composite(Image.new("RGBA", shown.size, "white"), shown)
    return shown.convert("RGB")


def told_bits(image: Image.Image, content: bytes) -> int | None:
    """The bits that samples use, as the file says; None where it does not say, or they are eight."""
    if image.format == "TIFF":
        tags = image.tag_v2  # type: ignore[attr-defined]  # of TIFF alone
        bits = _first(tags.get(BITSPERSAMPLE))
        most = _first(tags.get(MAX_SAMPLE_VALUE))
        told = min(bits or DEEPEST, most.bit_length() if most else DEEPEST)
        return told if bits is not None and bits > 8 and told < DEEPEST else None
    if image.format == "PNG":
        return _significant_bits(content)
    return None


def _first(value: object) -> int | None:
    value = value[0] if isinstance(value, tuple) and value else value
    return value if isinstance(value, int) else None


def _significant_bits(content: bytes) -> int | None:
    """Of a PNG of 16 bits with a chunk sBIT, which comes before the pixels."""
    if content[24:25] != b"\x10":
        return None
    place = 33
    while place + 8 <= len(content):
        size, kind = int.from_bytes(content[place : place + 4], "big"), content[place + 4 : place + 8]
        if kind in (b"IDAT", b"IEND"):
            return None
        if kind == b"sBIT" and size:
            told = max(content[place + 8 : place + 8 + min(size, 3)], default=0)
            return told if 8 <= told < DEEPEST else None
        place += 12 + size
    return None
