"""Images beside each other: the pairs of two classes that a layer finds most alike.

figure = draw_image_pairs([(image, "Shirt", other, "Coat", 0.98)], title="resnet18 · last_conv · fashion_mnist")
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from frostmark.figures.lines import height_of, width_of, wrapped
from frostmark.figures.sheet import DPI, Sheet
from frostmark.names import visible
from frostmark.stats.moments import Array

Pair = tuple[NDArray[np.uint8], str, NDArray[np.uint8], str, float]
"""Image (H, W, 3), its class, the other image, its class, cosine of their features."""

ROOM = 154
"""Pixels of the picture for the longer side of an image."""

TITLE, NAME = 12, 9
"""Sizes of fonts."""

_BOX = ROOM / DPI
_PAD, _GAP, _EDGE = 0.08, 0.14, 0.15
_CELL = 2 * _BOX + 3 * _PAD


def draw_image_pairs(pairs: Sequence[Pair], title: str, columns: int = 4) -> Figure:
    """Pairs in the order given, left to right and top to bottom, each with its classes and its cosine.

    Small images are shown at a whole multiple of their own size, so that each of their pixels is a square.
    """
    columns = min(columns, len(pairs))
    lines = -(-len(pairs) // columns)
    width = max(2 * _EDGE + columns * _CELL + (columns - 1) * _GAP, 6.5)
    title = wrapped(title, width - 2 * _EDGE, TITLE, bold=True)
    names = [[_two_lines(name) for name in (pair[1], pair[3])] for pair in pairs]
    named = max(height_of(name, NAME) for both in names for name in both)
    cell = 0.28 + named + 0.06 + _BOX + _PAD
    top = 0.12 + height_of(title, TITLE) + 0.12
    sheet = Sheet(width, top + lines * cell + (lines - 1) * _GAP + _EDGE)
    sheet.write(width / 2, 0.12, title, TITLE, ha="center", fontweight="bold")
    for number, (pair, both) in enumerate(zip(pairs, names, strict=True)):
        line, column = divmod(number, columns)
        left, above = _EDGE + column * (_CELL + _GAP), top + line * (cell + _GAP)
        _ground(sheet, left, above, cell)
        sheet.write(left + _CELL / 2, above + 0.07, f"cosine {pair[4]:.3f}", NAME, ha="center", color="#444444")
        for side, (image, name) in enumerate(zip((pair[0], pair[2]), both, strict=True)):
            x = left + _PAD + side * (_BOX + _PAD)
            _show(sheet, image, x, above + 0.28 + named + 0.06)
            sheet.write(x + _BOX / 2, above + 0.28 + named, name, NAME, ha="center", va="bottom")
    return sheet.figure


def _two_lines(name: str) -> str:
    """The name of a class in two lines of the width of an image at most."""
    lines = wrapped(visible(name), _BOX, NAME).split("\n")
    if len(lines) <= 2:
        return "\n".join(lines)
    second = lines[1]
    while second and width_of(f"{second}…", NAME) > _BOX:
        second = second[:-1]
    return f"{lines[0]}\n{second}…"


def _ground(sheet: Sheet, left: float, top: float, cell: float) -> None:
    """The two of a pair stand on one ground."""
    corner = (left / sheet.width, 1 - (top + cell) / sheet.height)
    sheet.figure.add_artist(
        Rectangle(corner, _CELL / sheet.width, cell / sheet.height, facecolor="#eeeeee", edgecolor="none", zorder=0)
    )


def _show(sheet: Sheet, image: Array, left: float, top: float) -> None:
    """The image in the middle of its room."""
    height, width = image.shape[:2]
    scale = ROOM / max(height, width)
    whole = np.floor(scale) if scale >= 1 else scale
    size = np.maximum(np.array([width, height]) * whole, 1) / DPI
    x, y = left + (_BOX - size[0]) / 2, top + (_BOX - size[1]) / 2
    on_pixels = np.round(np.array([x, y]) * DPI) / DPI
    ax = sheet.axes(*on_pixels, *size)
    ax.imshow(image, aspect="auto", interpolation="nearest" if scale >= 1 else "antialiased")
    ax.set_axis_off()
