"""Texts that keep within a width: measured, and broken into lines.

wrapped("resnet18 · last_conv · digits · t-SNE", inches=4.0, size=13, bold=True)      # two lines
width_of("Ankle boot", size=9.5)                                                      # 0.74 inches
"""

from __future__ import annotations

from functools import lru_cache

from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

from frostmark.figures.fonts import drawn, families_of
from frostmark.names import visible, visible_lines

_MARKS = "_-./,"
"""Behind which a long word may go on in the next line."""

LEADING = 1.24
"""Height of a line against the size of its font."""


def shown(name: str, most: int) -> str:
    """A class name short enough for a picture, in one line."""
    name = visible(name)
    return name if len(name) <= most else name[: most - 1] + "…"


def plain(text: str) -> str:
    """Text that matplotlib does not read as mathematics, and an SVG can hold."""
    return drawn(visible_lines(text)).replace("$", r"\$")


@lru_cache(4096)
def width_of(text: str, size: float, bold: bool = False) -> float:
    """Inches that a line of text takes; not one for :func:`plain`, which adds backslashes that are not drawn."""
    text = drawn(visible(text))
    look = FontProperties(family=families_of(text) or None, size=size, weight="bold" if bold else "normal")
    width, _, _ = text_to_path.get_text_width_height_descent(text, look, ismath=False)
    return float(width) / 72 * 1.02  # what is drawn is hinted: a little wider


def height_of(text: str, size: float) -> float:
    """Inches that the lines of a text take; none for an empty one."""
    return (text.count("\n") + 1) * size * LEADING / 72 if text else 0.0


def wrapped(text: str, inches: float, size: float, bold: bool = False) -> str:
    """A text in lines of at most so many inches; its own line ends stay, and a word that is wider is broken."""
    return "\n".join(
        line for part in visible_lines(text).split("\n") for line in _lines(part, inches, size, bold) or [""]
    )


def _lines(text: str, inches: float, size: float, bold: bool) -> list[str]:
    if width_of(text, size, bold) <= inches:
        return [text]
    lines: list[str] = []
    line = ""
    for word in text.split():
        longer = f"{line} {word}" if line else word
        if width_of(longer, size, bold) <= inches:
            line = longer
            continue
        lines += [line] if line else []
        *full, line = _broken(word, inches, size, bold)
        lines += full
    return [*lines, line] if line else lines


def _broken(word: str, inches: float, size: float, bold: bool) -> list[str]:
    """A word in pieces that fit, a letter at least; broken behind a mark where there is one in the second half."""
    pieces = [""]
    for letter in word:
        if pieces[-1] and width_of(pieces[-1] + letter, size, bold) > inches:
            end = max(pieces[-1].rfind(mark) for mark in _MARKS) + 1
            end = end if 2 * end > len(pieces[-1]) else len(pieces[-1])
            pieces[-1:] = [pieces[-1][:end], pieces[-1][end:]]
        pieces[-1] += letter
    return pieces
