"""Figures: everything that a reader needs is in them, and no name breaks them."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from frostmark.figures.files import pixels, save
from frostmark.figures.maps import MapView, _densest, _moved_apart, draw_maps
from frostmark.figures.pairs import draw_pairs
from frostmark.figures.palette import class_styles, name_colour

CLASSES = ("T-shirt/top", "$x_1$ & <b>", "犬", "x" * 300)


def view(split: str, classes: int = 4, seed: int = 0) -> MapView:
    rng = np.random.default_rng(seed)
    labels = np.arange(40 * classes) % classes
    return MapView(split, rng.standard_normal((len(labels), 2)) + 9 * rng.standard_normal((classes, 2))[labels], labels)


def texts(figure: Figure) -> str:
    return "\n".join(t.get_text() for t in figure.findobj(lambda a: hasattr(a, "get_text")))


@pytest.mark.filterwarnings("ignore:Glyph .* missing from font")
def test_a_map_says_what_it_is() -> None:
    figure = draw_maps(
        [view("train"), view("test", seed=1)], CLASSES, "resnet18 · last_conv · x", "a note", shared=True
    )
    shown = texts(figure)
    for word in ("resnet18 · last_conv · x", "train · 160 images", "test · 160 images", "a note", "T-shirt/top"):
        assert word in shown
    assert pixels(figure).shape[2] == 3
    assert figure.axes[0].get_xlim() == figure.axes[1].get_xlim()
    assert len(figure.legends[0].get_texts()) == 4


def test_maps_that_share_no_coordinates_get_frames_of_their_own() -> None:
    far = view("test")
    figure = draw_maps(
        [view("train"), MapView("test", far.coordinates + 500, far.labels)], CLASSES, "t", "n", shared=False
    )
    assert figure.axes[0].get_xlim()[1] < figure.axes[1].get_xlim()[0]


def test_names_are_moved_apart_until_none_overlaps() -> None:
    places, extent = np.zeros((5, 2)), np.tile([4.0, 1.0], (5, 1))
    heights = np.sort(_moved_apart(places + np.linspace(0, 0.1, 5)[:, None], extent)[:, 1])
    assert (np.diff(heights) >= 1 - 1e-6).all()


def test_a_name_stands_where_its_class_is_densest() -> None:
    rng = np.random.default_rng(0)
    clusters = np.concatenate([rng.normal(0, 0.1, (60, 2)), rng.normal(10, 2, (60, 2))])
    assert np.linalg.norm(_densest(clusters)) < 0.5  # the median lies between the two
    assert _densest(np.array([[3.0, 4.0]])).tolist() == [3, 4]


def test_styles_are_distinct_and_a_backbones_colour_is_its_own() -> None:
    assert len(set(class_styles(80))) == 80
    colours = [name_colour(n) for n in ("resnet18", "resnet50", "vgg16", "squeezenet1_0", "vit_b_16", "alexnet")]
    for a, b in combinations(colours, 2):
        assert np.linalg.norm(np.subtract(to_rgb(a), to_rgb(b))) > 0.4  # of 1.7 between black and white
    assert colours[0] == name_colour("resnet18")


def test_pairs_carry_names_and_numbers_and_one_scale() -> None:
    matrix = np.array([[12_000.0, 15_000], [15_000, 9_000]])
    figure = draw_pairs({"train": matrix, "test": 2 * matrix}, ("cat", "dog"), "title")
    shown = texts(figure)
    for word in ("title", "train", "test", "cat", "dog", "12", "30", "× 1,000"):
        assert word in shown
    images = [ax.images[0] for ax in figure.axes[:2]]
    assert images[0].get_clim() == images[1].get_clim() == (9_000, 30_000)


def test_a_pair_without_images_is_left_blank() -> None:
    draw_pairs({"train": np.array([[1.0, np.nan], [np.nan, np.nan]])}, ("a", "b"), "t")


def test_the_same_figure_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        save(draw_maps([view("train")], ("a", "b", "c", "d"), "t", "n", shared=False), tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
