"""The separability family: by chance, its parts together, where it ends, and images with a known answer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from frostmark.data.source import SPLITS
from frostmark.data.synthetic import Synthetic
from frostmark.metrics import separability
from frostmark.metrics.class_ratios import (
    OF_SUMMARY,
)
from frostmark.metrics.class_tables import PAIRS_LISTED
from frostmark.metrics.metric import ONE_CLASS, Scores, Undefined, make_splits
from frostmark.metrics.separability import KINDS, Separability
from frostmark.stats.moments import ClassMoments
from frostmark.stats.permutation import Permutations, permuted_summaries
from support.separability_cases import NAMES, blobs, every, scores

Array = np.ndarray[Any, Any]


FLAT = "no class varies within itself"
EQUAL = "two classes have the same mean"
SINGLES = "every class has one image only"
ALL_EQUAL = "all rows are equal"
NO_MEANS = "all classes have the same mean"


# By chance


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
    assert pairs["split"].count("test") == PAIRS_LISTED < 12 * 11 // 2  # type: ignore[arg-type]


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
    monkeypatch.setattr(separability, "MAX_NULL", 20)
    labels = np.zeros(60, int)
    labels[7] = 1
    rows = np.random.default_rng(0).standard_normal((60, 3)) + 3 * labels[:, None]
    check_cells(scores(rows, labels))


def test_a_sampled_silhouette_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    from sklearn.metrics import silhouette_samples

    monkeypatch.setattr(separability, "MAX_EXACT", 50)
    monkeypatch.setattr(separability, "MAX_NULL", 30)
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
            better = np.diff(values) * (-1 if KINDS[f"separability/{name}"].better == "lower" else 1)
            assert (better > 0).all(), (key, values)
            assert found[-1][f"{key}_p"] == 1 / 20
            if name != "nc1":  # the intervals of the two ends of the dial do not overlap
                ends = sorted((v[f"{key}_lo"], v[f"{key}_hi"]) for v in (found[0], found[-1]))  # type: ignore[type-var]
                assert ends[0][1] < ends[1][0], key  # type: ignore[operator]
