"""The linked maps in a real browser: what is done in one map is seen in all, also in MLflow's kind of frame."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from frostmark.figures.linked import LinkedImages, LinkedMap, LinkedPieces, _lines, linked_maps
from frostmark.results.page import PageTable, Section
from frostmark.results.page import page as page_of
from support.browser import FRAME, SCREEN, Opened, opening
from support.map_page import Place, Screen, around, chromium, click_class, listed, rings
from support.map_page import linked_places as places

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Frame

CLASSES = ("ant", "bee", "cat", "dog")
NAUGHTY = (
    "<script>alert(1)</script>", '"><img src=x onerror=alert(2)>', "a & b &lt;", "{{ 7*7 }}{% raw %}", "$$x^2$$",
    "</script><script>alert(3)</script>", "y" * 300, "\u2028 ' \\ `${alert(4)}`",
)  # fmt: skip
SIZES = {"train": 18, "test": 24}
TEST, TRAIN = 0, 1
"""Numbers of the splits in the page: test comes first."""

WHITE = (255, 255, 255)


def colour_of(split: str, i: int) -> tuple[int, int, int]:
    """Every image has a colour of its own, eighty apart from all others in some channel."""
    n = i + 32 * (split == "test")
    return (n % 4 * 80, n // 4 % 4 * 80, n // 16 * 80)


def grid(n: int) -> np.ndarray:
    return np.stack([np.arange(n) % 6, np.arange(n) // 6 * 1.5], 1)


def some_maps(count: int = 3) -> list[LinkedMap]:
    """The same points on a grid: as they come, backwards, upside down, and so on."""
    ways = [lambda g: g, lambda g: g[::-1], lambda g: g * [1, -1] + 90]
    return [
        LinkedMap(
            name=f"net {m // 2} · layer {m % 2}",
            row=f"net {m // 2}",
            coordinates={split: ways[m % 3](grid(n)) for split, n in SIZES.items()},
            badge={"train": "", "test": f"badge {m}"},
            kept={"train": None, "test": np.linspace(0, 1, 24) if m != 1 else None},
        )
        for m in range(count)
    ]


def some_images(classes: int = 4, pictures: bool = True) -> LinkedImages:
    shown = {s: np.array([np.full((12, 12, 3), colour_of(s, i)) for i in range(n)], np.uint8) for s, n in SIZES.items()}
    return LinkedImages(
        labels={split: np.arange(n) % classes for split, n in SIZES.items()},
        index={split: 1000 + 7 * np.arange(n) for split, n in SIZES.items()},
        thumbnails=shown if pictures else None,
    )


def alone(pieces: LinkedPieces) -> str:
    return f"<!DOCTYPE html><meta charset=utf-8><style>{pieces.style}</style>{pieces.markup}{pieces.scripts}"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def opened(browser: Browser, tmp_path: Path) -> Iterator[Opened]:
    with opening(browser, tmp_path) as opened:
        yield opened


# ---- what a person sees and does


def place_of(frame: Frame, m: int, i: int, split: int = TEST) -> Place:
    return places(frame, m, split)[i]


def inks(frame: Frame, maps: int, split: int = TEST) -> list[list[int]]:
    """How far each dot of each map is from white, 0 … 765."""
    screen = Screen(frame)
    return [[sum(255 - c for c in screen.at(place)) for place in places(frame, m, split)] for m in range(maps)]


def painted(frame: Frame, maps: int, split: int = TEST) -> list[list[int]]:
    """Images of which there is a dot, in every map."""
    return [[i for i, ink in enumerate(of) if ink > 12] for of in inks(frame, maps, split)]


def strong(frame: Frame, maps: int, split: int = TEST) -> list[set[int]]:
    """Images whose dots stand out, in every map."""
    return [{i for i, ink in enumerate(of) if ink > 150} for of in inks(frame, maps, split)]


def hover(frame: Frame, m: int, i: int, split: int = TEST) -> None:
    x, y = place_of(frame, m, i, split)
    frame.page.mouse.move(x - 30, y - 30)
    frame.page.mouse.move(x, y)
    frame.wait_for_selector("#card:not([hidden])")


def click_split(frame: Frame, split: int) -> None:
    frame.query_selector_all("#splits button")[split].click()


def near(one: Sequence[float], other: Sequence[float], within: float) -> bool:
    return max(abs(a - b) for a, b in zip(one, other, strict=True)) < within


def point_at_images(frame: Frame, maps: int = 3) -> None:
    for m, i in ((0, 0), (1, 13), (2, 23)):
        hover(frame, m, i)
        assert frame.text_content("#card .label") == CLASSES[i % 4]
        assert frame.text_content("#card .where") == f"test · image {1000 + 7 * i}"
        kept = [
            [part.text_content() for part in of.query_selector_all(":scope > *")]
            for of in frame.query_selector_all("#card .share")
        ]
        assert [line[0] for line in kept] == ["net 0 · layer 0", "net 1 · layer 0"]  # the other does not know
        assert {line[-1] for line in kept} == {f"{round(100 * i / 23)}%"}
        centres = rings(frame)
        for other in range(maps):
            (ring,) = centres[other]
            assert near(ring, place_of(frame, other, i), within=1)
        assert near(Screen(frame).inside("#card .image"), colour_of("test", i), within=20)
    frame.hover("#legend")
    frame.wait_for_selector("#card", state="hidden")
    assert rings(frame) == [[]] * maps


def draw_around(frame: Frame, maps: int = 3) -> None:
    """Drawn in the first map, the same images stand out in the others."""
    chosen = {0, 1, 2, 6, 7, 8}
    around(frame, [places(frame, 0)[i] for i in chosen], margin=7)
    frame.wait_for_selector("#selection .images figure")
    assert listed(frame) == {("test", 1000 + 7 * i) for i in chosen}
    assert frame.text_content("#selection h3") == "6 images selected"
    table = [line.inner_text().split() for line in frame.query_selector_all("#selection table tr")[1:]]
    assert {name: int(n) for name, n in table} == {"ant": 2, "bee": 1, "cat": 2, "dog": 1}
    frame.hover("#legend")
    assert strong(frame, maps) == [chosen] * maps
    assert near(Screen(frame).inside("#selection .images .image"), colour_of("test", 0), within=20)
    frame.hover("#selection .images figure")  # of an image in the list one sees where it is
    assert [near(centre[0], place_of(frame, m, 0), within=1) for m, centre in enumerate(rings(frame))] == [True] * maps
    frame.page.keyboard.press("Escape")
    assert listed(frame) == set()


def hide_classes(frame: Frame, maps: int = 3) -> None:
    click_class(frame, "bee")
    assert painted(frame, maps) == [[i for i in range(24) if i % 4 != 1]] * maps
    click_class(frame, "dog", times=2)
    assert painted(frame, maps) == [[i for i in range(24) if i % 4 == 3]] * maps
    around(frame, places(frame, 1), margin=7)  # what is hidden is not selected
    frame.wait_for_selector("#selection .images figure")
    assert listed(frame) == {("test", 1000 + 7 * i) for i in range(3, 24, 4)}
    frame.page.keyboard.press("Escape")
    frame.click("#all")
    assert painted(frame, maps) == [list(range(24))] * maps


def change_split(frame: Frame, maps: int = 3) -> None:
    buttons = frame.query_selector_all("#splits button")
    assert [b.text_content() for b in buttons] == ["test · 24 images", "train · 18 images"]
    assert [b.get_attribute("aria-pressed") for b in buttons] == ["true", "false"]
    heads = frame.query_selector_all(".plot h2")
    assert [part.text_content() for part in heads[1].query_selector_all(":scope > *")] == ["net 0 · layer 1", "badge 1"]
    click_split(frame, TRAIN)
    assert heads[1].text_content() == "net 0 · layer 1"
    assert painted(frame, maps, TRAIN) == [list(range(18))] * maps
    around(frame, [place_of(frame, 1, i, TRAIN) for i in (17, 16)], margin=7)
    frame.wait_for_selector("#selection .images figure")
    assert listed(frame) == {("train", 1000 + 7 * i) for i in (17, 16)}
    assert strong(frame, maps, TRAIN) == [{17, 16}] * maps
    hover(frame, 2, 5, TRAIN)
    assert frame.text_content("#card .where") == "train · image 1035"
    assert frame.query_selector("#card .share") is None
    click_split(frame, TEST)
    assert listed(frame) == set()
    assert painted(frame, maps) == [list(range(24))] * maps
    frame.click("#reset")


def test_all_maps_answer_to_what_is_done_in_one(opened: Opened) -> None:
    frame = opened(alone(linked_maps(some_maps(), some_images(), CLASSES, "A note.")))
    assert frame.text_content("#note") == "A note."
    point_at_images(frame)
    draw_around(frame)
    hide_classes(frame)
    change_split(frame)
    of_first_map = inks(frame, 1)[0]
    assert 12 < of_first_map[0] < of_first_map[20] / 2  # of one class: the map lost all neighbours of the first


def test_in_a_page_in_mlflows_frame_too(opened: Opened) -> None:
    pieces = linked_maps(some_maps(), some_images(), CLASSES, "")
    sections = [Section(f"Section {n}", ["word " * 900], [PageTable(("a", "b"), [("x", "1")])]) for n in (1, 2)]
    frame = opened(page_of("title", ["The verdict."], [Section("Maps", maps=pieces), *sections]), framed=True)
    frame.click("text=Section 2")  # the contents lead to it
    top = "() => document.getElementById('part-3').getBoundingClientRect().top"
    assert -1 <= frame.evaluate(top) < FRAME[1]
    frame.click("text=Section 1")
    frame.evaluate("() => document.querySelector('.linked').scrollIntoView()")
    point_at_images(frame)
    draw_around(frame)
    x, y = place_of(frame, 0, 9)
    before, apart = frame.evaluate("() => scrollY"), x - place_of(frame, 0, 8)[0]
    frame.page.mouse.move(x, y)
    frame.page.mouse.wheel(0, 60)  # the page scrolls, the map keeps its scale
    frame.wait_for_function("before => scrollY > before", arg=before)
    assert place_of(frame, 0, 9)[0] - place_of(frame, 0, 8)[0] == pytest.approx(apart, abs=0.5)
    frame.page.mouse.move(*place_of(frame, 0, 9))
    frame.page.keyboard.down("Control")
    frame.page.mouse.wheel(0, -300)  # now the map is zoomed, the others are not
    frame.page.keyboard.up("Control")
    frame.page.wait_for_timeout(300)
    assert place_of(frame, 0, 9)[0] - place_of(frame, 0, 8)[0] > 1.1 * apart
    assert abs(place_of(frame, 1, 9)[0] - place_of(frame, 1, 8)[0]) == pytest.approx(apart, rel=0.02)


def test_a_dozen_maps_are_on_one_screen_and_names_are_text(opened: Opened) -> None:
    """Three networks of four layers, named by somebody who means no good."""
    maps = [
        replace(of, name=f"{NAUGHTY[m % 8]} {m}", row=f"{NAUGHTY[m // 4]}", badge=dict.fromkeys(SIZES, NAUGHTY[m % 8]))
        for m, of in enumerate(some_maps(12))
    ]
    frame = opened(alone(linked_maps(maps, some_images(8, pictures=False), NAUGHTY, f"{NAUGHTY[0]} {NAUGHTY[3]}")))
    assert [b.text_content() for b in frame.query_selector_all("#legend button")] == list(NAUGHTY)
    assert frame.text_content("#note") == f"{NAUGHTY[0]} {NAUGHTY[3]}"
    heads = [
        [part.text_content() for part in h2.query_selector_all("*")] for h2 in frame.query_selector_all(".plot h2")
    ]
    assert heads == [[f"{NAUGHTY[m % 8]} {m}", NAUGHTY[m % 8]] for m in range(12)]
    boxes = [plot.bounding_box() for plot in frame.query_selector_all(".plot")]
    assert [len({round(box["y"]) for box in boxes[m : m + 4] if box}) for m in (0, 4, 8)] == [1, 1, 1]
    assert all(box and box["x"] + box["width"] <= SCREEN[0] for box in boxes)
    assert all(box and box["y"] + box["height"] <= SCREEN[1] for box in boxes)
    for i in (0, 1, 5):
        hover(frame, 11, i)
        assert frame.text_content("#card .label") == NAUGHTY[i]
    around(frame, [place_of(frame, 5, 9)], margin=7)
    frame.wait_for_selector("#selection .images figure")
    assert listed(frame) == {("test", 1063)}
    assert frame.evaluate("document.querySelectorAll('img, script[src], link, #legend script').length") == 0


def clusters() -> tuple[LinkedMap, LinkedImages]:
    """Sixty images in two far clusters, enough for names at them."""
    labels = {"test": np.repeat([0, 1], 30)}
    places = np.random.default_rng(0).random((60, 2)) + 9 * labels["test"][:, None]
    images = LinkedImages(labels, {"test": np.arange(60)}, None)
    return LinkedMap("m", "a", {"test": places}, {"test": ""}, {"test": None}), images


def test_a_selection_may_grow_and_no_name_covers_it(opened: Opened) -> None:
    one, images = clusters()
    frame = opened(alone(linked_maps([one, replace(one, name="n")], images, ("ant", "bee"), "")))
    named = """() => Bokeh.documents[0].roots().map(plot => {
      const names = plot.renderers.find(r => r.name === "names-0");
      return names.visible ? [...names.view.filter.booleans] : [];
    })"""
    assert frame.evaluate(named) == [[True, True]] * 2
    click_class(frame, "ant")
    assert frame.evaluate(named) == [[False, True]] * 2
    click_class(frame, "ant")
    around(frame, places(frame, 0)[:30])
    frame.page.keyboard.down("Shift")
    around(frame, places(frame, 1)[30:])  # in another map
    frame.page.keyboard.up("Shift")
    frame.wait_for_function("() => document.querySelector('#selection h3').textContent.startsWith('60 ')")
    assert frame.text_content(".more") == "and 10 more"
    assert frame.evaluate(named) == [[], []]
    frame.click("#clear")
    assert frame.evaluate(named) == [[True, True]] * 2


# ---- the pieces themselves


def test_the_same_maps_are_the_same_pieces() -> None:
    first = linked_maps(some_maps(), some_images(), CLASSES, "n")
    linked_maps(some_maps(5), some_images(), CLASSES, "")
    assert linked_maps(some_maps(), some_images(), CLASSES, "n") == first


def rows(*names: str) -> list[LinkedMap]:
    return [replace(some_maps(1)[0], row=name) for name in names]


def test_a_row_is_a_line_and_single_maps_share_lines() -> None:
    assert _lines(rows("a", "b", "a", "c")) == [[0, 2], [1], [3]]
    assert _lines(rows("a", "b", "c")) == [[0, 1, 2]]
    assert _lines(rows("a", "b", "c", "d", "e")) == [[0, 1, 2], [3, 4]]
    assert _lines(rows("a")) == [[0]]


def test_classes_are_named_at_their_clusters_where_there_is_room() -> None:
    one, images = clusters()
    assert '"names-0"' in linked_maps([one] * 3, images, ("ant", "bee"), "").scripts
    assert '"names-0"' not in linked_maps([one] * 4, images, ("ant", "bee"), "").scripts


@pytest.mark.parametrize("spoil", ["none", "short", "flat"])
def test_maps_of_other_images_are_refused(spoil: str) -> None:
    maps, images = some_maps(), some_images()
    if spoil == "none":
        with pytest.raises(ValueError, match="nothing to show"):
            linked_maps([], images, CLASSES, "")
        return
    wrong = grid(23) if spoil == "short" else np.zeros(24)
    maps[1] = replace(maps[1], coordinates={"train": grid(18), "test": wrong})
    with pytest.raises(ValueError, match=r"'net 0 · layer 1' has test coordinates of shape .*, not \(24, 2\)"):
        linked_maps(maps, images, CLASSES, "")


@pytest.mark.slow  # noise is slow to code, and twelve maps of three thousand are slow to draw: half a minute
def test_twelve_maps_of_three_thousand_images_stay_small_and_open(opened: Opened) -> None:
    rng = np.random.default_rng(0)
    n = 3_000
    each: dict[str, Any] = {"train": 0, "test": 0}
    images = LinkedImages(
        {split: rng.integers(0, 10, n) for split in each},
        {split: np.arange(n) for split in each},
        {split: rng.integers(0, 256, (n, 64, 64, 3), np.uint8) for split in each},
    )
    maps = [
        LinkedMap(f"map {m}", f"row {m // 4}", {split: rng.normal(size=(n, 2)) for split in each},
                  dict.fromkeys(each, ""), {split: rng.random(n) for split in each})
        for m in range(12)
    ]  # fmt: skip
    pieces = linked_maps(maps, images, [f"c{c}" for c in range(10)], "")
    html = page_of("t", ["v"], [Section("Maps", maps=pieces)])
    assert len(html.encode()) <= 12e6
    frame = opened(html)
    frame.evaluate("() => document.querySelector('.linked').scrollIntoView()")
    around(frame, [place_of(frame, 0, 0)], margin=3)
    frame.wait_for_selector("#selection .images figure")
    assert ("test", 0) in listed(frame)


def test_where_there_is_no_room_the_network_is_cut_and_the_layer_stands_whole(opened: Opened) -> None:
    """Twelve maps of networks whose names are wider than their maps."""
    maps = [replace(of, name=f"{'vit_' * 20}{m} · stage4 = last_conv") for m, of in enumerate(some_maps(12))]
    frame = opened(alone(linked_maps(maps, some_images(4, pictures=False), CLASSES, "")))
    for plot in frame.query_selector_all(".plot"):
        box, layer = plot.bounding_box(), plot.query_selector("h2 .layer")
        assert layer is not None
        inside = layer.bounding_box()
        assert box is not None
        assert inside is not None
        assert layer.text_content() == " · stage4 = last_conv"
        assert inside["x"] + inside["width"] <= box["x"] + box["width"] + 1
