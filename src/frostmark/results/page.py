"""Pages that are read from top to bottom: the answer, then sections with tables, pictures and images.

sections = [Section("How sure", text=["…"], tables=[PageTable(("pair", "difference"), rows)], pictures=[picture])]
html = page("resnet18 and vgg16 on digits", ["resnet18 separates these classes better."], sections)

``report.html`` of a run and ``comparison.html`` are such pages. A page is one file that asks for nothing outside
itself, so that MLflow shows it in its sandboxed frame, and mail carries it. All its links lead to its own sections.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Protocol

from frostmark.names import visible


@dataclass(frozen=True)
class PageTable:
    """A table.

    Attributes:
        head: of the columns; a table all of whose heads are empty has none.
        words: numbers of the columns that hold words: they stand left, the others, numbers, right.
        bars: number of a column → (rows,) shares of one, each drawn as a bar in its cell.
        folded: what is read in the place of the table until it is opened; empty for a table that is open.
    """

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    words: Sequence[int] = (0,)
    bars: Mapping[int, Sequence[float]] = field(default_factory=dict)
    folded: str = ""


@dataclass(frozen=True)
class Matrix:
    """A square table of shares, whose diagonal is what should be.

    Attributes:
        names: (C,) of its rows and columns.
        cells: (C, C) in percent as text; empty cells are empty texts.
        shares: (C, C) from 0 to 1: how deeply a cell is coloured.
        told: (C, C) what a cell says in full, for the pointer and for readers aloud.
        folded: as of a table.
    """

    names: Sequence[str]
    cells: Sequence[Sequence[str]]
    shares: Sequence[Sequence[float]]
    told: Sequence[Sequence[str]]
    folded: str = ""


@dataclass(frozen=True)
class PagePicture:
    """An SVG document, or the bytes of a WebP file, and what it shows in a few words.

    It is shown as an image: no script in it runs, no style in it leaks.
    """

    drawn: str | bytes
    about: str


@dataclass(frozen=True)
class PageImage:
    """An image of the data set.

    Attributes:
        webp: its bytes; None where images are not known.
        lines: below it, the first in bold.
    """

    webp: bytes | None
    lines: Sequence[str]


@dataclass(frozen=True)
class Gallery:
    """Images side by side, under a title."""

    title: str
    images: Sequence[PageImage]


class MapPieces(Protocol):
    """The linked maps, ready for a page: CSS, HTML of the body, HTML of the scripts behind it. They are trusted."""

    @property
    def style(self) -> str: ...

    @property
    def markup(self) -> str: ...

    @property
    def scripts(self) -> str: ...


@dataclass(frozen=True)
class Section:
    """A part of the page, below its title: paragraphs, a command, maps, tables, a matrix, pictures, images.

    Attributes:
        maps: of one section of a page at most.
    """

    title: str
    text: Sequence[str] = ()
    tables: Sequence[PageTable] = ()
    pictures: Sequence[PagePicture] = ()
    code: str = ""
    maps: MapPieces | None = None
    matrices: Sequence[Matrix] = ()
    galleries: Sequence[Gallery] = ()


def page(title: str, answer: Sequence[str], sections: Sequence[Section], notes: Sequence[str] = ()) -> str:
    """One self-contained HTML document; the same input gives the same text. Names in it are text, never markup.

    Args:
        answer: paragraphs; the first in the largest type.
        notes: below the answer, in small type.
    """
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, finalize=_fit_to_show
    )
    environment.filters["data_uri"] = _data_uri
    template = (files(__package__) / "page.html").read_text("utf-8")
    maps = next((section.maps for section in sections if section.maps is not None), None)
    return environment.from_string(template).render(
        title=title, answer=answer, sections=sections, notes=notes, maps=maps
    )


def _fit_to_show(value: object) -> object:
    """Names without what would hide or turn what follows; what is markup stays as it is."""
    return visible(value) if type(value) is str else value


def _data_uri(drawn: str | bytes) -> str:
    kind, content = ("svg+xml", drawn.encode()) if isinstance(drawn, str) else ("webp", drawn)
    return f"data:image/{kind};base64,{b64encode(content).decode()}"
