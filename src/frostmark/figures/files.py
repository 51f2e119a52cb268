"""Figures as files and as pixels.

save(figure, Path("map.png"))
save_vector(figure, Path("map.svg"))        # for papers
svg(figure)                     # the same as text, for pages
pixels(figure)                  # (H, W, 3) uint8, for trackers that show images in a grid
"""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray


def save(figure: Figure, path: Path) -> Path:
    """Write ``figure`` as PNG."""
    # Without the software's version in the file the same figure gives the same bytes.
    figure.savefig(path, metadata={"Software": ""})
    figure.set_layout_engine("none")  # it is laid out now: half the time of drawing it once more
    return path


def save_vector(figure: Figure, path: Path) -> Path:
    """Write ``figure`` as SVG; the same figure gives the same bytes."""
    path.write_text(svg(figure), encoding="utf-8")
    return path


def svg(figure: Figure) -> str:
    """The figure as an SVG document, for pages; the same figure gives the same text."""
    with rc_context({"svg.hashsalt": "frostmark"}), BytesIO() as file:
        figure.savefig(file, format="svg", dpi=200, metadata={"Date": None, "Creator": None})
        return file.getvalue().decode()


def pixels(figure: Figure) -> NDArray[np.uint8]:
    """The drawn figure, (H, W, 3) uint8."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # type: ignore[no-untyped-call]
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()  # type: ignore[no-untyped-call]
