"""A figure whose parts are laid out by inches from its upper left corner: nothing is cut, nothing is left to a solver.

sheet = Sheet(width=8.2, height=7.0)
ax = sheet.axes(left=0.3, top=0.8, width=6.4, height=5.5)
sheet.write(0.3, 0.1, "squeezenet1_0 · last_conv", size=14, fontweight="bold")
sheet.figure
"""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import FuncFormatter

from frostmark.figures.fonts import FontedFigure
from frostmark.figures.lines import plain

DPI = 110


class Sheet:
    """A figure of ``width`` × ``height`` inches."""

    def __init__(self, width: float, height: float) -> None:
        self.width, self.height = width, height
        self.figure = FontedFigure(figsize=(width, height), dpi=DPI)

    def axes(self, left: float, top: float, width: float, height: float) -> Axes:
        """Axes whose frame fills the given box."""
        box = (left / self.width, 1 - (top + height) / self.height, width / self.width, height / self.height)
        return self.figure.add_axes(box)

    def write(self, x: float, top: float, text: str, size: float, **look: str) -> None:
        """Text whose upper left corner, or what ``ha`` and ``va`` say, is at a place."""
        at = (x / self.width, 1 - top / self.height)
        self.figure.text(*at, plain(text), fontdict={"va": "top", "ha": "left", "fontsize": size, **look})


def in_percent(axis: Axis) -> None:
    """Shares along an axis as percents, with as many decimals as its ticks need."""
    axis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:.6g}%"))
