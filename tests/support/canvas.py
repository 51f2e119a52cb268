"""What of a drawn figure a reader sees: nothing cut by the canvas, no text upon another, frames that points fill.

assert not cut(figure)
assert not overlaps(figure)
assert filled(figure.axes[0]) > 0.8
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox


def drawn(figure: Figure) -> FigureCanvasAgg:
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return canvas


def cut(figure: Figure) -> list[str]:
    """Sides of the canvas that something drawn reaches beyond, by how many pixels."""
    box = figure.get_tightbbox(drawn(figure).get_renderer())
    width, height = figure.get_size_inches()
    beyond = {"left": -box.x0, "bottom": -box.y0, "right": box.x1 - width, "top": box.y1 - height}
    return [f"{side}: {over * figure.dpi:.1f}" for side, over in beyond.items() if over * figure.dpi > 0.5]


def written(figure: Figure) -> list[tuple[str, Bbox]]:
    """The texts outside of axes and those of titles, captions and legends, and where they stand, in pixels."""
    drawn(figure)
    texts: list[Text] = list(figure.texts)
    for ax in figure.axes:
        texts += [ax.title, ax.xaxis.label, ax.yaxis.label]
    for legend in figure.legends:
        texts += [*legend.get_texts(), legend.get_title()]
    return [(t.get_text(), t.get_window_extent()) for t in texts if t.get_text().strip() and t.get_visible()]


def overlaps(figure: Figure) -> list[tuple[str, str]]:
    """Pairs of those texts that stand upon each other; texts upon the frame of axes, too."""
    boxes = written(figure)
    frames = [("axes", ax.get_window_extent()) for ax in figure.axes if ax.axison]
    pairs = [*combinations(boxes, 2), *((text, frame) for text in boxes for frame in frames)]
    return [(one, other) for (one, a), (other, b) in pairs if upon(a, b)]


def upon(one: Bbox, other: Bbox, most: float = 1.0) -> bool:
    """Whether two boxes overlap by more than ``most`` pixels each way."""
    width = min(one.x1, other.x1) - max(one.x0, other.x0)
    height = min(one.y1, other.y1) - max(one.y0, other.y0)
    return width > most and height > most


def names_in(ax: Axes) -> list[Bbox]:
    """Where the texts inside of axes stand, in pixels."""
    return [t.get_window_extent() for t in ax.texts]


def filled(ax: Axes) -> tuple[float, float]:
    """Shares of the frame, across and up, that its points span."""
    points = np.concatenate([np.asarray(c.get_offsets()) for c in ax.collections if isinstance(c, PathCollection)])
    spans = np.ptp(points, axis=0) / [np.ptp(ax.get_xlim()), np.ptp(ax.get_ylim())]
    return float(spans[0]), float(spans[1])
