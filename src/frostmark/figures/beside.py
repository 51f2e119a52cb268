"""Names beside points, where they hide neither points nor each other.

write_names(ax, [Name("vgg16 · stage5", x=15.3, y=0.81, low=0.79, high=0.83, weight=True), …])
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke
from matplotlib.transforms import Bbox

from frostmark.figures.lines import plain, width_of
from frostmark.names import short_titles

_SIZE = 8.0
"""Of the font beside points."""

_NEAR = (
    (0, 11, "center"), (9, 6, "left"), (-9, 6, "right"), (0, -11, "center"), (9, -6, "left"), (-9, -6, "right"),
    (9, 0, "left"), (-9, 0, "right"),
)  # fmt: skip
_FAR = tuple((right * out, up * out, side) for out in (20, 32, 46, 64) for right, up, side in (
    (0, 1, "center"), (0, -1, "center"), (0.7, 0.7, "left"), (-0.7, 0.7, "right"), (0.7, -0.7, "left"),
    (-0.7, -0.7, "right"), (1, 0.2, "left"), (-1, 0.2, "right"), (1, -0.2, "left"), (-1, -0.2, "right"),
))  # fmt: skip
_PLACES = (*_NEAR, *_FAR)
"""Where a name may stand beside its point, the best first: typographic points to the right, up, and its alignment.
Names without weight stand near it or nowhere; a line leads from one that is far."""


@dataclass(frozen=True)
class Name:
    """What is written beside the point (x, y) with a whisker from ``low`` to ``high``.

    Names of ``weight`` are written first and in any case, others only where they hide nothing.
    """

    text: str
    x: float
    y: float
    low: float
    high: float
    weight: bool


def write_names(ax: Axes, names: Sequence[Name], others: Sequence[Name] = ()) -> None:
    """Each at the first place beside its point where it hides no point and no other name; ``others`` stay without one.

    Limits and scales of ``ax`` have to be what they will be.
    """
    short = short_titles([name.text for name in names], 34)
    names = [replace(name, text=text) for name, text in zip(names, short, strict=True)]
    taken = [_whisker(ax, name) for name in (*names, *others)]
    for name in sorted(names, key=lambda name: not name.weight):
        boxes = [_box(ax, name, *place) for place in (_PLACES if name.weight else _NEAR)]
        hides = [sum(map(box.overlaps, taken)) + 3 * _leaves(ax, box) for box in boxes]
        best = int(np.argmin(hides))
        if name.weight or not hides[best]:
            taken.append(boxes[best])
            _write_name(ax, name, *_PLACES[best])


def _write_name(ax: Axes, name: Name, right: float, up: float, side: str) -> None:
    far = (right, up, side) in _FAR
    line = {"arrowstyle": "-", "color": "#777777", "linewidth": 0.7, "shrinkA": 0, "shrinkB": 3} if far else None
    text = ax.annotate(
        plain(name.text), (name.x, name.y), xytext=(right, up), textcoords="offset points", ha=side,
        va="center", fontsize=_SIZE, fontweight="bold" if name.weight else "normal", color="#111111", zorder=4,
        arrowprops=line,
    )  # fmt: skip
    text.set_path_effects([withStroke(linewidth=2.5, foreground="white")])


def _box(ax: Axes, name: Name, right: float, up: float, side: str) -> Bbox:
    """Where the name would stand, in pixels."""
    unit = _unit(ax)
    width = 72 * width_of(name.text, _SIZE, bold=name.weight) * unit
    x, y = ax.transData.transform((name.x, name.y)) + np.array([right, up]) * unit
    left = x - width * {"left": 0.0, "center": 0.5, "right": 1.0}[side]
    return Bbox.from_bounds(left, y - 0.6 * _SIZE * unit, width, 1.2 * _SIZE * unit)


def _whisker(ax: Axes, name: Name) -> Bbox:
    """The point and its whisker, in pixels."""
    (x, y), (_, low), (_, high) = ax.transData.transform([(name.x, at) for at in (name.y, name.low, name.high)])
    half = 4.5 * _unit(ax)
    return Bbox.from_extents(x - half, min(low, y - half), x + half, max(high, y + half))


def _leaves(ax: Axes, box: Bbox) -> bool:
    frame = ax.get_window_extent()
    return not (frame.x0 <= box.x0 and box.x1 <= frame.x1 and frame.y0 <= box.y0 and box.y1 <= frame.y1)


def _unit(ax: Axes) -> float:
    """Pixels of a typographic point."""
    figure = ax.get_figure(root=True)
    assert figure is not None
    return float(figure.dpi) / 72
