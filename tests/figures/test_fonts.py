"""Names in every script, in pictures: drawn by a font that has them, or told by a stand-in; never as empty boxes."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from matplotlib.font_manager import fontManager
from matplotlib.text import Text

from frostmark.figures import fonts
from frostmark.figures.files import pixels
from frostmark.figures.fonts import drawn, families_of, labels_of, told_of
from frostmark.figures.lines import width_of, wrapped
from frostmark.figures.maps import MapView, draw_maps
from frostmark.figures.pairs import draw_confusability
from frostmark.figures.sheet import Sheet

NOWHERE = "\U000f0000"
"""A character of private use, which no font of a system has."""

CJK = "猫"


def forget() -> None:
    for known in (fonts._family_with, fonts._usual):
        known.cache_clear()
    width_of.cache_clear()


@pytest.fixture
def few_fonts(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine with matplotlib's own fonts alone."""
    own = [font for font in fontManager.ttflist if Path(font.fname).parent.name == "ttf" and "mpl-data" in font.fname]
    monkeypatch.setattr(fontManager, "ttflist", own)
    forget()
    yield
    forget()


@pytest.fixture
def with_another(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A machine whose usual font lacks a letter that another one has, as Noto has what DejaVu lacks."""
    usual = fonts.findfont(fonts.FontProperties())
    real = fonts._glyphs
    monkeypatch.setattr(fonts, "_glyphs", lambda path: real(path) - {ord("Ж")} if path == usual else real(path))
    forget()
    yield "Ж"
    forget()


def test_a_name_that_no_font_can_draw_has_a_stand_in(few_fonts: None) -> None:
    classes = ["Shirt", CJK, "Ärmel", f"a{NOWHERE}"]
    assert labels_of(classes) == ["Shirt", "class 1", "Ärmel", "class 3"]
    told = told_of(classes)
    assert told.startswith("No installed font can draw the names of classes 1, 3: pictures show their numbers")
    assert told_of(["Shirt", "Ärmel"]) == ""
    assert "and 2 more" in told_of([CJK] * 7)
    assert drawn(f"dataset {CJK}{CJK}") == "dataset ??"


def test_pictures_of_such_names_have_no_box_and_warn_of_nothing(few_fonts: None) -> None:
    """Warnings are errors here: a missing glyph would raise."""
    rng = np.random.default_rng(0)
    classes = ("Shirt", CJK, f"{CJK}{NOWHERE}")
    labels = np.repeat(np.arange(3), 20)
    views = [MapView("test", rng.normal(size=(60, 2)) + 9 * labels[:, None], labels, None, "")]
    figure = draw_maps(views, classes, f"resnet18 · last_conv · {CJK}", "A note.", shared=True)
    said = [text.get_text() for text in figure.findobj(Text) if isinstance(text, Text)]
    assert {"class 1", "class 2"} <= set(said)
    assert any("No installed font can draw" in text.replace("\n", " ") for text in said)
    assert not any(CJK in text for text in said)
    pixels(figure)
    pixels(draw_confusability({"test": np.full((3, 3), 0.5)}, classes, [2, 0, 1], CJK))


def test_another_font_draws_what_the_usual_one_lacks(with_another: str) -> None:
    families = families_of(f"a{with_another}")
    assert len(families) == 2
    assert labels_of([with_another]) == [with_another]
    sheet = Sheet(3, 2)
    sheet.write(0.2, 0.2, f"a{with_another}", 12)
    sheet.write(0.2, 0.8, "plain", 12)
    pixels(sheet.figure)
    named, other = (t for t in sheet.figure.findobj(Text) if isinstance(t, Text) and t.get_text() in ("plain", "aЖ"))
    assert named.get_fontfamily() == families
    assert other.get_fontfamily() != families


def test_widths_are_those_of_what_is_drawn(few_fonts: None) -> None:
    assert width_of(CJK, 10) == width_of("?", 10)
    assert families_of("plain") == families_of("Ärmel") == []
    assert wrapped(CJK * 30, 1.0, 10).count("\n") > 1
