"""A person at the interactive map: what a mouse does to it, wherever it is shown.

frame = frame_with_map(page)                    # the page itself, or the frame in it that holds a map
page.mouse.move(*place_of(frame, "train", 7))   # the card of the eighth point of train
around(frame, [place_of(frame, "train", 7)])    # a lasso around it

Places are pixels of the outermost page, where the mouse lives, also for a map in a sandboxed frame.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Frame, Page

Place = tuple[float, float]

QUIET = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip

_POINTS = """split => {
  const own = JSON.parse(document.getElementById("page").textContent).views.findIndex(v => v.split === split);
  for (const root of Bokeh.documents[0].roots()) {
    const points = root.renderers.find(r => r.name === `points-${own}`);
    if (points) return {root, view: Bokeh.index[root.id], points};
  }
}"""


@contextmanager
def chromium() -> Iterator[Browser]:
    """The Chromium of this machine, or the test is skipped."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("there is no chromium on this machine")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(QUIET))
        try:
            yield browser
        finally:
            browser.close()


def frame_with_map(page: Page, timeout: float = 30_000) -> Frame:
    """The first frame of ``page`` in which a map is ready, the page's own among them."""
    waited = 0.0
    while waited < timeout:
        for frame in page.frames:
            if frame.query_selector("body[data-ready=true] .plot"):
                return frame
        page.wait_for_timeout(100)
        waited += 100
    raise AssertionError(f"no map in {[frame.url for frame in page.frames]}")


def _corner(frame: Frame) -> Place:
    """Where the frame's upper left corner is in the outermost page."""
    if frame.parent_frame is None:
        return 0.0, 0.0
    element = frame.frame_element()
    box = element.bounding_box()
    assert box is not None, "the frame is not shown"
    border = element.evaluate("frame => [frame.clientLeft, frame.clientTop]")
    return box["x"] + border[0], box["y"] + border[1]


def place_of(frame: Frame, split: str, position: int) -> Place:
    """Where the point at ``position`` of ``split`` is drawn."""
    found = frame.evaluate(
        f"""([split, i]) => {{
          const {{view, points}} = ({_POINTS})(split);
          const {{x, y}} = points.data_source.data;
          const box = view.canvas_view.el.getBoundingClientRect();
          return [box.left + view.frame.x_scale.compute(x[i]), box.top + view.frame.y_scale.compute(y[i])];
        }}""",
        [split, position],
    )
    left, top = _corner(frame)
    return left + found[0], top + found[1]


def hover(frame: Frame, split: str, position: int) -> None:
    """The pointer on a point, until its card is there."""
    x, y = place_of(frame, split, position)
    frame.page.mouse.move(x - 40, y - 40)
    frame.page.mouse.move(x, y)
    frame.wait_for_selector("#card:not([hidden])")


def card(frame: Frame) -> dict[str, Any]:
    """What the card says: label, where, kept, and the names of the neighbours."""
    found: dict[str, Any] = frame.evaluate(
        """() => {
          const text = what => document.querySelector("#card " + what)?.textContent;
          const near = [...document.querySelectorAll("#card .near figcaption")].map(e => e.textContent);
          return {label: text(".label"), where: text(".where"), kept: text(".kept"), near};
        }"""
    )
    return found


class Screen:
    """What the outermost page shows now, as pixels."""

    def __init__(self, frame: Frame) -> None:
        from io import BytesIO

        from PIL import Image

        self._frame = frame
        with Image.open(BytesIO(frame.page.screenshot())) as picture:
            self._picture = picture.convert("RGB")

    def at(self, place: Place) -> tuple[int, int, int]:
        """The colour at a place."""
        red, green, blue = self._picture.getpixel((round(place[0]), round(place[1])))
        return red, green, blue

    def inside(self, selector: str, across: float = 0.5) -> tuple[int, int, int]:
        """The colour in an element, half way down and ``across`` of its width."""
        box = self._frame.locator(selector).first.bounding_box()
        assert box is not None, f"{selector} is not shown"
        return self.at((box["x"] + box["width"] * across, box["y"] + box["height"] / 2))


