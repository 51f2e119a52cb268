"""Layer against control: differences, with intervals where both were measured on the same resamples."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from frostmark.metrics.controls import beside, gains, stands_beside
from frostmark.metrics.geometry import Geometry
from frostmark.metrics.kinds import Across, Kind
from frostmark.metrics.lookup import known_kinds
from frostmark.metrics.metric import Scores, Undefined, Value, make_splits
from frostmark.metrics.neighbours import Neighbours
from frostmark.metrics.separability import Separability
from frostmark.metrics.variance import Variance

KEY = "test/neighbours/knn_accuracy"
EQUAL, OTHER = (512, 512), (512, 784)
COLUMNS = ["control", "metric", "of_control", "of_layer", "difference", "lo", "hi"]


def scores_of(values: dict[str, Value], draws: dict[str, np.ndarray] | None = None) -> Scores:
    """What a control gave, as if its families had been run."""
    scores = Scores(known_kinds())
    scores.values |= values
    scores.draws |= draws or {}
    return scores


def lines(table: dict[str, list[object]]) -> dict[tuple[str, str], dict[str, float]]:
    found = [dict(zip(table, cells, strict=True)) for cells in zip(*table.values(), strict=True)]
    return {(line["control"], line["metric"]): line for line in found}  # type: ignore[misc]


@pytest.mark.parametrize(
    "key",
    [KEY, "train/separability/fisher_ratio", "test/geometry/rankme", "test/neighbours/shots_16", "test/transfer/logme"],
)
def test_what_is_free_of_scale_stands_beside(key: str) -> None:
    assert stands_beside(key, known_kinds(), EQUAL)
    for end in ("_lo", "_hi", "_p", "_z", "_std", "_images"):
        assert not stands_beside(key + end, known_kinds(), EQUAL)


@pytest.mark.parametrize(("across", "wanted"), [("NETWORKS", True), ("EQUAL_WIDTH", False), ("LAYERS", False)])
def test_beside_a_control_of_other_width_stands_what_compares_any_networks(across: str, wanted: bool) -> None:
    kinds = {"a/b": Kind("a metric", "higher", Across[across])}
    assert stands_beside("test/a/b", kinds, OTHER) is wanted
    assert stands_beside("test/a/b", kinds, EQUAL) is (across != "LAYERS")  # a control is another network


def test_ranks_stand_beside_the_untrained_network_but_not_beside_pixels_of_other_width() -> None:
    splits = scaled_splits(1.0)
    scores = Geometry()(splits)
    key = "test/geometry/rankme"
    assert beside(scores, EQUAL).values[key] == scores.values[key]
    assert beside(scores, OTHER).values == beside(scores, OTHER).draws == {}
    found = Neighbours()(splits)
    assert {k: v for k, v in beside(found, OTHER).values.items() if k == KEY} == {KEY: found.values[KEY]}
    assert beside(found, OTHER).draws[KEY] is found.draws[KEY]


def test_what_scales_with_the_features_and_what_it_cost_does_not() -> None:
    measures = [f"variance/{n}" for n in ("intra", "inter", "inter_debiased", "total")]
    for split, measure in product(("train", "test"), [*measures, "intra_variance/3_Dress", "pair_variance/0-1"]):
        assert not stands_beside(f"{split}/{measure}", known_kinds(), EQUAL)
    assert not stands_beside("cost/neighbours_seconds", known_kinds(), EQUAL)
    assert not stands_beside("cost/gmacs", known_kinds(), EQUAL)


def test_nothing_of_the_variance_family_stands_beside_and_everything_of_the_others_does() -> None:
    splits = scaled_splits(1.0)
    assert beside(Variance()(splits), EQUAL).values == {}
    for family in (Separability(), Neighbours()):
        found = family(splits)
        assert beside(found, EQUAL).draws == found.draws


def test_what_stands_beside_does_not_change_with_the_scale_of_the_features() -> None:
    small, large = scaled_splits(1.0), scaled_splits(1000.0)
    for family in (Variance(), Separability(), Neighbours()):
        one, other = family(small).values, family(large).values
        for key, value in one.items():
            if stands_beside(key, family.kinds, EQUAL):
                assert other[key] == pytest.approx(value, rel=1e-4), key  # type: ignore[arg-type]


def scaled_splits(scale: float) -> dict:  # type: ignore[type-arg]
    rng = np.random.default_rng(0)
    labels = {"train": np.arange(90) % 3, "test": np.arange(60) % 3}
    rows = {
        name: (scale * (rng.standard_normal((len(of), 5)) + np.eye(3, 5)[of])).astype(np.float32)
        for name, of in labels.items()
    }
    return make_splits(rows, labels, ("a", "b", "c"), resamples=50, permutations=10)


def test_differences_by_hand() -> None:
    layer_draws, control_draws = np.array([0.8, 0.9, 1.0]), np.array([0.4, 0.6, 0.5])
    pixels = scores_of({KEY: 0.5, "test/variance/intra": 7.0, f"{KEY}_lo": 0.4}, {KEY: control_draws})
    untrained = scores_of({KEY: 0.25, "test/geometry/rankme": 3.0})
    values = {KEY: 0.875, f"{KEY}_lo": 0.8, "test/geometry/rankme": 12.0, "test/variance/intra": 9.0}
    controls = {"pixels": beside(pixels, OTHER), "untrained": beside(untrained, EQUAL)}
    table = gains(values, {KEY: layer_draws}, controls)
    assert list(table) == COLUMNS
    found = lines(table)  # type: ignore[arg-type]
    assert set(found) == {("pixels", KEY), ("untrained", KEY), ("untrained", "test/geometry/rankme")}
    line = found["pixels", KEY]
    assert (line["of_control"], line["of_layer"], line["difference"]) == (0.5, 0.875, 0.375)
    differences = np.array([0.4, 0.3, 0.5])  # draw by draw
    assert (line["lo"], line["hi"]) == pytest.approx(tuple(np.quantile(differences, [0.025, 0.975])))
    assert found["untrained", KEY]["difference"] == 0.625
    assert found["untrained", "test/geometry/rankme"]["difference"] == 9.0
    for of in (("untrained", KEY), ("untrained", "test/geometry/rankme")):  # draws of both are needed
        assert np.isnan([found[of]["lo"], found[of]["hi"]]).all()


def test_draws_of_neighbourhoods_are_not_set_against_each_other() -> None:
    key = "test/geometry/intrinsic_dimension"
    table = gains({key: 9.0}, {key: np.arange(9.0)}, {"pixels": scores_of({key: 4.0}, {key: np.arange(9.0)})})
    assert table["difference"] == [5.0]
    assert np.isnan([table["lo"][0], table["hi"][0]]).all()


def test_what_either_does_not_have_is_left_out() -> None:
    control = scores_of({KEY: Undefined("one class"), "test/geometry/rankme": 3.0})
    assert gains({KEY: 0.5}, {}, {"pixels": control}) == {name: [] for name in COLUMNS}
    assert gains({KEY: 0.5}, {}, {}) == {name: [] for name in COLUMNS}


def test_draws_of_the_same_resamples_tell_more_than_draws_of_different_ones() -> None:
    """Images that are hard for both move both: their difference moves less."""
    rng = np.random.default_rng(0)
    hard = rng.standard_normal(2000)
    layer = hard + 0.1 * rng.standard_normal(2000) + 3
    control = hard + 0.1 * rng.standard_normal(2000)

    def width(of_control: np.ndarray) -> float:
        table = gains({KEY: 3.0}, {KEY: layer}, {"x": scores_of({KEY: 0.0}, {KEY: of_control})})
        low, high = table["lo"][0], table["hi"][0]
        assert low < 3.0 < high  # type: ignore[operator]
        return float(high) - float(low)

    # √(0.1² + 0.1²) against √(1 + 1), of which 2,000 draws know the quantiles to a few per cent.
    assert width(control) == pytest.approx(2 * 1.96 * np.sqrt(2) * 0.1, rel=0.1)
    assert width(rng.permutation(control)) == pytest.approx(2 * 1.96 * np.sqrt(2), rel=0.1)


def test_two_sets_of_features_of_the_same_images_share_their_resamples() -> None:
    rng = np.random.default_rng(1)
    labels = {"train": np.arange(150) % 3, "test": np.arange(300) % 3}
    rows = {
        s: (rng.standard_normal((len(of), 4)) + 2 * np.eye(3, 4)[of]).astype(np.float32) for s, of in labels.items()
    }
    fingerprints = {"train": "f1", "test": "f2"}
    layer, control, other = (
        Neighbours()(make_splits(rows, labels, ("a", "b", "c"), fingerprints=marks, resamples=200, permutations=0))
        for marks in (fingerprints, fingerprints, {"train": "f1", "test": "f3"})
    )
    values = {k: v for k, v in layer.values.items() if not isinstance(v, Undefined)}
    found = lines(gains(values, layer.draws, {"same": control, "other": other}))  # type: ignore[arg-type]
    line = found["same", KEY]
    assert (line["difference"], line["lo"], line["hi"]) == (0, 0, 0)
    assert found["other", KEY]["difference"] == 0
    assert found["other", KEY]["lo"] < 0 < found["other", KEY]["hi"]
