"""Ranks and intrinsic dimension: against plain implementations, by hand, and what must not change them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from scipy.special import gammainc
from sklearn.linear_model import LinearRegression

from frostmark.metrics import geometry
from frostmark.metrics.geometry import Geometry, eigenvalues, entropy_rank, participation_ratio, sparsity
from frostmark.metrics.metric import Split, Undefined, make_splits
from frostmark.metrics.two_nn import Ratios, neighbour_ratios, two_nn, two_nn_of_ratios
from frostmark.stats.bootstrap import interval, recentred
from frostmark.stats.moments import ClassMoments
from frostmark.stats.neighbours import KEPT, Graph

NAMES = {"rankme", "effective_rank", "participation_ratio", "intrinsic_dimension", "sparsity"}


def graph_of(rows: np.ndarray) -> Graph:
    return Graph.of(rows, rows, KEPT, exclude_self=True)


def dimension(rows: np.ndarray) -> float:
    return two_nn(rows, graph_of(rows))


def features(n: int = 400, d: int = 24, seed: int = 0) -> np.ndarray:
    """Like a layer's: few latent directions, bent, then rectified."""
    rng = np.random.default_rng(seed)
    latent = rng.standard_normal((n, 5)) @ rng.standard_normal((5, d))
    return np.maximum(np.tanh(latent) + 0.5, 0).astype(np.float32)


def cube(n: int, d: int, seed: int = 0, height: float = 10.0) -> np.ndarray:
    """Uniform on a d-cube, lifted so high that directions are as good as positions."""
    return np.c_[np.random.default_rng(seed).random((n, d)) - 0.5, np.full(n, height)]


def torus(n: int, d: int, seed: int) -> np.ndarray:
    """Uniform on a flat d-torus: rows of one length, no boundary."""
    angle = 2 * np.pi * np.random.default_rng(seed).random((n, d))
    return np.c_[np.cos(angle), np.sin(angle)]


def plain_rank(rows: np.ndarray) -> float:
    singular = np.linalg.svd(rows.astype(float), compute_uv=False)
    p = singular / singular.sum()
    p = p[p > 0]
    return float(np.exp(-(p * np.log(p)).sum()))


def plain_ratios(rows: np.ndarray) -> np.ndarray:
    """Every distance, by differences in float64."""
    unit = rows.astype(float) / np.linalg.norm(rows.astype(float), axis=1, keepdims=True)
    distance = np.sort(cdist(unit, unit), axis=1)
    return distance[:, 2] / distance[:, 1]


def plain_two_nn(ratios: np.ndarray) -> float:
    n, kept = len(ratios), int(0.9 * len(ratios))
    x, y = np.log(np.sort(ratios)[:kept]), -np.log(1 - np.arange(1, kept + 1) / n)
    return float(LinearRegression(fit_intercept=False).fit(x[:, None], y).coef_[0])


# Ranks