def lasso(frame: Frame, corners: Sequence[Place]) -> None:
    """The lasso, drawn with the mouse through ``corners`` and back."""
    mouse = frame.page.mouse
    mouse.move(*corners[0])
    mouse.down()
    for x, y in [*corners[1:], corners[0]]:
        mouse.move(x, y, steps=4)
    mouse.up()


def drag(frame: Frame, start: Place, end: Place) -> None:
    """The mouse pressed at ``start`` and released at ``end``: a box, or the map moved, as is chosen."""
    mouse = frame.page.mouse
    mouse.move(*start)
    mouse.down()
    mouse.move(*end, steps=8)
    mouse.up()


def box_around(places: Sequence[Place], margin: float = 8) -> tuple[Place, Place]:
    """Upper left and lower right corner of the box that holds ``places``."""
    xs, ys = zip(*places, strict=True)
    return (min(xs) - margin, min(ys) - margin), (max(xs) + margin, max(ys) + margin)


def around(frame: Frame, places: Sequence[Place], margin: float = 8) -> None:
    """The lasso around the box that holds ``places``."""
    (left, top), (right, bottom) = box_around(places, margin)
    lasso(frame, [(left, top), (right, top), (right, bottom), (left, bottom)])


def listed(frame: Frame) -> set[tuple[str, int]]:
    """Split and index of every image that the selection shows."""
    found = frame.evaluate(
        """() => Array.from(document.querySelectorAll("#selection .images figure"),
          figure => [figure.dataset.split, figure.dataset.index])"""
    )
    return {(split, int(index)) for split, index in found}


def click_class(frame: Frame, name: str, times: int = 1) -> None:
    """A click, or a double click, on the legend's entry of a class."""
    (entry,) = [b for b in frame.query_selector_all("#legend button") if b.text_content() == name]
    entry.click(click_count=times)


def click_split(frame: Frame, split: str) -> None:
    """A click on the button that hides or shows a split."""
    (button,) = [b for b in frame.query_selector_all("#splits button") if b.text_content() == split]
    button.click()


def drawn(frame: Frame, split: str) -> list[int]:
    """Positions of the points of ``split`` that Bokeh draws."""
    found: list[int] = frame.evaluate(
        f"""split => {{
          const {{points}} = ({_POINTS})(split);
          return points.visible ? [...points.view.filter.booleans].flatMap((b, i) => b ? [i] : []) : [];
        }}""",
        split,
    )
    return found


def linked_places(frame: Frame, m: int, split: int = 0) -> list[Place]:
    """Where the images of the linked maps are drawn in map ``m``; split 0 is test."""
    found = frame.evaluate(
        """([m, v]) => {
          const view = Bokeh.index[JSON.parse(document.getElementById("drawing").textContent).roots[m]];
          const {data} = view.model.renderers.find(r => r.name === `points-${v}`).data_source;
          const box = view.canvas_view.el.getBoundingClientRect();
          return Array.from(data[`x${m}`], (x, i) => [
            box.left + view.frame.x_scale.compute(x), box.top + view.frame.y_scale.compute(data[`y${m}`][i])]);
        }""",
        [m, split],
    )
    left, top = _corner(frame)
    return [(left + x, top + y) for x, y in found]


def rings(frame: Frame) -> list[list[Place]]:
    """Centres of the rings in every map of the page."""
    found = frame.evaluate(
        """() => [...document.querySelectorAll(".overlay")].map(overlay => {
          const box = overlay.getBoundingClientRect();
          return [...overlay.querySelectorAll("circle:not(.halo)")].map(
            ring => [box.left + ring.cx.baseVal.value, box.top + ring.cy.baseVal.value]);
        })"""
    )
    left, top = _corner(frame)
    return [[(left + x, top + y) for x, y in centres] for centres in found]
