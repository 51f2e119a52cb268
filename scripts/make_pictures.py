"""Make the pictures of the README and the docs anew, by running the program on real images.

    python scripts/make_pictures.py --weights squeezenet1_0-imagenet.pth --data data

A quarter of an hour on two cores; Chromium takes the picture of the interactive map. ``data`` holds FashionMNIST as
torchvision lays it out.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
PICTURES = ("map.png", "pair_variance.png", "confusability.png", "report/confusable_pairs.png", "report/shots.png")


def photograph(page: Path, picture: Path) -> None:
    """The interactive map with the card of one of its test images."""
    from playwright.sync_api import sync_playwright

    point = """() => {
      const root = Bokeh.documents[0].roots()[0], view = Bokeh.index[root.id];
      const {x, y} = root.renderers.find(r => r.name === "points-1").data_source.data;
      const box = view.canvas_view.el.getBoundingClientRect();
      return [box.left + view.frame.x_scale.compute(x[10]), box.top + view.frame.y_scale.compute(y[10])];
    }"""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        tab = browser.new_page(viewport={"width": 1280, "height": 860})
        tab.goto(page.resolve().as_uri())
        tab.wait_for_selector("body[data-ready=true] .plot")
        tab.mouse.move(*tab.evaluate(point))
        tab.wait_for_selector("#card:not([hidden])")
        tab.screenshot(path=picture)
        browser.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, required=True, help="ImageNet weights of squeezenet1_0")
    parser.add_argument("--data", type=Path, required=True, help="folder that holds FashionMNIST/raw")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        words = [
            "backbone=squeezenet1_0", f"backbone.weights={options.weights.resolve()}",
            f"dataset.root={options.data.resolve()}", f"paths.root={folder}", "tracking=none",
            "controls=[untrained,pixels]",
        ]  # fmt: skip
        subprocess.run([sys.executable, str(REPOSITORY / "run.py"), *words], check=True)
        (run,) = Path(folder).glob("mlruns/_hydra/runs/*")
        for name in PICTURES:
            shutil.copy(run / name, REPOSITORY / "docs" / "pictures" / Path(name).name)
        photograph(run / "map.html", REPOSITORY / "docs" / "pictures" / "page.png")
        print((run / "summary.md").read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
