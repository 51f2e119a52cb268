"""Colours and marks that the colour-blind can tell apart: of classes, and of curves, whose colours no class has.

    for style in class_styles(20): ax.scatter(x, y, color=style.colour, marker=style.marker)
    for style in curve_styles(3): ax.plot(x, y, style.dash, color=style.colour, marker=style.marker)

Classes have ten colours by Matthew Petroff ("Accessible Color Sequences for Data Visualization", arXiv 2107.02270),
chosen for vision deficiencies; four plain markers alternate with them, so that no class is told by its colour alone.
Every round through the colours meets them with other markers, four less plain ones beyond forty classes.

Curves (networks, data sets) have five darker colours, found by a search for those that lie farthest from each other and
from the classes' in OKLab, for normal vision and the three dichromacies as simulated by Machado et al. (2009); beyond
five their lines are dashed and their markers others. tests/figures/test_palette.py measures both.
"""

from __future__ import annotations

import colorsys
import hashlib
from dataclasses import dataclass
from typing import Literal

from matplotlib.colors import to_hex

COLOURS = (
    "#3f90da", "#ffa90e", "#bd1f01", "#94a4a2", "#832db6", "#a96b59", "#e76300", "#b9ac70", "#717581", "#92dadd",
)  # fmt: skip
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")

CURVE_COLOURS = ("#206080", "#802000", "#9f30ff", "#000000", "#201080")
Dash = Literal["-", "--", ":", "-."]
DASHES: tuple[Dash, ...] = ("-", "--", ":", "-.")


_SALT = b"1475"  # of 20,000 tried the one that sets the backbones of conf/backbone farthest apart


@dataclass(frozen=True)
class Style:
    """How the points of a class, or a curve, look."""

    colour: str
    marker: str
    dash: Dash = "-"


def class_styles(classes: int) -> list[Style]:
    """A style for each of ``classes`` classes, distinct up to eighty."""
    return [Style(COLOURS[c % len(COLOURS)], _marker(c)) for c in range(classes)]


def curve_styles(curves: int) -> list[Style]:
    """A style for each of ``curves`` curves, distinct up to forty; of colours that classes do not have."""
    return [
        Style(
            CURVE_COLOURS[c % len(CURVE_COLOURS)],
            MARKERS[c % len(MARKERS)],
            DASHES[c // len(CURVE_COLOURS) % len(DASHES)],
        )
        for c in range(curves)
    ]


def _marker(number: int) -> str:
    turn, colour = divmod(number, len(COLOURS))
    # One more from the fifth colour on: so the colours that are most alike have other marks.
    return MARKERS[(colour + (colour >= 4) + turn) % 4 + 4 * (turn // 4 % 2)]


def name_colour(name: str) -> str:
    """A colour (#rrggbb) that depends on ``name`` alone: a backbone has the same in every run."""
    digest = hashlib.blake2b(name.encode(), digest_size=3, salt=_SALT).digest()
    hue, lightness = int.from_bytes(digest[:2]) / 65536, 0.32 + 0.28 * digest[2] / 255
    return to_hex(colorsys.hls_to_rgb(hue, lightness, 0.65))
