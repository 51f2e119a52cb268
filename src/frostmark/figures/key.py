"""The list of what a picture's marks mean, beside the picture, in as many columns as its height asks for.

key = Key.of(entries, "class", height=6.0)          # entries: [("Shirt", Style("#e76300", "^")), …]
key.width                                           # inches
key.draw(sheet, left=7.1, top=0.8)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.lines import Line2D

from frostmark.figures.lines import LEADING, plain, shown, width_of
from frostmark.figures.palette import Style
from frostmark.figures.sheet import Sheet

SIZE = 9.5
"""Of its font."""

_ROW = SIZE * (LEADING + 0.34) / 72
_MARK = 2.1 * SIZE / 72
_GAP = 1.2 * SIZE / 72


@dataclass(frozen=True)
class KeyLine:
    """A line of the list: marks, or a line with marks on it."""

    name: str
    style: Style
    line: bool = False


@dataclass(frozen=True)
class Key:
    """Entries in columns."""

    entries: Sequence[KeyLine]
    title: str
    columns: int
    width: float

    @classmethod
    def of(cls, entries: Sequence[KeyLine], title: str, height: float, most: int | None = 26) -> Key:
        """The entries in columns no higher than ``height`` inches, names of at most ``most`` letters (None: whole).

        Nothing is drawn of no entries, and its width is 0.
        """
        if not entries:
            return cls((), title, 1, 0.0)
        entries = [e if most is None else KeyLine(shown(e.name, most), e.style, e.line) for e in entries]
        rows = max(1, int(height / _ROW) - 1)
        columns = -(-len(entries) // rows)
        rows = -(-len(entries) // columns)
        parts = [entries[i : i + rows] for i in range(0, len(entries), rows)]
        marks = _MARK * (1.7 if any(e.line for e in entries) else 1)
        width = sum(marks + max(width_of(e.name, SIZE) for e in part) for part in parts) + _GAP * (len(parts) - 1)
        return cls(entries, title, len(parts), max(width, width_of(title, SIZE)))

    def draw(self, sheet: Sheet, left: float, top: float) -> None:
        """Its upper left corner at a place of the sheet."""
        if not self.entries:
            return
        handles = [
            Line2D([], [], linestyle=e.style.dash if e.line else "none", marker=e.style.marker, color=e.style.colour,
                   markersize=8, linewidth=1.6, label=plain(e.name))
            for e in self.entries
        ]  # fmt: skip
        sheet.figure.legend(
            handles=handles, loc="upper left", bbox_to_anchor=(left / sheet.width, 1 - top / sheet.height),
            title=self.title, ncols=self.columns, frameon=False, fontsize=SIZE, title_fontsize=SIZE, borderaxespad=0,
            borderpad=0, labelspacing=0.34, handletextpad=0.6, columnspacing=_GAP * 72 / SIZE,
            handlelength=2.6 if any(e.line for e in self.entries) else 1.2, alignment="left",
        )  # fmt: skip
