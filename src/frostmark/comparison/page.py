"""A comparison of runs as one page: the verdict, the linked maps, then tables and pictures.

sections = [Section("How sure", text=["…"], tables=[PageTable(("pair", "difference"), rows)], pictures=[svg])]
html = comparison_page("resnet18 and vgg16 on digits", ["resnet18 separates these classes better."], sections, maps)

The page is one file that asks for nothing outside itself, so that MLflow shows it in its sandboxed frame.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Protocol


@dataclass(frozen=True)
class PageTable:
    """A table; the first column stands left, the others, numbers, stand right."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Section:
    """A part of the page, below its title: paragraphs, then tables, then pictures.

    Attributes:
        pictures: SVG documents as text. They are shown as images: no script in them runs, no style in them leaks.
    """

    title: str
    text: Sequence[str] = ()
    tables: Sequence[PageTable] = ()
    pictures: Sequence[str] = ()


class MapPieces(Protocol):
    """The linked maps, ready for a page: CSS, HTML of the body, HTML of the scripts behind it. They are trusted."""

    @property
    def style(self) -> str: ...

    @property
    def markup(self) -> str: ...

    @property
    def scripts(self) -> str: ...


def comparison_page(title: str, verdict: Sequence[str], sections: Sequence[Section], maps: MapPieces | None) -> str:
    """One self-contained HTML document; the same input gives the same text. Names in it are text, never markup.

    Args:
        verdict: paragraphs; the first in the largest type.
        maps: what stands between the verdict and the sections, or None.
    """
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["data_uri"] = _data_uri
    template = (files(__package__) / "comparison.html").read_text("utf-8")
    return environment.from_string(template).render(title=title, verdict=verdict, sections=sections, maps=maps)


def _data_uri(svg: str) -> str:
    return f"data:image/svg+xml;base64,{b64encode(svg.encode()).decode()}"
