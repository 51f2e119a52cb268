"""The interactive map in a real browser: what a person sees and does, also in MLflow's kind of frame."""

from __future__ import annotations

import csv
import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from matplotlib import rcParams
from matplotlib.path import Path as Polygon

from frostmark.figures.interactive import IMAGE_BYTES, InteractiveView, interactive_map
from frostmark.figures.palette import MARKERS
from frostmark.figures.pieces import MARKS
from frostmark.figures.sprites import PER_SHEET, make_sprites, reduced
from support.browser import Opened, opening
from support.environment import REPOSITORY
from support.map_page import (
    Screen,
    around,
    box_around,
    card,
    chromium,
    click_class,
    click_split,
    drag,
    drawn,
    hover,
    lasso,
    listed,
    place_of,
)

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Frame

CLASSES = ("ant", "bee", "cat", "dog")
NAUGHTY = (
    "<script>alert(1)</script>", '"><img src=x onerror=alert(2)>', "a & b &lt;", "{{ 7*7 }}{% raw %}", "@{label} $name",
    "</script><script>alert(3)</script>", "$$x^2$$", r"\(x\)", "y" * 300, "\u2028 ' \\ `${alert(4)}`",
)  # fmt: skip


def colour_of(split: str, i: int) -> tuple[int, int, int]:
    """Every image has a colour of its own, eighty apart from all others in some channel."""
    n = i + 32 * (split == "test")
    return (n % 4 * 80, n // 4 % 4 * 80, n // 16 * 80)


def view(
    split: str, shift: float = 0.0, classes: int = 4, images: bool = True, files: str | None = None
) -> InteractiveView:
    """Twenty-four points on a grid, six a line; the neighbours are those to the right; a third of them is kept."""
    i = np.arange(24)
    pictures = np.array([np.full((12, 12, 3), colour_of(split, n)) for n in i], np.uint8)
    return InteractiveView(
        split=split,
        coordinates=np.stack([i % 6 + shift, i // 6 * 1.5 - shift], 1),
        labels=i % classes,
        index=1000 + 7 * i,
        neighbours=(i[:, None] + [1, 2, 3]) % 24,
        neighbours_split="train",
        kept=np.full(24, 1 / 3),
        thumbnails=pictures if images else None,
        files=files and [f"{split}/{n:02d} {files}.jpg" for n in i],
    )


def page_of(shared: bool = False, classes: Sequence[str] = CLASSES, **more: Any) -> str:
    views = [view("train", classes=len(classes)), view("test", shift=0.4 * shared, classes=len(classes))]
    return interactive_map(
        views, classes, **{"title": "resnet18 · digits", "note": "A note.", "shared": shared, **more}
    )


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def opened(browser: Browser, tmp_path: Path) -> Iterator[Opened]:
    with opening(browser, tmp_path) as opened:
        yield opened


def near(one: Sequence[int], other: Sequence[int]) -> bool:
    """Alike but for the coding of images, far nearer than the colours of two images."""
    return max(abs(a - b) for a, b in zip(one, other, strict=True)) < 20


def painted(screen: Screen, frame: Frame, split: str, i: int) -> bool:
    return not near(screen.at(place_of(frame, split, i)), (255, 255, 255))


def look_at_points(frame: Frame) -> None:
    for split, i in (("train", 0), ("test", 13), ("train", 23)):
        hover(frame, split, i)
        says, screen = card(frame), Screen(frame)
        assert says["label"] == CLASSES[i % 4]
        assert says["where"] == f"{split} · image {1000 + 7 * i}"
        assert says["kept"] == "map keeps 33% of its neighbours"
        assert says["near"] == [CLASSES[(i + n) % 24 % 4] for n in (1, 2, 3)]
        for across in (0.04, 0.5, 0.96):  # other images do not show at the rims
            assert near(screen.inside("#card .top .image", across), colour_of(split, i))
        for n in (1, 2, 3):
            shown = screen.inside(f"#card .near figure:nth-child({n}) .image")
            assert near(shown, colour_of("train", (i + n) % 24))
    frame.hover("h1")
    frame.wait_for_selector("#card", state="hidden")


def hide_classes(frame: Frame) -> None:
    assert painted(Screen(frame), frame, "train", 1)
    click_class(frame, "bee")
    screen = Screen(frame)
    for split in ("train", "test"):
        assert drawn(frame, split) == [i for i in range(24) if i % 4 != 1]
        assert not painted(screen, frame, split, 1)
        assert painted(screen, frame, split, 2)
    click_class(frame, "bee")
    assert painted(Screen(frame), frame, "train", 1)
    click_class(frame, "dog", times=2)
    assert drawn(frame, "test") == [i for i in range(24) if i % 4 == 3]
    frame.click("#none")
    assert drawn(frame, "train") == []
    frame.click("#all")
    assert drawn(frame, "train") == list(range(24))


def draw_around(frame: Frame, splits: Sequence[str]) -> None:
    """A triangle that cuts through the grid; what is in it, and no more, is listed and counted."""
    a, b, c = (place_of(frame, "train", i) for i in (0, 4, 19))
    corners = [(a[0] - 9, a[1] + 12), (b[0] + 9, b[1] + 10), (c[0] + 6, c[1] - 30)]
    lasso(frame, corners)
    frame.wait_for_selector("#selection .images figure")
    polygon = Polygon(corners)
    inside = [(split, i) for split in splits for i in range(24) if polygon.contains_point(place_of(frame, split, i))]
    assert len(inside) > 5
    assert listed(frame) == {(split, 1000 + 7 * i) for split, i in inside}
    assert frame.text_content("#selection h3") == f"{len(inside)} images selected"
    table = [line.inner_text().split() for line in frame.query_selector_all("#selection table tr")[1:]]
    wanted = {
        name: [sum(1 for s, i in inside if s == split and CLASSES[i % 4] == name) for split in ("train", "test")]
        for name in CLASSES
    }
    assert {name: [int(n) for n in counts] for name, *counts in table} == {n: c for n, c in wanted.items() if any(c)}
    assert near(Screen(frame).inside("#selection .images .image"), colour_of(*inside[0]))
    frame.click("#reset")
    assert listed(frame) == set()
    assert "How to use" in str(frame.text_content("#selection"))


@pytest.mark.parametrize("shared", [False, True])
def test_points_show_their_image_classes_hide_and_the_lasso_lists(opened: Opened, shared: bool) -> None:
    frame = opened(page_of(shared))
    look_at_points(frame)
    hide_classes(frame)
    draw_around(frame, ("train", "test") if shared else ("train",))


def test_a_point_far_off_does_not_empty_the_map_and_is_told_of(opened: Opened) -> None:
    plain, lost = view("train"), view("test")
    places = lost.coordinates.copy()
    places[5] = [900, 400]
    page = interactive_map([plain, replace(lost, coordinates=places)], CLASSES, "t", "n", shared=False)
    frame = opened(page)
    heads = [head.inner_text() for head in frame.query_selector_all(".plot h2")]
    assert heads == ["train · 24 images", "test · 24 images · 1 far outside the view: scroll to zoom out"]
    for i in (0, 4, 23):  # as large as without it
        assert place_of(frame, "test", i)[1] - place_of(frame, "train", i)[1] == pytest.approx(0, abs=1)


@pytest.mark.parametrize(("room", "pixels"), [(".top .image", 108), (".near .image", 48)])
def test_images_are_shown_at_a_whole_multiple_of_their_size(opened: Opened, room: str, pixels: int) -> None:
    frame = opened(page_of())
    hover(frame, "train", 0)
    box = frame.wait_for_selector(f"#card {room}").bounding_box()
    assert box is not None
    assert (box["width"], box["height"]) == (pixels, pixels)  # of twelve: nine and four times


def test_all_of_that_works_in_the_frame_of_mlflow(opened: Opened) -> None:
    frame = opened(page_of(), framed=True)
    look_at_points(frame)
    hide_classes(frame)
    draw_around(frame, ("train",))


@pytest.mark.parametrize("framed", [False, True])
def test_images_are_told_by_their_files_and_copied_as_a_list(opened: Opened, framed: bool) -> None:
    """Also where a frame gives no clipboard; a list is saved only where a page may save files."""
    views = [view("train", files='a,"b"'), view("test", files='a,"b"')]
    frame = opened(interactive_map(views, ("=1+1", "bee", "cat", "dog"), "t", "", shared=False), framed)
    hover(frame, "train", 4)
    assert card(frame)["where"] == "train · image 1028"
    assert frame.text_content("#card .file") == 'train/04 a,"b".jpg'
    around(frame, [place_of(frame, "train", i) for i in range(24)])
    frame.wait_for_selector("#selection .images figure")
    assert frame.text_content("#selection figure small") == '00 a,"b".jpg'
    kept = frame.evaluate(
        """() => new Promise(told => { document.addEventListener("copy", () => told(getSelection().toString()
          || document.activeElement.value), { once: true }); document.getElementById("copy").click(); })"""
    )
    lines = list(csv.reader(kept.splitlines(), delimiter="\t"))
    assert lines[0] == ["split", "image", "file", "class"]
    assert lines[1] == ["train", "1000", 'train/00 a,"b".jpg', "'=1+1"]
    assert len(lines) == 25
    assert frame.text_content("#copy") == "copied"
    if framed:
        assert frame.query_selector("#save") is None
        return
    with frame.page.expect_download() as saved:
        frame.click("#save")
    assert saved.value.suggested_filename == "selected_images.csv"
    assert list(csv.reader(Path(saved.value.path()).read_text().splitlines())) == lines


def test_the_names_on_the_map_hide_with_their_class(opened: Opened) -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], 20)
    far = InteractiveView("train", rng.random((40, 2)) + 9 * labels[:, None], labels, np.arange(40),
                          np.zeros((40, 0), int), "train")  # fmt: skip
    frame = opened(interactive_map([far], ("ant", "bee"), "t", "", shared=False))
    shown = "() => [...Bokeh.documents[0].roots()[0].renderers.find(r => r.name == 'names').view.filter.booleans]"
    assert frame.evaluate(shown) == [True, True]
    click_class(frame, "ant")
    assert frame.evaluate(shown) == [False, True]
    hover(frame, "train", 25)  # no image, no share kept, no neighbours
    assert card(frame) == {"label": "bee", "where": "train · image 25", "kept": None, "near": []}


def test_a_box_selects_too_and_hidden_points_are_not_listed(opened: Opened) -> None:
    frame = opened(page_of(shared=True))
    click_class(frame, "cat")
    click_split(frame, "test")
    frame.click("[data-tool=box]")
    drag(frame, *box_around([place_of(frame, "train", 0), place_of(frame, "train", 9)]))
    frame.wait_for_selector("#selection .images figure")
    assert listed(frame) == {("train", 1000 + 7 * i) for i in (0, 1, 3, 7, 8, 9)}
    click_class(frame, "ant")
    assert listed(frame) == {("train", 1000 + 7 * i) for i in (1, 3, 7, 9)}
    frame.page.keyboard.press("Escape")
    assert listed(frame) == set()


def test_a_split_is_hidden_and_shown(opened: Opened) -> None:
    frame = opened(page_of(shared=True))
    assert painted(Screen(frame), frame, "test", 9)
    click_split(frame, "test")
    assert (drawn(frame, "test"), drawn(frame, "train")) == ([], list(range(24)))
    assert not painted(Screen(frame), frame, "test", 9)
    frame.page.mouse.move(*place_of(frame, "test", 9))
    assert frame.query_selector("#card:not([hidden])") is None
    click_split(frame, "test")
    assert painted(Screen(frame), frame, "test", 9)


def test_a_hidden_split_leaves_its_room_to_the_other(opened: Opened) -> None:
    frame = opened(page_of())
    before = frame.locator("#plot-0").bounding_box()
    click_split(frame, "test")
    assert not frame.is_visible("#plot-1")
    assert drawn(frame, "test") == []
    after = frame.locator("#plot-0").bounding_box()
    assert before is not None
    assert after is not None
    assert after["width"] > before["width"] * 1.2
    frame.page.wait_for_timeout(300)  # Bokeh follows
    hover(frame, "train", 8)
    assert card(frame)["where"] == "train · image 1056"


def test_names_are_text_whatever_they_are(opened: Opened) -> None:
    more = {word: f"{word} {NAUGHTY[0]} {NAUGHTY[1]} {NAUGHTY[3]}" for word in ("title", "note", "badge", "warning")}
    frame = opened(page_of(classes=NAUGHTY, **more))
    assert [b.text_content() for b in frame.query_selector_all("#legend button")] == list(NAUGHTY)
    assert [frame.text_content(what) for what in ("h1", "#note", "#badge")] == [
        more["title"], more["note"], more["badge"]
    ]  # fmt: skip
    assert more["warning"] in str(frame.text_content("#warning"))
    for i in range(len(NAUGHTY)):
        hover(frame, "train", i)
        assert card(frame)["label"] == NAUGHTY[i]
    around(frame, [place_of(frame, "train", i) for i in range(12)])
    frame.wait_for_selector("#selection .images figure")
    captions = frame.query_selector_all("#selection .images figcaption span")
    assert {c.text_content() for c in captions} == set(NAUGHTY)
    assert frame.evaluate("document.querySelectorAll('img, script[src], link, #legend script').length") == 0


def test_many_classes_can_be_searched(opened: Opened) -> None:
    classes = [f"class {c}" for c in range(100)]
    labels = np.arange(200) % 100
    many = InteractiveView("train", np.stack(np.divmod(np.arange(200), 20), 1), labels, np.arange(200),
                           np.arange(200)[:, None], "train")  # fmt: skip
    frame = opened(interactive_map([many], classes, "t", "", shared=False))
    assert len(frame.query_selector_all("#legend button")) == 100
    frame.fill("#find", "class 73")
    (left,) = [b for b in frame.query_selector_all("#legend button") if b.is_visible()]
    assert left.text_content() == "class 73"
    frame.click("#none")
    left.click()
    assert drawn(frame, "train") == [73, 173]
    hover(frame, "train", 173)
    assert card(frame)["label"] == "class 73"


def test_the_wheel_zooms_and_points_still_answer(opened: Opened) -> None:
    frame = opened(page_of())
    assert not frame.is_visible("#find")
    x, y = place_of(frame, "train", 9)
    frame.page.mouse.move(x, y)
    frame.page.mouse.wheel(0, -300)
    frame.page.wait_for_timeout(300)
    apart = place_of(frame, "train", 9)[0] - place_of(frame, "train", 8)[0]
    hover(frame, "train", 9)
    assert card(frame)["where"] == "train · image 1063"
    frame.click("#reset")
    frame.page.wait_for_timeout(300)
    assert place_of(frame, "train", 9)[0] - place_of(frame, "train", 8)[0] < apart


def test_the_same_map_is_the_same_page() -> None:
    first = page_of()
    settings = dict(rcParams)
    page_of(shared=True, classes=NAUGHTY)
    assert page_of() == first
    assert dict(rcParams) == settings
    code = "import hashlib; from test_interactive import page_of; print(hashlib.sha256(page_of().encode()).hexdigest())"
    folders = os.pathsep.join(str(REPOSITORY / f) for f in ("src", "tests", "tests/figures"))
    alone = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": folders, "PYTHONHASHSEED": "7"},
    )  # fmt: skip
    assert alone.stdout.strip() == hashlib.sha256(first.encode()).hexdigest()


