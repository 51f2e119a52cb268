"""The page of a comparison: in order, self-contained, every name text, every picture an image."""

from __future__ import annotations

import re
from base64 import b64decode
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

from frostmark.comparison.page import PageTable, Section, comparison_page

from support.map_page import chromium

NAUGHTY = (
    "<script>alert(1)</script>", '"><img src=x onerror=alert(2)>', "a & b &lt;", "{{ 7*7 }}{% raw %}",
    "</style><script>alert(3)</script>", "y" * 300,
)  # fmt: skip
DRAWING = (
    '<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" width="80pt" height="40pt">'
    "<style>* { display: none }</style><script>alert(4)</script><rect id='x' width='9' height='9'/>é</svg>"
)


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
    return [Section("How sure", ["One.", "Two."], [table, table]), Section("Alike", pictures=[DRAWING, DRAWING])]


def test_everything_stands_in_its_order() -> None:
    html = comparison_page("digits", ["First.", "Second."], sections(), Pieces())
    cells = ["layer", "accuracy", "resnet18 · stage4", "0.81", "vgg16 · stage5", "0.80"]
    assert Read(html).texts == [
        "digits", "digits", "First.", "Second.", "Maps", "How sure", "Alike", "Maps: the same images in each", "maps",
        "How sure", "One.", "Two.", *cells, *cells, "Alike",
    ]  # fmt: skip
    tags = Read(html).tags
    links = [attributes["href"] for tag, attributes in tags if tag == "a"]
    assert links == [f"#{a['id']}" for tag, a in tags if tag == "section"]
    assert len(set(links)) == 3


def test_pictures_are_images_of_the_drawings_as_they_were() -> None:
    images = [attributes for tag, attributes in Read(comparison_page("t", [], sections(), None)).tags if tag == "img"]
    assert [image["alt"] for image in images] == ["Alike: picture 1", "Alike: picture 2"]
    kind, _, data = str(images[0]["src"]).partition(",")
    assert kind == "data:image/svg+xml;base64"
    assert b64decode(data).decode() == DRAWING


def test_without_maps_there_is_no_part_for_them() -> None:
    html = comparison_page("t", ["v"], sections(), None)
    assert "Maps" not in html
    assert "part-maps" not in html
    assert comparison_page("t", [], [], None)


def test_nothing_is_asked_of_the_outside() -> None:
    html = comparison_page("t", ["v"], sections(), Pieces())
    assert not re.search(r"https?://|//cdn|@import|url\(", html)
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', html)
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert html == comparison_page("t", ["v"], sections(), Pieces())


def test_names_are_text_and_numbers_stand_right(tmp_path: Path) -> None:
    table = PageTable(NAUGHTY, [NAUGHTY, NAUGHTY[::-1]])
    html = comparison_page(NAUGHTY[0], NAUGHTY, [Section(NAUGHTY[1], NAUGHTY, [table], [DRAWING])] * 9, Pieces())
    (tmp_path / "comparison.html").write_text(html, encoding="utf-8")
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 900, "height": 600})
        troubles: list[str] = []
        page.on("dialog", lambda dialog: (troubles.append(dialog.message), dialog.dismiss()))
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("console", lambda m: troubles.append(m.text) if m.type in ("error", "warning") else None)
        page.goto((tmp_path / "comparison.html").as_uri())
        assert page.title() == page.text_content("h1") == NAUGHTY[0]
        assert [p.text_content() for p in page.query_selector_all(".verdict p")] == list(NAUGHTY)
        assert [cell.text_content() for cell in page.query_selector_all("#part-4 th")] == list(NAUGHTY)
        aligned = "cells => cells.map(cell => getComputedStyle(cell).textAlign)"
        assert page.eval_on_selector_all("#part-4 tbody tr:first-child td", aligned) == ["left"] + 5 * ["right"]
        assert page.eval_on_selector("#part-2 img", "image => image.decode().then(() => image.naturalWidth)") == 107
        assert page.evaluate("getComputedStyle(document.getElementById('there')).color") == "rgb(1, 2, 3)"
        assert page.evaluate("document.body.dataset.ran") == "yes"
        page.click(".contents li:last-child a")
        assert page.evaluate("document.getElementById('part-9').getBoundingClientRect().top") < 600
        assert page.evaluate("document.documentElement.scrollWidth") <= 900  # wide tables scroll by themselves
        assert troubles == []
