"""Names are text: whatever a class, a data set, a network or a message is called, wherever it is shown or kept.

Every name of ``NAUGHTY`` goes into every field of ``FIELDS``; a field says of which names it does not show what they
are, and nothing else. Pages and texts are compared with the same page of a harmless name: their structure may not
depend on what stands in them.
"""

from __future__ import annotations

import csv
import json
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from html.parser import HTMLParser
from io import StringIO
from itertools import zip_longest
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import numpy as np
import pytest
from markdown_it import MarkdownIt
from matplotlib.cbook import is_math_text
from matplotlib.figure import Figure
from matplotlib.text import Text as Written
from mlflow.utils.validation import _validate_metric_name
from PIL import Image
from pyarrow import parquet
from rich.console import Console

from conftest import Program
from faults.tally import tally
from frostmark.benchmark.result import Result
from frostmark.cli import console, problems
from frostmark.cli.commands.cache import cache_table
from frostmark.cli.commands.layers import layers_table
from frostmark.comparison.about import About
from frostmark.comparison.groups import Group
from frostmark.comparison.markdown import comparison_markdown
from frostmark.comparison.runs import Run
from frostmark.comparison.tables import all_runs, ranking_table
from frostmark.comparison.tracked import network_keys
from frostmark.comparison.verdict import judge
from frostmark.data.folder import ImageFolder
from frostmark.data.given import GivenImages
from frostmark.errors import DataError
from frostmark.features.entry import to_stderr
from frostmark.figures import interactive, pieces
from frostmark.figures import linked as linked_module
from frostmark.figures.comparison import GridMap, draw_comparison
from frostmark.figures.costs import CostPoint, draw_costs
from frostmark.figures.depth import Stop, draw_depth
from frostmark.figures.examples import draw_image_pairs
from frostmark.figures.files import save_vector
from frostmark.figures.fonts import drawn as drawn_by_fonts
from frostmark.figures.heat import draw_confusion_difference, draw_similarity
from frostmark.figures.interactive import InteractiveView, interactive_map
from frostmark.figures.lines import shown as short_name
from frostmark.figures.linked import LinkedImages, LinkedMap, linked_maps
from frostmark.figures.maps import MapView, draw_maps
from frostmark.figures.pairs import draw_confusability, draw_pairs
from frostmark.metrics.metric import class_key
from frostmark.names import short_titles, storable, visible, visible_lines
from frostmark.results.findings import Findings
from frostmark.results.page import Gallery, Matrix, PageImage, PagePicture, PageTable, Section
from frostmark.results.page import page as page_of
from frostmark.results.progress import ProgressLine
from frostmark.results.summary import summarise
from frostmark.results.tables import metrics_table, sweep_table, write_csv, write_parquet
from frostmark.tracking.mlflow import MlflowStore
from support.map_page import chromium
from support.runs import TINY, Tracked
from support.simulated_runs import KNN, TAGS

if TYPE_CHECKING:
    pass

NAUGHTY = (
    # paths
    "/", "..", ".", "../../etc/passwd", "/etc/passwd", "a/b", "a\\b", ":", "C:\\x", "CON", "nul", ".hidden", "~root",
    # letters of all kinds, and names that look alike
    "caf\u00e9", "cafe\u0301", "犬", "👩\u200d👩\u200d👧\u200d👦", "שלום", "مرحبا", "Cat", "cat", "CAT", "ﬁ", "İ",
    # what turns, hides or ends a line
    "a\u202egnp.exe", "a\u2066b\u2069", "\u200fx", "a\u2028b", "a\u2029b", "a\u200bb", "\ufeffx",
    # markup
    "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "</script><script>alert(1)</script>",
    "</title></style></textarea><b>", "<!--", "-->", "]]>", "<![CDATA[", "<?xml?>", "&amp;", "&lt;b&gt;", "&#60;",
    "javascript:alert(1)", "' onmouseover='alert(1)",
    # templates and shells
    "{{7*7}}", "{% raw %}", "${oc.env:HOME}", "${7*7}", "@{label}", "%s", "%00", "%(x)s", "{0}", "$(touch x)",
    "`touch x`", "'; DROP TABLE runs;--", "; rm -rf x", "| tee x", "$HOME", "*",
    # spreadsheets
    "=cmd|' /C calc'!A0", "=1+1", "+1", "-1", "@SUM(A1)", "＝1+1", "'=1+1", "'", "\t=1", " =1", "a,b", 'a"b', ";=1",
    # line ends and terminals
    "a\tb", "a\nb", "a\rb", "a\r\nb", "\n\n<b>x</b>", "\x1b[31mred", "\x1b]0;title\x07", "\x1b[2J\x1b[H", "\x9b31m",
    "a\x08\x08b", "a\x00b", "\x7f", "\x85", "[red]x[/red]", "[link=http://x]y[/link]", "[/]", ":warning:", "[bold",
    "\\", "x\\",
    # mathematics
    r"$\frac{1}{0}$", "$", "$$", "$x^2$", r"\$x\$", r"\(x\)", r"\input{x}", "_hidden", "_nolegend_", "a_b", "^",
    # Markdown
    "|", "a|b|c", "**b**", "![](http://x)", "[x](javascript:alert(1))", "# h", "- a", "> q", "1. a", "~~x~~", "---",
    "```", "http://x.test", "<http://x.test>",
    # words of other languages
    "__proto__", "constructor", "null", "None", "NaN", "true", "-0", "1e9", "0x10", "- a: b", "a: b", '{"a": [1]}',
    "!!python/object:x", "&a *a",
    # of length and of nothing
    "", " ", "  a  ", "y" * 300, "z" * 5000, "x" * 300 + "1", "x" * 300 + "2", "\udce9", "caf\udcff", "\ud83d",
)  # fmt: skip
HARMLESS = "harmless"

