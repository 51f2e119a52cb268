"""What a reader sees of a picture: nothing cut, nothing upon another, no empty frame, whatever names come."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Annotation

from frostmark.figures.comparison import GridMap, draw_comparison
from frostmark.figures.costs import CostPoint, draw_costs
from frostmark.figures.depth import Stop, draw_depth
from frostmark.figures.examples import ROOM, draw_image_pairs
from frostmark.figures.files import pixels
from frostmark.figures.heat import draw_confusion_difference, draw_similarity
from frostmark.figures.maps import MapView, draw_maps
from frostmark.figures.pairs import draw_confusability, draw_pairs
from frostmark.figures.palette import COLOURS, CURVE_COLOURS
from frostmark.figures.ranks import draw_ranks, draw_scores
from frostmark.figures.shots import draw_shots
from support.canvas import cut, drawn, filled, names_in, overlaps, upon

ODD = (
    "T-shirt/top", "$x_1$ & <b>", "Größe × Ωμέγα", "x" * 60, "Acer pseudoplatanus var. purpureum", "price in $", "a",
    "n02123045_tabby_cat",
)  # fmt: skip
LONG = (
    "vit_base_patch16_224.augreg_in21k_ft_in1k (a_long_name_of_weights.safetensors) · block11 · fashion_mnist · t-SNE"
)
SHORT = "resnet18 · last_conv · digits"
NOTE = (
    "Weights: squeezenet1_0-imagenet.pth. t-SNE fitted on train; test images placed into the same map. Axes have no "
    "unit; sizes of clusters and distances between clusters mean little.\nThe fainter a point, the fewer of its ten "
    "nearest neighbours in the features the map keeps."
)
BADGE = (
    "trustworthiness 0.986 · continuity 0.974 · 37% of the 10 nearest kept\nk-NN accuracy (k = 10): 81.5% in the map"
)
WARNING = "The map separates the classes more than the features do."


def names(classes: int) -> tuple[str, ...]:
    return tuple(ODD[c % len(ODD)] + (f" {c}" if c >= len(ODD) else "") for c in range(classes))


def view(split: str, classes: int, count: int, seed: int = 0, shape: tuple[float, float] = (1, 1)) -> MapView:
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    centres = 9 * np.random.default_rng(7).standard_normal((classes, 2))
    points = (rng.standard_normal((count, 2)) + centres[labels]) * shape
    return MapView(split, points, labels, rng.random(count), BADGE, WARNING if split == "test" else "")


def two(classes: int, shape: tuple[float, float] = (1, 1), shared: bool = True) -> Figure:
    views = [view("train", classes, 40 * classes, 0, shape), view("test", classes, 20 * classes, 1, shape)]
    return draw_maps(views, names(classes), LONG, NOTE, shared)


# ---- maps


@pytest.mark.parametrize("classes", [2, 10, 40, 100])
@pytest.mark.parametrize("shape", [(1, 1), (4, 1), (1, 4)])
def test_nothing_of_two_maps_is_cut_or_upon_another(classes: int, shape: tuple[float, float]) -> None:
    figure = two(classes, shape)
    assert not cut(figure)
    assert not overlaps(figure)
    assert max(filled(figure.axes[0])) > 0.85
    if shape == (1, 1) and classes > 2:  # two clusters make a shape that is too narrow for a picture
        assert min(filled(figure.axes[0])) > 0.85


@pytest.mark.parametrize("classes", [2, 10, 40, 100])
@pytest.mark.parametrize("title", [LONG, SHORT])
def test_nothing_of_one_map_is_cut_or_upon_another(classes: int, title: str) -> None:
    figure = draw_maps([view("test", classes, 20 * classes)], names(classes), title, NOTE, shared=False)
    assert not cut(figure)
    assert not overlaps(figure)
    assert (max if classes == 2 else min)(filled(figure.axes[0])) > 0.85


@pytest.mark.parametrize("classes", [2, 10, 25, 40])
def test_names_hide_neither_each_other_nor_the_frame_and_stay_in_place(classes: int) -> None:
    figure = two(classes)
    drawn(figure)
    train, test = figure.axes
    boxes = names_in(train)
    assert len(boxes) == classes
    assert not any(upon(one, other, most=2) for one, other in combinations(boxes, 2))
    frame = train.get_window_extent().padded(1)
    assert all(frame.contains(box.x0, box.y0) and frame.contains(box.x1, box.y1) for box in boxes)
    assert [t.get_position() for t in train.texts] == [t.get_position() for t in test.texts]
    assert train.get_xlim() == test.get_xlim()


def test_a_class_that_test_lacks_is_not_named_there_and_the_others_stay() -> None:
    train, test = view("train", 5, 200), view("test", 5, 100, 1)
    fewer = MapView("test", test.coordinates, np.where(test.labels == 3, 4, test.labels))
    figure = draw_maps([train, fewer], names(5), SHORT, NOTE, shared=True)
    places = [{t.get_text(): t.get_position() for t in ax.texts} for ax in figure.axes]
    assert len(places[0]) == 5
    assert places[1] == {name: place for name, place in places[0].items() if not name.startswith("xxx")}


def test_one_outlier_does_not_empty_the_frame_and_is_told_of() -> None:
    some = view("train", 10, 200)
    far = MapView("train", np.concatenate([some.coordinates, [[900, 400]]]), np.r_[some.labels, 2], None, BADGE)
    figure = draw_maps([far], names(10), SHORT, NOTE, shared=False)
    (ax,) = figure.axes
    classes = np.concatenate([c.get_offsets() for c in ax.collections[:10]])
    inside = classes[classes[:, 0] < some.coordinates[:, 0].max() + 1e-9]
    assert (np.ptp(inside, axis=0) / [np.ptp(ax.get_xlim()), np.ptp(ax.get_ylim())]).min() > 0.85
    assert "1 image far outside the frame" in ax.get_xlabel()
    (ring,) = ax.collections[10].get_offsets()  # at the upper right corner
    assert ring[0] > ax.get_xlim()[0] + 0.95 * np.ptp(ax.get_xlim())
    assert not cut(figure)
    assert not overlaps(figure)


def test_two_points_are_drawn_beside_a_large_map_and_alone() -> None:
    pair = MapView("test", np.array([[0.0, 1.0], [3.0, 2.0]]), np.array([0, 1]))
    for views in ([pair], [view("train", 2, 40), pair]):
        figure = draw_maps(views, names(2), SHORT, NOTE, shared=True)
        assert not cut(figure)
        assert not overlaps(figure)
        assert not figure.axes[-1].texts  # names would hide what they name
        assert "test · 2 images" in figure.axes[-1].get_title()


def test_maps_of_different_shapes_fill_a_frame_each() -> None:
    flat, tall = view("train", 10, 160, shape=(1.4, 1)), view("test", 10, 80, 1)
    figure = draw_maps([flat, tall], names(10), SHORT, NOTE, shared=False)
    for ax in figure.axes:
        assert min(filled(ax)) > 0.85
    one, other = (ax.get_window_extent() for ax in figure.axes)
    assert one.height == pytest.approx(other.height)
    assert one.width > other.width
    assert not overlaps(figure)


def test_too_many_classes_to_name_are_said_to_be() -> None:
    assert "100 classes are too many to name" in "".join(t.get_text() for t in two(100).texts)


# ---- the other pictures


def matrix(classes: int, seed: int = 0, missing: bool = False) -> np.ndarray:
    values = 0.1 * np.exp(1.5 * np.random.default_rng(seed).standard_normal((classes, classes)))
    values = np.sqrt(values * values.T)
    np.fill_diagonal(values, np.nan)
    if missing:
        values[1] = values[:, 1] = np.nan
    return values


def curves(networks: int) -> dict[str, list[Stop]]:
    return {
        ("resnet18", "vgg16 untrained", LONG)[n % 3] + str(n): [
            Stop(f"stage{k}", 0.2 * k + 0.02 * n, 0.4 + 0.1 * k - 0.03 * n, 0.38 + 0.1 * k - 0.03 * n, 0.45 + 0.1 * k)
            for k in (1, 2, 3, 4)
        ]
        for n in range(networks)
    }


def costs(networks: int) -> list[CostPoint]:
    return [
        CostPoint(f"{name} · {s.layer}", name, (n + 1) * s.depth, s.value, s.low, s.high)
        for n, (name, stops) in enumerate(curves(networks).items())
        for s in stops
    ]


def comparison(maps: int, classes: int = 10) -> Figure:
    views = [view("test", classes, 300, n) for n in range(maps)]
    grid = [GridMap(name, v.coordinates, v.labels, v.kept, BADGE) for name, v in zip(curves(9), views, strict=False)]
    verdict = f"{LONG} (linear accuracy 81.9%) is better than all others: " + "because of a reason, " * 20
    return draw_comparison(
        grid, names(classes), curves(max(maps, 1)), costs(max(maps, 1)), "linear accuracy", LONG, verdict, share=True
    )


def images(height: int, width: int, count: int) -> Figure:
    noise = np.random.default_rng(0).integers(0, 256, (2, height, width, 3), dtype=np.uint8)
    pairs = [(noise[0], ODD[n % len(ODD)], noise[1], ODD[-1 - n % len(ODD)], 0.9) for n in range(count)]
    return draw_image_pairs(pairs, f"{LONG} · the most similar images of the most confused classes (test)")


def shots(low: float, high: float) -> Figure:
    mean = np.linspace(low, high, 5)
    accuracies = {2**m: mean[m] + np.array([-0.02, 0.0, 0.02]) for m in range(5)}
    return draw_shots(accuracies, high + 0.01, 0.1, f"{LONG} · accuracy with few labels")


def ranks(networks: int) -> Figure:
    mean, known = np.arange(1.0, networks + 1), list(curves(networks))
    title, tied = f"{networks} networks over 12 data sets", [(0, min(2, networks - 1))]
    return draw_ranks(known, mean, mean - 0.4, mean + 0.4, 1.2, tied, title)


PICTURES: dict[str, Callable[[], Figure]] = {
    **{f"pairs of {c}": lambda c=c: draw_pairs(  # type: ignore[misc]
        {"train": 9e4 * matrix(c), "test": 9e4 * matrix(c, 1, c > 2)}, names(c), range(c), LONG) for c in (2, 10)},
    **{f"confusability of {c}": lambda c=c: draw_confusability(  # type: ignore[misc]
        {"train": matrix(c), "test": matrix(c, 1)}, names(c), range(c), LONG) for c in (2, 10, 40, 100)},
    **{f"difference of {c}": lambda c=c: draw_confusion_difference(  # type: ignore[misc]
        matrix(c), matrix(c, 1), (LONG, SHORT), names(c), range(c), LONG) for c in (2, 10, 40, 100)},
    **{f"similarity of {c}": lambda c=c: draw_similarity(  # type: ignore[misc]
        np.nan_to_num(matrix(c), nan=1), [f"{LONG[:30]} · {n}" for n in range(c)], LONG) for c in (1, 9, 30)},
    **{f"depth of {n}": lambda n=n: draw_depth(curves(n), "linear accuracy (test)", LONG, share=True)  # type: ignore[misc]
       for n in (1, 3, 12)},
    **{f"costs of {n}": lambda n=n: draw_costs(costs(n), "linear accuracy (test)", LONG, share=True)  # type: ignore[misc]
       for n in (1, 3, 12)},
    **{f"comparison of {n}": lambda n=n: comparison(n) for n in (0, 1, 2, 3, 4, 6, 8)},  # type: ignore[misc]
    "comparison of 40 classes": lambda: comparison(2, 40),
    **{f"images {h}x{w}": lambda h=h, w=w, c=c: images(h, w, c)  # type: ignore[misc]
       for h, w, c in ((8, 8, 1), (28, 28, 8), (224, 150, 3), (20, 300, 5))},
    "shots": lambda: shots(0.4, 0.7),
    "flat shots": lambda: shots(0.3, 0.31),
    **{f"ranks of {n}": lambda n=n: ranks(n) for n in (2, 7, 70)},  # type: ignore[misc]
    "scores": lambda: draw_scores(
        list(curves(5)), {LONG: [0.9, 0.8, 0.7, np.nan, 0.5], "digits": [0.5] * 5}, "accuracy", LONG, share=True),
}  # fmt: skip


@pytest.mark.parametrize("picture", PICTURES)
def test_nothing_is_cut_and_no_text_stands_upon_another(picture: str) -> None:
    figure = PICTURES[picture]()
    assert not cut(figure)
    assert not overlaps(figure)


@pytest.mark.parametrize("networks", [3, 12])
def test_no_name_in_a_chart_hides_a_point_or_another_name(networks: int) -> None:
    figure = draw_costs(costs(networks), "linear accuracy (test)", SHORT, share=True)
    drawn(figure)
    (ax,) = figure.axes
    boxes = {a.get_text(): a.get_bbox_patch() or super(Annotation, a).get_window_extent() for a in ax.texts}
    places = ax.transData.transform([(p.cost, p.value) for p in costs(networks)])
    assert boxes
    for box in boxes.values():
        assert not any(box.contains(*place) for place in places)
    assert not any(upon(one, other) for one, other in combinations(boxes.values(), 2))


def test_networks_are_drawn_in_colours_that_no_class_has() -> None:
    figure = comparison(3)
    *_, depth, cost = figure.axes
    used = {line.get_color() for line in depth.lines} | {bars.lines[0].get_color() for bars in cost.containers}
    assert used <= set(CURVE_COLOURS)
    assert not used & set(COLOURS)


@pytest.mark.parametrize(("low", "high", "chance"), [(0.4, 0.7, False), (0.15, 0.5, True), (0.3, 0.31, False)])
def test_a_percent_axis_uses_its_height(low: float, high: float, chance: bool) -> None:
    figure = shots(low, high)
    (ax,) = figure.axes
    start, end = ax.get_ylim()
    assert (high - low + 0.04) / (end - start) > 0.5
    assert bool(start <= 0.1) is chance
    told = [t.get_text() for t in ax.get_legend().get_texts()]
    assert any("10.0%" in line and ("below the axis" in line) is not chance for line in told)
    drawn(figure)
    ticks = [t.get_text() for t in ax.get_yticklabels()]
    assert len(set(ticks)) == len(ticks)
    assert all(tick.endswith("%") for tick in ticks)


@pytest.mark.parametrize(("height", "width"), [(8, 8), (28, 28), (48, 30)])
def test_small_images_are_shown_at_a_whole_multiple_of_their_size(height: int, width: int) -> None:
    figure = images(height, width, 1)
    shown = pixels(figure)
    for ax in figure.axes:
        box = ax.get_window_extent()
        scale = ROOM // max(height, width)
        assert (round(box.width), round(box.height)) == (scale * width, scale * height)
        left, top = round(box.x0), shown.shape[0] - round(box.y1)
        seen = shown[top : top + scale * height, left : left + scale * width]
        wanted = np.asarray(ax.images[0].get_array()).repeat(scale, 0).repeat(scale, 1)
        np.testing.assert_array_equal(seen, wanted)


def test_large_images_keep_their_shape() -> None:
    for ax in images(224, 112, 2).axes:
        box = ax.get_window_extent()
        assert (box.height, box.width) == pytest.approx((ROOM, ROOM / 2))


def test_variances_say_what_they_do_not_compare() -> None:
    told = " ".join(t.get_text() for t in PICTURES["pairs of 10"]().texts)
    assert "not two networks or two layers" in " ".join(told.split())
