"""The repulsion of a t-SNE map against the sum over all pairs, by hand, and against openTSNE's interpolation."""

from __future__ import annotations

import numpy as np
import pytest
from openTSNE import _tsne

from frostmark.reducers import repulsion
from frostmark.reducers.repulsion import Field, Grid

SPANS = [1e-4, 1, 10, 30, 100, 200]


def all_pairs(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    apart = points[:, None] - points[None]
    closeness = 1 / (1 + (apart**2).sum(-1))
    return (apart * (closeness**2)[..., None]).sum(1), closeness.sum(1)


def scattered(span: float, kind: str, count: int = 2000) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.uniform(-span / 2, span / 2, (count, 2)) if kind == "uniform" else rng.normal(0, span / 6, (count, 2))


def off(found: np.ndarray, exact: np.ndarray) -> float:
    return float(np.linalg.norm(found - exact) / np.linalg.norm(exact))


@pytest.mark.parametrize("kind", ["uniform", "normal"])
@pytest.mark.parametrize("span", SPANS)
def test_force_and_potential_are_those_of_all_pairs_no_worse_than_opentsne_has_them(span: float, kind: str) -> None:
    points = scattered(span, kind)
    force, potential = Field.of(points).at(points)
    exact_force, exact_potential = all_pairs(points)
    gradient = np.zeros_like(points)
    total = _tsne.estimate_negative_gradient_fft_2d(points, gradient, 3, 50, 1, 1)
    theirs = off(-gradient * total, exact_force)
    # The kernel's narrowest part is about four nodes wide: 4 % where points are so sparse that pairs matter (openTSNE
    # 5 %), 2 % in dense maps, where openTSNE's grid of three nodes a unit has 0.6 %; single precision where it is fine.
    assert off(force, exact_force) < max(1.1 * theirs, 0.025 if span == 30 else 2e-5)
    pairs = exact_potential.sum() - len(points)
    error, their_error = (abs(found - pairs) / pairs for found in (potential.sum() - len(points), total))
    assert error < max(1.1 * their_error, 1e-3 if span == 30 else 1e-6)


def test_two_points_by_hand() -> None:
    points = np.array([[-1.0, 0.0], [1.0, 0.0]])  # two apart: closeness 1/5, force 2/25
    force, potential = Field.of(points).at(points)
    np.testing.assert_allclose(force, [[-0.08, 0], [0.08, 0]], atol=1e-5)
    np.testing.assert_allclose(potential, [1.2, 1.2], atol=1e-5)


def test_action_is_reaction() -> None:
    points = scattered(100, "normal")
    force, _ = Field.of(points).at(points)
    # Both ends of a pair see the same nodes by the same weights, so that the errors of the two forces cancel as well.
    assert np.abs(force.sum(0)).max() < 1e-5 * np.abs(force).sum()


def test_points_beside_the_charges_feel_them_too() -> None:
    points, others = scattered(30, "normal"), scattered(20, "uniform", 50)
    force, potential = Field.of(points).at(others)
    together, alone = all_pairs(np.vstack([points, others])), all_pairs(others)
    exact_force, exact_potential = together[0][-50:] - alone[0], together[1][-50:] - alone[1]
    assert off(force, exact_force) < 0.02
    assert off(potential, exact_potential) < 1e-3


def test_points_off_the_grid_are_no_disaster() -> None:
    points = scattered(30, "normal")
    force, potential = Field.of(points).at(np.array([[1e6, -1e6]]))
    assert np.isfinite(force).all()
    assert (potential > 0).all()


def test_the_number_of_threads_changes_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    points = scattered(150, "normal")
    found = []
    for workers in (1, 2, 3):
        monkeypatch.setattr(repulsion, "_workers", lambda shape, workers=workers: workers)
        repulsion._kernels.cache_clear()
        found.append(np.column_stack(Field.of(points).at(points)))
    assert np.array_equal(found[0], found[1])
    assert np.array_equal(found[0], found[2])


def test_kernels_serve_many_iterations_while_a_map_grows() -> None:
    grids = {Grid.around(scattered(span, "uniform")).shape for span in np.linspace(50, 200, 300)}
    assert len(grids) < 25


def test_few_points_and_maps_that_fly_apart_are_left_to_the_tree() -> None:
    assert Grid.around(scattered(100, "uniform")).pays(2000)
    assert not Grid.around(scattered(100, "uniform")).pays(500)
    assert not Grid.around(scattered(5000, "uniform")).pays(2000)
