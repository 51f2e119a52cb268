"""HEIC and AVIF, the pictures of phones: what reads them, or how it is installed.

formats_of(content)             # ("HEIF",), ("AVIF",), or () of bytes that are neither
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from PIL import features

HEIC_BRANDS = frozenset((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx"))
AVIF_BRANDS = frozenset((b"avif", b"avis"))
"""Brands of ISO/IEC 23000-12 (HEIF) and of AVIF, as the first box of a file names them."""


def formats_of(content: bytes) -> tuple[str, ...]:
    """Pillow's name of the format, as something to be tried; empty for bytes that are neither.

    Raises:
        ValueError: if what reads the format is not installed; it says how it is.
    """
    brands = _brands(content)
    if brands & AVIF_BRANDS:
        if not features.check("avif"):
            raise ValueError("it is an AVIF file, which this Pillow does not read: pip install -U 'pillow>=11.3'")
        return ("AVIF",)
    if brands & HEIC_BRANDS:
        try:
            import pillow_heif
        except ImportError:
            raise ValueError("it is a HEIC file, which an extra reads: pip install 'frostmark[heic]'") from None
        pillow_heif.register_heif_opener()
        return ("HEIF",)
    return ()


def heic_reader() -> str:
    """The version of what reads HEIC files; nothing if it is not installed."""
    try:
        return version("pillow-heif")
    except PackageNotFoundError:
        return ""


def _brands(content: bytes) -> set[bytes]:
    """Major and compatible brands of an ISO base media file; none of anything else."""
    if content[4:8] != b"ftyp":
        return set()
    size = min(int.from_bytes(content[:4], "big"), 256)
    return {content[8:12], *(content[i : i + 4] for i in range(16, size, 4))}
