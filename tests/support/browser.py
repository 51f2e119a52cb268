"""A page of maps opened as its users open it: as a file, or in the frame in which MLflow shows it.

with chromium() as browser, opening(browser, folder) as opened:
    frame = opened(html)                    # afterwards nothing may have failed, asked for anything or opened a dialog
    frame = opened(html, framed=True)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from support.map_page import frame_with_map

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Frame, Page

Opened = Callable[..., "Frame"]

ELSEWHERE = "http://frostmark.test"
SCREEN = (1280, 800)
FRAME = (900, 680)


@contextmanager
def opening(browser: Browser, folder: Path) -> Iterator[Opened]:
    """Opens maps, and asserts in the end that there was no trouble."""
    page = browser.new_page(viewport={"width": SCREEN[0], "height": SCREEN[1]})
    troubles: list[str] = []
    page.on("pageerror", lambda error: troubles.append(f"error: {error}"))
    page.on("dialog", lambda dialog: (troubles.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    page.on("console", lambda m: troubles.append(f"console: {m.text}") if m.type in ("error", "warning") else None)
    page.on(
        "request",
        lambda r: None if r.url.startswith(("file:", "data:", "blob:", ELSEWHERE)) else troubles.append(r.url),
    )

    def open_page(html: str, framed: bool = False) -> Frame:
        if framed:
            _show_framed(page, html)
        else:
            file = folder / "map.html"
            file.write_text(html, encoding="utf-8")
            page.goto(file.as_uri())
        return frame_with_map(page)

    yield open_page
    page.close()
    assert troubles == []


def _show_framed(page: Page, html: str) -> None:
    """MLflow makes a blob of an HTML artifact and shows it in a frame that may run scripts and nothing else."""
    outside = f"""<body style="margin: 60px 40px"><script>
      const frame = Object.assign(document.createElement("iframe"), {{width: {FRAME[0]}, height: {FRAME[1]}}});
      frame.sandbox = "allow-scripts";
      fetch("map.html").then(r => r.text()).then(text => {{
        frame.src = URL.createObjectURL(new Blob([text], {{type: "text/html"}}));
        document.body.append(frame);
      }});
    </script>"""
    page.route(f"{ELSEWHERE}/", lambda route: route.fulfill(body=outside, content_type="text/html"))
    page.route(f"{ELSEWHERE}/map.html", lambda route: route.fulfill(body=html, content_type="text/html"))
    page.goto(f"{ELSEWHERE}/")
