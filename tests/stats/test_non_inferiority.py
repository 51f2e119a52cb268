"""One classifier no worse than another by more than a margin: by hand, and how often it errs."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.stats import norm

from frostmark.stats.non_inferiority import Hits, class_weights, no_worse

DRAWS = 2000
BOUND = 0.05 + 3 * np.sqrt(0.05 * 0.95 / DRAWS)
"""Five per cent, and three standard errors of a share of so many draws."""


def outcomes(gained: int, lost: int, both: int, neither: int) -> tuple[Hits, Hits]:
    """Hits of two classifiers: images that the first alone gets right, the second alone, both, none."""
    counts = (gained, lost, both, neither)
    return np.repeat([True, False, True, False], counts), np.repeat([False, True, True, False], counts)


def by_likelihood(gained: int, lost: int, count: int, at: float) -> float:
    """The variance of the difference with the likeliest p₂₁ found by a search, not by the quadratic."""

    def unlikely(q: float) -> float:
        cells = np.array([q + at, q, 1 - 2 * q - at])
        return -float(np.array([gained, lost, count - gained - lost]) @ np.log(np.maximum(cells, 1e-300)))

    q = minimize_scalar(unlikely, bounds=(max(0.0, -at), (1 - at) / 2), method="bounded", options={"xatol": 1e-12}).x
    return float((2 * q + at - at**2) / count)


@pytest.mark.parametrize(
    ("gained", "lost", "count", "margin"), [(10, 20, 200, 0.01), (3, 1, 50, 0.05), (40, 38, 900, 0.005)]
)
def test_the_statistic_is_that_of_the_score_test(gained: int, lost: int, count: int, margin: float) -> None:
    hits, other = outcomes(gained, lost, count - gained - lost, 0)
    z = ((gained - lost) / count + margin - 0.5 / count) / np.sqrt(by_likelihood(gained, lost, count, -margin))
    assert no_worse(hits, other, margin).holds == pytest.approx(norm.sf(z), rel=1e-4)


def test_equal_networks_hold_where_there_are_images_enough() -> None:
    few, many = (no_worse(*outcomes(0, 0, n, 0), margin=0.005) for n in (100, 2000))
    assert few.holds > 0.05
    assert many.holds < 0.05
    assert few.difference == many.difference == 0


def test_what_is_right_for_one_order_is_right_for_images_in_another() -> None:
    hits, other = outcomes(12, 20, 150, 18)
    order = np.random.default_rng(0).permutation(200)
    one, same = no_worse(hits, other, 0.01), no_worse(hits[order], other[order], 0.01)
    assert (one.difference, one.holds) == pytest.approx((same.difference, same.holds))


def test_weights_of_equal_classes_are_those_of_images() -> None:
    hits, other = outcomes(8, 12, 70, 10)
    weights = class_weights(np.repeat([0, 1], 50))
    assert weights.sum() == pytest.approx(1)
    assert no_worse(hits, other, 0.02, weights).holds == pytest.approx(no_worse(hits, other, 0.02).holds)


def test_groups_of_one_image_are_images() -> None:
    """Student's t of 400 single images is near the score test, which counts half an image less."""
    hits, other = outcomes(20, 30, 300, 50)
    by_group = no_worse(hits, other, 0.01, groups=np.arange(400))
    assert by_group.holds == pytest.approx(no_worse(hits, other, 0.01).holds, abs=0.03)


def test_groups_that_all_differ_alike_are_certain() -> None:
    hits, other = outcomes(0, 0, 40, 0)
    assert no_worse(hits, other, 0.01, groups=np.repeat(np.arange(8), 5)).holds == 0


@pytest.mark.parametrize("margin", [-0.1, 1.0])
def test_a_margin_is_a_share(margin: float) -> None:
    with pytest.raises(ValueError, match="margin"):
        no_worse(*outcomes(1, 1, 1, 1), margin=margin)


def drawn(rng: np.random.Generator, count: int, p12: float, p21: float) -> tuple[Hits, Hits]:
    place = rng.random(count)
    return place < p12, (place >= p12) & (place < p12 + p21)


@pytest.mark.slow
@pytest.mark.parametrize("count", [100, 300, 1000])
@pytest.mark.parametrize("lost", [0.02, 0.05, 0.2])
@pytest.mark.parametrize("margin", [0.005, 0.02])
def test_of_networks_at_the_margin_one_in_twenty_is_misjudged(count: int, lost: float, margin: float) -> None:
    rng = np.random.default_rng(count)
    found = [no_worse(*drawn(rng, count, lost - margin, lost), margin) for _ in range(DRAWS)]
    assert np.mean([of.holds <= 0.05 for of in found]) <= BOUND
    assert np.mean([of.fails <= 0.05 for of in found]) <= BOUND


@pytest.mark.slow
@pytest.mark.parametrize("worse", ["all", "smallest", "largest"])
@pytest.mark.parametrize("sizes", [(950, 50), (270, 30), (100, 100)])
def test_balanced_accuracies_at_the_margin(sizes: tuple[int, int], worse: str) -> None:
    """Wherever the margin is lost: in both classes, in one."""
    margin, rng = 0.02, np.random.default_rng(0)
    lost = {"all": (margin, margin), "smallest": (0, 2 * margin), "largest": (2 * margin, 0)}[worse]
    weights = class_weights(np.repeat([0, 1], sizes))
    found = []
    for _ in range(DRAWS):
        of_class = [drawn(rng, n, p, p + d) for n, p, d in zip(sizes, (0.03, 0.08), lost, strict=True)]
        hits, other = (np.concatenate(of) for of in zip(*of_class, strict=True))
        found.append(no_worse(hits, other, margin, weights))
    assert np.mean([of.holds <= 0.05 for of in found]) <= BOUND
    assert np.mean([of.fails <= 0.05 for of in found]) <= BOUND


@pytest.mark.slow
@pytest.mark.parametrize("count", [6, 20, 50])
@pytest.mark.parametrize("alike", [0.1, 0.3])
def test_groups_at_the_margin(count: int, alike: float) -> None:
    """Groups of 50 images whose chances to be told differently vary (Dirichlet), with an intra-class correlation."""
    margin, rng = 0.02, np.random.default_rng(count)
    groups = np.repeat(np.arange(count), 50)
    means = np.array([0.1 - margin, 0.1, 0.8 + margin]) * (1 - alike) / alike
    found = []
    for _ in range(DRAWS):
        p12, p21, _ = rng.dirichlet(means, count).T
        place = rng.random(len(groups))
        hits = place < p12[groups]
        other = (place >= p12[groups]) & (place < (p12 + p21)[groups])
        found.append(no_worse(hits, other, margin, groups=groups))
    assert np.mean([of.holds <= 0.05 for of in found]) <= BOUND
    assert np.mean([of.fails <= 0.05 for of in found]) <= BOUND
