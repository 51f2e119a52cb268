"""The pictures of a comparison say which layer is better for what, and no name breaks them."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Annotation, Text

from frostmark.figures.comparison import MAX_MAPS, GridMap, draw_comparison
from frostmark.figures.costs import MAX_NAMED, CostPoint, draw_costs, pareto_front
from frostmark.figures.depth import Stop
from frostmark.figures.files import pixels, save
from frostmark.figures.heat import draw_confusion_difference, draw_similarity
from frostmark.figures.maps import FAINTEST, FULL
from frostmark.figures.pairs import MAX_NUMBERS
from support.canvas import cut, overlaps

ODD = ("price in $", "$x_", "$\\frac$ & <b>", "Größe × Ωμέγα", "a_b^c{d}", "x" * 300, "%s \\n", "", " ", "Дом")
"""Names that matplotlib could take for mathematics or markup; letters that its own font has."""


def point(name: str, gmacs: float, value: float, row: str = "net") -> CostPoint:
    return CostPoint(name, row, gmacs, value, value - 0.02, value + 0.01)


def texts(figure: Figure) -> str:
    return "\n".join(t.get_text() for t in figure.findobj(Text))


def assert_visible(figure: Figure) -> None:
    """Drawn, without a warning, and not one colour all over."""
    assert pixels(figure).std() > 5


# ---- cost


def test_the_front_is_what_nothing_cheaper_reaches() -> None:
    a, b, c, d = point("a", 1, 0.5), point("b", 2, 0.7), point("c", 3, 0.6), point("d", 4, 0.9)
    same_cost, same_value = point("e", 2, 0.65), point("f", 9, 0.9)
    assert pareto_front([d, same_value, c, same_cost, b, a]) == [a, b, d]
    assert pareto_front([]) == []


def names_beside(figure: Figure) -> dict[str, Annotation]:
    return {a.get_text(): a for a in figure.findobj(Annotation)}


def test_costs_show_the_front_and_name_it() -> None:
    points = [point("cheap", 1, 0.5, "small"), point("good", 4, 0.8, "large"), point("poor", 5, 0.4, "large")]
    figure = draw_costs(points, "k-NN accuracy", "cost · $x_$", share=True)
    (ax,) = figure.axes
    names = names_beside(figure)
    assert {name: text.get_fontweight() for name, text in names.items()} == {
        "cheap": "bold", "good": "bold", "poor": "normal"
    }  # fmt: skip
    assert names["good"].xy == (4, 0.8)
    (front,) = [line for line in ax.lines if line.get_linestyle() == "--"]
    assert front.get_xdata()[:2].tolist() == [1, 4]
    assert front.get_ydata().tolist() == [0.5, 0.8, 0.8]
    (whisker,) = [bars for bars in ax.collections if len(bars.get_segments()) == 1]  # of the row with one point
    np.testing.assert_allclose(whisker.get_segments()[0], [[1, 0.48], [1, 0.51]])
    assert_visible(figure)
    for word in ("small", "large", "k-NN accuracy", "GMACs", "cost", "80%"):
        assert word in texts(figure)


@pytest.mark.parametrize(("most", "scale"), [(9.9, "linear"), (10.1, "log")])
def test_costs_over_more_than_a_factor_of_ten_are_logarithmic(most: float, scale: str) -> None:
    figure = draw_costs([point("a", 1, 0.5), point("b", most, 0.6)], "m", "t", share=False)
    assert figure.axes[0].get_xscale() == scale
    assert (
        draw_costs([point("pixels", 0, 0.5), point("b", 9, 0.6)], "m", "t", share=False).axes[0].get_xscale()
        == "linear"
    )


def test_of_many_points_only_the_front_is_named() -> None:
    many = [point(f"p{i}", 1 + i, 0.5 + 0.01 * (i % 7)) for i in range(MAX_NAMED + 1)]
    assert set(names_beside(draw_costs(many, "m", "t", share=False))) == {p.name for p in pareto_front(many)}


def test_names_hide_neither_each_other_nor_points() -> None:
    close = [point(f"network {i} · last_conv", 1 + 0.01 * i, 0.5 + 0.002 * i) for i in range(8)]
    figure = draw_costs([*close, point("far away", 3, 0.9)], "m", "t", share=False)
    pixels(figure)
    plain = [a.get_window_extent() for a in names_beside(figure).values() if a.get_fontweight() != "bold"]
    assert not any(one.overlaps(other) for one, other in combinations(plain, 2))
    assert "far away" in texts(figure)


def test_no_name_breaks_the_costs() -> None:
    points = [CostPoint(name, name, 1 + i, 0.5 + i / 50, None, None) for i, name in enumerate(ODD)]
    figure = draw_costs(points, ODD[0], ODD[1], share=False)
    assert len(names_beside(figure)) == len(ODD)  # each is at the front
    assert_visible(figure)


def test_costs_of_one_point_and_of_none_are_drawn() -> None:
    assert_visible(draw_costs([CostPoint("alone", "a", 2, 0.5, None, None)], "m", "t", share=False))
    assert pixels(draw_costs([], "m", "t", share=False)).shape[2] == 3


# ---- heat maps


def luminance(colour: object) -> float:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]  # type: ignore[arg-type]
    return float(np.dot([0.2126, 0.7152, 0.0722], linear))


def assert_legible(figure: Figure) -> None:
    """Numbers in cells have the contrast that WCAG asks of normal text."""
    (image,) = figure.axes[0].images
    assert figure.axes[0].texts
    for text in figure.axes[0].texts:
        column, line = map(int, text.get_position())
        ground = image.cmap(image.norm(image.get_array()[line, column]))[:3]
        dark, light = sorted((luminance(text.get_color()), luminance(ground)))
        assert (light + 0.05) / (dark + 0.05) >= 4.5, text.get_text()


def alike(count: int) -> np.ndarray:
    matrix = np.random.default_rng(0).random((count, count))
    matrix = (matrix + matrix.T) / 2
    np.fill_diagonal(matrix, 1)
    return matrix


def test_similarity_writes_its_numbers_and_leaves_blank_what_is_not_known() -> None:
    matrix = alike(10)
    matrix[2, 7] = matrix[7, 2] = np.nan
    figure = draw_similarity(matrix, [f"net{i} · last_conv" for i in range(10)], "CKA · digits")
    written = {tuple(map(int, t.get_position())): t.get_text() for t in figure.axes[0].texts}
    assert len(written) == 98
    assert (7, 2) not in written
    assert written[3, 1] == f"{matrix[1, 3]:.2f}"
    assert figure.axes[0].images[0].get_clim() == (0, 1)
    for word in ("net4 · last_conv", "CKA · digits", "not known"):
        assert word in texts(figure)
    assert "not known" not in texts(draw_similarity(alike(3), "abc", "t"))
    assert_legible(figure)
    assert_visible(figure)


@pytest.mark.parametrize("count", [1, MAX_NUMBERS, MAX_NUMBERS + 1])
def test_similarity_of_few_and_many(count: int) -> None:
    figure = draw_similarity(alike(count), [f"{ODD[i % len(ODD)]}{i}" for i in range(count)], "t")
    assert len(figure.axes[0].texts) == (count**2 if count <= MAX_NUMBERS else 0)
    assert_visible(figure)


def confused(classes: int, seed: int) -> np.ndarray:
    matrix = np.exp(np.random.default_rng(seed).standard_normal((classes, classes)))
    matrix = np.sqrt(matrix * matrix.T)
    np.fill_diagonal(matrix, np.nan)
    return matrix


def test_the_difference_shows_who_separates_which_pair_better() -> None:
    first, second = np.full((3, 3), np.nan), np.full((3, 3), np.nan)
    first[0, 1] = first[1, 0] = 4.0  # four times as confused as in the second
    second[0, 1] = second[1, 0] = 1.0
    first[0, 2] = first[2, 0] = second[0, 2] = second[2, 0] = 0.3
    first[1, 2] = first[2, 1] = 0.0  # of no ratio
    second[1, 2] = second[2, 1] = 1.0
    figure = draw_confusion_difference(first, second, ("vgg", "vit"), ("ant", "bee", "cat"), [2, 0, 1], "which")
    ax, bar = figure.axes
    (image,) = ax.images
    shown = np.ma.filled(image.get_array(), np.nan)
    np.testing.assert_array_equal(shown, [[np.nan, 0, np.nan], [0, np.nan, 2], [np.nan, 2, np.nan]])
    assert image.get_clim() == (-2, 2)
    assert [label.get_text() for label in ax.get_xticklabels()] == ["cat", "ant", "bee"]
    assert {t.get_text() for t in ax.texts} == {"1.0", "4.0"}
    worse, better = bar.texts
    assert (worse.get_text(), better.get_text()) == ("vgg separates better", "vit separates better")
    assert worse.get_position()[0] < better.get_position()[0]  # at the ends of the bar, the lower one first
    assert_visible(figure)


def test_little_differences_are_not_painted_in_full_colours() -> None:
    first = confused(4, 0)
    (image,) = draw_confusion_difference(first, 1.01 * first, ("a", "b"), "wxyz", range(4), "t").axes[0].images
    assert image.get_clim() == (-1, 1)


@pytest.mark.parametrize("classes", [2, MAX_NUMBERS, 100])
def test_differences_of_few_and_many_classes_with_any_names(classes: int) -> None:
    names = tuple(f"{ODD[c % len(ODD)]}{c}" for c in range(classes))
    figure = draw_confusion_difference(
        confused(classes, 0), confused(classes, 1), (ODD[5], ODD[2]), names, range(classes), ODD[1]
    )
    assert_visible(figure)
    if classes <= MAX_NUMBERS:
        assert_legible(figure)


def test_nothing_known_is_drawn_too() -> None:
    nothing = np.full((2, 2), np.nan)
    assert pixels(draw_confusion_difference(nothing, nothing, ("a", "b"), "xy", [0, 1], "t")).shape[2] == 3
    assert pixels(draw_similarity(nothing, "ab", "t")).shape[2] == 3


# ---- the whole


def grid_map(name: str, seed: int = 0, classes: int = 4) -> GridMap:
    rng = np.random.default_rng(seed)
    labels = np.arange(40 * classes) % classes
    places = rng.standard_normal((len(labels), 2)) + 9 * rng.standard_normal((classes, 2))[labels]
    return GridMap(name, places, labels, rng.random(len(labels)), f"badge of {name}")


CURVES = {
    "vgg": [Stop("stage3", 0.5, 0.7, 0.68, 0.72), Stop("stage5", 0.9, 0.8)],
    "vit": [Stop("block6", 0.5, 0.75, 0.7, 0.8)],
}
POINTS = [point("vit · block6", 4, 0.75, "vit"), point("vgg · stage5", 15, 0.8, "vgg")]
CLASSES = ("ant", "bee", "cat", "dog")


def test_the_picture_says_verdict_maps_depth_and_cost() -> None:
    maps = [grid_map("vgg · stage5"), grid_map("vit · block6", 1)]
    verdict = "vgg is better: " + "a long reason " * 30
    figure = draw_comparison(maps, CLASSES, CURVES, POINTS, "accuracy", "title $x_$", verdict, share=True)
    shown = texts(figure)
    for word in ("title", "vgg · stage5", "badge of vit · block6", "accuracy", "block6", "stage3", "GMACs", *CLASSES):
        assert word in shown
    assert " ".join(shown.split()).count(" ".join(verdict.split())) == 1  # wrapped, not cut
    assert len(figure.findobj(lambda a: hasattr(a, "collections") and hasattr(a, "get_xlim"))) == 4
    assert_visible(figure)


def test_nothing_of_the_head_leaves_the_picture() -> None:
    figure = draw_comparison([grid_map("a")], CLASSES, {}, [], "m", "t", "W" * 30 + " wide words" * 20, share=False)
    assert not cut(figure)
    assert not overlaps(figure)


def test_a_network_has_one_colour_in_both_charts() -> None:
    figure = draw_comparison([], CLASSES, CURVES, POINTS, "accuracy", "t", "v", share=True)
    depth, cost = figure.axes
    colours = [{line.get_label(): line.get_color() for line in depth.lines}]
    colours.append({bars.get_label(): bars.lines[0].get_color() for bars in cost.containers})
    assert colours[0] == colours[1]
    assert len(set(colours[0].values())) == 2


def test_depth_is_left_out_where_no_network_has_two_layers() -> None:
    one_each = {name: stops[:1] for name, stops in CURVES.items()}
    figure = draw_comparison([grid_map("a")], CLASSES, one_each, POINTS, "m", "t", "v", share=False)
    assert "by depth" not in texts(figure)
    assert "GMACs" in texts(figure)
    alone = draw_comparison([grid_map("a")], CLASSES, one_each, [], "m", "t", "v", share=False)
    assert len(alone.axes) == 1


@pytest.mark.parametrize("count", [1, 3, 5, 6, 9])
def test_at_most_six_maps_are_drawn_and_the_rest_is_counted(count: int) -> None:
    maps = [grid_map(f"net {m}", m) for m in range(count)]
    figure = draw_comparison(maps, CLASSES, {}, [], "m", "t", "v", share=False)
    drawn = figure.axes
    assert [ax.get_title() for ax in drawn] == [f"net {m}" for m in range(min(count, MAX_MAPS))]
    assert (f"and {count - MAX_MAPS} more" in texts(figure)) is (count > MAX_MAPS)
    assert len(figure.legends) == 1


def test_points_of_which_nothing_is_known_are_not_drawn_as_lost() -> None:
    of = grid_map("a")
    some, none = np.zeros(160), np.full(160, np.nan)
    some[:40] = np.nan
    figure = draw_comparison(
        [replace(of, kept=some), replace(of, kept=none)], CLASSES, {}, [], "m", "t", "v", share=False
    )
    first, second = (np.concatenate([c.get_alpha() for c in ax.collections]) for ax in figure.axes)
    assert sorted(set(first)) == pytest.approx([FAINTEST, FULL])
    assert np.isclose(first, FULL).sum() == 40
    assert len(set(second)) == 1


def test_no_name_breaks_the_whole() -> None:
    maps = [grid_map(name, m) for m, name in enumerate(ODD[:6])]
    curves = {name: [Stop(name, 0.2, 0.5), Stop(name, 0.9, 0.6)] for name in ODD}
    points = [CostPoint(name, name, 1 + i, 0.5, None, None) for i, name in enumerate(ODD)]
    assert_visible(draw_comparison(maps, ODD[:4], curves, points, ODD[0], ODD[1], ODD[2], share=True))


def test_the_same_comparison_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        figure = draw_comparison([grid_map("a"), grid_map("b")], CLASSES, CURVES, POINTS, "m", "t", "v", share=False)
        save(figure, tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
