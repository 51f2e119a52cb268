"""The report's variances against brute force, by hand, and on pure noise."""

from __future__ import annotations

import numpy as np
import pytest

from frostmark.metrics.metric import Split, Undefined, class_key
from frostmark.metrics.separability import Separability, directional_cdnv, eta_squared, fisher_ratio
from frostmark.metrics.variance import (
    MapVariance,
    Variance,
    inter_variance,
    inter_variance_debiased,
    intra_variance,
    pair_variance,
    total_variance,
)
from frostmark.stats.moments import ClassMoments


def blobs(seed: int = 0, n: int = 300, d: int = 12, classes: int = 4) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, n)
    return (rng.standard_normal((n, d)) + 3 * rng.standard_normal((classes, d))[labels]).astype(np.float32), labels


def split(rows: np.ndarray, labels: np.ndarray, classes: int) -> Split:
    names = tuple(f"c{i}" for i in range(classes))
    return Split(rows, labels, ClassMoments.of(rows, labels, classes), names)


def test_by_hand() -> None:
    moments = ClassMoments.of(np.array([[0.0, 0], [2, 0], [0, 4], [0, 6], [0, 8]]), np.array([0, 0, 1, 1, 1]), 2)
    assert moments.variance.tolist() == [1, pytest.approx(8 / 3)]
    assert intra_variance(moments) == pytest.approx((1 + 8 / 3) / 2)
    assert inter_variance(moments) == pytest.approx((1 + 36) / 4)  # means (1, 0) and (0, 6)
    assert total_variance(moments) == pytest.approx((2 + 8 + 2 * 3 / 5 * 37) / 5)
    assert pair_variance(moments)[0, 1] == pytest.approx(total_variance(moments))  # two classes: the pair is all


def test_a_pair_is_the_variance_of_both_classes_as_one_set() -> None:
    rows, labels = blobs()
    pooled = pair_variance(ClassMoments.of(rows, labels, 4))
    for i in range(4):
        for j in range(4):
            members = rows[np.isin(labels, (i, j))].astype(float)
            assert pooled[i, j] == pytest.approx(((members - members.mean(0)) ** 2).sum(1).mean(), rel=1e-12)


def test_debiased_inter_is_zero_on_noise_where_the_plain_one_is_not() -> None:
    plain, debiased = [], []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        moments = ClassMoments.of(rng.standard_normal((300, 512)), np.arange(300) % 10, 10)
        plain.append(inter_variance(moments))
        debiased.append(inter_variance_debiased(moments))
    assert np.mean(plain) * 10 / 9 == pytest.approx(17.0, abs=0.3)  # 512 / 30, in the 1/(C − 1) form
    # The standard error of 40 means; truth 0.
    assert abs(np.mean(debiased)) < 3 * np.std(debiased) / np.sqrt(40)


def test_scale_free_metrics_do_not_change_with_scale_rotation_and_shift_and_variances_do() -> None:
    rows, labels = blobs()
    rotation, _ = np.linalg.qr(np.random.default_rng(1).standard_normal((12, 12)))
    before, after = ClassMoments.of(rows, labels, 4), ClassMoments.of(7 * rows @ rotation + 3, labels, 4)
    assert fisher_ratio(after) == pytest.approx(fisher_ratio(before), rel=1e-5)
    assert eta_squared(after) == pytest.approx(eta_squared(before), rel=1e-5)
    assert intra_variance(after) == pytest.approx(49 * intra_variance(before), rel=1e-5)
    assert eta_squared(before) == pytest.approx(fisher_ratio(before) / (1 + fisher_ratio(before)))


def test_fisher_ratio_of_noise_is_at_its_chance_level() -> None:
    values = [
        fisher_ratio(ClassMoments.of(np.random.default_rng(s).standard_normal((200, 64)), np.arange(200) % 5, 5))
        for s in range(50)
    ]
    assert np.mean(values) == pytest.approx(4 / 195, rel=0.05)


