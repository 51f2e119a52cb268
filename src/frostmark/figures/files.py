"""Figures as files and as pixels.

save(figure, Path("map.png"))
save_vector(figure, Path("map.svg"))        # for papers
pixels(figure)                  # (H, W, 3) uint8, for trackers that show images in a grid
"""

from __future__ import annotations

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
    with rc_context({"svg.hashsalt": "frostmark"}):
        figure.savefig(path, format="svg", dpi=200, metadata={"Date": None, "Creator": None})
    return path


def pixels(figure: Figure) -> NDArray[np.uint8]:
    """The drawn figure, (H, W, 3) uint8."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # type: ignore[no-untyped-call]
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()  # type: ignore[no-untyped-call]
