"""Many small images in a few files, for pages that show any of them.

sprites = make_sprites([train_images, test_images], budget=9_000_000)
sprites[0].sheets[3]            # WebP bytes: images 3072 … 4095 of train, 32 a line
sprites[0].images(5_000)        # (5000, h, w, 3), as they are shown
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from itertools import product

import numpy as np
from matplotlib.image import imread
from numpy.typing import NDArray

from frostmark.figures.files import webp

Images = NDArray[np.uint8]

COLUMNS = 32
PER_SHEET = COLUMNS * 32
"""A browser decodes a sheet whole to show one of its images: several small sheets answer faster than a big one."""

EDGES = (64, 48, 32, 24, 16, 12, 8)
QUALITIES = (90, 75, 50)
GUTTER = 2
"""Pixels around an image that repeat its rim: lossy coding blends what lies beside each other."""


@dataclass(frozen=True)
class Sprites:
    """Images of ``width`` × ``height`` pixels, each in a cell, ``GUTTER`` pixels from its left and upper end.

    Sheet s holds images s · ``PER_SHEET`` and on, ``COLUMNS`` a line.
    """

    width: int
    height: int
    cell_width: int
    cell_height: int
    sheets: tuple[bytes, ...]

    @classmethod
    def of_size(cls, width: int, height: int, sheets: Sequence[bytes]) -> Sprites:
        """Sheets with the cells that images of ``width`` × ``height`` pixels are given."""
        return cls(width, height, 2 * GUTTER + width + width % 2, 2 * GUTTER + height + height % 2, tuple(sheets))

    def images(self, count: int) -> Images:
        """The ``count`` images (N, h, w, 3), decoded.

        Raises:
            ValueError: if the sheets are not those of so many images.
        """
        held = [min(PER_SHEET, count - start) for start in range(0, count, PER_SHEET)]
        cells = [self._cells(sheet, inside) for sheet, inside in zip(self.sheets, held, strict=True)]
        whole = np.concatenate([np.empty((0, self.cell_height, self.cell_width, 3), np.uint8), *cells])
        return whole[:, GUTTER : GUTTER + self.height, GUTTER : GUTTER + self.width]

    def _cells(self, sheet: bytes, count: int) -> Images:
        columns, lines = min(COLUMNS, count), -(-count // COLUMNS)
        width, height = columns * self.cell_width, lines * self.cell_height
        # Read from its header before anything is unfolded: the file may be somebody else's.
        if sheet[12:16] != b"VP8 " or size_of_webp(sheet) != (width, height):
            raise ValueError(f"a sheet of {count} images is no picture of {width} × {height} pixels")
        picture = np.asarray(imread(BytesIO(sheet), format="webp"))
        cells = picture.reshape(lines, self.cell_height, columns, self.cell_width, 3).swapaxes(1, 2)
        return cells.reshape(lines * columns, self.cell_height, self.cell_width, 3)[:count]


def size_of_webp(content: bytes) -> tuple[int, int]:
    """(width, height) in pixels by the header of a lossy WebP file: 14 bits each, behind its start code (RFC 6386)."""
    width, height = (int.from_bytes(content[at : at + 2], "little") & 0x3FFF for at in (26, 28))
    return width, height


def make_sprites(sets: Sequence[Images], budget: int) -> list[Sprites]:
    """Each set (N, h, w, 3) as sheets, as large and as good as fits into ``budget`` bytes for all sets together.

    What fits nowhere is returned as small and as coarse as it gets.
    """
    longest = max((side for images in sets for side in images.shape[1:3]), default=0)
    edges = sorted({min(edge, longest) for edge in EDGES}, reverse=True)
    choices = list(product(edges, QUALITIES))
    # Noise is ten times the size of drawings: what cannot fit is seen on a sample, without coding everything.
    while len(choices) > 1 and _estimate(sets, *choices[0]) > budget:
        choices.pop(0)
    made = [_encode(images, *choices[0]) for images in sets]
    while len(choices) > 1 and sum(len(sheet) for sprites in made for sheet in sprites.sheets) > budget:
        choices.pop(0)
        made = [_encode(images, *choices[0]) for images in sets]
    return made


def _estimate(sets: Sequence[Images], edge: int, quality: int) -> float:
    """Bytes, from one sheet of each set: a full one where there is one, since the coder is swayed by its size."""
    total = 0.0
    for images in sets:
        some = images[np.linspace(0, len(images) - 1, min(len(images), PER_SHEET)).astype(int)]
        total += sum(map(len, _encode(some, edge, quality).sheets)) * len(images) / max(len(some), 1)
    return total


def _encode(images: Images, edge: int, quality: int) -> Sprites:
    small = reduced(images, edge)
    count, height, width, _ = small.shape
    # Even sides: WebP halves the resolution of colour.
    down, right = GUTTER + height % 2, GUTTER + width % 2
    cells = np.pad(small, ((0, 0), (GUTTER, down), (GUTTER, right), (0, 0)), mode="edge")
    sheets = [_sheet(cells[i : i + PER_SHEET], quality) for i in range(0, count, PER_SHEET)]
    return Sprites.of_size(width, height, sheets)


def _sheet(cells: Images, quality: int) -> bytes:
    count, height, width, _ = cells.shape
    columns, lines = min(COLUMNS, count), -(-count // COLUMNS)
    full = np.pad(cells, ((0, columns * lines - count), (0, 0), (0, 0), (0, 0)))
    picture = full.reshape(lines, columns, height, width, 3).swapaxes(1, 2).reshape(lines * height, columns * width, 3)
    return webp(picture, quality)


def reduced(images: Images, edge: int) -> Images:
    """Images (N, h, w, 3) with at most ``edge`` pixels on the longer side, each the mean of those it stands for."""
    longer = max(images.shape[1:3])
    if longer <= edge:
        return images
    starts = [np.arange(n) * side // n for side in images.shape[1:3] for n in [max(1, round(side * edge / longer))]]
    counts = [np.diff(s, append=side) for s, side in zip(starts, images.shape[1:3], strict=True)]
    area = np.multiply.outer(*counts)[:, :, None]
    parts = [
        np.add.reduceat(np.add.reduceat(part, starts[0], axis=1, dtype=np.uint32), starts[1], axis=2, dtype=np.uint32)
        for part in np.array_split(images, -(-len(images) // PER_SHEET) or 1)  # a few at a time: sums are wide
    ]
    means: Images = ((np.concatenate(parts) + area // 2) // area).astype(np.uint8)
    return means