Field = Callable[[Sequence[str], Path], "list[str]"]
FIELDS: dict[str, Field] = {}
"""Of each the names that do not come out as text."""


def field(words: str, raw: bool = False) -> Callable[[Field], Field]:
    """A field; the names of a ``raw`` one come from the system as they are, of others through a data set."""

    def add(of: Field) -> Field:
        FIELDS[words] = of if raw else lambda names, folder: of([storable(name) for name in names], folder)
        return of

    return add


def acts(text: str) -> bool:
    """Whether a text holds a character that does something, other than to end a line."""
    return any(
        (c != "\n" and unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp"))
        or c in "\u202a\u202b\u202c\u202d\u202e\u2066"
        for c in text
    )


def chunks(names: Sequence[str], size: int) -> Iterator[list[str]]:
    for start in range(0, len(names), size):
        yield list(names[start : start + size])


def test_the_names_are_many_and_differ() -> None:
    assert len(NAUGHTY) == len(set(NAUGHTY)) >= 60
    assert len({storable(name) for name in NAUGHTY}) == len(NAUGHTY)


# ---------------------------------------------------------------- CSV and parquet


def uncelled(cell: str) -> str:
    return cell.removeprefix("'")


def wrong_cell(cell: str, name: str) -> bool:
    return cell.startswith(tuple("=+-@\t\r\n＝＋－＠")) or uncelled(cell) != name


def lines_of(path: Path) -> list[list[str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


@field("csv: class")
def csv_class(names: Sequence[str], folder: Path) -> list[str]:
    head, *lines = lines_of(write_csv(folder / "t.csv", {"name": names, "value": [-1.5] * len(names)}))
    assert head == ["name", "value"]
    assert len(lines) == len(names)
    return [n for n, line in zip(names, lines, strict=True) if len(line) != 2 or wrong_cell(line[0], n)]


@field("csv: second class of a pair")
def csv_pair(names: Sequence[str], folder: Path) -> list[str]:
    lines = lines_of(write_csv(folder / "t.csv", {"a": names, "b": names[::-1], "c": names}))[1:]
    return [n for n, line in zip(names, lines, strict=True) if len(line) != 3 or wrong_cell(line[2], n)]


@field("csv: header")
def csv_header(names: Sequence[str], folder: Path) -> list[str]:
    head, line = lines_of(write_csv(folder / "t.csv", {name: [1] for name in names}))
    assert len(line) == len(names)
    return [n for n, cell in zip(names, head, strict=True) if wrong_cell(cell, n)]


@field("comparison.csv: network")
def csv_network(names: Sequence[str], folder: Path) -> list[str]:
    head, *lines = lines_of(write_csv(folder / "t.csv", all_runs(group_of(names))))
    place = head.index("network")
    return [n for n, line in zip(names, lines, strict=True) if len(line) != len(head) or wrong_cell(line[place], n)]


@field("parquet: class")
def parquet_class(names: Sequence[str], folder: Path) -> list[str]:
    read = parquet.read_table(write_parquet(folder / "t.parquet", {"class": list(names)}))["class"].to_pylist()
    return [n for n, found in zip(names, read, strict=True) if n != found]


# ---------------------------------------------------------------- Markdown


def structure(text: str) -> tuple[list[str], str]:
    """Kinds of everything in a Markdown text, and all that it says."""
    kinds, said = [], ""
    for block in MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).parse(text):
        for token in [block, *(block.children or ())]:
            if token.type in ("text", "text_special"):
                said += token.content
                kinds += ["text"] if kinds[-1:] != ["text"] else []
            elif token.type != "inline":
                kinds.append(f"{token.type} {token.attrs or ''}")
                said += token.content if token.type == "code_inline" else "\n"
    return [kind for kind in kinds if kind != "text"], said


def as_markdown(make: Callable[[str], str], names: Sequence[str]) -> list[str]:
    wanted, _ = structure(make(HARMLESS))
    bad = []
    for name in names:
        kinds, said = structure(make(name))
        shown = visible(" ".join(name.split()))
        if kinds != wanted or shown not in said or acts(make(name)):
            bad.append(name)
    return bad


def findings(name: str, **more: Any) -> Findings:
    tables = {
        "class_variance": {"space": ["features"] * 2, "split": ["train"] * 2, "name": [name, "b"],
            "variance": [1.0, 2.0],
        },
        "pair_variance": {
            "space": ["features"], "split": ["train"], "name_i": [name], "name_j": ["b"], "mean_distance": [9.0],
            "pooled_variance": [3.0],
        },
        "confusable_pairs": {"split": ["test"], "name_i": ["b"], "name_j": [name]},
    }  # fmt: skip
    return Findings(**{"values": {KNN: 0.5}, "undefined": {}, "tables": tables, "skipped": {}, **more})


def summary(make: Callable[[str], tuple[str, dict[str, str], Findings]]) -> Field:
    return lambda names, folder: as_markdown(lambda name: summarise(*make(name)), names)


field("summary.md: title")(summary(lambda n: (f"{n} · {n}", {}, findings("a"))))
field("summary.md: setting")(summary(lambda n: ("t", {"Data": n}, findings("a"))))
field("summary.md: class")(summary(lambda n: ("t", {}, findings(n))))
field("summary.md: why skipped", raw=True)(summary(lambda n: ("t", {}, findings("a", skipped={"map.png": n}))))
field("summary.md: why undefined", raw=True)(summary(lambda n: ("t", {}, findings("a", undefined={"test/x": n}))))


def group_of(names: Sequence[str], dataset: str = "digits") -> Group:
    values = {
        KNN: 0.5, f"{KNN}_lo": 0.4, f"{KNN}_hi": 0.6, "train/neighbours/knn_accuracy": 0.5, "cost/gmacs_share": 0.5,
        "cost/gmacs": 1.0,
    }  # fmt: skip
    draws = {KNN: np.linspace(0.4, 0.6, 20)}
    runs = tuple(Run("t", TAGS | {"backbone": n, "dataset": dataset}, ("a", "b"), values, {}, draws) for n in names)
    return Group(runs, tuple(names), ("last_conv",) * len(runs))


def compared(make: Callable[[str], tuple[Group, About, list[str]]]) -> Field:
    def markdown(name: str) -> str:
        group, about, classes = make(name)
        return comparison_markdown(group, judge(group), about, classes)

    return lambda names, folder: as_markdown(markdown, names)


PLAIN = group_of(["vgg16", "resnet18"])
field("comparison.md: data set")(compared(lambda n: (group_of(["vgg16", "a"], n), About(), [])))
field("comparison.md: network")(compared(lambda n: (group_of([n, "other"]), About(), [])))
field("comparison.md: what is missing", raw=True)(compared(lambda n: (PLAIN, About(missing=[n]), [])))
field("comparison.md: remark", raw=True)(compared(lambda n: (PLAIN, About(remarks=[n]), [])))
field("comparison.md: classes")(compared(lambda n: (PLAIN, About(), [f"A separates better: {n} / b (3×)"])))


@field("comparison.md: command", raw=True)
def markdown_command(names: Sequence[str], folder: Path) -> list[str]:
    def make(name: str) -> str:
        return comparison_markdown(PLAIN, judge(PLAIN), About(command=f"-m dataset.root={name} x"))

    wanted, _ = structure(make(HARMLESS))
    return [name for name in names if structure(make(name))[0] != wanted or acts(make(name))]


# ---------------------------------------------------------------- pages


class Read(HTMLParser):
    """The elements of a page with all their attributes, its texts, and what its scripts hold."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[Any] = []
        self.texts: list[str] = []
        self.data: list[Any] = []
        self.alts: list[str] = []
        self.told: list[str] = []
        self._text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._end()
        # Pictures, tables and cells are told to those who do not see them, or point at them, by names in attributes.
        self.alts += [str(value) for name, value in attrs if name == "alt"]
        self.told += [str(value) for name, value in attrs if name == "title"]
        self.elements.append((tag, [pair for pair in attrs if pair[0] not in ("alt", "aria-label", "title")]))

    def handle_endtag(self, tag: str) -> None:
        text = self._text
        self._end()
        if tag == "script" and ("type", "application/json") in self.elements[-1][1]:
            self.data.append(json.loads(text))
        self.elements.append(tag)

    def handle_comment(self, data: str) -> None:
        self.elements.append(data)

    def handle_data(self, data: str) -> None:
        self._text += data

    def _end(self) -> None:
        self.texts.append(self._text)
        self._text = ""


def as_page(make: Callable[[str], str], names: Sequence[str], times: int = 1) -> list[str]:
    wanted = Read(make(HARMLESS)).elements
    bad = []
    for name in names:
        read = Read(make(name))
        said = sum(name in text or visible(name) in text for text in read.texts)
        if read.elements != wanted or said < times:
            bad.append(name)
    return bad


def page(make: Callable[[str], str], times: int) -> Field:
    """A page that shows the name ``times`` times or more."""
    return lambda names, folder: as_page(make, names, times)


def comparison_with(name: str) -> str:
    table = PageTable([name, "b"], [("1", name), (name, "2")])
    shown = PagePicture("<svg/>", name)
    gallery = Gallery(name, [PageImage(b"", [name, name])])
    matrix = Matrix([name], [[name]], [[0.5]], [[name]], folded=f" {name}")  # a page leaves out what is empty
    part = Section(name, [name], [table], [shown], code=f" {name}", matrices=[matrix], galleries=[gallery])
    return page_of(name, [name, name], [part], [name])


field("comparison.html, report.html: title + answer + section + note + head + cell + command + matrix + image")(
    page(comparison_with, 19)
)


@field("report.html: cell of the matrix")
def title_of_cell(names: Sequence[str], folder: Path) -> list[str]:
    return [name for name in names if Read(comparison_with(name)).told != [visible(name)]]


@field("comparison.html: picture")
def alt_of_picture(names: Sequence[str], folder: Path) -> list[str]:
    return [name for name in names if Read(comparison_with(name)).alts != [visible(name), visible(name)]]


def points(labels: Any, split: str = "train") -> InteractiveView:
    i = np.arange(len(labels))
    none = np.zeros((len(i), 0), int)
    return InteractiveView(split, np.stack([i, i % 7], 1), np.asarray(labels), i, none, split)


def map_with(name: str) -> str:
    # One space in front: a page leaves out what is empty.
    words = dict.fromkeys(("title", "note", "badge", "warning"), f" {name}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(interactive, "_plot", lambda *_: None)
        patch.setattr(pieces, "_drawing", lambda _: {})  # in which none of these words is
        return interactive_map([points([0, 1])], "ab", shared=False, **words)


field("map.html: title + note + badge + warning")(page(map_with, 5))


def in_data(make: Callable[[Sequence[str]], str], names: Sequence[str]) -> list[str]:
    """Of names that a page keeps for its script."""
    read, harmless = Read(make(names)), Read(make([f"{HARMLESS} {n}" for n in range(len(names))]))
    if read.elements != harmless.elements:
        return list(names)
    found = [look["name"] for look in read.data[0]["classes"]]
    return [name for name, there in zip(names, found, strict=True) if name != there]


@field("map.html: class")
def map_class(names: Sequence[str], folder: Path) -> list[str]:
    labels = np.arange(len(names))
    return in_data(lambda n: interactive_map([points(labels)], n, "t", "", shared=False), names)


@field("map.html: name at its cluster")
def map_name(names: Sequence[str], folder: Path) -> list[str]:
    bad = []
    for some in chunks(names, 20):
        read = Read(interactive_map([points(np.arange(20 * len(some)) % len(some))], some, "t", "", shared=False))
        text = json.dumps(read.data[1])
        bad += [n for n in some if acts(text) or json.dumps(visible(n)[:21])[1:-1] not in text]
    return bad


def linked(classes: Sequence[str], networks: Sequence[str] = "mn", note: str = "n") -> str:
    i = np.arange(len(classes))
    at = {"test": np.stack([i, i % 7], 1).astype(float)}
    maps = [LinkedMap(name, "r", at, {"test": name}, {"test": None}) for name in networks]
    with pytest.MonkeyPatch.context() as patch:
        if len(networks) != 2:  # the drawings hold names of classes alone
            patch.setattr(linked_module, "_plots", lambda *_, **__: [])
        found = linked_maps(maps, LinkedImages({"test": i}, {"test": i}, None), classes, note=note)
    return page_of("t", [], [Section("Maps", maps=found)])


@field("linked maps: class")
def linked_class(names: Sequence[str], folder: Path) -> list[str]:
    return in_data(linked, names)


@field("linked maps: network + badge")
def linked_network(names: Sequence[str], folder: Path) -> list[str]:
    read, wanted = Read(linked("ab", names)), Read(linked("ab", [HARMLESS] * len(names)))
    assert read.elements == wanted.elements
    maps = [(found["name"], *found["badges"]) for found in read.data[0]["maps"]]
    return [name for name, found in zip(names, maps, strict=True) if found != (name, name)]


@field("linked maps: note")
def linked_note(names: Sequence[str], folder: Path) -> list[str]:
    read = Read(linked("ab", "mno", note="\0".join(names)))
    assert read.elements == Read(linked("ab", "mno")).elements
    (note,) = [text for text in read.texts if names[0] in text and names[-1] in text]
    return [name for name, found in zip(names, note.strip().split("\0"), strict=True) if found != name]


# ---------------------------------------------------------------- pictures

DRAWN: set[str] = set()
"""Texts that were part of a picture already."""
SVG_ELEMENTS = {
    "svg", "metadata", "RDF", "Work", "type", "format", "title", "defs", "style", "g", "path", "use", "clipPath",
    "rect", "image", "creator", "Agent", "date",
}  # fmt: skip


def drawn(folder: Path, figure: Figure) -> str:
    """The SVG of a figure; refused if it is none, holds anything that runs, or leads elsewhere."""
    text = save_vector(figure, folder / "x.svg").read_text(encoding="utf-8")
    for element in ElementTree.fromstring(text).iter():
        assert element.tag.rpartition("}")[2] in SVG_ELEMENTS, element.tag
        assert not [name for name in element.attrib if name.lower().startswith("on")]
        assert all(v.startswith(("#", "data:image/png;")) for k, v in element.attrib.items() if k.endswith("href"))
    return text


def shows(text: str, name: str, most: int) -> bool:
    """Whether a text has the name: cut at its end or in its middle, or with what stands for missing glyphs."""
    (middle,) = short_titles([name], most)
    stand_in = drawn_by_fonts(name) != name and re.fullmatch(r"class \d+", text) is not None
    cut = name if len(name) <= most else name[: most - 1]
    ways = {cut, middle, drawn_by_fonts(cut), drawn_by_fonts(middle)}
    whole = "".join(text.split())  # long texts are broken into lines
    return stand_in or any("".join(way.split()) in whole for way in ways)


def as_texts(figures: Sequence[tuple[str, Figure, int]], folder: Path, times: int = 1) -> list[str]:
    """Of (name, figure with it, letters of it that are shown); their texts are drawn as one picture."""
    together, bad, drawable = Figure(figsize=(4, 4)), [], set()
    for name, figure, most in figures:
        texts = [text.get_text() for text in figure.findobj(Written)]
        # Of our own words some have several lines; a name that is cut ends with an ellipsis.
        shown = visible_lines(name) if most > 5000 else visible(name)
        found = sum(shows(text.replace(r"\$", "$"), shown, most) for text in texts)
        if any(acts(text) or is_math_text(text) is True for text in texts) or found < times:
            bad.append(name)
        drawable |= {text for text in texts if len(text) < 400}
    drawable -= DRAWN
    DRAWN.update(drawable)
    for text in drawable:
        together.text(0.5, 0.5, text)
    drawn(folder, together)
    return bad


def pictured(make: Callable[[str], Figure], times: int = 1) -> Field:
    return lambda names, folder: as_texts([(n, make(n), 9999) for n in names], folder, times)


def pictured_together(make: Callable[[list[str]], Figure], size: int, most: int) -> Field:
    """Of figures that show ``size`` names at once, laid out and drawn as they are."""

    def check(names: Sequence[str], folder: Path) -> list[str]:
        bad = []
        first, *more = chunks(names, size)
        for some in (first, *more):
            figure = make(some)
            bad += as_texts([(name, figure, most) for name in some], folder)
            if max(map(len, some)) < 1000 and some is first:
                drawn(folder, figure)
        return bad

    return check


def maps_of(classes: Sequence[str], each: int = 1, **words: str) -> Figure:
    labels = np.arange(each * len(classes)) % len(classes)
    places = np.stack([np.cos(labels * 1.0), np.sin(labels * 1.0)], 1) + np.linspace(0, 0.1, len(labels))[:, None]
    view = MapView("train", places, labels, None, words.pop("badge", ""), words.pop("warning", ""))
    return draw_maps([view], tuple(classes), **{"title": "t", "note": "n", "shared": False, **words})


field("map.svg: title + note")(pictured(lambda n: maps_of("ab", title=n, note=n), times=2))


@field("map.svg: badge + warning")
def badges(names: Sequence[str], folder: Path) -> list[str]:
    at, labels = np.array([[0.0, 0.0], [1.0, 1.0]]), np.array([0, 1])
    figures = []
    for some in chunks(names, 20):
        views = [MapView("train", at, labels, None, n, f" {n}") for n in some]
        figure = draw_maps(views, ("a", "b"), "t", "n", shared=False)
        figures += [(name, figure, 9999) for name in some]
    return as_texts(figures, folder, 2)


field("map.svg: class in the legend")(pictured_together(maps_of, 40, 26))
field("map.svg: class at its cluster")(pictured_together(lambda some: maps_of(some, each=15), 20, 22))


DOT = np.zeros((2, 2, 3), np.uint8)


def square(some: Sequence[str]) -> np.ndarray:
    return 1.0 + np.add.outer(np.arange(len(some)), np.arange(len(some)))


field("pair_variance.svg: class")(
    pictured_together(lambda some: draw_pairs({"test": square(some)}, tuple(some), range(len(some)), "t"), 55, 18)
)
field("confusability.svg: class")(
    pictured_together(
        lambda some: draw_confusability({"test": square(some)}, tuple(some), range(len(some)), "t"), 55, 18
    )
)
field("similarity.svg: layer")(pictured_together(lambda some: draw_similarity(square(some), some, "t"), 55, 34))
field("depth.svg: network")(
    pictured_together(lambda some: draw_depth({n: [Stop("a", 0.5, 0.5)] for n in some}, "m", "t", share=False), 40, 30)
)
field("depth.svg: layer")(
    pictured_together(
        lambda some: draw_depth(
            {str(i): [Stop(n, 0.1 + 0.16 * i, i)] for i, n in enumerate(some)}, "m", "t", share=False
        ),
        6,
        34,
    )
)
field("costs.svg: layer")(
    pictured_together(
        lambda some: draw_costs(
            [CostPoint(n, n, 1.0 + i, i, None, None) for i, n in enumerate(some)], "m", "t", share=True
        ),
        25,
        30,
    )
)
field("confusable_pairs.png: class")(
    pictured_together(
        lambda some: draw_image_pairs(
            [(DOT, one, DOT, other, 0.5) for one, other in zip_longest(some[::2], some[1::2], fillvalue="x")], "t"
        ), 8, 18,
    )
)  # fmt: skip
field("classes.svg: layer")(
    pictured_together(
        lambda some: draw_confusion_difference(
            square("abc"), square("abc") * 2, (some[0], some[-1]), "abc", range(3), "t"
        ), 2, 30,
    )
)  # fmt: skip


@field("comparison.png: map, network and verdict")
def picture_of_comparison(names: Sequence[str], folder: Path) -> list[str]:
    at = np.array([[0.0, 0.0], [1.0, 1.0]])
    figures = []
    for some in chunks(names, 6):
        maps = [GridMap(n, at, np.array([0, 1]), None, n) for n in some]
        costs = [CostPoint(n, n, 1.0 + i, i, None, None) for i, n in enumerate(some)]
        figure = draw_comparison(maps, ("a", "b"), {}, costs, "m", "t", f"{' and '.join(some)} are level.", share=False)
        figures += [(name, figure, 30) for name in some]
    drawn(folder, figures[0][1])
    return as_texts(figures, folder, 2)


# ---------------------------------------------------------------- terminals

STYLE = re.compile(r"\x1b\[[0-9;]*m")


def printed(table: Any) -> tuple[str, list[str]]:
    """What a terminal is sent, and the styles among it."""
    console = Console(file=StringIO(), force_terminal=True, color_system="truecolor", width=20_000)
    console.print(table)
    text = console.file.getvalue()
    return STYLE.sub("", text), STYLE.findall(text)


def shown_as(name: str, text: str) -> bool:
    # Titles are broken into lines.
    return "".join(visible(name).split()) in "".join(text.split()) and not acts(text)


def tabled(make: Callable[[str], Any]) -> Field:
    def check(names: Sequence[str], folder: Path) -> list[str]:
        # Rich leaves out the styles of what is empty.
        _, wanted = printed(make(HARMLESS))
        found = [(name, *printed(make(name))) for name in names]
        return [n for n, text, styles in found if not shown_as(n, text) or (n.strip() and styles != wanted)]

    return check


NODE = SimpleNamespace(shape=(1, 2), channels=3, flops=4)
field("terminal: job of a sweep", raw=True)(tabled(lambda n: sweep_table([(n, 0, 0.5), (n, 3, None)])))
field("terminal: metric", raw=True)(tabled(lambda n: metrics_table({f"test/{n}": 0.5}, {})))
field("terminal: control", raw=True)(
    lambda names, folder: tabled(lambda n: metrics_table({"test/x": 0.5, f"control/{n}/test/x": 0.5}, {}))(
        [n for n in names if "/" not in n], folder
    )
)
field("terminal: cost", raw=True)(tabled(lambda n: metrics_table({f"cost/{n}": 0.5}, {})))
field("terminal: backbone", raw=True)(tabled(lambda n: layers_table(n, 224, [("a", "b", NODE, 0.5)])))
field("terminal: tap", raw=True)(tabled(lambda n: layers_table("b", 224, [(n, "b", NODE, 0.5)])))
field("terminal: node", raw=True)(tabled(lambda n: layers_table("b", 224, [("a", n, NODE, 0.5)])))
field("terminal: stored rows", raw=True)(
    tabled(lambda n: cache_table([SimpleNamespace(name="0" * 32, size=9, used=0.0, words=n)]))
)


@field("terminal: network in the ranking", raw=True)
def ranked(names: Sequence[str], folder: Path) -> list[str]:
    def make(name: str) -> Any:
        group = group_of([name, "other"])
        return ranking_table(group, judge(group))

    return tabled(make)(names, folder)


@field("terminal: error", raw=True)
def told(names: Sequence[str], folder: Path) -> list[str]:
    errors = [(name, DataError(f"the class {name} is empty", fix=f"remove {name}")) for name in names]
    return [name for name, e in errors if acts(f"{e}{e.problem}{e.fix}{e!r}") or str(e).count(visible_lines(name)) < 2]


def parts(text: str, name: str) -> list[str]:
    """The ways to show a name that ``text`` holds: in what has lines of its own, line ends stay."""
    return [shown for shown in (visible(name)[:40], visible_lines(name)[:40]) if shown in text]


def captured(say: Callable[[str], None], names: Sequence[str], capsys: pytest.CaptureFixture[str]) -> list[str]:
    bad = []
    for name in names:
        say(name)
        out, err = capsys.readouterr()
        if acts(out + err) or not parts(out + err, name):
            bad.append(name)
    return bad


def say_progress(name: str) -> None:
    with ProgressLine() as progress:
        progress(f"extracting {name}: 1 of 2")


def say_progress_on_a_terminal(name: str) -> None:
    progress = ProgressLine()
    shown: list[Any] = []
    progress._status = SimpleNamespace(update=shown.append)  # type: ignore[assignment]
    progress(name)
    print(printed(shown[0])[0])


def result_of(name: str) -> Result:
    return Result(f"{name} · {name}", f"weights {name}", Path("x"), {KNN: 0.5}, {"test/x": name}, {}, None, None)


def say_result(name: str) -> None:
    config = SimpleNamespace(output="full", tracking=SimpleNamespace(uri=None), paths=SimpleNamespace(root="."))
    console.print_result(result_of(name), config)  # type: ignore[arg-type]


def say_answer(name: str) -> None:
    config = SimpleNamespace(output="short", tracking=SimpleNamespace(uri=None), paths=SimpleNamespace(root="."))
    told = replace(result_of(name), answer=[f"k-NN on {name}"], findings=findings(name), remarks=[name])
    console.print_result(told, config)  # type: ignore[arg-type]


def say_comparison(name: str) -> None:
    group = group_of([name, "other"])
    part = SimpleNamespace(group=group, verdict=judge(group), remarks=[name])
    console.print_comparison(SimpleNamespace(parts=[part]))  # type: ignore[arg-type]


def say_sweep(name: str) -> None:
    from frostmark.results.outcome import Outcome

    outcomes = [Outcome(f"dataset.root={name}", name, 3, name), Outcome("b=1", "b", 0, "", None, 0.5)]
    console.print_sweep(
        SimpleNamespace(
            outcomes=outcomes,
            compared=None,
            across=None,
            not_compared=name,
            mlruns=Path("x/mlruns"),
            run_id="1",
            link=None,
            uri=None,
            folder=Path("x"),
        )
    )  # type: ignore[arg-type]


def say_error(name: str) -> None:
    def fail() -> int:
        raise DataError(f"no {name}", fix=name)

    problems.exit_code(fail)


def say_bug(name: str) -> None:
    def fail() -> int:
        raise KeyError(name)

    problems.exit_code(fail)
    print(visible(name))  # Python shows a key in its own way


SAID = {
    "printed: progress": say_progress,
    "printed: progress on a terminal": say_progress_on_a_terminal,
    "printed: result": say_result,
    "printed: answer": say_answer,
    "printed: comparison": say_comparison,
    "printed: sweep": say_sweep,
    "printed: error": say_error,
    "printed: bug": say_bug,
    "printed: damaged file": to_stderr,
}


# ---------------------------------------------------------------- keys, sources


def refused(keys: Sequence[str], names: Sequence[str]) -> list[str]:
    """Of names whose keys MLflow does not take, or that are another's."""
    bad = []
    for key, name in zip(keys, names, strict=True):
        try:
            _validate_metric_name(key)
        except Exception:
            bad.append(name)
        if len(key) > 250 or sum(other == key for other in keys) > 1:
            bad.append(name)
    return bad


@field("metric key: class")
def key_of_class(names: Sequence[str], folder: Path) -> list[str]:
    return refused([f"test/intra_variance/{class_key(c, name)}" for c, name in enumerate(names)], names)


@field("metric key: network", raw=True)
def key_of_network(names: Sequence[str], folder: Path) -> list[str]:
    return refused(network_keys("depth", names), names)


@field("class handed over", raw=True)
def given(names: Sequence[str], folder: Path) -> list[str]:
    images = np.zeros((1, 8, 8), np.uint8), np.zeros(1, np.int64)
    source = GivenImages("mine", images, images, names)
    return [n for n, kept in zip(names, source.classes(), strict=True) if kept.encode("utf-8").decode() != storable(n)]


@field("data set handed over", raw=True)
def given_name(names: Sequence[str], folder: Path) -> list[str]:
    images = np.zeros((1, 8, 8), np.uint8), np.zeros(1, np.int64)
    return [n for n in names if GivenImages(n, images, images).name.encode() != storable(n).encode()]


def a_file_system_holds(name: str) -> bool:
    try:
        return (
            name not in ("", ".", "..")
            and not {"/", "\0"} & set(name)
            and len(name.encode("utf-8", "surrogateescape")) < 256
        )
    except UnicodeEncodeError:  # half a character is not even bytes
        return False


def folders_in(root: Path, names: Sequence[str], images: int = 1) -> list[str]:
    """A class folder a name with images of its own; the names that could be made."""
    rng = np.random.default_rng(0)
    made = [name for name in names if a_file_system_holds(name)]
    for name in made:
        (root / name).mkdir(parents=True)
        for i in range(images):
            Image.fromarray(rng.integers(0, 256, (12, 12, 3), np.uint8)).save(root / name / f"{i}.png")
    return made


def class_of(folder: str) -> str:
    """What the class of a folder is called."""
    return storable(unicodedata.normalize("NFC", folder))


@field("class folder", raw=True)
def class_folder(names: Sequence[str], folder: Path) -> list[str]:
    made = folders_in(folder / "classes", names)
    source = ImageFolder(str(folder / "classes"), test_share=0.5)
    visible_ones = {name: class_of(name) for name in made if not name.startswith(".")}
    classes = source.classes()
    assert set(classes) == set(visible_ones.values())
    found = [classes[label] for split in ("train", "test") for label in source.split(split).labels]  # type: ignore[arg-type]
    folders = Counter(visible_ones.values())  # two of one class, where accents are written in two ways
    return [name for name, word in visible_ones.items() if found.count(word) != folders[word]]


def shown_wrong(
    names: Sequence[str], folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> tuple[int, dict[str, list[str]]]:
    """How many names × fields there are, and by field the names that are not shown as text in it."""
    monkeypatch.setattr(pieces, "_library", lambda: "")  # a megabyte a page, in which there is no name
    bad: dict[str, list[str]] = {}
    for words, of in FIELDS.items():
        place = folder / "inside" / re.sub(r"\W", "_", words)
        place.mkdir(parents=True)
        bad[words] = of(names, place)
    for words, say in SAID.items():
        bad[words] = captured(say, names, capsys)
    bad["files outside their folder"] = [p.name for p in folder.iterdir() if p.name != "inside"]
    tried = sum(len(names) * (1 + words.count(" + ")) for words in bad)
    return tried, {words: list(dict.fromkeys(name[:60] for name in found)) for words, found in bad.items() if found}


FEW = 12
"""Every so many of the names are tried in every run; all of them with ``pytest -m faults``."""

LET_BE = ("ignore:Glyph", "ignore:constrained_layout not applied", "ignore:.*missing from font")


@pytest.mark.filterwarnings(*LET_BE)
def test_names_are_text_in_every_field(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _, wrong = shown_wrong(NAUGHTY[::FEW], tmp_path, monkeypatch, capsys)
    assert wrong == {}


@pytest.mark.faults
@pytest.mark.filterwarnings(*LET_BE)
def test_every_name_is_text_in_every_field(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tried, wrong = shown_wrong(NAUGHTY, tmp_path, monkeypatch, capsys)
    assert tried >= 2000
    tally("names × fields as text", tried, tried - sum(map(len, wrong.values())), repr(wrong)[:3000] if wrong else "")


def is_meek(name: str) -> bool:
    """Whether a name neither acts, nor is markup or a formula, nor looks like another one."""
    return not (
        acts(name) or set(name) & set("<>=@[$&`") or unicodedata.normalize("NFC", name).lower() in ("cat", "café")
    )


MEANEST = sorted(filter(a_file_system_holds, NAUGHTY), key=is_meek)[:49]
"""As many as a run has metrics for: of more than fifty classes there is only a table."""


@pytest.mark.faults
@pytest.mark.timeout(900)
def test_a_run_with_such_classes_ends_well(program: Program, tmp_path: Path) -> None:
    """From folders through the network, the metrics, MLflow and a browser."""
    made = folders_in(tmp_path / "=cmd" / "<b>data</b>", MEANEST, 4)
    classes = {class_of(name) for name in made if name[0] != "."}
    words = ("backbone=squeezenet1_0", "backbone.weights=untrained", "dataset=folder", "preprocess.size=32")
    few = ("reducer=pca", "uncertainty.resamples=40", "uncertainty.permutations=19")
    done = program(*words, *few, "dataset.root='=cmd/<b>data</b>'", cwd=tmp_path, timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]
    (run,) = tmp_path.glob("mlruns/_hydra/runs/*")
    bad = ["terminal"] if acts(done.stdout + done.stderr) else []
    bad += [str(p) for p in tmp_path.iterdir() if p.name not in ("mlruns", "=cmd")]
    for table in run.glob("*.csv"):
        cells = [cell for line in lines_of(table) for cell in line]
        bad += [f"{table.name}: {c}" for c in cells if c[:1] in ("=", "@", "\t", "\r") or re.match("[+-][^0-9.]", c)]
    found = json.loads((run / "raw" / "metrics.json").read_text(encoding="utf-8"))
    assert set(found["classes"]) == classes
    assert len(classes) > 40
    stored = Tracked(tmp_path).only().data
    keys = {key.removeprefix("undefined.") for key in (*stored.metrics, *stored.tags)}
    assert len([key for key in keys if key.startswith("test/intra_variance/")]) == len(classes)
    with chromium() as browser:
        page = browser.new_page()
        asked: list[str] = []
        page.on("dialog", lambda dialog: (asked.append(dialog.message), dialog.dismiss()))
        page.on("request", lambda request: asked.append(request.url) if request.url.startswith("http") else None)
        page.goto((run / "map.html").as_uri())
        page.wait_for_selector("body[data-ready=true]", timeout=60_000)
        bad += [f"map.html asked {what}" for what in asked]
        # The page's own words are bold, too, and no name is.
        injected = page.query_selector_all("img, iframe, a, title ~ title, .name *, #legend script, h1 *, #note *")
        injected += page.query_selector_all("b:not(.guide b, #warning b)")
        bad += [f"map.html: element of a name: {one.evaluate('e => e.outerHTML')}" for one in injected]
        named = [button.text_content() for button in page.query_selector_all("#legend button")]
        bad += [f"map.html: {name!r} is no class" for name in named if name not in classes]
        assert len(named) > 40
        page.goto((run / "report.html").as_uri())
        bad += [f"report.html asked {what}" for what in asked]
        first = "section:has(h2:text-is('Recall by class')) td.words:first-child"
        recognised = page.eval_on_selector_all(first, "cells => cells.map(c => c.textContent)")
        assert recognised
        known = {short_name(name, 60) for name in classes}
        bad += [f"report.html: {name!r} is no class" for name in recognised if name not in known]
    tally(
        "names through the program, MLflow and a browser",
        len(classes),
        len(classes) if not bad else 0,
        "; ".join(map(repr, bad)),
    )


@pytest.mark.faults
def test_mlflow_keeps_such_names_as_they_are(tmp_path: Path) -> None:
    """Of runs, data sets, parameters and tags, up to the lengths that it takes."""
    store = MlflowStore.local(tmp_path / "mlruns", "frostmark")
    store.connect()
    bad = []
    for number, name in enumerate(NAUGHTY[::6]):
        with store.run(name, None) as tracker:
            tracker.log_params({"dataset.name": name})
            tracker.set_tags({"dataset": name, f"undefined.{class_key(number, name)}": name})
            tracker.log_dataset(name, "train", "d" * 32, 3)
            tracker.log_metrics({f"test/intra_variance/{class_key(number, name)}": 1.0})
        run = Tracked(tmp_path).client.get_run(str(tracker.run_id))
        kept = [run.data.params["dataset.name"], run.data.tags["dataset"]]
        if (
            kept != [storable(name)] * 2
            or len(run.data.metrics) != 1
            or (name and run.info.run_name != storable(name)[:250])
        ):
            bad.append(f"{name[:40]!r}: {kept!r:.80} {run.info.run_name!r:.80}")
    tally("names kept by MLflow", len(NAUGHTY[::6]), len(NAUGHTY[::6]) - len(bad), "; ".join(map(repr, bad)))


SECRETS = {
    "MLFLOW_TRACKING_PASSWORD": "hush-password-1", "AWS_SECRET_ACCESS_KEY": "hush-aws-3", "HF_TOKEN": "hush-hf-4",
}  # fmt: skip


@pytest.mark.faults
@pytest.mark.timeout(600)
@pytest.mark.parametrize("alive", [True, False])
@pytest.mark.parametrize("sweep", [False, True])
def test_no_secret_is_kept_or_told(alive: bool, sweep: bool, server: str, program: Program, tmp_path: Path) -> None:
    """Those of the environment, and those of the address, of a run, a sweep, and of either whose server is away."""
    address = server if alive else "http://127.0.0.1:9"
    uri = address.replace("http://", "http://hush-name-5:hush-word-6@")
    words = (*TINY, "tracking=server", f"tracking.uri={uri}", "uncertainty.resamples=40", "metrics=[geometry]")
    many = ("-m", "layer=stage1,last_conv") if sweep else ()
    done = program(*words, *many, cwd=tmp_path, timeout=300, **SECRETS)
    assert done.returncode == (0 if alive else 4), done.stderr[-2000:]
    texts = {"stdout": done.stdout.encode(), "stderr": done.stderr.encode()}
    texts |= {str(p.relative_to(tmp_path)): p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    texts |= kept_by(server) if alive else {}
    found = [
        f"{name}: {content[max(0, found.start() - 60) : found.end() + 20]!r}"
        for name, content in texts.items()
        for found in re.finditer(rb"hush-[a-z]+-\d", name.encode() + content)
    ]
    tally("files, logs and records without a secret", len(texts), len(texts) - len(found), "; ".join(map(repr, found)))


def kept_by(server: str) -> dict[str, bytes]:
    """What a server knows of every run: parameters, tags, data sets and artifacts."""
    from mlflow import MlflowClient

    client, known = MlflowClient(tracking_uri=server), {}
    for run in client.search_runs([e.experiment_id for e in client.search_experiments()]):
        known[f"run {run.info.run_id}"] = repr(run.to_dictionary()).encode()
        folder = Path(client.download_artifacts(run.info.run_id, ""))
        known |= {f"{run.info.run_id} {p.name}": p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    return known
