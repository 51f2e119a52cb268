"""Figures as files and as pixels.

save(figure, Path("map.png"))
drawn = pixels(figure)          # (H, W, 3) uint8, for trackers that show images in a grid
save_pixels(drawn, Path("map.png"), figure.dpi)     # the same file, where the pixels are there already
save_vector(figure, Path("map.svg"))        # for papers
svg(figure)                     # the same as text, for pages
webp(drawn, quality=85)         # pixels as the bytes of a WebP file, for pages
"""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import imsave
from numpy.typing import NDArray


def save(figure: Figure, path: Path) -> Path:
    """Write ``figure`` as PNG."""
    return save_pixels(pixels(figure), path, figure.dpi)


def save_pixels(drawn: NDArray[np.uint8], path: Path, dpi: float) -> Path:
    """Write a drawn figure (H, W, 3) as PNG; the same pixels give the same bytes."""
    imsave(path, drawn, format="png", dpi=dpi, metadata={"Software": ""})  # matplotlib would name its version
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


def webp(drawn: NDArray[np.uint8], quality: int) -> bytes:
    """Pixels (H, W, 3) as a WebP file of a ``quality`` from 1 to 100; the same pixels give the same bytes."""
    with BytesIO() as file:
        imsave(file, drawn, format="webp", pil_kwargs={"quality": quality, "method": 2})
        return file.getvalue()


def pixels(figure: Figure) -> NDArray[np.uint8]:
    """The drawn figure, (H, W, 3) uint8."""
    # Drawn once: ``savefig`` draws a figure with a layout twice, the first time into nothing.
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # type: ignore[no-untyped-call]
    figure.set_layout_engine("none")  # it is laid out now: half the time of drawing it once more
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()  # type: ignore[no-untyped-call]
