"""MLflow's pages of runs with evil names fetch nothing from anywhere: counted by a socket that listens there."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from PIL import Image

from conftest import Program
from support import map_page
from support.environment import REPOSITORY, free_port, serving
from support.runs import TINY, Tracked


@contextmanager
def listening() -> Iterator[tuple[int, list[str]]]:
    """A port, and what was asked of it so far."""
    asked: list[str] = []

    class Counting(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(404)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Counting) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server.server_address[1], asked
        finally:
            server.shutdown()


def evil_folder(root: Path, fetch: str) -> Path:
    """Images in classes that are called so; a name holds no slash, hence the entity in its place."""
    folder = root / f"data ![x]({fetch})".replace("/", "&#47;")
    for split, images in (("train", 30), ("test", 12)):
        for number, name in enumerate((f"![x]({fetch})", f"<img src={fetch}>", "plain")):
            place = folder / split / name.replace("/", "&#47;")
            place.mkdir(parents=True)
            for image in range(images):
                Image.new("RGB", (24, 24), (80 * number, 3 * image, 40)).save(place / f"{image}.png")
    return folder


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_pages_of_runs_with_evil_names_ask_for_nothing(program: Program, tmp_path: Path) -> None:
    with map_page.chromium() as browser, listening() as (port, asked):
        fetch = f"http://127.0.0.1:{port}/x.png"
        folder = evil_folder(tmp_path, fetch)
        words = [word for word in TINY if not word.startswith("dataset")]
        label = f"backbone.label='![x]({fetch})'"
        done = program("-m", *words, f"dataset={folder}", "layer=stage2,last_conv", label, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        tracked = Tracked(tmp_path)
        runs = tracked.runs()
        assert len(runs) == 3
        raw = tracked.client.create_run(runs[0].info.experiment_id, tags={"mlflow.note.content": f"![x]({fetch})"})
        ui = [sys.executable, str(REPOSITORY / "run.py"), "ui", f"paths.root={tmp_path}", "--port"]
        own = free_port()
        with serving([*ui, str(own)], own, tmp_path) as address:
            page = browser.new_page(viewport={"width": 1400, "height": 1000})
            for run in runs:
                assert "x.png" in run.data.tags["mlflow.note.content"]  # else its page would prove nothing
                page.goto(f"{address}/#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}")
                page.get_by_text("Description").first.wait_for(timeout=60_000)
                page.wait_for_timeout(3_000)
            assert asked == []
            page.goto(f"{address}/#/experiments/{raw.info.experiment_id}/runs/{raw.info.run_id}")
            page.get_by_text("Description").first.wait_for(timeout=60_000)
            page.wait_for_timeout(3_000)
            assert asked == ["/x.png"]  # what is written raw is fetched: the socket hears it
