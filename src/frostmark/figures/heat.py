"""Heat maps: which class is taken for which, how alike layers are, which of two layers separates which classes better.

figure = draw_confusion(shares, classes, "linear read-out (test)")
figure = draw_similarity(cka, names, "how alike the layers are (CKA)")
figure = draw_confusion_difference(first, second, ("resnet18", "vgg16"), classes, order, "digits")
"""

from __future__ import annotations

from collections.abc import Sequence
from math import radians, sin

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import FuncFormatter, MaxNLocator, PercentFormatter

from frostmark.figures.fonts import FontedFigure, labels_of
from frostmark.figures.lines import height_of, plain, width_of, wrapped
from frostmark.figures.pairs import (
    MAX_NUMBERS,
    NAME,
    NOTE,
    UNKNOWN,
    name_axes,
    room_of,
    side_of,
    write_numbers,
)
from frostmark.figures.sheet import Sheet
from frostmark.names import short_titles
from frostmark.stats.moments import Array

_EDGE, _TITLE, _LETTERS, _TURN, _END = 0.2, 12, 34, 45, 9


MAX_RATIO = 64
"""Larger factors are said to be more than this: behind them stand pairs of classes that hardly any layer confuses."""


def factor(ratio: float) -> str:
    """How many times: ``1.8×``, and ``> 64×`` beyond :data:`MAX_RATIO`."""
    return f"> {MAX_RATIO}×" if ratio > MAX_RATIO else f"{ratio:.1f}×"


def draw_confusion(shares: Array, classes: Sequence[str], title: str) -> Figure:
    """Heat map of a confusion matrix (C, C) as shares of the images of each class, a row; NaN of classes without."""
    edge = float(np.clip(0.16 * len(classes) + 2.0, 6, 12))
    figure = FontedFigure(figsize=(edge + 1.2, edge), dpi=110, layout="constrained")
    ax = figure.subplots()
    scale = colormaps["cividis"].with_extremes(bad=UNKNOWN)
    # The square root: a twentieth of the images of a class is to be seen beside the many that are right.
    image = ax.imshow(np.ma.masked_invalid(shares), cmap=scale, norm=PowerNorm(0.5, 0.0, 1.0))
    name_axes(ax, labels_of(classes))
    ax.set_ylabel("true class")
    ax.set_xlabel("predicted class")
    bar = figure.colorbar(
        image, ax=ax, shrink=0.8, ticks=[0, 0.01, 0.05, 0.1, 0.25, 0.5, 1], format=PercentFormatter(1.0)
    )
    bar.set_label("share of the true class")
    figure.suptitle(plain(title), fontsize=12, fontweight="bold")
    return figure


def draw_similarity(matrix: Array, names: Sequence[str], title: str) -> Figure:
    """Heat map of the CKA (R, R) of R layers; NaN where it is not known. Up to a dozen carry their numbers."""
    side = side_of(len(names))
    names = short_titles(names, _LETTERS)
    longest = max(width_of(name, NAME) for name in names)
    unknown = "" if np.isfinite(matrix).all() else " Grey: not known."
    note = f"CKA: 1 for features that differ only by rotation and scale, about 0 for unrelated features.{unknown}"
    width = max(_EDGE + longest + 0.2 + side + 1.0, 6.0)
    title, note = wrapped(title, width - 0.4, _TITLE, bold=True), wrapped(note, width - 2 * _EDGE, NOTE)
    top = 0.15 + height_of(title, _TITLE) + 0.15
    below = longest * sin(radians(_TURN)) + 0.35
    sheet = Sheet(width, top + side + below + height_of(note, NOTE) + 0.12)
    ax = sheet.axes(_EDGE + longest + 0.2, top, side, side)
    image = _heat(ax, matrix, "cividis", 0.0, 1.0)
    _name_lines(ax, names)
    if len(names) <= MAX_NUMBERS:
        write_numbers(ax, matrix, lambda value: f"{value:.2f}")
    bar = sheet.figure.colorbar(image, cax=sheet.axes(_EDGE + longest + 0.4 + side, top, 0.2, side))
    bar.ax.tick_params(labelsize=9)
    sheet.write(width / 2, 0.12, title, _TITLE, ha="center", fontweight="bold")
    sheet.write(_EDGE, sheet.height - 0.12 - height_of(note, NOTE), note, NOTE, color="#444444")
    return sheet.figure


