"""The variances of pooled pairs of classes, and which classes are confused, as heat maps.

figure = draw_pairs({"test": matrix}, classes, order, title="resnet18 · last_conv · digits")
figure = draw_confusability({"test": matrix}, classes, order, title="resnet18 · last_conv · digits")
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import cos, radians, sin

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from frostmark.figures.fonts import labels_of
from frostmark.figures.lines import height_of, plain, shown, width_of, wrapped
from frostmark.figures.sheet import Sheet
from frostmark.stats.moments import Array

MAX_NUMBERS = 12
"""Up to so many classes the cells carry their numbers."""

MAX_TICKS = 60
"""Up to so many classes have their names along the axes."""

MAX_DRAWN = 125
"""Up to so many classes every pair is drawn; of more, blocks of pairs: a pair would be a pixel, and a picture 7 MB."""

UNKNOWN = "#dddddd"
"""Colour of what is not known."""

TITLE, NAME, NUMBER, NOTE = 13, 9, 8.5, 9
"""Sizes of fonts."""

CELL, SMALLEST, LARGEST = 0.5, 2.4, 9.0
"""Inches of a cell; of a heat map at least and at most."""

LETTERS, TURN = 18, 60
"""Letters of a class along the axes; degrees that its name below is turned by."""

_EDGE, _BAR = 0.2, 1.5


def draw_pairs(matrices: Mapping[str, Array], classes: tuple[str, ...], order: Sequence[int], title: str) -> Figure:
    """Heat maps of symmetric (C, C) matrices, one a split, on one colour scale; classes in ``order``.

    Dark pairs lie close together and spread little; the diagonal is the variance of the class alone.
    """
    finite = np.concatenate([m[np.isfinite(m)] for m in matrices.values()])
    norm = Normalize(float(finite.min()), float(finite.max()))
    unit = _divisor(float(finite.max()))
    told = "" if unit == 1 or len(classes) > MAX_NUMBERS else f" Numbers in the cells: × {unit:,g}."
    note = (
        "Each cell: the variance of two classes pooled into one set, the mean squared distance from their common mean; "
        f"diagonal: the variance of the class alone. Dark pairs lie close together.{told}\nVariances grow with the "
        "scale and the width of the features: compare the cells and the two splits of this picture, not two networks "
        "or two layers."
    )
    return _heat_maps(matrices, classes, order, title, note, "cividis", norm, lambda v: digits(v / unit, 3), "variance")


def draw_confusability(
    matrices: Mapping[str, Array], classes: tuple[str, ...], order: Sequence[int], title: str
) -> Figure:
    """Heat maps of the directional CDNV, one a split, on one logarithmic scale; classes in ``order``.

    Dark pairs are little separated: along the line between them they vary much, measured by its length.
    """
    finite = np.concatenate([m[np.isfinite(m) & (m > 0)] for m in matrices.values()])
    ends = (float(finite.min()), float(finite.max()) * (1 + 1e-9)) if len(finite) else (0.1, 1.0)
    note = (
        "Each cell: the variance along the line between the means of two classes, divided by the squared length of "
        "that line. The darker a cell, the less the classes are separated; at 1 the spread of the classes equals the "
        "distance of their means. The value is not an error rate."
    )
    label = "darker: less separated"
    return _heat_maps(matrices, classes, order, title, note, "cividis_r", LogNorm(*ends), lambda v: digits(v, 2), label)


def digits(value: float, count: int) -> str:
    """A number with so many digits that count: ``0.10``, ``7.3``; whole ones as they are."""
    return f"{value:,.0f}" if 10**count <= abs(value) < 9_999.5 else f"{value:#.{count}g}".rstrip(".")


def side_of(classes: int) -> float:
    """Inches of a heat map of so many classes."""
    return float(np.clip(CELL * classes, SMALLEST, LARGEST))


def _heat_maps(
    matrices: Mapping[str, Array],
    classes: tuple[str, ...],
    order: Sequence[int],
    title: str,
    note: str,
    colours: str,
    norm: Normalize,
    said: Callable[[float], str],
    label: str,
) -> Figure:
    classes = tuple(labels_of(classes))
    side = side_of(len(classes))
    note += " Grey: too few images." if any(map(_unknown, matrices.values())) else ""
    size = block_of(len(classes))
    note += f" Each cell is the mean of {size} × {size} pairs." if size > 1 else ""
    names = [classes[c] for c in order]
    left, below = room_of(names)
    width = max(2 * _EDGE + len(matrices) * (left + side + 0.1) + _BAR, 7.0)
    title = wrapped(title, width - 0.4, TITLE, bold=True)
    note = wrapped(note, width - 2 * _EDGE, NOTE)
    top = 0.15 + height_of(title, TITLE) + 0.4
    sheet = Sheet(width, top + side + below + 0.1 + height_of(note, NOTE) + 0.12)
    for number, (split, matrix) in enumerate(matrices.items()):
        ax = sheet.axes(_EDGE + left + number * (left + side + 0.1), top, side, side)
        ordered = matrix[np.ix_(order, order)]
        end = len(order) - 0.5
        ax.imshow(in_blocks(ordered, size), cmap=colours, norm=norm, aspect="auto", extent=(-0.5, end, end, -0.5))
        ax.set_facecolor(UNKNOWN if _unknown(matrix) else "white")
        ax.set_title(split, fontsize=11, y=1.0)
        name_axes(ax, names)
        if len(classes) <= MAX_NUMBERS:
            write_numbers(ax, ordered, said)
    _add_bar(sheet, (_EDGE + len(matrices) * (left + side + 0.1) + 0.1, top, side), colours, norm, label)
    sheet.write(width / 2, 0.12, title, TITLE, ha="center", fontweight="bold")
    sheet.write(_EDGE, sheet.height - 0.12 - height_of(note, NOTE), note, NOTE, color="#444444")
    return sheet.figure


def block_of(count: int) -> int:
    """Classes per side of a block in the picture of ``count`` classes."""
    return -(-count // MAX_DRAWN)


def in_blocks(matrix: Array, size: int) -> Array:
    """(C, C) → (⌈C / size⌉, ⌈C / size⌉): the mean of every block, without what is not known; NaN if nothing is."""
    if size == 1:
        return matrix
    starts = np.arange(0, len(matrix), size)
    known = np.isfinite(matrix)

    def sums(values: Array) -> Array:
        return np.asarray(np.add.reduceat(np.add.reduceat(values, starts, axis=0), starts, axis=1))

    with np.errstate(invalid="ignore", divide="ignore"):
        return sums(np.where(known, matrix, 0.0)) / sums(known.astype(np.float64))


def _unknown(matrix: Array) -> bool:
    """Whether a pair of two classes is not known: the diagonal may say nothing by its nature."""
    return not np.isfinite(matrix[~np.eye(len(matrix), dtype=bool)]).all()


def _add_bar(sheet: Sheet, place: tuple[float, float, float], colours: str, norm: Normalize, label: str) -> None:
    left, top, side = place
    ax = sheet.axes(left, top, 0.2, side)
    bar = sheet.figure.colorbar(ScalarMappable(norm, colours), cax=ax)
    bar.set_label(label, fontsize=9)
    if isinstance(norm, LogNorm):
        decades = np.log10(norm.vmax / norm.vmin) if norm.vmin and norm.vmax else 1.0
        bar.locator = LogLocator(subs=(1,) if decades > 3 else (1, 3) if decades > 1.2 else (1, 2, 3, 5, 7))
        bar.minorlocator = NullLocator()
        bar.formatter = FuncFormatter(lambda value, _: f"{value:g}")
    else:
        bar.formatter = FuncFormatter(lambda value, _: f"{value:,g}")
    bar.ax.tick_params(labelsize=9)
    bar.update_ticks()


def _divisor(high: float) -> float:
    """A power of a thousand that brings numbers up to ``high`` to at most four digits."""
    return float(1000.0 ** np.floor(np.log10(high) / 3)) if high > 0 else 1.0


def room_of(names: Sequence[str]) -> tuple[float, float]:
    """Inches that :func:`name_axes` takes, at the left and below."""
    if len(names) > MAX_TICKS:
        return 0.75, 0.6
    longest = max(width_of(shown(name, LETTERS), NAME) for name in names)
    turned = radians(TURN)
    return longest + 0.2, longest * sin(turned) + NAME / 72 * cos(turned) + 0.22


def name_axes(ax: Axes, names: Sequence[str]) -> None:
    """The classes along both axes, in the order in which they stand there; of more than sixty their places."""
    if len(names) > MAX_TICKS:
        ax.set_xlabel("classes, similar classes side by side")
        ax.set_ylabel("classes")
        ax.set_xticks([])
        ax.set_yticks([])
        return
    words = [plain(shown(name, LETTERS)) for name in names]
    size = min(NAME, 0.75 * 72 * side_of(len(names)) / len(names))
    ax.set_xticks(range(len(names)), words, rotation=TURN, ha="right", rotation_mode="anchor", fontsize=size)
    ax.set_yticks(range(len(names)), words, fontsize=size)


def write_numbers(ax: Axes, matrix: Array, said: Callable[[float], str]) -> None:
    """Numbers in the cells of the image that ``ax`` holds, white on dark ones."""
    (image,) = ax.images
    for (i, j), value in np.ndenumerate(matrix):
        if np.isfinite(value):
            colour = "white" if luminance(image.to_rgba(value)) < 0.18 else "black"
            ax.text(j, i, said(value), ha="center", va="center", fontsize=NUMBER, color=colour)


def luminance(colour: Array) -> float:
    """Relative luminance of WCAG 2, 0 … 1; black and white text are equally legible at 0.18."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in np.asarray(colour)[:3]]
    return float(np.dot([0.2126, 0.7152, 0.0722], linear))
