"""Figures: everything that a reader needs is in them, and no name breaks them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from matplotlib.text import Text

from frostmark.data.pixels import thumbnails
from frostmark.data.source import TensorImages
from frostmark.figures.depth import Stop, draw_depth
from frostmark.figures.examples import Pair, draw_image_pairs
from frostmark.figures.files import pixels, save, save_vector
from frostmark.figures.maps import FAINTEST, FULL, MAX_VECTOR, MapView, draw_maps
from frostmark.figures.pairs import MAX_DRAWN, MAX_NUMBERS, digits, draw_confusability, draw_pairs, in_blocks
from frostmark.figures.shots import draw_shots

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


def test_pairs_carry_names_and_numbers_and_one_scale() -> None:
    matrix = np.array([[12_000.0, 15_000], [15_000, 9_000]])
    figure = draw_pairs({"train": matrix, "test": 2 * matrix}, ("cat", "dog"), [0, 1], "title")
    shown = texts(figure)
    for word in ("title", "train", "test", "cat", "dog", "12", "30", "× 1,000"):
        assert word in shown
    images = [ax.images[0] for ax in figure.axes[:2]]
    assert images[0].get_clim() == images[1].get_clim() == (9_000, 30_000)


def test_a_pair_without_images_is_left_blank() -> None:
    draw_pairs({"train": np.array([[1.0, np.nan], [np.nan, np.nan]])}, ("a", "b"), [1, 0], "t")


def test_a_block_is_the_mean_of_what_is_known_in_it() -> None:
    matrix = np.arange(25.0).reshape(5, 5)
    matrix[0, 0] = matrix[4, 4] = np.nan
    blocks = in_blocks(matrix, 2)
    assert blocks[0].tolist() == [4.0, 5.0, 6.5]  # (1 + 5 + 6) / 3, (2 + 3 + 7 + 8) / 4, (4 + 9) / 2
    assert np.isnan(blocks[2, 2])
    assert in_blocks(matrix, 1) is matrix


def test_pictures_of_a_thousand_classes_are_small_and_say_what_a_cell_is(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).gamma(4.0, 2.0, (1_000, 1_000))
    classes = tuple(map(str, range(1_000)))
    for figure in (
        draw_pairs({"train": noise, "test": noise.T}, classes, range(1_000), "t"),
        draw_confusability({"train": noise, "test": noise.T}, classes, range(1_000), "t"),
    ):
        told = " ".join(text.get_text() for text in figure.findobj(Text))
        assert "Each cell is the mean of 8 × 8 pairs" in " ".join(told.split())
        image = figure.axes[0].images[0]
        assert image.get_array().shape == (MAX_DRAWN, MAX_DRAWN)
        assert image.get_extent() == [-0.5, 999.5, 999.5, -0.5]
        assert save(figure, tmp_path / "t.png").stat().st_size < 600_000  # every pair as a pixel: 7 MB


def test_pairs_stand_in_the_order_given() -> None:
    matrix = np.arange(9.0).reshape(3, 3)
    figure = draw_pairs({"train": matrix}, ("a", "b", "c"), [2, 0, 1], "t")
    assert [t.get_text() for t in figure.axes[0].get_xticklabels()] == ["c", "a", "b"]
    assert figure.axes[0].images[0].get_array()[0].tolist() == [8, 6, 7]


def test_a_map_carries_its_badge_and_its_warning() -> None:
    plainly, seen = view("train"), view("test", seed=1)
    kept = np.linspace(0, 1, len(seen.labels))
    warned = MapView("test", seen.coordinates, seen.labels, kept, "trustworthiness 0.97", "separates more")
    figure = draw_maps([plainly, warned], ("a", "b", "c", "d"), "t", "n", shared=False)
    assert figure.axes[1].get_xlabel() == "trustworthiness 0.97"
    assert "⚠ separates more" in texts(figure)
    # The less of its neighbourhood is kept, the fainter a point; a view that does not say is drawn evenly.
    opacities = np.concatenate([points.get_alpha() for points in figure.axes[1].collections])
    assert (opacities.min(), opacities.max()) == pytest.approx((FAINTEST, FULL))
    of_class = figure.axes[1].collections[0].get_alpha()
    assert (np.diff(of_class) >= 0).all()  # as `kept` rises from point to point
    assert len(np.unique(np.concatenate([points.get_alpha() for points in figure.axes[0].collections]))) == 1


@pytest.mark.parametrize("points", [200, 5_000])
def test_a_vector_file_is_the_same_twice_and_small(points: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    large = MapView("train", rng.standard_normal((points, 2)), np.arange(points) % 4)
    files = []
    for name in ("a.svg", "b.svg"):
        figure = draw_maps([large], ("a", "b", "c", "d"), "t", "n", shared=False)
        save(figure, tmp_path / "x.png")
        files.append(save_vector(figure, tmp_path / name).read_bytes())
    assert files[0] == files[1]
    assert len(files[0]) < 2_000_000
    assert (b"<image" in files[0]) is (points > MAX_VECTOR)


def test_depth_curves_name_their_layers_and_show_their_intervals() -> None:
    curves = {
        "resnet18": [Stop("stage4", 0.9, 0.8, 0.78, 0.82), Stop("stage2", 0.3, 0.6, 0.55, 0.65)],
        "vgg16": [Stop("last_conv", 1.0, 0.7)],
    }
    figure = draw_depth(curves, "accuracy", "by depth · $x_$", share=True)
    for word in ("resnet18", "vgg16", "stage4", "stage2", "last_conv", "accuracy", "by depth"):
        assert word in texts(figure)
    line = figure.axes[0].lines[0]
    assert line.get_xdata().tolist() == [0.3, 0.9]  # by depth, in whatever order the jobs ran
    band = figure.axes[0].collections[0].get_paths()[0].vertices[:, 1]
    assert (band.min(), band.max()) == (0.55, 0.82)
    pixels(figure)


ODD = (
    "price in $",
    "$x_",
    "$\\frac$ & <b>",
    "Größe × Ωμέγα",
    "a_b^c{d}",
    "x" * 300,
    "%s \\n",
    "",
    " ",
    "#1",
    "é",
    "Дом",
)
"""Names that matplotlib could take for mathematics or markup; letters that its own font has."""


def confusable(classes: int, seed: int = 0, unknown: bool = False) -> np.ndarray:
    matrix = np.exp(2 * np.random.default_rng(seed).standard_normal((classes, classes)))
    matrix = np.sqrt(matrix * matrix.T)
    np.fill_diagonal(matrix, np.nan)
    if unknown:  # a class without images
        matrix[0] = matrix[:, 0] = np.nan
    return matrix


def assert_visible(figure: Figure) -> None:
    """Drawn, without a warning, and not one colour all over."""
    image = pixels(figure)
    assert image.ndim == 3
    assert image.std() > 5


@pytest.mark.parametrize("classes", [2, 10, 100])
@pytest.mark.parametrize("unknown", [False, True])
def test_confusability_is_drawn_for_few_and_many_classes(classes: int, unknown: bool) -> None:
    names = tuple(f"{ODD[c % len(ODD)]}{c}" for c in range(classes))
    matrices = {"train": confusable(classes), "test": confusable(classes, 1, unknown)}
    order = np.random.default_rng(0).permutation(classes)
    figure = draw_confusability(matrices, names, order.tolist(), "title")
    assert_visible(figure)
    numbers = [len(ax.texts) for ax in figure.axes[:2]]
    if classes > MAX_NUMBERS:
        assert numbers == [0, 0]
    else:  # blank where nothing is known
        assert numbers == [int(np.isfinite(matrix).sum()) for matrix in matrices.values()]


@pytest.mark.parametrize("draw", ["pairs", "confusability"])
@pytest.mark.parametrize("name", ODD)
def test_no_name_of_a_class_breaks_a_heat_map(name: str, draw: str) -> None:
    matrix = confusable(2)
    if draw == "pairs":
        figure = draw_pairs({"train": matrix}, (name, "b"), [0, 1], "title")
    else:
        figure = draw_confusability({"train": matrix}, (name, "b"), [0, 1], "title")
    assert_visible(figure)
    assert figure.axes[0].get_xticklabels()[0].get_text().replace(r"\$", "$")[:17] == name[:17]


def test_confused_classes_stand_in_the_order_given_on_one_scale() -> None:
    train, test = confusable(3), 40 * confusable(3, 1)
    figure = draw_confusability({"train": train, "test": test}, ("cat", "dog", "emu"), [2, 0, 1], "which · title")
    shown = texts(figure)
    for word in ("which · title", "train", "test", "less separated", digits(train[0, 1], 2), digits(test[2, 0], 2)):
        assert word in shown
    for ax, matrix in zip(figure.axes[:2], (train, test), strict=True):
        assert [label.get_text() for label in ax.get_xticklabels()] == ["emu", "cat", "dog"]
        assert [label.get_text() for label in ax.get_yticklabels()] == ["emu", "cat", "dog"]
        np.testing.assert_array_equal(ax.images[0].get_array(), matrix[np.ix_([2, 0, 1], [2, 0, 1])])
        written = {tuple(map(int, text.get_position())): text.get_text() for text in ax.texts}
        assert written[(1, 0)] == digits(matrix[2, 0], 2)
    both = np.r_[train[np.isfinite(train)], test[np.isfinite(test)]]
    limits = [ax.images[0].get_clim() for ax in figure.axes[:2]]
    assert limits[0] == limits[1] == pytest.approx((both.min(), both.max()))
    assert_visible(figure)


def test_the_numbers_of_confused_pairs_can_be_read() -> None:
    """White on dark cells, black on light ones."""
    figure = draw_confusability({"test": confusable(10)}, tuple("abcdefghij"), range(10), "t")
    (image,) = figure.axes[0].images
    for text in figure.axes[0].texts:
        column, line = map(int, text.get_position())
        background = image.cmap(image.norm(image.get_array()[line, column]))[:3]
        # Relative luminance of WCAG: a contrast of 3 is that of large text.
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in background]
        luminance = np.dot([0.2126, 0.7152, 0.0722], linear)
        contrast = 1.05 / (luminance + 0.05) if text.get_color() == "white" else (luminance + 0.05) / 0.05
        assert contrast > 3, text.get_text()


@pytest.mark.parametrize(
    "cells", [[0.3], [1e-6], [1e6], [0.0], [0.0, 0.3], [np.nan], [np.nan, 0.3], [0.2, 0.2], [1e-9, 1e9]]
)
def test_one_pair_alone_is_drawn(cells: list[float]) -> None:
    matrices = {f"split {i}": np.array([[np.nan, cell], [cell, np.nan]]) for i, cell in enumerate(cells)}
    figure = draw_confusability(matrices, ("a", "b"), [0, 1], "t")
    assert pixels(figure).shape[2] == 3
    for ax, cell in zip(figure.axes, cells, strict=False):
        assert {text.get_text() for text in ax.texts} <= {digits(cell, 2)}


def image_pairs(count: int, channels: int = 3, size: tuple[int, int] = (28, 28)) -> list[Pair]:
    rng = np.random.default_rng(0)
    images = TensorImages(
        torch.as_tensor(rng.integers(0, 256, (2 * count, channels, *size), dtype=np.uint8)), torch.zeros(2 * count)
    )
    shown = thumbnails(images, range(2 * count)).numpy()
    return [(shown[2 * n], ODD[n % len(ODD)], shown[2 * n + 1], f"other {n}", 1 - n / 10) for n in range(count)]


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 8])
@pytest.mark.parametrize("channels", [1, 3])
def test_images_stand_in_pairs_with_their_classes(count: int, channels: int) -> None:
    pairs = image_pairs(count, channels)
    figure = draw_image_pairs(pairs, "resnet18 · alike")
    assert_visible(figure)
    shown = texts(figure)
    for word in ("resnet18 · alike", *(f"cosine {1 - n / 10:.3f}" for n in range(count)), f"other {count - 1}"):
        assert word in shown
    drawn = [ax.images[0].get_array() for ax in figure.findobj(lambda a: hasattr(a, "get_images") and a.get_images())]
    assert len(drawn) == 2 * count
    for found, expected in zip(drawn, [side for pair in pairs for side in (pair[0], pair[2])], strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("name", ODD)
def test_no_name_of_a_class_breaks_the_images(name: str) -> None:
    ((one, _, other, _, _),) = image_pairs(1)
    assert_visible(draw_image_pairs([(one, name, other, name, 0.5)], "t"))


def test_images_of_different_sizes_stand_side_by_side() -> None:
    ((small, _, _, _, _),), ((large, _, _, _, _),) = image_pairs(1, size=(8, 8)), image_pairs(1, size=(224, 100))
    assert_visible(draw_image_pairs([(small, "a", large, "b", 0.5)] * 6, "t"))


@pytest.mark.parametrize("shots", [(1,), (1, 2, 4), (1, 2, 4, 8, 16)])
@pytest.mark.parametrize("lines", [(None, None), (0.8, None), (0.8, 0.1)])
def test_the_curve_of_few_labels(shots: tuple[int, ...], lines: tuple[float | None, float | None]) -> None:
    rng = np.random.default_rng(0)
    accuracies = {m: np.clip(0.3 + 0.1 * np.log2(m) + 0.02 * rng.standard_normal(20), 0, 1) for m in shots[::-1]}
    figure = draw_shots(accuracies, *lines, "resnet18 · few labels")
    assert_visible(figure)
    (ax,) = figure.axes
    curve = ax.lines[0]
    np.testing.assert_allclose(curve.get_xdata(), shots)
    np.testing.assert_allclose(curve.get_ydata(), [accuracies[m].mean() for m in shots])
    shown = texts(figure)
    assert "resnet18 · few labels" in shown
    assert ("all labels of train: 80.0%" in shown) == (lines[0] is not None)
    assert ("always predicting the most common class: 10.0%" in shown) == (lines[1] is not None)
    assert [label.get_text() for label in ax.get_xticklabels()] == [str(m) for m in shots]


def test_the_same_figure_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        save(draw_maps([view("train")], ("a", "b", "c", "d"), "t", "n", shared=False), tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_no_name_of_a_data_set_breaks_a_title() -> None:
    title = "resnet18 · last_conv · my$x_$set"
    ((one, _, other, _, _),) = image_pairs(1)
    matrix = confusable(2)
    for figure in (
        draw_pairs({"train": matrix}, ("a", "b"), [0, 1], title),
        draw_confusability({"train": matrix}, ("a", "b"), [0, 1], title),
        draw_image_pairs([(one, "a", other, "b", 0.5)], title),
        draw_shots({1: np.array([0.4, 0.5]), 2: np.array([0.5, 0.6])}, None, None, title),
        draw_maps([MapView("train", np.eye(4, 2), np.zeros(4, int))], ("a",), title, title, shared=False),
    ):
        assert_visible(figure)
