"""Colours that readers can tell apart, colour-blind ones too: measured in OKLab, as Machado et al. simulate them."""

from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from frostmark.figures.palette import COLOURS, CURVE_COLOURS, class_styles, curve_styles, name_colour

VISION = {
    "normal": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritanopia": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}
"""Machado, Oliveira & Fernandes 2009, "A Physiologically-based Model for Simulation of Color Vision Deficiency",
severity 1, of linear RGB."""

_CONES = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_OKLAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)

NOTICEABLE = 0.02
"""Distance in OKLab that is just noticed side by side."""


def oklab(colours: tuple[str, ...], vision: str) -> np.ndarray:
    rgb = np.array([to_rgb(colour) for colour in colours])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return np.cbrt(np.clip(linear @ VISION[vision].T, 0, 1) @ _CONES.T) @ _OKLAB.T


def distances(one: tuple[str, ...], other: tuple[str, ...], vision: str) -> np.ndarray:
    return np.linalg.norm(oklab(one, vision)[:, None] - oklab(other, vision)[None], axis=2)


def test_the_measure_knows_what_is_confused() -> None:
    assert distances(("#000000",), ("#ffffff",), "normal").item() == pytest.approx(1, abs=1e-3)
    red, green = ("#cc5500",), ("#6f8800",)
    assert distances(red, green, "deuteranopia").item() < 0.4 * distances(red, green, "normal").item()


@pytest.mark.parametrize("vision", VISION)
def test_colours_of_curves_are_told_from_each_other_and_from_those_of_classes(vision: str) -> None:
    among = distances(CURVE_COLOURS, CURVE_COLOURS, vision)[~np.eye(len(CURVE_COLOURS), dtype=bool)]
    assert among.min() > 7.5 * NOTICEABLE
    assert distances(CURVE_COLOURS, COLOURS, vision).min() > 4 * NOTICEABLE


@pytest.mark.parametrize("vision", VISION)
def test_classes_are_told_apart_by_colour_and_the_closest_by_their_marks_too(vision: str) -> None:
    apart = distances(COLOURS, COLOURS, vision)
    assert apart[~np.eye(len(COLOURS), dtype=bool)].min() > 3 * NOTICEABLE
    ten = class_styles(10)
    for i, j in combinations(range(10), 2):
        assert apart[i, j] > 4 * NOTICEABLE or ten[i].marker != ten[j].marker, (i, j)


def test_lines_of_curves_are_dark_enough_to_be_seen_on_white() -> None:
    for colour in CURVE_COLOURS:
        rgb = np.array(to_rgb(colour))
        linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
        assert 1.05 / (linear @ [0.2126, 0.7152, 0.0722] + 0.05) > 4.5  # WCAG 2, of text


def test_styles_are_distinct_and_a_backbones_colour_is_its_own() -> None:
    assert len(set(class_styles(80))) == 80
    assert len(set(curve_styles(40))) == 40
    ten = class_styles(10)
    assert all(one.marker != next_one.marker for one, next_one in pairwise(ten))
    assert ten[3].marker != ten[8].marker  # the two greys
    colours = [name_colour(n) for n in ("resnet18", "resnet50", "vgg16", "squeezenet1_0", "vit_b_16", "alexnet")]
    for a, b in combinations(colours, 2):
        assert np.linalg.norm(np.subtract(to_rgb(a), to_rgb(b))) > 0.4  # of 1.7 between black and white
    assert colours[0] == name_colour("resnet18")
