"""Fonts for names in any script: another installed font where matplotlib's own has no glyph, a stand-in where none has.

figure = FontedFigure(figsize=(7, 5))       # finds the fonts of its texts when it is drawn
labels_of(["Shirt", "猫"])                   # ["Shirt", "class 1"] where no installed font can draw 猫
told_of(["Shirt", "猫"])                     # "No installed font can draw the name of class 1 …"; else ""
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import cache

from matplotlib.backend_bases import RendererBase
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, fontManager
from matplotlib.ft2font import FT2Font
from matplotlib.text import Text

from frostmark.names import visible

PREFERRED = (
    "Noto Sans CJK JP", "Noto Sans CJK SC", "Source Han Sans", "IPAGothic", "IPAexGothic", "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei", "Microsoft YaHei", "SimHei", "Yu Gothic", "MS Gothic", "Malgun Gothic", "PingFang SC",
    "Hiragino Sans", "Arial Unicode MS", "Droid Sans Fallback", "Unifont",
)  # fmt: skip
"""Families that are tried first, if they are installed; then all other installed families."""

_BOXES = ("Last Resort", "LastResort")
"""Fonts that have every character, as a box."""

MAX_TOLD = 5
"""Classes that the sentence names."""


class FontedFigure(Figure):
    """A figure whose texts fall back, glyph by glyph, to installed fonts that have what the usual one lacks."""

    def draw(self, renderer: RendererBase) -> None:
        for text in self.findobj(Text):
            if isinstance(text, Text) and (families := families_of(text.get_text())):
                text.set_fontfamily(families)
        super().draw(renderer)


def families_of(text: str) -> list[str]:
    """The families that draw a text together; none where the usual one does alone."""
    if text.isascii():
        return []
    others = dict.fromkeys(found for c in text if (found := _family_with(c)))
    return [_usual(), *others] if others else []


def drawn(text: str) -> str:
    """A text with a question mark for every character that no installed font has."""
    return text if text.isascii() else "".join(c if _family_with(c) is not None else "?" for c in text)


def labels_of(classes: Sequence[str]) -> list[str]:
    """Names of classes for a picture: ``class 3`` for one that no installed font can draw."""
    return [name if _can_draw(name) else f"class {number}" for number, name in enumerate(classes)]


def told_of(classes: Sequence[str]) -> str:
    """Which classes have a stand-in in pictures, and what helps; empty if all names can be drawn."""
    without = [f"{number}" for number, name in enumerate(classes) if not _can_draw(name)]
    if not without:
        return ""
    more = f" and {len(without) - MAX_TOLD:,} more" if len(without) > MAX_TOLD else ""
    named = f"class {without[0]}" if len(without) == 1 else f"classes {', '.join(without[:MAX_TOLD])}{more}"
    return (
        f"No installed font can draw the names of {named}: pictures show their numbers, pages and tables their names. "
        "A font such as Noto Sans CJK helps"
    )


def _can_draw(name: str) -> bool:
    name = visible(name)
    return name.isascii() or all(_family_with(c) is not None for c in name)


@cache
def _usual() -> str:
    """The family that texts are drawn in unless anything is said."""
    return FontProperties(fname=findfont(FontProperties())).get_name()


@cache
def _family_with(character: str) -> str | None:
    """The family that draws a character: "" for the usual one, None if no font has it."""
    if character.isspace() or ord(character) in _glyphs(findfont(FontProperties())):
        return ""
    return next((family for family, path in _others() if ord(character) in _glyphs(path)), None)


@cache
def _glyphs(path: str) -> frozenset[int]:
    """Code points that a font has."""
    with suppress(RuntimeError, OSError, ValueError):  # a damaged font draws nothing
        return frozenset(FT2Font(path).get_charmap())
    return frozenset()


def _others() -> Iterator[tuple[str, str]]:
    """Installed families and the file that each is drawn with, the preferred ones first."""
    installed = {font.name for font in fontManager.ttflist if not font.name.startswith(_BOXES)} - {_usual()}
    preferred = [name for name in PREFERRED if name in installed]
    return ((name, findfont(FontProperties(family=name))) for name in [*preferred, *sorted(installed - {*preferred})])


class _Quiet(logging.Filter):
    """Fallback fonts seldom have every weight: the nearest one is used, and nobody needs to hear of it."""

    def filter(self, record: logging.LogRecord) -> bool:
        return "font weight" not in record.getMessage()


logging.getLogger("matplotlib.font_manager").addFilter(_Quiet())