def draw_confusion_difference(
    first: Array, second: Array, names: tuple[str, str], classes: Sequence[str], order: Sequence[int], title: str
) -> Figure:
    """Which of two layers separates which pairs of classes better; classes in ``order``.

    Args:
        first, second: (C, C) directional CDNV, the larger the more confused; NaN on the diagonal.
        names: of the two layers.
    """
    side = side_of(len(classes))
    labels = labels_of(classes)
    ordered = [labels[c] for c in order]
    left, below = room_of(ordered)
    width = max(2 * _EDGE + left + side, 6.4)
    left = max(left, (width - side) / 2)
    title = wrapped(title, width - 0.4, _TITLE, bold=True)
    top = 0.15 + height_of(title, _TITLE) + 0.15
    sheet = Sheet(width, top + side + below + 1.3)
    ratios = _log_ratios(np.asarray(first, np.float64), np.asarray(second, np.float64))[np.ix_(order, order)]
    # Not less than a factor of two each way: noise shall not be painted in full colours.
    most = float(np.clip(np.nanmax(np.abs(ratios), initial=0.0), 1.0, 6.0))
    ax = sheet.axes(left, top, side, side)
    image = _heat(ax, ratios, "PuOr", -most, most)
    name_axes(ax, ordered)
    if len(classes) <= MAX_NUMBERS:
        write_numbers(ax, ratios, lambda value: factor(2 ** abs(value)).removesuffix("×"))
    _ratio_bar(sheet, image, names, top + side + below)
    sheet.write(width / 2, 0.12, title, _TITLE, ha="center", fontweight="bold")
    return sheet.figure


def _log_ratios(first: Array, second: Array) -> Array:
    """log₂(first/second); NaN where either is not known or not positive."""
    known = (first > 0) & (second > 0) & np.isfinite(first) & np.isfinite(second)
    return np.log2(np.where(known, first, np.nan) / np.where(known, second, 1.0))


def _heat(ax: Axes, matrix: Array, colours: str, low: float, high: float) -> AxesImage:
    scale = colormaps[colours].with_extremes(bad=UNKNOWN)
    return ax.imshow(np.ma.masked_invalid(matrix), cmap=scale, vmin=low, vmax=high, aspect="auto")


def _name_lines(ax: Axes, names: Sequence[str]) -> None:
    words = [plain(name) for name in names]
    ax.set_xticks(range(len(names)), words, rotation=_TURN, ha="right", rotation_mode="anchor", fontsize=NAME)
    ax.set_yticks(range(len(names)), words, fontsize=NAME)


def _ratio_bar(sheet: Sheet, image: AxesImage, names: tuple[str, str], top: float) -> None:
    """Where the first layer is the more confused, at the right, the second is the better one."""
    left, width = 0.6, sheet.width - 1.2
    ax = sheet.axes(left, top + 0.12, width, 0.18)
    bar = sheet.figure.colorbar(image, cax=ax, orientation="horizontal")
    bar.locator = MaxNLocator(nbins=8, steps=[1, 2, 5, 10])
    bar.formatter = FuncFormatter(lambda value, _: "equal" if value == 0 else f"{2 ** abs(value):.2g}×")
    bar.update_ticks()
    bar.ax.tick_params(labelsize=9)
    short = short_titles(names, 60)
    ends = [wrapped(f"{name} separates better", width / 2 - 0.1, _END, bold=True) for name in short]
    for place, text, side in zip((0.0, 1.0), ends, ("left", "right"), strict=True):
        bar.ax.text(
            place, -2.1, plain(text), transform=bar.ax.transAxes, ha=side, va="top", fontsize=_END, fontweight="bold",
            color=image.cmap(0.08 + 0.84 * place),
        )  # fmt: skip
