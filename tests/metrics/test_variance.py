"""The report's variances against exact arithmetic, brute force, by hand, and on pure noise."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from frostmark.metrics.class_ratios import eta_squared, fisher_ratio
from frostmark.metrics.confusability import directional_cdnv
from frostmark.metrics.metric import Split, Undefined, class_key, make_splits
from frostmark.metrics.separability import Separability
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
from support.exact_variances import exact


def blobs(seed: int = 0, n: int = 300, d: int = 12, classes: int = 4) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, n)
    return (rng.standard_normal((n, d)) + 3 * rng.standard_normal((classes, d))[labels]).astype(np.float32), labels


def splits(
    train: np.ndarray, labels: np.ndarray, classes: int, test: slice = slice(None), resamples: int = 0
) -> dict[str, Split]:
    """Both splits, without permutations; the test split is a part of the train split."""
    return make_splits(
        {"train": train, "test": train[test]},
        {"train": labels, "test": labels[test]},
        tuple(f"c{i}" for i in range(classes)),
        resamples=resamples,
        permutations=0,
    )


@pytest.mark.parametrize("batch", [64, 300])
@pytest.mark.parametrize("offset", [0.0, 1.0, 1e2, 1e4])
def test_against_exact_arithmetic(offset: float, batch: int) -> None:
    rows, labels = blobs(d=8)
    rows = rows + np.float32(offset)
    moments = ClassMoments.empty(4, 8)
    for start in range(0, 300, batch):
        moments.update(rows[start : start + batch], labels[start : start + batch])
    scalars, pairs = exact(rows, labels, 4)
    found = {
        "intra": intra_variance(moments.summary),
        "inter": inter_variance(moments.summary),
        "inter_debiased": inter_variance_debiased(moments.summary),
        "total": total_variance(moments.summary),
    }
    # At 1e4 a class mean itself can be written down to 9e-13 only.
    errors = {name: float(abs(Fraction(float(value)) / scalars[name] - 1)) for name, value in found.items()}
    assert max(errors.values()) <= 1e-12, errors
    pooled = pair_variance(moments)
    assert max(abs(Fraction(float(pooled[i, j])) / pairs[i][j] - 1) for i in range(4) for j in range(4)) <= 1e-12


def test_by_hand() -> None:
    moments = ClassMoments.of(np.array([[0.0, 0], [2, 0], [0, 4], [0, 6], [0, 8]]), np.array([0, 0, 1, 1, 1]), 2)
    assert moments.variance.tolist() == [1, pytest.approx(8 / 3)]
    assert intra_variance(moments.summary) == pytest.approx((1 + 8 / 3) / 2)
    assert inter_variance(moments.summary) == pytest.approx((1 + 36) / 4)  # means (1, 0) and (0, 6)
    total = total_variance(moments.summary)
    assert total == pytest.approx((2 + 8 + 2 * 3 / 5 * 37) / 5)
    assert pair_variance(moments)[0, 1] == pytest.approx(total)  # two classes: the pair is all


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
        summary = ClassMoments.of(rng.standard_normal((300, 512)), np.arange(300) % 10, 10).summary
        plain.append(inter_variance(summary))
        debiased.append(inter_variance_debiased(summary))
    assert np.mean(plain) * 10 / 9 == pytest.approx(17.0, abs=0.3)  # 512 / 30, in the 1/(C − 1) form
    # The standard error of 40 means; truth 0.
    assert abs(np.mean(debiased)) < 3 * np.std(debiased) / np.sqrt(40)


def test_scale_free_metrics_do_not_change_with_scale_rotation_and_shift_and_variances_do() -> None:
    rows, labels = blobs()
    rotation, _ = np.linalg.qr(np.random.default_rng(1).standard_normal((12, 12)))
    before = ClassMoments.of(rows, labels, 4).summary
    after = ClassMoments.of(7 * rows @ rotation + 3, labels, 4).summary
    assert fisher_ratio(after) == pytest.approx(fisher_ratio(before), rel=1e-5)
    assert eta_squared(after) == pytest.approx(eta_squared(before), rel=1e-5)
    assert intra_variance(after) == pytest.approx(49 * intra_variance(before), rel=1e-5)
    assert eta_squared(before) == pytest.approx(fisher_ratio(before) / (1 + fisher_ratio(before)))


def test_fisher_ratio_of_noise_is_at_its_chance_level() -> None:
    values = [
        fisher_ratio(
            ClassMoments.of(np.random.default_rng(s).standard_normal((200, 64)), np.arange(200) % 5, 5).summary
        )
        for s in range(50)
    ]
    assert np.mean(values) == pytest.approx(4 / 195, rel=0.05)


def test_fisher_ratio_is_that_of_scikit_learns_calinski_harabasz() -> None:
    from sklearn.metrics import calinski_harabasz_score

    rows, labels = blobs()
    expected = calinski_harabasz_score(rows.astype(float), labels) * 3 / (300 - 4)
    assert fisher_ratio(ClassMoments.of(rows, labels, 4).summary) == pytest.approx(expected, rel=1e-10)


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
    scores = Variance()(splits(rows, labels, 3, test=slice(90)))
    expected = {f"{s}/variance/{n}" for s in ("train", "test") for n in ("intra", "inter", "inter_debiased", "total")}
    expected |= {f"{s}/intra_variance/{c}_c{c}" for s in ("train", "test") for c in range(3)}
    expected |= {f"{s}/pair_variance/{p}" for s in ("train", "test") for p in ("0-1", "0-2", "1-2")}
    assert set(scores.values) == expected
    assert len(scores.tables["class_variance"]["variance"]) == 6
    assert set(scores.tables["pair_variance"]) >= {"mean_distance", "standardised_distance", "directional_cdnv"}
    assert scores.draws == {}


def test_the_scalars_have_intervals() -> None:
    rows, labels = blobs(classes=3)
    scores = Variance()(splits(rows, labels, 3, test=slice(90), resamples=40))
    scalars = {f"{s}/variance/{n}" for s in ("train", "test") for n in ("intra", "inter", "inter_debiased", "total")}
    assert set(scores.draws) == scalars
    assert {k for k in scores.values if k.endswith(("_lo", "_hi"))} == {
        f"{k}_{e}" for k in scalars for e in ("lo", "hi")
    }
    for key in scalars:
        low, value, high = (scores.values[k] for k in (f"{key}_lo", key, f"{key}_hi"))
        assert low < value < high  # type: ignore[operator]
        assert scores.draws[key].shape == (40,)


def test_the_map_has_its_own_keys() -> None:
    rows, labels = blobs(classes=3)
    found = MapVariance()(splits(rows[:, :2], labels, 3)).values
    keys = {key for key in found if key.startswith("test/")}
    assert {key.replace("train/", "test/", 1) for key in found} == keys
    assert {"test/map/variance_intra", "test/map/variance_inter"} <= keys
    assert {k.rpartition("/")[0] for k in keys} == {"test/map", "test/map/intra_variance", "test/map/pair_variance"}


def test_many_classes_go_into_the_tables_alone() -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(600) % 60
    scores = Variance()(splits(rng.standard_normal((600, 4)).astype(np.float32), labels, 60))
    assert len(scores.values) == 2 * 4
    assert len(scores.tables["pair_variance"]["class_i"]) == 2 * 60 * 59 // 2


def test_undefined_values_say_why() -> None:
    rows = np.arange(6, dtype=np.float32).reshape(3, 2)
    one_class = splits(rows, np.zeros(3, int), 2, resamples=20)
    values = Variance()(one_class).values | Separability()(one_class).values
    for key in ("variance/inter", "variance/inter_debiased", "separability/fisher_ratio", "separability/eta_squared"):
        assert isinstance(values[f"test/{key}"], Undefined), key
    assert values["test/intra_variance/1_c1"] == Undefined("the class has no image in this split")
    singles = Variance()(splits(rows, np.array([0, 1, 1]), 2, resamples=20)).values
    assert singles["test/variance/inter_debiased"] == Undefined("a class has one image only")
    assert {"test/variance/inter_lo", "test/variance/inter_debiased_lo"} & set(singles) == {"test/variance/inter_lo"}
    constant = splits(np.ones((6, 3), np.float32), np.arange(6) % 2, 2, resamples=20)
    assert all(isinstance(v, Undefined) for v in Separability()(constant).values.values())


def test_class_keys_stay_distinct_and_legal() -> None:
    import re

    names = ["T-shirt/top", "T-shirt\\top", "a:b", "<script>", "é犬", "..", "x" * 300, "$%&"]
    keys = [class_key(i, n) for i, n in enumerate(names)]
    assert len(set(keys)) == len(keys)
    assert all(re.fullmatch(r"[\w.\- ]{1,100}", k) for k in keys)
    assert keys[0] == "0_T-shirt-top"
