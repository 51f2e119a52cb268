"""The interactive map where its users meet it: in the frame of MLflow's own pages, in a real browser."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pyarrow import parquet

import driving
from conftest import Program
from harness import REPOSITORY, environment
from reading import TINY, Tracked


@contextmanager
def pages(root: Path) -> Iterator[str]:
    """The address of ``run.py ui`` on the runs of ``root``."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    command = [sys.executable, str(REPOSITORY / "run.py"), "ui", f"paths.root={root}", "--port", port]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, env=environment(), cwd=root, **quiet) as server:  # type: ignore[call-overload]
        try:
            for _ in range(240):
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1).close()
                    break
                except OSError:
                    time.sleep(0.5)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()


def test_the_map_works_in_mlflows_own_frame(program: Program, tmp_path: Path) -> None:
    with driving.chromium() as browser:  # first of all: without one there is no need to run anything
        done = program(*TINY, "metrics=[variance]", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        run = Tracked(tmp_path).only()
        table = parquet.read_table(Tracked(tmp_path).artifacts(run)["embedding.parquet"]).to_pydict()
        with pages(tmp_path) as address:
            page = browser.new_page(viewport={"width": 1400, "height": 1000})
            place = f"#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}/artifacts/map.html"
            page.goto(f"{address}/{place}")
            frame = driving.frame_with_map(page, timeout=90_000)
            assert frame.parent_frame is not None
            assert "allow-scripts" in str(frame.frame_element().get_attribute("sandbox"))
            page.wait_for_timeout(500)  # until the page around it stands still

            driving.hover(frame, "train", 3)
            assert driving.card(frame)["label"] == table["class"][3]
            assert frame.evaluate("() => document.querySelectorAll('#card .near figcaption').length") > 0

            shown = table["class"][:90]
            driving.click_class(frame, shown[3])
            assert driving.drawn(frame, "train") == [i for i, name in enumerate(shown) if name != shown[3]]
            driving.click_class(frame, shown[3])

            places = {i: driving.place_of(frame, "train", i) for i in range(90)}
            low, high = driving.box_around([places[3]], margin=25)
            inside = {i for i, (x, y) in places.items() if low[0] < x < high[0] and low[1] < y < high[1]}
            driving.around(frame, [places[3]], margin=25)
            frame.wait_for_selector("#selection .images figure")
            assert {i for split, i in driving.listed(frame) if split == "train"} == inside