@pytest.mark.parametrize("shape", [(400, 24), (24, 400), (30, 30), (1, 5)])
@pytest.mark.parametrize("offset", [0.0, 1.0, 1e3])
def test_ranks_against_the_singular_values(
    shape: tuple[int, int], offset: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(geometry, "_CELLS", 1)  # several blocks
    rows = features(*shape) + np.float32(offset)
    centred, uncentred = eigenvalues(rows)
    # Singular values are good for √eps of the largest: 1.5e-8, of which a small rank is made a hundred times over.
    assert entropy_rank(uncentred) == pytest.approx(plain_rank(rows), rel=1e-5)
    if len(rows) > 1:
        mean = rows.mean(0, dtype=float)
        assert entropy_rank(centred) == pytest.approx(plain_rank(rows - mean), rel=1e-5)
        spectrum = np.linalg.eigvalsh(np.cov(rows.astype(float).T))
        assert participation_ratio(centred) == pytest.approx(spectrum.sum() ** 2 / (spectrum**2).sum(), rel=1e-8)


def test_ranks_by_hand() -> None:
    _, uncentred = eigenvalues(np.eye(7, dtype=np.float32))
    assert entropy_rank(uncentred) == pytest.approx(7)  # seven directions of one weight
    centred, _ = eigenvalues(np.array([[3.0, 0], [-3, 0], [0, 1], [0, -1]]) + 5)
    assert sorted(centred) == pytest.approx([2, 18])
    assert participation_ratio(centred) == pytest.approx(20**2 / (4 + 324))
    p = np.array([0.25, 0.75])  # singular values 1 : 3, where eigenvalues are 1 : 9
    assert entropy_rank(centred) == pytest.approx(np.exp(-(p * np.log(p)).sum()))


def test_rows_on_a_line_have_rank_one_whatever_their_rounding() -> None:
    rng = np.random.default_rng(0)
    rows = np.outer(rng.random(500), rng.standard_normal(64))
    centred, uncentred = eigenvalues(rows)
    assert np.count_nonzero(uncentred) == np.count_nonzero(centred) == 1
    assert entropy_rank(uncentred) == participation_ratio(centred) == 1


def test_rows_that_differ_in_the_last_digit_are_not_equal_and_equal_ones_are() -> None:
    rows = np.full((1000, 64), 1 / 3, np.float32)
    assert not eigenvalues(rows)[0].any()
    rows[500, 7] = np.nextafter(rows[500, 7], np.float32(1))
    assert entropy_rank(eigenvalues(rows)[0]) == 1


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_ranks_neither_overflow_nor_vanish(scale: float) -> None:
    rows = features()
    for found, expected in zip(eigenvalues(rows * np.float32(scale)), eigenvalues(rows), strict=True):
        assert entropy_rank(found) == pytest.approx(entropy_rank(expected), rel=1e-5)
        assert participation_ratio(found) == pytest.approx(participation_ratio(expected), rel=1e-5)


def test_of_nothing_there_is_no_rank() -> None:
    for function in (entropy_rank, participation_ratio):
        with pytest.raises(ZeroDivisionError, match="all rows are equal"):
            function(np.zeros(3))


def test_sparsity_counts_exact_zeros() -> None:
    assert sparsity(np.array([[0.0, 1, -0.0, 1e-38], [2, 0, 3, 4]], np.float32)) == pytest.approx(3 / 8)


# Intrinsic dimension


def test_the_slope_is_the_dimension_of_exact_quantiles() -> None:
    for d in (1.0, 2.5, 30.0):
        ratios = (1 - np.arange(1, 100) / 100) ** (-1 / d)  # F(μ) = 1 − μ^−d
        assert two_nn_of_ratios(np.append(ratios, 1e9)[::-1]) == pytest.approx(d)


def test_scikit_dimensions_hyper_ball() -> None:
    """``skdim.id.TwoNN().fit(hyperBall(n=30, d=5, random_state=0))`` of scikit-dimension 0.5.0: Euclidean distances."""
    x = np.random.RandomState(0).normal(size=(30, 5))
    squares = (x**2).sum(1)
    ball = x * (gammainc(5 / 2, squares / 2) ** (1 / 5) / np.sqrt(squares))[:, None]
    distance = np.sort(cdist(ball, ball), axis=1)
    assert two_nn_of_ratios(distance[:, 2] / distance[:, 1]) == pytest.approx(4.522311661670988, rel=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_against_a_plain_implementation(seed: int) -> None:
    rows = features(seed=seed)
    rows = rows[np.linalg.norm(rows, axis=1) > 0]
    found = neighbour_ratios(rows, graph_of(rows))
    np.testing.assert_allclose(found.values, plain_ratios(rows), rtol=1e-12)
    assert dimension(rows) == pytest.approx(plain_two_nn(plain_ratios(rows)), rel=1e-9)


@pytest.mark.parametrize("d", [1, 2, 5])
def test_a_cube_has_its_dimension(d: int) -> None:
    # The standard error is about d/√N = 0.022 d; near a boundary of a 5-cube the dimension is less.
    assert dimension(cube(2000, d)) == pytest.approx(d, rel=0.08 if d < 5 else 0.12)


@pytest.mark.parametrize("d", [2, 3])  # more, and the neighbours of 2,000 rows lie round the bend
def test_a_torus_has_its_dimension(d: int) -> None:
    assert dimension(torus(2000, d, 0)) == pytest.approx(d, rel=0.08)


def test_unit_length_takes_a_dimension_from_a_ball() -> None:
    rows = np.random.default_rng(0).standard_normal((2000, 4))
    assert dimension(rows) == pytest.approx(3, rel=0.08)


def test_distances_are_exact_where_float32_cosines_are_not() -> None:
    rows = cube(1500, 2, height=30.0)
    graph = graph_of(rows)
    expected = plain_ratios(rows)
    np.testing.assert_allclose(neighbour_ratios(rows, graph).values, expected, rtol=1e-6)
    with np.errstate(divide="ignore", invalid="ignore"):
        naive = np.sqrt((1 - graph.similarity[:, 1]) / (1 - graph.similarity[:, 0]))
    assert not np.allclose(naive, expected, rtol=0.5)


@pytest.mark.parametrize("scale", [1.0, 2.0, 3.0, 1e-6])
@pytest.mark.parametrize("share", [0.5, 1.0])
def test_duplicates_count_once(scale: float, share: float) -> None:
    rows = features()
    rows = rows[np.linalg.norm(rows, axis=1) > 0]
    again = rows[: int(share * len(rows))] * np.float32(scale)  # of unit length the same, up to rounding to float32
    mixed = np.random.default_rng(0).permutation(np.r_[rows, again])
    assert len(neighbour_ratios(mixed, graph_of(mixed)).values) == len(rows)
    # Either copy may stand for both, 1.2e-7 beside the other, at distances from 1e-2 up.
    assert dimension(mixed) == pytest.approx(dimension(rows), rel=1e-9 if scale in (1, 2) else 1e-4)


def test_more_duplicates_than_a_list_holds_cost_only_the_rows_whose_lists_they_fill() -> None:
    rows = torus(500, 3, 0).astype(np.float32)
    mixed = np.r_[rows, np.repeat(rows[:1], 3 * KEPT, axis=0)]
    found = neighbour_ratios(mixed, graph_of(mixed))
    lost = 500 - len(found.values)
    # The copies crowd out whoever has the row between its two nearest; that is the row and about two neighbours.
    assert 1 <= lost <= 6
    assert two_nn_of_ratios(found.values) == pytest.approx(dimension(rows), rel=0.02)


def test_near_duplicates_are_two_rows() -> None:
    rows = torus(300, 3, 0)
    pairs = np.r_[rows, rows + 1e-6 * np.random.default_rng(1).standard_normal(rows.shape)]
    found = neighbour_ratios(pairs, graph_of(pairs))
    assert len(found.values) == 600
    # Differences of 1e-6 between coordinates of 1 have ten digits in float64.
    np.testing.assert_allclose(found.values, plain_ratios(pairs), rtol=1e-8)
    assert len(np.unique(found.kin)) == 300  # each pair is each other's nearest


def test_rows_of_zeros_have_no_direction_and_are_nobodys_neighbours() -> None:
    rows = torus(200, 2, 0)
    assert dimension(np.r_[np.zeros((40, 4)), rows]) == pytest.approx(dimension(rows), rel=1e-12)


def test_kin_are_linked_by_who_is_nearest() -> None:
    angles = np.radians([0, 1, 3, 90, 92, 180, 181, 184, 270, 273, 275])
    found = neighbour_ratios(np.c_[np.cos(angles), np.sin(angles)], graph_of(np.c_[np.cos(angles), np.sin(angles)]))
    assert found.kin.tolist() == [0, 0, 0, 1, 1, 2, 2, 2, 3, 3, 3]


@settings(max_examples=25, deadline=None)
@given(st.integers(12, 60), st.integers(2, 12), st.integers(0, 2**31), st.floats(1e-3, 1e3))
def test_rotation_scale_and_order_change_nothing(n: int, d: int, seed: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((n, d)) + rng.standard_normal(d)
    rotation, _ = np.linalg.qr(rng.standard_normal((d, d)))
    moved = scale * rng.permutation(rows) @ rotation
    for before, after in zip(eigenvalues(rows), eigenvalues(moved), strict=True):
        assert entropy_rank(after) == pytest.approx(entropy_rank(before), rel=1e-6)
        assert participation_ratio(after) == pytest.approx(participation_ratio(before), rel=1e-9)
        assert 1 <= participation_ratio(after) <= min(n, d) + 1e-9
        assert 1 <= entropy_rank(after) <= min(n, d) + 1e-9
    assert dimension(moved) == pytest.approx(dimension(rows), rel=1e-6)


def test_shift_changes_only_the_uncentred_rank() -> None:
    rows = features().astype(float)
    (centred, uncentred), (moved, moved_uncentred) = eigenvalues(rows), eigenvalues(rows + 100)
    assert entropy_rank(moved) == pytest.approx(entropy_rank(centred), rel=1e-8)
    assert entropy_rank(moved_uncentred) < 0.9 * entropy_rank(uncentred)


def test_intervals_cover() -> None:
    """95 of 100 intervals hold the mean estimate, within three standard errors of 100 trials."""
    estimates, intervals = [], []
    for seed in range(100):
        rows = torus(150, 3, seed)
        ratios = neighbour_ratios(rows, graph_of(rows))
        estimates.append(two_nn_of_ratios(ratios.values))
        draws = ratios.draws(150, np.random.default_rng(seed))
        intervals.append(interval(recentred(draws, estimates[-1])))
    low, high = np.array(intervals).T
    mean = np.mean(estimates)
    assert np.mean((low <= mean) & (mean <= high)) >= 0.95 - 3 * np.sqrt(0.95 * 0.05 / 100)
    assert np.mean(high - low) / (2 * 1.96) == pytest.approx(np.std(estimates), rel=0.25)


def test_too_few_or_too_regular_rows_have_no_dimension() -> None:
    with pytest.raises(ValueError, match="9 ratios: fewer than 10"):
        two_nn_of_ratios(np.linspace(1, 2, 9))
    with pytest.raises(ZeroDivisionError, match="equally far"):
        dimension(np.eye(20, dtype=np.float32))
    assert len(Ratios(np.linspace(1, 2, 50), np.zeros(50, np.int64)).draws(10, np.random.default_rng(0))) == 0


# The family


def family(train: np.ndarray, test: np.ndarray, resamples: int = 50, **more: object) -> dict[str, object]:
    labels = {"train": np.arange(len(train)) % 3, "test": np.arange(len(test)) % 3}
    rows = {"train": train, "test": test}
    return dict(Geometry()(make_splits(rows, labels, ("a", "b", "c"), resamples=resamples, **more)).values)  # type: ignore[arg-type]


def test_the_family_logs_every_key_of_both_splits() -> None:
    train, test = features(300), features(200, seed=1)
    values = family(train, test)
    bounds = {f"intrinsic_dimension_{end}" for end in ("lo", "hi")}
    assert set(values) == {f"{s}/geometry/{n}" for s in ("train", "test") for n in NAMES | bounds}
    for split, rows in (("train", train), ("test", test)):
        found = {n: values[f"{split}/geometry/{n}"] for n in NAMES | bounds}
        assert found["intrinsic_dimension"] == dimension(rows)  # of the split's own rows
        assert found["intrinsic_dimension_lo"] < found["intrinsic_dimension"] < found["intrinsic_dimension_hi"]  # type: ignore[operator]
        assert found["rankme"] == entropy_rank(eigenvalues(rows)[1])
        assert found["effective_rank"] == entropy_rank(eigenvalues(rows)[0])
        assert found["sparsity"] == (rows == 0).mean()
    assert family(train, test) == values
    assert set(family(train, test, resamples=0)) == {f"{s}/geometry/{n}" for s in ("train", "test") for n in NAMES}


def test_a_large_test_split_is_sampled_by_class(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(geometry, "MAX_ROWS", 60)
    train, test = features(90), features(300, seed=1)
    key = "test/geometry/intrinsic_dimension"
    whole, sampled = dimension(test), family(train, test, seed=0)[key]
    assert sampled != whole
    assert sampled == family(train, test, seed=0)[key]
    assert sampled != family(train, test, seed=1)[key]


def reasons(values: dict[str, object]) -> dict[str, str]:
    return {k.rpartition("/")[2]: v.reason for k, v in values.items() if isinstance(v, Undefined)}


def test_undefined_values_say_why() -> None:
    few = "fewer than 10 rows point in different directions"
    equal = {"effective_rank": "all rows are equal", "participation_ratio": "all rows are equal"}
    for split in ({"train": 30, "test": 30}, {"train": 1, "test": 1}):
        zero = {s: np.zeros((n, 4), np.float32) for s, n in split.items()}
        assert reasons(family(**zero)) == {**equal, "rankme": "all rows are zero", "intrinsic_dimension": few}
        same = {s: np.full((n, 4), 0.1, np.float32) for s, n in split.items()}
        assert reasons(family(**same)) == {**equal, "intrinsic_dimension": few}
    lattice = np.eye(20, dtype=np.float32)
    assert reasons(family(lattice, lattice)) == {
        "intrinsic_dimension": "the two nearest neighbours of most rows are equally far"
    }


def test_the_zeros_of_projected_rows_are_not_the_features() -> None:
    rows, wide = features(60), ClassMoments.empty(3, 1000)
    splits: dict[str, Split] = make_splits(
        {"train": rows, "test": rows},
        {"train": np.arange(60) % 3, "test": np.arange(60) % 3},
        ("a", "b", "c"),
        moments={"train": wide, "test": wide},
    )
    found = reasons(dict(Geometry()(splits).values))
    assert set(found) == {"sparsity"}
    assert "projection" in found["sparsity"]
