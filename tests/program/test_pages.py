"""The pages where their users meet them: in the frame of MLflow's own, in a real browser."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pyarrow import parquet

from conftest import Program
from frostmark.tracking.mlflow import MlflowStore
from support import map_page
from support.environment import REPOSITORY, free_port, serving
from support.runs import TINY, Tracked

if TYPE_CHECKING:
    from playwright.sync_api import Frame, Page


def pages(root: Path) -> AbstractContextManager[str]:
    """The address of ``run.py ui`` on the runs of ``root``."""
    port = free_port()
    command = [sys.executable, str(REPOSITORY / "run.py"), "ui", f"paths.root={root}", "--port", str(port)]
    return serving(command, port, root)


@pytest.mark.slow
def test_maps_and_comparison_work_in_mlflows_own_pages(program: Program, tmp_path: Path) -> None:
    with map_page.chromium() as browser:  # first of all: without one there is no need to run anything
        done = program("-m", *TINY, "metrics=[variance,neighbours]", "layer=stage2,last_conv", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        parent, run, other = sorted(Tracked(tmp_path).runs(), key=lambda r: "mlflow.parentRunId" in r.data.tags)
        table = parquet.read_table(Tracked(tmp_path).artifacts(run)["embedding.parquet"]).to_pydict()
        with pages(tmp_path) as address:
            page = browser.new_page(viewport={"width": 1400, "height": 1000})
            place = f"#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}/artifacts/map.html"
            page.goto(f"{address}/{place}")
            frame = map_page.frame_with_map(page, timeout=90_000)
            assert frame.parent_frame is not None
            assert "allow-scripts" in str(frame.frame_element().get_attribute("sandbox"))
            page.wait_for_timeout(500)  # until the page around it stands still

            map_page.hover(frame, "train", 3)
            assert map_page.card(frame)["label"] == table["class"][3]
            assert frame.evaluate("() => document.querySelectorAll('#card .near figcaption').length") > 0

            shown = table["class"][:90]
            map_page.click_class(frame, shown[3])
            assert map_page.drawn(frame, "train") == [i for i, name in enumerate(shown) if name != shown[3]]
            map_page.click_class(frame, shown[3])

            places = {i: map_page.place_of(frame, "train", i) for i in range(90)}
            low, high = map_page.box_around([places[3]], margin=25)
            inside = {i for i, (x, y) in places.items() if low[0] < x < high[0] and low[1] < y < high[1]}
            map_page.around(frame, [places[3]], margin=25)
            frame.wait_for_selector("#selection .images figure")
            assert {i for split, i in map_page.listed(frame) if split == "train"} == inside

            page = browser.new_page(viewport={"width": 1400, "height": 1000})
            place = f"#/experiments/{run.info.experiment_id}/runs/{parent.info.run_id}/artifacts/comparison.html"
            page.goto(f"{address}/{place}")
            draw_around_in_linked_maps(map_page.frame_with_map(page, timeout=90_000))

            link = MlflowStore.local(tmp_path / "mlruns", "frostmark").compare_link(
                [run.info.run_id, other.info.run_id]
            )
            page.goto(f"{address}/{link}")
            both_maps_stand_side_by_side(page)


def draw_around_in_linked_maps(frame: Frame) -> None:
    """What is drawn around in one map of the comparison stands out in the other, and is pointed at in both."""
    frame.page.wait_for_timeout(500)
    frame.locator(".overlay").first.scroll_into_view_if_needed()
    frame.page.wait_for_timeout(500)
    places = map_page.linked_places(frame, 0)
    low, high = map_page.box_around([places[5]], margin=20)
    inside = {i for i, (x, y) in enumerate(places) if low[0] < x < high[0] and low[1] < y < high[1]}
    map_page.around(frame, [places[5]], margin=20)
    frame.wait_for_selector("#selection .images figure")
    assert {i for _, i in map_page.listed(frame)} == inside
    frame.hover("#selection .images figure")
    first = sorted(inside)[0]
    for m, ringed in enumerate(map_page.rings(frame)):
        wanted = map_page.linked_places(frame, m)[first]
        assert max(abs(a - b) for a, b in zip(ringed[0], wanted, strict=True)) < 1.5


def both_maps_stand_side_by_side(page: Page) -> None:
    """MLflow's page that compares runs shows the pictures of both, found by their common name."""
    page.get_by_text("map.png", exact=True).first.dispatch_event("click")
    page.wait_for_selector("img[alt='map.png']")
    page.wait_for_function("() => document.querySelectorAll(\"img[alt='map.png']\").length === 2", timeout=30_000)
    pictures = page.query_selector_all("img[alt='map.png']")
    widths = [picture.evaluate("e => e.naturalWidth") for picture in pictures]
    assert len(widths) == 2
    assert min(widths) > 500
