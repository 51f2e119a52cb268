"""Pages that are read: in order, self-contained, every name text, every picture an image, and fit for a phone."""

from __future__ import annotations

import re
from base64 import b64decode
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

import numpy as np

from frostmark.figures.files import webp
from frostmark.results.page import Gallery, Matrix, PageImage, PagePicture, PageTable, Section, page
from support.map_page import chromium

NAUGHTY = (
    "<script>alert(1)</script>", '"><img src=x onerror=alert(2)>', "a & b &lt;", "{{ 7*7 }}{% raw %}",
    "</style><script>alert(3)</script>", "y" * 300,
)  # fmt: skip
DRAWING = (
    '<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" width="80pt" height="40pt">'
    "<style>* { display: none }</style><script>alert(4)</script><rect id='x' width='9' height='9'/>é</svg>"
)


SQUARE = np.full((8, 8, 3), 90, np.uint8)


@dataclass(frozen=True)
class Pieces:
    style: str = "#there { color: rgb(1, 2, 3) }"
    markup: str = '<div id="there">maps</div>'
    scripts: str = "<script>document.body.dataset.ran = 'yes'</script>"


class Read(HTMLParser):
    """What stands in the page: (tag, attributes) in order, and the texts of what is shown."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.inside = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.inside = tag

    def handle_data(self, data: str) -> None:
        if data.strip() and self.inside not in ("style", "script"):
            self.texts.append(data.strip())


def sections() -> list[Section]:
    table = PageTable(("layer", "accuracy"), [("resnet18 · stage4", "0.81"), ("vgg16 · stage5", "0.80")])
    drawings = [PagePicture(DRAWING, "accuracy by depth"), PagePicture(webp(SQUARE, 90), "a square")]
    return [
        Section("How sure", ["One.", "Two."], [table, table]),
        Section("Maps", maps=Pieces()),
        Section("Alike", pictures=drawings),
    ]


def test_everything_stands_in_its_order() -> None:
    html = page("digits", ["First.", "Second."], sections(), ["A note."])
    cells = ["layer", "accuracy", "resnet18 · stage4", "0.81", "vgg16 · stage5", "0.80"]
    assert Read(html).texts == [
        "digits", "digits", "First.", "Second.", "A note.", "How sure", "Maps", "Alike",
        "How sure", "One.", "Two.", *cells, *cells, "Maps", "maps", "Alike",
    ]  # fmt: skip
    tags = Read(html).tags
    links = [attributes["href"] for tag, attributes in tags if tag == "a"]
    assert links == [f"#{a['id']}" for tag, a in tags if tag == "section"]
    assert len(set(links)) == 3


def test_pictures_are_images_of_the_drawings_as_they_were() -> None:
    images = [attributes for tag, attributes in Read(page("t", [], sections())).tags if tag == "img"]
    assert [image["alt"] for image in images] == ["accuracy by depth", "a square"]
    kind, _, data = str(images[0]["src"]).partition(",")
    assert kind == "data:image/svg+xml;base64"
    assert b64decode(data).decode() == DRAWING
    assert str(images[1]["src"]).startswith("data:image/webp;base64,")


def test_without_anything_it_is_a_page_still() -> None:
    html = page("t", ["v"], [])
    assert "<section" not in html
    assert 'class="notes"' not in html


def test_what_is_folded_waits_to_be_opened() -> None:
    table = PageTable(("", ""), [("torch", "2.0")], words=(0, 1), folded="Versions")
    tags = Read(page("t", [], [Section("s", tables=[table])])).tags
    names = [tag for tag, _ in tags]
    assert names[names.index("details") :][:4] == ["details", "summary", "div", "table"]
    assert "th" not in names  # a table without heads has no line for them
    assert [a.get("class") for tag, a in tags if tag == "td"] == ["words", "words"]


def test_nothing_is_asked_of_the_outside() -> None:
    html = page("t", ["v"], sections())
    assert not re.search(r"https?://|//cdn|@import|url\(", html)
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', html)
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert html == page("t", ["v"], sections())


def evil() -> str:
    """A page on which every word is a name of somebody who means no good."""
    columns = len(NAUGHTY)
    table = PageTable(NAUGHTY, [NAUGHTY, NAUGHTY[::-1]], bars={1: (0.25, 1.0)})
    matrix = Matrix(
        NAUGHTY, [["9"] * columns] * columns, [[0.5] * columns] * columns, [[*NAUGHTY]] * columns, NAUGHTY[1]
    )
    gallery = Gallery(NAUGHTY[2], [PageImage(webp(SQUARE, 90), NAUGHTY[:3]), PageImage(None, NAUGHTY[3:])])
    part = Section(
        *(NAUGHTY[1], NAUGHTY, [table], [PagePicture(DRAWING, NAUGHTY[1])], NAUGHTY[4]),
        matrices=[matrix],
        galleries=[gallery],
    )
    return page(NAUGHTY[0], NAUGHTY, [part] * 8 + [Section("Maps", maps=Pieces())], NAUGHTY)


def test_names_are_text_numbers_stand_right_and_wide_tables_scroll_by_themselves(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(evil(), encoding="utf-8")
    with chromium() as browser:
        for width in (375, 1280):
            shown = browser.new_page(viewport={"width": width, "height": 700})
            troubles: list[str] = []
            shown.on("dialog", lambda dialog, told=troubles: (told.append(dialog.message), dialog.dismiss()))
            shown.on("pageerror", lambda error, told=troubles: told.append(str(error)))
            shown.on(
                "request", lambda r, told=troubles: None if r.url[:5] in ("file:", "data:") else told.append(r.url)
            )
            shown.on(
                "console", lambda m, told=troubles: told.append(m.text) if m.type in ("error", "warning") else None
            )
            shown.goto((tmp_path / "page.html").as_uri())
            assert shown.title() == shown.text_content("h1") == NAUGHTY[0]
            for words in (".answer p", ".notes li", "#part-4 .figures:not(details *) th"):
                assert [of.text_content() for of in shown.query_selector_all(words)] == list(NAUGHTY)
            aligned = "cells => cells.map(cell => getComputedStyle(cell).textAlign)"
            line = "#part-4 .figures:not(details *) tbody tr:first-child td"
            assert shown.eval_on_selector_all(line, aligned) == ["left"] + 5 * ["right"]
            bars = "bars => bars.map(bar => bar.getBoundingClientRect().width / bar.parentElement.clientWidth)"
            assert shown.eval_on_selector_all("#part-4 .bar > i", bars) == [0.25, 1.0]
            cells = shown.query_selector_all("#part-4 .matrix td")
            assert [cell.get_attribute("title") for cell in cells] == [*NAUGHTY] * len(NAUGHTY)
            assert not shown.is_visible("#part-4 .matrix")
            shown.click("#part-4 summary")
            assert shown.is_visible("#part-4 .matrix")
            images = shown.eval_on_selector_all(
                "#part-2 img", "all => Promise.all(all.map(i => i.decode().then(() => i.naturalWidth)))"
            )
            assert images == [107, 8]
            assert shown.evaluate("getComputedStyle(document.getElementById('there')).color") == "rgb(1, 2, 3)"
            assert shown.evaluate("document.body.dataset.ran") == "yes"
            shown.click(".contents li:last-child a")
            assert shown.evaluate("document.getElementById('part-9').getBoundingClientRect().top") < 700
            assert shown.evaluate("document.documentElement.scrollWidth") <= width
            assert troubles == []
            shown.close()
