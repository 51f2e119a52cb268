"""Images beside each other: the pairs of two classes that a layer finds most alike.

figure = draw_image_pairs([(image, "Shirt", other, "Coat", 0.98)], title="resnet18 · last_conv · fashion_mnist")
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from frostmark.figures.maps import plain, shown

Pair = tuple[NDArray[np.uint8], str, NDArray[np.uint8], str, float]
"""Image (H, W, 3), its class, the other image, its class, cosine of their features."""


def draw_image_pairs(pairs: Sequence[Pair], title: str, columns: int = 4) -> Figure:
    """Pairs in the order given, left to right and top to bottom, each with its classes and its cosine."""
    columns = min(columns, len(pairs))
    lines = -(-len(pairs) // columns)
    figure = Figure(figsize=(max(3.1 * columns, 9.5), 2.15 * lines + 0.9), dpi=110, layout="constrained")
    cells = figure.subfigures(lines, columns, squeeze=False, wspace=0.04, hspace=0.04)
    for cell, (one, name, other, other_name, cosine) in zip(cells.flat, pairs, strict=False):
        cell.set_facecolor("#eeeeee")  # the two of a pair stand on one ground
        cell.suptitle(f"cosine {cosine:.3f}", fontsize=9, color="#444444")
        for ax, image, label in zip(cell.subplots(1, 2), (one, other), (name, other_name), strict=True):
            ax.imshow(image, interpolation="nearest")
            # At its usual place: matplotlib would ask for the size of all ticks before it puts it there.
            ax.set_title(plain(shown(label, 18)), fontsize=9, y=1.0)
            ax.set_axis_off()
    figure.suptitle(plain(title), fontsize=12, fontweight="bold")
    return figure