def test_fisher_ratio_is_that_of_scikit_learns_calinski_harabasz() -> None:
    from sklearn.metrics import calinski_harabasz_score

    rows, labels = blobs()
    expected = calinski_harabasz_score(rows.astype(float), labels) * 3 / (300 - 4)
    assert fisher_ratio(ClassMoments.of(rows, labels, 4)) == pytest.approx(expected, rel=1e-10)


def test_directional_cdnv_against_the_full_covariances() -> None:
    rows, labels = blobs()
    moments = ClassMoments.of(rows, labels, 4)
    found = directional_cdnv(rows, labels, moments)
    for i in range(4):
        assert np.isnan(found[i, i])
        for j in range(i):
            u = moments.mean[i] - moments.mean[j]
            distance = np.linalg.norm(u)
            u = u / distance
            spread = sum(u @ np.cov(rows[labels == c].astype(float).T, bias=True) @ u for c in (i, j))
            assert found[i, j] == pytest.approx(spread / (2 * distance**2), rel=1e-6)
            assert found[i, j] == found[j, i]


def test_the_family_logs_every_key_of_the_contract() -> None:
    rows, labels = blobs(classes=3)
    scores = Variance()({"train": split(rows, labels, 3), "test": split(rows[:90], labels[:90], 3)})
    expected = {f"{s}/variance/{n}" for s in ("train", "test") for n in ("intra", "inter", "inter_debiased", "total")}
    expected |= {f"{s}/intra_variance/{c}_c{c}" for s in ("train", "test") for c in range(3)}
    expected |= {f"{s}/pair_variance/{p}" for s in ("train", "test") for p in ("0-1", "0-2", "1-2")}
    assert set(scores.values) == expected
    assert len(scores.tables["class_variance"]["variance"]) == 6
    assert set(scores.tables["pair_variance"]) >= {"mean_distance", "standardised_distance", "directional_cdnv"}


def test_the_map_has_its_own_keys() -> None:
    rows, labels = blobs(classes=3)
    keys = set(MapVariance()({"test": split(rows[:, :2], labels, 3)}).values)
    assert {"test/map/variance_intra", "test/map/variance_inter"} <= keys
    assert {k.rpartition("/")[0] for k in keys} == {"test/map", "test/map/intra_variance", "test/map/pair_variance"}


def test_many_classes_go_into_the_tables_alone() -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(600) % 60
    scores = Variance()({"test": split(rng.standard_normal((600, 4)).astype(np.float32), labels, 60)})
    assert len(scores.values) == 4
    assert len(scores.tables["pair_variance"]["class_i"]) == 60 * 59 // 2


def test_undefined_values_say_why() -> None:
    rows = np.arange(6, dtype=np.float32).reshape(3, 2)
    one_class = split(rows, np.zeros(3, int), 2)
    values = Variance()({"test": one_class}).values | Separability()({"test": one_class}).values
    for key in ("variance/inter", "variance/inter_debiased", "separability/fisher_ratio", "separability/eta_squared"):
        assert isinstance(values[f"test/{key}"], Undefined), key
    assert values["test/intra_variance/1_c1"] == Undefined("the class has no image in this split")
    singles = Variance()({"test": split(rows, np.array([0, 1, 1]), 2)}).values
    assert isinstance(singles["test/variance/inter_debiased"], Undefined)
    constant = split(np.ones((6, 3), np.float32), np.arange(6) % 2, 2)
    assert all(isinstance(v, Undefined) for v in Separability()({"test": constant}).values.values())


def test_class_keys_stay_distinct_and_legal() -> None:
    import re

    names = ["T-shirt/top", "T-shirt\\top", "a:b", "<script>", "é犬", "..", "x" * 300, "$%&"]
    keys = [class_key(i, n) for i, n in enumerate(names)]
    assert len(set(keys)) == len(keys)
    assert all(re.fullmatch(r"[\w.\- ]{1,100}", k) for k in keys)
    assert keys[0] == "0_T-shirt-top"