@pytest.mark.slow  # noise is slow to code: a quarter of a minute
def test_ten_thousand_images_a_split_stay_small_and_open(opened: Opened) -> None:
    rng = np.random.default_rng(0)
    n = 10_000
    images = rng.integers(0, 256, (n, 28, 28, 3), np.uint8)

    def noise(split: str) -> InteractiveView:
        return InteractiveView(split, rng.normal(size=(n, 2)), rng.integers(0, 10, n), np.arange(n),
                               rng.integers(0, n, (n, 5)), "train", rng.random(n), images)  # fmt: skip

    html = interactive_map([noise("train"), noise("test")], [f"c{c}" for c in range(10)], "t", "", shared=False)
    assert len(html.encode()) <= 20e6
    frame = opened(html)  # three seconds on a quiet machine; half a minute is a failure
    hover(frame, "test", 9_999)
    assert card(frame)["label"].startswith("c")


def test_every_marker_of_the_palette_can_be_drawn() -> None:
    from bokeh.core.enums import MarkerType

    script = (REPOSITORY / "src/frostmark/figures/pieces.js").read_text("utf-8")
    assert set(MARKERS) <= set(MARKS)
    assert set(MARKS.values()) <= set(MarkerType)
    assert all(f'  {mark}: "M' in script for mark in MARKS.values())


