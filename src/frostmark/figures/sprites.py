"""Many small images in a few files, for pages that show any of them.

sprites = make_sprites([train_images, test_images], budget=9_000_000)
sprites[0].sheets[3]            # WebP bytes: images 3072 … 4095 of train, 32 a line
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
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
    sheets = tuple(_sheet(cells[i : i + PER_SHEET], quality) for i in range(0, count, PER_SHEET))
    return Sprites(width, height, cells.shape[2], cells.shape[1], sheets)


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
