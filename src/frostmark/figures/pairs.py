"""The variances of pooled pairs of classes as a heat map.

figure = draw_pairs({"test": matrix}, classes, order, title="resnet18 · last_conv · digits")
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from frostmark.figures.maps import plain, shown
from frostmark.stats.moments import Array

MAX_NUMBERS = 12
"""Up to so many classes the cells carry their numbers."""


MAX_DRAWN = 125
"""Up to so many classes every pair is drawn; of more, blocks of pairs: a pair would be a pixel, and a picture 7 MB."""


def draw_pairs(matrices: Mapping[str, Array], classes: tuple[str, ...], order: Sequence[int], title: str) -> Figure:
    """Heat maps of symmetric (C, C) matrices, one a split, on one colour scale; classes in ``order``.

    Dark pairs lie close together and spread little; the diagonal is the variance of the class alone.
    """
    edge = float(np.clip(0.55 * len(classes) + 1.6, 4.5, 14))
    figure = Figure(figsize=(edge * len(matrices) + 1.2, edge + 0.6), dpi=110, layout="constrained")
    axes = figure.subplots(1, len(matrices), squeeze=False)[0]
    finite = np.concatenate([m[np.isfinite(m)] for m in matrices.values()])
    low, high = float(finite.min()), float(finite.max())
    for ax, (split, matrix) in zip(axes, matrices.items(), strict=True):
        ordered = matrix[np.ix_(order, order)]
        image = _show(ax, ordered, "cividis", Normalize(low, high))
        ax.set_title(split, fontsize=11, y=1.0)
        name_axes(ax, tuple(classes[c] for c in order))
        if len(classes) <= MAX_NUMBERS:
            _write_numbers(ax, ordered, (low + high) / 2, _divisor(high))
    unit = _divisor(high)
    bar = figure.colorbar(image, ax=list(axes), shrink=0.85)
    bar.set_label("variance of the two classes pooled into one set\n(diagonal: of the class alone)")
    figure.suptitle(plain(title), fontsize=13, fontweight="bold")
    if len(classes) <= MAX_NUMBERS and unit != 1:
        figure.supxlabel(f"numbers in the cells: × {unit:,g}", fontsize=9, color="#444444")
    return figure


def draw_confusability(
    matrices: Mapping[str, Array], classes: tuple[str, ...], order: Sequence[int], title: str
) -> Figure:
    """Heat maps of the directional CDNV, one a split, on one logarithmic scale; classes in ``order``.

    Dark pairs are confused: along the line between them they vary much, measured by its length.
    """
    edge = float(np.clip(0.55 * len(classes) + 1.6, 4.5, 14))
    figure = Figure(figsize=(edge * len(matrices) + 1.2, edge + 0.6), dpi=110, layout="constrained")
    axes = figure.subplots(1, len(matrices), squeeze=False)[0]
    finite = np.concatenate([m[np.isfinite(m) & (m > 0)] for m in matrices.values()])
    norm = LogNorm(float(finite.min()), float(finite.max()) * (1 + 1e-9)) if len(finite) else None
    for ax, (split, matrix) in zip(axes, matrices.items(), strict=True):
        ordered = matrix[np.ix_(order, order)]
        image = _show(ax, ordered, "cividis_r", norm)
        ax.set_title(split, fontsize=11, y=1.0)
        name_axes(ax, tuple(classes[c] for c in order))
        if len(classes) <= MAX_NUMBERS and len(finite):
            _write_numbers(ax, -ordered, -float(np.sqrt(finite.min() * finite.max())), -1.0)
    bar = figure.colorbar(image, ax=list(axes), shrink=0.85)
    bar.set_label(
        "variance along the line between the two classes against its\n"
        "squared length (no error rate): the darker, the more confused"
    )
    figure.suptitle(plain(title), fontsize=13, fontweight="bold")
    return figure


def _show(ax: Axes, matrix: Array, colours: str, norm: Normalize | None) -> AxesImage:
    """A matrix (C, C) in its axes, in blocks where it is too large for every cell to be seen."""
    count = len(matrix)
    end = count - 0.5
    return ax.imshow(in_blocks(matrix, block_of(count)), colours, norm, extent=(-0.5, end, end, -0.5))


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


def _divisor(high: float) -> float:
    """A power of a thousand that brings numbers up to ``high`` to at most four digits."""
    return float(1000.0 ** np.floor(np.log10(high) / 3)) if high > 0 else 1.0


def name_axes(ax: Axes, classes: tuple[str, ...]) -> None:
    """The classes along both axes; of more than sixty their places in the order."""
    if len(classes) > 60:
        size = block_of(len(classes))
        said = "place of the class" if size == 1 else f"place of the class; each cell: mean of {size} × {size} pairs"
        ax.set_xlabel(said)
        ax.set_ylabel("place of the class")
        return
    names = [plain(shown(name, 18)) for name in classes]
    ax.set_xticks(range(len(classes)), names, rotation=60, ha="right", rotation_mode="anchor", fontsize=9)
    ax.set_yticks(range(len(classes)), names, fontsize=9)


def _write_numbers(ax: Axes, matrix: Array, middle: float, unit: float) -> None:
    for (i, j), value in np.ndenumerate(matrix):
        if np.isfinite(value):
            colour = "white" if value < middle else "black"
            text = ax.text(j, i, f"{value / unit:.3g}", ha="center", va="center", fontsize=7.5, color=colour)
            text.set_in_layout(False)  # it lies within the picture: what stands around it need not ask for its size
