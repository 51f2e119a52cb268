"""Separability: against scikit-learn and full matrices, by hand, under what must not matter, and where it ends."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frostmark.data.source import SPLITS
from frostmark.data.synthetic import Synthetic
from frostmark.metrics import separability
from frostmark.metrics.metric import ONE_CLASS, Scores, Undefined, make_splits
from frostmark.metrics.separability import (
    OF_SUMMARY,
    SMALLER_IS_BETTER,
    Separability,
    calinski_harabasz,
    cdnv,
    class_shift,
    class_spreads,
    davies_bouldin,
    eta_squared,
    fisher_ratio,
    nc1,
    nc1_of_noise,
    omega_squared,
    triangular_root,
)
from frostmark.stats.bootstrap import Resamples, resampled_summaries
from frostmark.stats.moments import ClassMoments, ClassSummary
from frostmark.stats.permutation import Permutations, permuted_summaries
from frostmark.stats.scatter import total_scatter

Array = np.ndarray[Any, Any]
NAMES = (*OF_SUMMARY, "nc1", "silhouette")

FLAT = "no class varies within itself"
EQUAL = "two classes have the same mean"
SINGLES = "every class has one image only"
ALL_EQUAL = "all rows are equal"
NO_MEANS = "all classes have the same mean"


def blobs(n: int, d: int, classes: int, *, apart: float = 1.0, seed: int = 0) -> tuple[Array, Array]:
    """Classes of uneven sizes, two rows each at least, features of uneven variances, rows away from zero."""
    rng = np.random.default_rng(seed)
    labels = np.concatenate(
        [np.repeat(np.arange(classes), 2), np.minimum(rng.integers(0, classes + 1, n), classes - 1)]
    )
    labels = rng.permutation(labels[:n])
    rows = rng.standard_normal((n, d)) + apart * rng.standard_normal((classes, d))[labels]
    return rows * np.exp(rng.uniform(-1, 1, d)) + 3, labels


def summary_of(rows: Array, labels: Array) -> ClassSummary:
    moments = ClassMoments.of(rows, labels, int(labels.max()) + 1)
    return replace(moments.summary, spread=class_spreads(rows, labels, moments))


def nc1_of(rows: Array, labels: Array) -> float:
    summary = summary_of(rows, labels)
    return nc1(summary.mean, total_scatter(rows), summary.count)


def every(rows: Array, labels: Array) -> dict[str, float]:
    summary = summary_of(rows, labels)
    return {name: float(f(summary)) for name, f in OF_SUMMARY.items()} | {"nc1": nc1_of(rows, labels)}


def scatters(rows: Array, labels: Array) -> tuple[Array, Array]:
    """S_W and S_B, D×D, as one would write them down."""
    grand, d = rows.mean(0), rows.shape[1]
    within, between = np.zeros((d, d)), np.zeros((d, d))
    for c in np.unique(labels):
        x = rows[labels == c]
        within += (x - x.mean(0)).T @ (x - x.mean(0))
        between += len(x) * np.outer(x.mean(0) - grand, x.mean(0) - grand)
    return within, between


def scores(
    rows: Array, labels: Array, *, train: tuple[Array, Array] | None = None, classes: int | None = None, **more: int
) -> Scores:
    """The family of a test split, beside a train split that has nothing wrong with it unless one is given."""
    names = tuple(f"c{i}" for i in range(classes or int(labels.max()) + 1))
    sound = (
        np.random.default_rng(9).standard_normal((3 * len(names), rows.shape[1])),
        np.arange(3 * len(names)) % len(names),
    )
    train_rows, train_labels = sound if train is None else train
    splits = make_splits(
        {"train": train_rows.astype(np.float32), "test": rows.astype(np.float32)},
        {"train": train_labels, "test": labels},
        names,
        resamples=more.get("resamples", 20),
        permutations=more.get("permutations", 10),
    )
    return Separability()(splits)


# Against others


SHAPES = [(60, 5, 2), (200, 12, 7), (40, 90, 3), (30, 1, 3)]


@pytest.mark.parametrize(("n", "d", "classes"), SHAPES)
@pytest.mark.parametrize("apart", [0.0, 1.0, 30.0])
def test_traces_against_the_full_scatter_matrices(n: int, d: int, classes: int, apart: float) -> None:
    rows, labels = blobs(n, d, classes, apart=apart)
    summary = summary_of(rows, labels)
    within, between = (float(np.trace(s)) for s in scatters(rows, labels))
    centred = rows - rows.mean(0)
    total = float(np.trace(centred.T @ centred))
    # Sums of N·D squares in float64.
    assert fisher_ratio(summary) == pytest.approx(between / within, rel=1e-12)
    assert eta_squared(summary) == pytest.approx(between / total, rel=1e-12)
    mean_square = within / (n - classes)
    # A difference of numbers as large as η²: what it loses is measured against that.
    expected = (between - (classes - 1) * mean_square) / (total + mean_square)
    assert omega_squared(summary) == pytest.approx(expected, rel=1e-12, abs=1e-13)


@pytest.mark.parametrize(("n", "d", "classes"), SHAPES)
@pytest.mark.parametrize("apart", [0.0, 1.0, 30.0])
def test_calinski_harabasz_and_davies_bouldin_are_scikit_learns(n: int, d: int, classes: int, apart: float) -> None:
    from sklearn.metrics import calinski_harabasz_score, davies_bouldin_score

    rows, labels = blobs(n, d, classes, apart=apart)
    summary = summary_of(rows, labels)
    assert calinski_harabasz(summary) == pytest.approx(calinski_harabasz_score(rows, labels), rel=1e-11)
    # scikit-learn takes the distances of the means from products, which cost digits where means are close.
    assert davies_bouldin(summary) == pytest.approx(davies_bouldin_score(rows, labels), rel=1e-9)


@pytest.mark.parametrize(("n", "d", "classes"), SHAPES)
@pytest.mark.parametrize("apart", [0.0, 1.0, 30.0])
def test_cdnv_against_a_loop_over_pairs(n: int, d: int, classes: int, apart: float) -> None:
    rows, labels = blobs(n, d, classes, apart=apart)
    ratios = []
    for i in range(classes):
        for j in range(classes):
            if i != j:
                a, b = rows[labels == i], rows[labels == j]
                spread = ((a - a.mean(0)) ** 2).sum(1).mean() + ((b - b.mean(0)) ** 2).sum(1).mean()
                ratios.append(spread / (2 * ((a.mean(0) - b.mean(0)) ** 2).sum()))
    assert cdnv(summary_of(rows, labels)) == pytest.approx(np.mean(ratios), rel=1e-11)


@pytest.mark.parametrize(("n", "d", "classes"), [*SHAPES, (300, 4, 9)])  # rank of the means: C − 1, or D
@pytest.mark.parametrize("apart", [0.0, 1.0, 30.0])
def test_nc1_against_the_pseudo_inverse(n: int, d: int, classes: int, apart: float) -> None:
    rows, labels = blobs(n, d, classes, apart=apart)
    within, _ = scatters(rows, labels)
    means = np.stack([rows[labels == c].mean(0) for c in range(classes)])
    centred = means - means.mean(0)
    inverse = np.linalg.pinv(centred.T @ centred / classes, rcond=1e-12, hermitian=True)
    expected = np.trace(within / n @ inverse) / classes
    # Eigenvalues of the means lie within 1e4 of each other, and S_W is the difference of S_T and S_B.
    assert nc1_of(rows, labels) == pytest.approx(expected, rel=1e-9)


def test_nc1_of_means_on_a_line_counts_that_line_alone() -> None:
    # Three means on one axis: the second eigenvalue is rounding, and its inverse would be everything.
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], 20)
    noise = rng.standard_normal((60, 6))
    for c in range(3):
        noise[labels == c] -= noise[labels == c].mean(0)
    direction = rng.standard_normal(6) / 3
    rows = noise + np.array([0.1, 1.7, 2.9])[labels, None] * direction
    within, _ = scatters(rows, labels)
    t = np.array([0.1, 1.7, 2.9]) - np.mean([0.1, 1.7, 2.9])
    along = direction @ within @ direction / 60 / (direction @ direction) ** 2 / (t @ t / 3)
    assert nc1_of(rows, labels) == pytest.approx(along / 3, rel=1e-10)


# By hand


def test_by_hand() -> None:
    # Class 0: (0, 0), (2, 0); class 1: (0, 4), (0, 6), (0, 8). Means (1, 0) and (0, 6); σ² = 1 and 8/3; S_W = 2 + 8.
    rows, labels = np.array([[0.0, 0], [2, 0], [0, 4], [0, 6], [0, 8]]), np.array([0, 0, 1, 1, 1])
    summary = summary_of(rows, labels)
    between = 2 * 3 / 5 * 37  # n_i n_j / (n_i + n_j) ‖μ_i − μ_j‖²
    assert fisher_ratio(summary) == pytest.approx(between / 10)
    assert eta_squared(summary) == pytest.approx(between / (between + 10))
    assert omega_squared(summary) == pytest.approx((between - 10 / 3) / (between + 10 + 10 / 3))
    assert calinski_harabasz(summary) == pytest.approx(between / (10 / 3))
    assert cdnv(summary) == pytest.approx((1 + 8 / 3) / (2 * 37))
    assert summary.spread is not None
    assert summary.spread.tolist() == [1, pytest.approx(4 / 3)]
    assert davies_bouldin(summary) == pytest.approx((1 + 4 / 3) / np.sqrt(37))
    # Σ_B has one eigenvalue 37/4 along u = (1, −6)/√37; uᵀS_W u = (2·1 + 8·36)/37; C = 2, N = 5.
    assert nc1_of(rows, labels) == pytest.approx(290 / 37 / 5 / (37 / 4) / 2)


def test_davies_bouldin_takes_the_worst_partner_of_each_class() -> None:
    # Means 0, 4, 10 on a line; mean distances to them 1, 1, 2: (1+1)/4, max((1+1)/4, 3/6), max(3/10, 3/6).
    rows = np.array([[-1.0], [1], [3], [5], [8], [12]])
    assert davies_bouldin(summary_of(rows, np.array([0, 0, 1, 1, 2, 2]))) == pytest.approx(0.5)
    # Means 0, 4, 20: the third has 3/16 with the second, 3/20 with the first.
    rows[4:] += 10
    found = davies_bouldin(summary_of(rows, np.array([0, 0, 1, 1, 2, 2])))
    assert found == pytest.approx((0.5 + 0.5 + 3 / 16) / 3)


def test_davies_bouldin_needs_spreads() -> None:
    with pytest.raises(ValueError, match="no spreads"):
        davies_bouldin(replace(summary_of(*blobs(20, 2, 2)), spread=None))


def test_classes_that_shrink_to_points_are_as_far_apart_as_can_be() -> None:
    rows, labels = blobs(60, 5, 3, apart=0)
    centres = np.random.default_rng(1).standard_normal((3, 5))
    for size in (1e-2, 1e-4, 1e-6):
        found = every(centres[labels] + size * rows, labels)
        assert found["eta_squared"] == pytest.approx(1, abs=30 * size**2)
        assert found["davies_bouldin"] < 30 * size
        assert max(found["cdnv"], found["nc1"]) < 300 * size**2
        assert found["nc1"] > 0.01 * size**2  # S_T − S_B keeps the digits that matter


# What must not matter


@given(
    seed=st.integers(0, 10_000),
    classes=st.integers(2, 6),
    d=st.integers(1, 40),
    apart=st.sampled_from([0.0, 0.5, 5.0]),
    log_scale=st.floats(-4, 4),
    shift=st.sampled_from([0.0, 1.0, 100.0]),
)
@settings(max_examples=60, deadline=None)
def test_rotation_scale_shift_order_and_names_change_nothing(
    seed: int, classes: int, d: int, apart: float, log_scale: float, shift: float
) -> None:
    rows, labels = blobs(40, d, classes, apart=apart, seed=seed)
    rng = np.random.default_rng(seed)
    rotation, _ = np.linalg.qr(rng.standard_normal((d, d)))
    order, names = rng.permutation(len(rows)), rng.permutation(classes)
    moved = 10**log_scale * (rows @ rotation + shift * rng.standard_normal(d))
    before, after = every(rows, labels), every(moved[order], names[labels[order]])
    # A shift of 100 spreads rounds rows at 1e-14 spreads. Two means of noise in one dimension may lie 1e-3 spreads
    # apart and be the only thing that cdnv and nc1 see: three digits more, and six where the distance is squared.
    for name, value in before.items():
        assert after[name] == pytest.approx(value, rel=1e-7, abs=1e-12), name


@given(st.integers(0, 10_000), st.integers(2, 6), st.integers(1, 40), st.sampled_from([0.0, 0.5, 5.0, 1e3]))
@settings(max_examples=60, deadline=None)
def test_identities_and_bounds(seed: int, classes: int, d: int, apart: float) -> None:
    n = 50
    summary = summary_of(*blobs(n, d, classes, apart=apart, seed=seed))
    j, eta, omega = fisher_ratio(summary), eta_squared(summary), omega_squared(summary)
    assert calinski_harabasz(summary) == pytest.approx(j * (n - classes) / (classes - 1), rel=1e-13)
    assert eta == pytest.approx(j / (1 + j), rel=1e-13)
    f = calinski_harabasz(summary)  # ω² in terms of F
    assert omega == pytest.approx((classes - 1) * (f - 1) / ((classes - 1) * (f - 1) + n), rel=1e-9, abs=1e-12)
    assert 0 <= eta <= 1
    assert omega <= eta


def test_what_depends_on_pairs_alone_ignores_how_many_images_a_class_has() -> None:
    rows, labels = blobs(40, 4, 3)
    more = np.vstack([rows, *[rows[labels == 1]] * 5])
    of_more = np.concatenate([labels, np.ones(5 * (labels == 1).sum(), int)])
    before, after = every(rows, labels), every(more, of_more)
    for name in ("cdnv", "davies_bouldin"):
        assert after[name] == pytest.approx(before[name], rel=1e-12)
    assert after["eta_squared"] != pytest.approx(before["eta_squared"], rel=1e-3)


# Many draws at once


@pytest.mark.parametrize("name", list(OF_SUMMARY))
def test_one_formula_of_many_draws_is_a_loop_over_them(name: str) -> None:
    rng = np.random.default_rng(0)
    classes, d, measure = 5, 7, OF_SUMMARY[name]
    count = np.array([3, 9, 4, 12, 5])
    many = ClassSummary(
        count,
        rng.uniform(0.5, 2, (6, classes)),
        rng.standard_normal((6, classes, d)) + 0.5,
        rng.uniform(0.5, 2, (6, classes)),
    )
    found = measure(many)
    assert found.shape == (6,)
    assert many.spread is not None
    for at in range(6):
        one = ClassSummary(count, many.variance[at], many.mean[at], many.spread[at])
        # Distances of means by products near the origin, against differences.
        assert found[at] == pytest.approx(float(measure(one)), rel=1e-12, abs=1e-13)


@pytest.mark.parametrize("apart", [0.5, 3.0])
def test_measures_of_resamples_are_those_of_the_rows_drawn(apart: float) -> None:
    rows, labels = blobs(80, 6, 4, apart=apart)
    rows = rows.astype(np.float32)
    moments = ClassMoments.of(rows, labels, 4)
    resamples = Resamples(labels, 12, ("a",))
    ((_, counts),) = resamples.blocks()
    ((_, summary),) = resampled_summaries(rows, moments, resamples, spread=True)
    for b in range(12):
        drawn = np.concatenate([np.repeat(np.flatnonzero(labels == c), counts[c][b].astype(int)) for c in range(4)])
        of_drawn = summary_of(rows[drawn], labels[drawn])
        for name, measure in OF_SUMMARY.items():
            # float32 rounds a mean at 1e-7 spreads; the differences of means are as large as the spreads.
            assert measure(summary)[b] == pytest.approx(float(measure(of_drawn)), rel=1e-4, abs=1e-6), name


@pytest.mark.parametrize("apart", [0.0, 1.0])
def test_measures_of_float32_means_are_those_of_the_exact_ones(apart: float) -> None:
    """What draws and nulls are made of: distances by products in float32."""
    exact = summary_of(*blobs(3000, 40, 200, apart=apart))
    rounded = replace(exact, mean=(exact.mean - exact.mean.mean(0)).astype(np.float32))
    for name, measure in OF_SUMMARY.items():
        assert float(measure(rounded)) == pytest.approx(float(measure(exact)), rel=1e-5), name


# By chance


@pytest.mark.parametrize(
    ("n", "d", "classes", "decay", "rel"),
    [
        (600, 80, 20, 0, 1e-5),  # fewer classes than features: in float32
        (600, 80, 20, 3, 1e-9),  # of very different sizes: in float64
        (600, 80, 78, 3, 1e-6),  # hardly fewer: in float64
        (600, 80, 120, 1, 1e-9),  # more classes than features
        (60, 80, 20, 0, 1e-5),  # more features than rows
        (600, 80, 81, 3, 1e-9),  # means that hardly span some directions: by eigenvectors
    ],
)
def test_nc1_of_permuted_labels_needs_no_eigenvectors(n: int, d: int, classes: int, decay: float, rel: float) -> None:
    rows, labels = blobs(n, d, classes, apart=0)
    rows = ((rows - rows.mean(0)) * 10 ** (-decay * np.arange(d) / d)).astype(np.float32)
    scatter = total_scatter(rows)
    for summary in permuted_summaries(rows, Permutations(labels, 3, ("a",)), observed=True):
        found = nc1_of_noise(summary.mean, scatter, triangular_root(scatter), summary.count)
        assert found == pytest.approx(nc1(summary.mean, scatter, summary.count), rel=rel)


def test_nc1_of_means_that_span_less_than_they_could() -> None:
    rows, labels = blobs(60, 6, 4)
    rows[:, 2:] = 1  # constant features: the scatter has no Cholesky factor but for its ridge
    scatter, means = total_scatter(rows), summary_of(rows, labels).mean
    count = np.bincount(labels)
    expected = nc1(means, scatter, count)
    assert nc1_of_noise(means, scatter, triangular_root(scatter), count) == pytest.approx(expected, rel=1e-9)


def test_the_mean_of_eta_squared_over_all_permutations_is_its_chance_level() -> None:
    rows = np.random.default_rng(0).standard_normal((8, 3))
    labels = [np.isin(np.arange(8), chosen).astype(int) for chosen in combinations(range(8), 3)]
    summaries = [summary_of(rows, y) for y in labels]
    assert np.mean([eta_squared(s) for s in summaries]) == pytest.approx(1 / 7, rel=1e-12)


def test_chance_levels_are_where_permuted_labels_end() -> None:
    rows, labels = blobs(100, 20, 5, apart=2)
    permutations = Permutations(labels, 400, ("chance",))
    null = list(permuted_summaries(rows.astype(np.float32), permutations))
    chance = scores(rows, labels).chance
    for name in ("fisher_ratio", "eta_squared", "omega_squared", "calinski_harabasz"):
        values = np.array([float(OF_SUMMARY[name](s)) for s in null])
        # Three standard errors; the F of a permutation is a ratio, whose mean is off by O(1/N).
        allowed = 3 * values.std() / np.sqrt(400) + (
            0.02 * values.mean() if name in ("fisher_ratio", "calinski_harabasz") else 0
        )
        assert abs(values.mean() - chance[f"test/separability/{name}"]) < allowed, name
    assert chance["test/separability/fisher_ratio"] == pytest.approx(4 / 95)
    assert chance["test/separability/eta_squared"] == pytest.approx(4 / 99)
    assert chance["test/separability/omega_squared"] == 0
    assert chance["test/separability/calinski_harabasz"] == 1


def test_the_other_chance_levels_are_the_means_of_the_null() -> None:
    rows, labels = blobs(60, 4, 3, apart=2)
    rows = rows.astype(np.float32)
    found = scores(rows, labels, permutations=7)
    null = [every(rows, y) for y in Permutations(labels, 7, ("0", "", "test"))]
    for name in ("davies_bouldin", "cdnv", "nc1"):
        key, values = f"test/separability/{name}", np.array([e[name] for e in null])
        assert found.chance[key] == pytest.approx(
            values.mean(), rel=1e-3
        )  # means of noise in float32, squared, inverted
        z = (every(rows, labels)[name] - values.mean()) / values.std(ddof=1)
        assert found.values[f"{key}_z"] == pytest.approx(z, rel=1e-2)
        assert found.values[f"{key}_z"] < 0  # type: ignore[operator]
        assert found.values[f"{key}_p"] == 1 / 8  # the labels do better than any permutation: less is better here
    assert found.values["test/separability/eta_squared_p"] == 1 / 8


@pytest.mark.parametrize("offset", [0.0, 10.0])
def test_a_permutation_that_gives_the_labels_again_is_as_good(offset: float) -> None:
    # Of two classes of 3 rows every tenth permutation does, or swaps their names; none must be lost to rounding.
    labels = np.repeat([0, 1], 3)
    for seed in range(10):
        rows = np.random.default_rng(seed).standard_normal((6, 4)) / 2 + 2 * labels[:, None] + offset
        again = sum(len(set(y[:3])) == 1 for y in Permutations(labels, 39, ("0", "", "test")))
        assert again >= 2
        values = scores(rows, labels, permutations=39, resamples=0).values
        for name in NAMES:
            assert values[f"test/separability/{name}_p"] == pytest.approx((1 + again) / 40), (name, seed)


# The family


def check_cells(found: Scores, splits: int = 2) -> None:
    """Nothing that is not finite in values, draws or chance; tables have columns of equal length."""
    for key, value in found.values.items():
        assert isinstance(value, Undefined) or np.isfinite(value), key
    for key, draws in found.draws.items():
        assert np.isfinite(draws).all(), key
    assert np.isfinite(list(found.chance.values())).all()
    assert set(found.tables) == {"class_separability", "confusable_pairs", "class_shift"}
    for name, table in found.tables.items():
        assert len({len(column) for column in table.values()}) == 1, name
        for title, column in table.items():
            for cell in column:
                if isinstance(cell, float):
                    assert np.isfinite(cell) or np.isnan(cell), (name, title)
                else:
                    assert isinstance(cell, (str, int, np.integer)), (name, title, type(cell))


def test_the_family_says_what_its_parts_say() -> None:
    rows, labels = blobs(90, 6, 4, apart=2)
    rows = rows.astype(np.float32)
    found = scores(rows, labels, resamples=31, permutations=9)
    check_cells(found)
    keys = {f"{s}/separability/{n}" for s in ("train", "test") for n in NAMES}
    with_interval = {k for k in keys if not k.endswith("nc1")}
    expected = keys | {k + end for k in keys for end in ("_p", "_z")}
    assert set(found.values) == expected | {k + end for k in with_interval for end in ("_lo", "_hi")}
    assert set(found.draws) == with_interval
    assert all(len(draws) == 31 for draws in found.draws.values())
    direct = every(rows, labels)
    for name, value in direct.items():
        assert found.values[f"test/separability/{name}"] == pytest.approx(value, rel=1e-12)
    for key in with_interval:
        low, value, high = (float(found.values[key + end]) for end in ("_lo", "", "_hi"))  # type: ignore[arg-type]
        assert low < value < high
        draws = found.draws[key]
        if key.endswith(("omega_squared", "silhouette")):  # may be negative: moved
            assert draws.mean() == pytest.approx(value, rel=1e-12)
        else:  # ratios are scaled, and stay in their range
            assert np.median(draws) == pytest.approx(value, rel=1e-12)
            assert (draws > 0).all()
            assert (draws < 1).all() or not key.endswith("eta_squared")


def test_the_tables_hold_what_they_are_named_for() -> None:
    from sklearn.metrics import silhouette_samples

    rows, labels = blobs(90, 6, 4, apart=2)
    rows = rows.astype(np.float32)
    found = scores(rows, labels)
    table = found.tables["class_separability"]
    assert table["split"] == ["train"] * 4 + ["test"] * 4
    assert table["name"][4:] == ["c0", "c1", "c2", "c3"]
    assert table["images"][4:] == np.bincount(labels).tolist()
    values = silhouette_samples(rows.astype(np.float64), labels)
    for c in range(4):
        assert table["silhouette"][4 + c] == pytest.approx(values[labels == c].mean(), abs=1e-9)
    assert found.outcomes["test/silhouette"] == pytest.approx(values, abs=1e-9)
    pairs = found.tables["confusable_pairs"]
    of_test = [k for k, s in enumerate(pairs["split"]) if s == "test"]
    assert len(of_test) == 6
    falling = [float(pairs["directional_cdnv"][k]) for k in of_test]
    assert falling == sorted(falling, reverse=True)
    first = of_test[0]
    pair = {pairs["name_i"][first], pairs["name_j"][first]}
    worst = int(np.nanargmax(table["directional_cdnv"][4:]))
    assert pair == {table["name"][4 + worst], table["most_confused_with"][4 + worst]}
    for k in of_test:
        image_i, image_j = int(pairs["image_i"][k]), int(pairs["image_j"][k])
        assert f"c{labels[image_i]}" == pairs["name_i"][k]
        assert f"c{labels[image_j]}" == pairs["name_j"][k]
        a, b = rows[image_i], rows[image_j]
        assert pairs["cosine"][k] == pytest.approx(a @ b / np.linalg.norm(a) / np.linalg.norm(b), abs=1e-6)


def test_a_table_of_pairs_is_never_longer_than_its_limit() -> None:
    rows, labels = blobs(200, 5, 12)
    pairs = scores(rows, labels).tables["confusable_pairs"]
    assert pairs["split"].count("test") == separability.PAIRS_LISTED < 12 * 11 // 2  # type: ignore[arg-type]


def test_nothing_is_drawn_that_nobody_asks_for() -> None:
    found = scores(*blobs(40, 3, 2), resamples=0, permutations=0)
    assert set(found.values) == {f"{s}/separability/{n}" for s in ("train", "test") for n in NAMES}
    assert not found.draws
    check_cells(found)


def test_absent_classes_do_not_count() -> None:
    rows, labels = blobs(80, 6, 3)
    sparse = scores(rows, np.array([1, 4, 7])[labels], classes=9)
    dense = scores(rows, labels)
    check_cells(sparse)
    for name in NAMES:
        for end in ("", "_p", "_z"):
            key = f"test/separability/{name}{end}"
            assert sparse.values[key] == pytest.approx(dense.values[key], rel=1e-12), key
    assert np.isnan(sparse.tables["class_shift"]["shift_in_spreads"][0])  # type: ignore[arg-type]


# Where it ends


LINE = np.arange(12, dtype=float).reshape(6, 2)
HALVES = np.array([0, 0, 0, 1, 1, 1])

NOTHING = {
    **dict.fromkeys(("fisher_ratio", "omega_squared", "calinski_harabasz"), FLAT),
    **dict.fromkeys(("eta_squared", "silhouette"), ALL_EQUAL),
    **dict.fromkeys(("davies_bouldin", "cdnv"), EQUAL),
    "nc1": NO_MEANS,
}

UNDEFINED = {
    "one class": (LINE, np.zeros(6, int), dict.fromkeys(NAMES, ONE_CLASS)),
    "no spread": (
        np.array([[0.1, 7.3], [2.2, 1.9]])[HALVES],
        HALVES,
        dict.fromkeys(("fisher_ratio", "omega_squared", "calinski_harabasz"), FLAT),
    ),
    "all rows equal": (np.full((6, 2), 0.3), HALVES, NOTHING),
    "all rows zero": (np.zeros((6, 2)), HALVES, NOTHING),
    "equal means": (
        np.array([[-1.0, 0], [1, 0], [0, 0], [0, 2], [0, -2], [0, 0]]),
        HALVES,
        {"davies_bouldin": EQUAL, "cdnv": EQUAL, "nc1": NO_MEANS},
    ),
    "two of three equal means": (
        np.array([[-1.0, 0], [1, 0], [0, 2], [0, -2], [5, 6], [7, 6]]),
        np.array([0, 0, 1, 1, 2, 2]),
        {"davies_bouldin": EQUAL, "cdnv": EQUAL},
    ),
    "one row a class": (LINE**2, np.arange(6), dict.fromkeys(NAMES, SINGLES)),
}


@pytest.mark.parametrize("case", list(UNDEFINED))
def test_undefined_values_say_why_and_the_rest_stays_finite(case: str) -> None:
    rows, labels, expected = UNDEFINED[case]
    names = int(labels.max()) + 1 if case != "one class" else 2
    found = scores(rows, labels, classes=names, resamples=40, permutations=20)
    check_cells(found)
    for name in NAMES:
        key = f"test/separability/{name}"
        if name in expected:
            assert found.values[key] == Undefined(expected[name]), name
            assert key not in found.draws
            assert not {k for k in found.values if k.startswith(f"{key}_")}, name
        else:
            assert isinstance(found.values[key], float), name
        assert isinstance(found.values[key.replace("test", "train")], float), name


def test_collapsed_classes_have_the_values_that_they_have() -> None:
    rows, labels, _ = UNDEFINED["no spread"]
    values = scores(rows, labels).values
    assert values["test/separability/eta_squared"] == pytest.approx(1)
    assert values["test/separability/silhouette"] == 1
    for name in ("davies_bouldin", "cdnv", "nc1"):
        assert values[f"test/separability/{name}"] == pytest.approx(0, abs=1e-12)


def test_two_rows_a_class_are_enough_for_every_value() -> None:
    # Half of the resamples of such a class are one row twice, so that some have no spread, or equal means, at all.
    rows = np.array([[0.0, 0], [0, 1], [0, 1], [1, 1]])
    found = scores(rows, np.array([0, 0, 1, 1]), resamples=200, permutations=20)
    check_cells(found)
    assert all(isinstance(found.values[f"test/separability/{name}"], float) for name in NAMES)


def test_a_null_without_the_rare_class_is_no_nan(monkeypatch: pytest.MonkeyPatch) -> None:
    # The sample of the null holds classes in their proportions: of 1 in 60, none among 20.
    monkeypatch.setattr(separability, "NULL_MOST", 20)
    labels = np.zeros(60, int)
    labels[7] = 1
    rows = np.random.default_rng(0).standard_normal((60, 3)) + 3 * labels[:, None]
    check_cells(scores(rows, labels))


def test_a_sampled_silhouette_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    from sklearn.metrics import silhouette_samples

    monkeypatch.setattr(separability, "EXACT_MOST", 50)
    monkeypatch.setattr(separability, "NULL_MOST", 30)
    rows, labels = blobs(150, 4, 3, apart=2)
    rows = rows.astype(np.float32)
    found = scores(rows, labels)
    check_cells(found)
    outcomes = found.outcomes["test/silhouette"]
    chosen = np.flatnonzero(np.isfinite(outcomes))
    assert found.values["test/separability/silhouette_images"] == len(chosen)
    assert 48 <= len(chosen) <= 50
    assert np.abs(np.bincount(labels[chosen]) - np.bincount(labels) / 3).max() < 1  # classes in their proportions
    assert outcomes[chosen] == pytest.approx(silhouette_samples(rows[chosen].astype(float), labels[chosen]), abs=1e-9)
    assert found.values["test/separability/silhouette"] == pytest.approx(outcomes[chosen].mean())
    again = scores(2 * rows + 1, labels)  # another layer
    assert (np.isfinite(again.outcomes["test/silhouette"]) == np.isfinite(outcomes)).all()


@pytest.mark.parametrize("batch", [1, 3])
def test_means_that_are_equal_up_to_the_rounding_of_a_stream_are_equal(batch: int) -> None:
    # Rows ±k/10 around one centre, in batches: each mean is 0.7 up to rounding, and their distance is that rounding.
    half = np.array([[0.7], [0.1], [1.3], [0.9], [0.5], [0.6], [0.8]])
    rows = np.vstack([half, half[::-1], half[[3, 4]]])
    labels = np.repeat([0, 1, 2], [7, 7, 2])
    streamed = ClassMoments.empty(3, 1)
    for start in range(0, len(rows), batch):
        streamed.update(rows[start : start + batch], labels[start : start + batch])
    assert 0 < np.ptp(streamed.mean) < 1e-15
    splits = make_splits(
        {"train": rows, "test": rows},
        {"train": labels, "test": labels},
        ("a", "b", "c"),
        moments={"train": streamed, "test": streamed},
        resamples=0,
        permutations=0,
    )
    values = Separability()(splits).values
    for name, why in (("cdnv", EQUAL), ("davies_bouldin", EQUAL), ("nc1", NO_MEANS)):
        assert values[f"test/separability/{name}"] == Undefined(why), name


# Between the splits


def test_class_shift_by_hand() -> None:
    # σ² = 1 and 4, n = 2 and 4: the means scatter by 1/1 + 4/3; they lie 5 apart.
    one = ClassMoments.of(np.array([[-1.0, 0], [1, 0]]), np.zeros(2, int), 1)
    other = ClassMoments.of(np.array([[3.0, 6], [3, 2], [5, 4], [1, 4]]), np.zeros(4, int), 1)
    assert class_shift(one, other) == pytest.approx([np.sqrt((25 - 7 / 3) / 2.5)])
    assert class_shift(other, one) == pytest.approx(class_shift(one, other))


@pytest.mark.parametrize("shift", [0.5, 2.0])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 50.0])
def test_class_shift_is_the_shift_in_spreads(shift: float, scale: float) -> None:
    rng = np.random.default_rng(0)
    n, d, classes = 4000, 10, 3
    labels = np.arange(n) % classes
    direction = np.full(d, 1 / np.sqrt(d))
    draw = [scale * (5 * labels[:, None] + rng.standard_normal((n, d))) for _ in range(2)]
    spread = scale * np.sqrt(d)
    moved = draw[1] + shift * spread * direction
    found = class_shift(ClassMoments.of(draw[0], labels, classes), ClassMoments.of(moved, labels, classes))
    # Each mean scatters by √(2/1333) of a feature along the shift, which is √10 features long a spread.
    np.testing.assert_allclose(found, shift, atol=4 * np.sqrt(2 / 1333) / np.sqrt(d) + 0.01 * shift)


def test_class_shift_of_the_same_classes_is_about_zero_also_with_few_images() -> None:
    # Without the correction each shift of 5 and 20 rows would come out near √(1/5 + 1/20) = 0.5.
    squared, plain = [], []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        one = ClassMoments.of(rng.standard_normal((5, 30)), np.zeros(5, int), 1)
        other = ClassMoments.of(rng.standard_normal((20, 30)), np.zeros(20, int), 1)
        squared.append(class_shift(one, other)[0])
        plain.append(np.linalg.norm(one.mean - other.mean) / np.sqrt(30))
    assert np.mean(plain) == pytest.approx(0.5, abs=0.02)
    assert np.median(squared) < 0.1
    # Half of 200 corrected squares lie below zero; of the other half the mean is what is left.
    assert np.mean(np.square(squared)) < 0.15 * np.mean(np.square(plain))
    assert 0.35 < np.mean(np.array(squared) == 0) < 0.65  # as often too near as too far


def test_class_shift_is_no_number_where_it_cannot_be_known() -> None:
    rows = np.random.default_rng(0).standard_normal((9, 3))
    one = ClassMoments.of(rows, np.array([0, 1, 1, 1, 3, 3, 4, 4, 4]), 5)
    other = ClassMoments.of(rows, np.array([0, 0, 1, 1, 1, 1, 2, 2, 3]), 5)
    # One row, enough of both, none before, one row after, none after.
    assert np.isnan(class_shift(one, other)).tolist() == [True, False, True, True, True]
    points = ClassMoments.of(np.array([[0.0], [0], [1], [1]]), np.array([0, 0, 1, 1]), 2)
    assert np.isnan(class_shift(points, points)).all()  # no spread to measure it in


def test_the_shift_is_in_a_table_of_its_own() -> None:
    rows, labels = blobs(90, 6, 3)
    far, _ = blobs(90, 6, 3, seed=4)
    found = scores(rows, labels, train=(far, labels))
    expected = class_shift(*(ClassMoments.of(x.astype(np.float32), labels, 3) for x in (far, rows)))
    table = found.tables["class_shift"]
    assert table["class"] == [0, 1, 2]
    assert table["name"] == ["c0", "c1", "c2"]
    assert table["shift_in_spreads"] == pytest.approx(expected)
    assert min(expected) > 0.1


# Images with a known answer


DIAL = (0.5, 1.0, 2.0, 4.0, 8.0)


@pytest.mark.parametrize("size", [8, 16])
def test_every_measure_orders_the_settings_of_the_dial(size: int) -> None:
    found = []
    for separation in DIAL:
        source = Synthetic(separation=separation, size=size, train=400, test=200)
        rows, labels = {}, {}
        for name in SPLITS:
            batch = source.split(name).__getitems__(range(400 if name == "train" else 200))
            rows[name] = batch.images.flatten(1).numpy().astype(np.float32)
            labels[name] = batch.labels.numpy()
        splits = make_splits(rows, labels, source.classes(), resamples=40, permutations=19)
        found.append(Separability()(splits).values)
    for split in SPLITS:
        for name in NAMES:
            key = f"{split}/separability/{name}"
            values = [float(v[key]) for v in found]  # type: ignore[arg-type]
            better = np.diff(values) * (-1 if name in SMALLER_IS_BETTER else 1)
            assert (better > 0).all(), (key, values)
            assert found[-1][f"{key}_p"] == 1 / 20
            if name != "nc1":  # the intervals of the two ends of the dial do not overlap
                ends = sorted((v[f"{key}_lo"], v[f"{key}_hi"]) for v in (found[0], found[-1]))  # type: ignore[type-var]
                assert ends[0][1] < ends[1][0], key  # type: ignore[operator]
