"""Make the pictures of the README and the docs anew, by running the program on real images.

    python scripts/make_pictures.py --weights weights --data data --folder runs

Half an hour on two cores, a minute once the rows are stored in ``--folder``; Chromium takes the pictures of the pages.
``weights`` holds squeezenet1_0-imagenet.pth and tf_efficientnet_lite0-imagenet.safetensors, ``data`` holds FashionMNIST
as torchvision lays it out.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page

REPOSITORY = Path(__file__).resolve().parents[1]
KEPT = REPOSITORY / "docs" / "pictures"
PICTURES = ("map.png", "pair_variance.png", "confusability.png", "confusable_pairs.png", "shots.png")

COMPARED = {
    "squeezenet1_0": ("backbone=squeezenet1_0", "backbone.weights={weights}/squeezenet1_0-imagenet.pth"),
    "tf_efficientnet_lite0": (
        "backbone=timm",
        "backbone.name=tf_efficientnet_lite0",
        "backbone.weights={weights}/tf_efficientnet_lite0-imagenet.safetensors",
    ),
    "resnet18": ("backbone=resnet18", "backbone.weights=untrained"),
}
"""Networks of the comparison, and the words that choose them."""

LAYERS = "layer=stage2,stage3,stage4,last_conv"
SIZES = ("dataset.limit.train=2000", "dataset.limit.test=1000")

TROUSERS = "#ffa90e"
"""Colour of the class that is drawn around."""


@contextmanager
def page_of(file: Path, width: int, height: int) -> Iterator[Page]:
    """A page as Chromium shows it."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        tab = browser.new_page(viewport={"width": width, "height": height})
        tab.goto(file.resolve().as_uri())
        tab.wait_for_selector("body[data-ready=true] .plot")
        yield tab
        browser.close()


def photograph_map(file: Path, picture: Path) -> None:
    """The interactive map with the card of one of its test images."""
    point = """() => {
      const root = Bokeh.documents[0].roots()[0], view = Bokeh.index[root.id];
      const {x, y} = root.renderers.find(r => r.name === "points-1").data_source.data;
      const box = view.canvas_view.el.getBoundingClientRect();
      return [box.left + view.frame.x_scale.compute(x[10]), box.top + view.frame.y_scale.compute(y[10])];
    }"""
    with page_of(file, 1280, 860) as tab:
        tab.mouse.move(*tab.evaluate(point))
        tab.wait_for_selector("#card:not([hidden])")
        tab.screenshot(path=picture)


def photograph_linked(file: Path, picture: Path) -> None:
    """The linked maps of a comparison, the trousers of the first of them drawn around."""
    circle = """colour => {
      const root = Bokeh.documents[0].roots()[0], view = Bokeh.index[root.id];
      const data = root.renderers.find(r => r.name === "points-0").data_source.data;
      const box = view.canvas_view.el.getBoundingClientRect();
      const middle = values => values.sort((a, b) => a - b)[values.length >> 1];
      const mine = Array.from(data.colour, (c, i) => i).filter(i => data.colour[i] === colour);
      const xs = mine.map(i => box.left + view.frame.x_scale.compute(data.x0[i]));
      const ys = mine.map(i => box.top + view.frame.y_scale.compute(data.y0[i]));
      const [x, y] = [middle([...xs]), middle([...ys])];
      const away = xs.map((at, n) => Math.hypot(at - x, ys[n] - y)).sort((a, b) => a - b);
      const r = away[Math.floor(0.9 * away.length)] + 4;
      const inside = (at, start, size) => Math.min(Math.max(at, start + 3), start + size - 3);
      return Array.from({length: 25}, (_, n) => [
        inside(x + r * Math.cos(n * Math.PI / 12), box.left, box.width),
        inside(y + r * Math.sin(n * Math.PI / 12), box.top, box.height),
      ]);
    }"""
    with page_of(file, 1400, 1080) as tab:
        tab.evaluate("document.querySelector('.linked').previousElementSibling?.scrollIntoView()")
        first, *others = tab.evaluate(circle, TROUSERS)
        tab.mouse.move(*first)
        tab.mouse.down()
        for place in others:
            tab.mouse.move(*place)
        tab.mouse.up()
        tab.mouse.move(5, 5)
        tab.wait_for_selector("#selection figure")
        tab.screenshot(path=picture)


def ran(words: Sequence[str]) -> None:
    subprocess.run([sys.executable, str(REPOSITORY / "run.py"), *words], check=True)


def newest(folder: Path, name: str) -> Path:
    """The newest file of a name below a folder."""
    return max(folder.rglob(name), key=lambda path: path.stat().st_mtime)


def pictures_of_a_run(words: Sequence[str], folder: Path, weights: Path) -> None:
    """Those of a run: an ImageNet SqueezeNet on all images that there are."""
    network = [word.format(weights=weights) for word in COMPARED["squeezenet1_0"]]
    ran([*network, *words, f"paths.root={folder}", "controls=[]"])
    run = newest(folder, "map.html").parent
    for name in PICTURES:
        shutil.copy(run / name, KEPT / name)
    photograph_map(run / "map.html", KEPT / "page.png")
    print((run / "summary.md").read_text(encoding="utf-8"))


def pictures_of_a_comparison(words: Sequence[str], folder: Path, weights: Path) -> None:
    """Those of three networks side by side, each at four layers."""
    runs: list[str] = []
    for name, chosen in COMPARED.items():
        network, root = [word.format(weights=weights) for word in chosen], folder / name
        ran(["-m", *network, LAYERS, *SIZES, *words, f"paths.root={root}", "controls=[]"])
        sweep = newest(root, "comparison.html").parent
        runs += sorted({str(path.parent) for path in sweep.rglob("metrics.json")})
    photograph_comparison(runs, folder)


def photograph_comparison(runs: Sequence[str], folder: Path) -> None:
    """Compare the runs in these folders, and keep the pictures."""
    ran(["compare", *runs, f"paths.root={folder}"])
    page = newest(folder, "comparison.html")
    shutil.copy(page.parent / "comparison.png", KEPT / "comparison.png")
    photograph_linked(page, KEPT / "linked.png")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, required=True, help="folder of the weights")
    parser.add_argument("--data", type=Path, required=True, help="folder that holds FashionMNIST/raw")
    parser.add_argument("--folder", type=Path, help="keeps the runs and their rows, for the next time")
    parser.add_argument("--only", choices=("run", "comparison"), help="make a part of the pictures")
    options = parser.parse_args()
    words = [f"dataset.root={options.data.resolve()}", "tracking=none"]
    with tempfile.TemporaryDirectory() as temporary:
        folder = (options.folder or Path(temporary)).resolve()
        if options.only != "comparison":
            pictures_of_a_run(words, folder / "run", options.weights.resolve())
        if options.only != "run":
            pictures_of_a_comparison(words, folder / "comparison", options.weights.resolve())


if __name__ == "__main__":
    main()
