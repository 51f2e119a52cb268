"""Colours and marks that the colour-blind can tell apart.

    for style in class_styles(20): ax.scatter(x, y, color=style.colour, marker=style.marker)

Ten colours by Matthew Petroff ("Accessible Color Sequences for Data Visualization", arXiv 2107.02270), chosen for
vision deficiencies; four plain markers alternate with them, so that no class is told by its colour alone. Every round
through the colours meets them with other markers, four less plain ones beyond forty classes.
"""

from __future__ import annotations

import colorsys
import hashlib
from dataclasses import dataclass

from matplotlib.colors import to_hex

COLOURS = (
    "#3f90da", "#ffa90e", "#bd1f01", "#94a4a2", "#832db6", "#a96b59", "#e76300", "#b9ac70", "#717581", "#92dadd",
)  # fmt: skip
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")


_SALT = b"1475"  # of 20,000 tried the one that sets the backbones of conf/backbone farthest apart


@dataclass(frozen=True)
class ClassStyle:
    """How the points of one class look."""

    colour: str
    marker: str


def class_styles(classes: int) -> list[ClassStyle]:
    """A style for each of ``classes`` classes, distinct up to eighty."""
    return [ClassStyle(COLOURS[c % len(COLOURS)], _marker(c)) for c in range(classes)]


def _marker(number: int) -> str:
    turn, colour = divmod(number, len(COLOURS))
    return MARKERS[(colour + turn) % 4 + 4 * (turn // 4 % 2)]


def name_colour(name: str) -> str:
    """A colour (#rrggbb) that depends on ``name`` alone: a backbone has the same in every run."""
    digest = hashlib.blake2b(name.encode(), digest_size=3, salt=_SALT).digest()
    hue, lightness = int.from_bytes(digest[:2]) / 65536, 0.32 + 0.28 * digest[2] / 255
    return to_hex(colorsys.hls_to_rgb(hue, lightness, 0.65))