def test_images_are_reduced_by_means() -> None:
    images = np.zeros((2, 4, 8, 3), np.uint8)
    images[0, :, :4] = 200
    images[1, 0, 0] = [4, 40, 255]
    small = reduced(images, 2)
    assert small.shape == (2, 1, 2, 3)
    assert small[0, 0].tolist() == [[200, 200, 200], [0, 0, 0]]
    assert small[1, 0, 0].tolist() == [0, 3, 16]  # a sixteenth, rounded
    assert reduced(images, 8) is images
    assert reduced(np.full((1, 7, 5, 3), 9, np.uint8), 3).tolist() == np.full((1, 3, 2, 3), 9).tolist()


def test_sprites_keep_to_the_budget() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (PER_SHEET + 3, 28, 28, 3), np.uint8)
    large, small = make_sprites([noise], IMAGE_BYTES), make_sprites([noise], 200_000)
    for (sprites,), edge in ((large, 28), (small, None)):
        assert len(sprites.sheets) == 2
        assert edge in (None, sprites.width)
    assert small[0].width < 28
    assert sum(map(len, small[0].sheets)) <= 200_000
    assert sum(map(len, make_sprites([noise[:50]], 10)[0].sheets)) > 10  # no smaller than the smallest
    assert make_sprites([noise[:0]], 10)[0].sheets == ()
