"""Heat maps: which class is taken for which, how alike layers are, which of two layers separates which classes better.

figure = draw_confusion(shares, classes, "linear read-out (test)")
figure = draw_similarity(cka, names, "how alike the layers are (CKA)")
figure = draw_confusion_difference(first, second, ("resnet18", "vgg16"), classes, order, "digits")
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import FuncFormatter, MaxNLocator, PercentFormatter

from frostmark.figures.maps import plain, shown
from frostmark.figures.pairs import MAX_NUMBERS, name_axes
from frostmark.stats.moments import Array

UNKNOWN = "#dddddd"
"""Colour of what is not known."""


MAX_RATIO = 64
"""Larger factors are said to be more than this: behind them stand pairs of classes that hardly any layer confuses."""


def factor(ratio: float) -> str:
    """How many times: ``1.8×``, and ``> 64×`` beyond :data:`MAX_RATIO`."""
    return f"> {MAX_RATIO}×" if ratio > MAX_RATIO else f"{ratio:.1f}×"


def draw_confusion(shares: Array, classes: Sequence[str], title: str) -> Figure:
    """Heat map of a confusion matrix (C, C) as shares of the images of each class, a row; NaN of classes without."""
    edge = float(np.clip(0.16 * len(classes) + 2.0, 6, 12))
    figure = Figure(figsize=(edge + 1.2, edge), dpi=110, layout="constrained")
    ax = figure.subplots()
    scale = colormaps["cividis"].with_extremes(bad=UNKNOWN)
    # The square root: a twentieth of the images of a class is to be seen beside the many that are right.
    image = ax.imshow(np.ma.masked_invalid(shares), cmap=scale, norm=PowerNorm(0.5, 0.0, 1.0))
    name_axes(ax, tuple(classes))
    ax.set_ylabel("true class")
    ax.set_xlabel("predicted class")
    bar = figure.colorbar(
        image, ax=ax, shrink=0.8, ticks=[0, 0.01, 0.05, 0.1, 0.25, 0.5, 1], format=PercentFormatter(1.0)
    )
    bar.set_label("images of the true class")
    figure.suptitle(plain(title), fontsize=12, fontweight="bold")
    return figure


def draw_similarity(matrix: Array, names: Sequence[str], title: str) -> Figure:
    """Heat map of the CKA (R, R) of R layers; NaN where it is not known. Up to a dozen carry their numbers."""
    edge = float(np.clip(0.55 * len(names) + 2.4, 4.6, 14))
    figure = Figure(figsize=(edge + 2.0, edge + 0.3), dpi=110, layout="constrained")
    ax = figure.subplots()
    image = _heat(ax, matrix, "cividis", 0.0, 1.0)
    _name_lines(ax, names)
    if len(names) <= MAX_NUMBERS:
        _write(image, matrix, lambda value: f"{value:.2f}")
    bar = figure.colorbar(image, ax=ax, shrink=0.8)
    unknown = "" if np.isfinite(matrix).all() else "; grey: not known"
    bar.set_label(
        f"CKA: 1 where features differ by rotation and scale alone,\nabout 0 where they share nothing{unknown}"
    )
    figure.suptitle(plain(title), fontsize=12, fontweight="bold")
    return figure


def draw_confusion_difference(
    first: Array, second: Array, names: tuple[str, str], classes: Sequence[str], order: Sequence[int], title: str
) -> Figure:
    """Which of two layers separates which pairs of classes better; classes in ``order``.

    Args:
        first, second: (C, C) directional CDNV, the larger the more confused; NaN on the diagonal.
        names: of the two layers.
    """
    edge = float(np.clip(0.55 * len(classes) + 2.0, 4.6, 14))
    figure = Figure(figsize=(edge + 0.4, edge + 1.1), dpi=110, layout="constrained")
    ax = figure.subplots()
    ratios = _log_ratios(np.asarray(first, np.float64), np.asarray(second, np.float64))[np.ix_(order, order)]
    # Not less than a factor of two each way: noise shall not be painted in full colours.
    most = float(np.clip(np.nanmax(np.abs(ratios), initial=0.0), 1.0, 6.0))
    image = _heat(ax, ratios, "PuOr", -most, most)
    name_axes(ax, tuple(classes[c] for c in order))
    if len(classes) <= MAX_NUMBERS:
        _write(image, ratios, lambda value: factor(2 ** abs(value)).removesuffix("×"))
    _ratio_bar(figure, ax, image, names)
    figure.suptitle(plain(title), fontsize=12, fontweight="bold")
    return figure


def _log_ratios(first: Array, second: Array) -> Array:
    """log₂(first/second); NaN where either is not known or not positive."""
    known = (first > 0) & (second > 0) & np.isfinite(first) & np.isfinite(second)
    return np.log2(np.where(known, first, np.nan) / np.where(known, second, 1.0))


def _heat(ax: Axes, matrix: Array, colours: str, low: float, high: float) -> AxesImage:
    scale = colormaps[colours].with_extremes(bad=UNKNOWN)
    return ax.imshow(np.ma.masked_invalid(matrix), cmap=scale, vmin=low, vmax=high)


def _name_lines(ax: Axes, names: Sequence[str]) -> None:
    words = [plain(shown(name, 34)) for name in names]
    ax.set_xticks(range(len(names)), words, rotation=45, ha="right", rotation_mode="anchor", fontsize=9)
    ax.set_yticks(range(len(names)), words, fontsize=9)


def _write(image: AxesImage, matrix: Array, said: Callable[[float], str]) -> None:
    """Numbers in the cells, white on dark ones."""
    for (i, j), value in np.ndenumerate(matrix):
        if np.isfinite(value):
            colour = "white" if _luminance(image.to_rgba(value)) < 0.18 else "black"
            image.axes.text(j, i, said(value), ha="center", va="center", fontsize=8, color=colour)


def _luminance(colour: Array) -> float:
    """Relative luminance of WCAG 2, 0 … 1; black and white text are equally legible at 0.18."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in np.asarray(colour)[:3]]
    return float(np.dot([0.2126, 0.7152, 0.0722], linear))


def _ratio_bar(figure: Figure, ax: Axes, image: AxesImage, names: tuple[str, str]) -> None:
    """Where the first layer is the more confused, at the right, the second is the better one."""
    bar = figure.colorbar(image, ax=ax, orientation="horizontal", shrink=0.9, aspect=30)
    bar.locator = MaxNLocator(nbins=8, steps=[1, 2, 5, 10])
    bar.formatter = FuncFormatter(lambda value, _: "equal" if value == 0 else f"{2 ** abs(value):.2g}×")
    bar.update_ticks()
    bar.set_label("by which factor", fontsize=9)
    for place, name, side in zip((0.0, 1.0), names, ("left", "right"), strict=True):
        text = f"{plain(shown(name, 30))}\nseparates better"
        colour = image.cmap(0.08 + 0.84 * place)
        bar.ax.text(
            place,
            -1.8,
            text,
            transform=bar.ax.transAxes,
            ha=side,
            va="top",
            fontsize=9,
            fontweight="bold",
            color=colour,
        )
