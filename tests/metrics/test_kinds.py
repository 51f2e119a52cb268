"""Kinds: what they refuse, how keys find them, that JSON keeps them, and that no family claims more than it holds."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from frostmark.errors import ConfigError
from frostmark.metrics.contract import declared
from frostmark.metrics.kinds import (
    DERIVED_ENDS,
    UNKNOWN,
    Across,
    Kind,
    base_of,
    kind_of,
    kinds_from_dict,
    kinds_to_dict,
    name_of,
    split_of,
    words_of,
)
from frostmark.metrics.lookup import compares, cost_keys, derived, headlines, known_kinds, own_keys, validity
from frostmark.metrics.metric import Metric, Scores, Splits, Undefined
from frostmark.metrics.neighbours import Neighbours
from support.environment import REPOSITORY
from support.metric_kit import Kit

SHARE = Kind("dead features", "lower", Across.NETWORKS, share=True, range=(0, 1))
KINDS = {"dead/share": SHARE, "dead/of_<class>": replace(SHARE, per="class"), "dead/first_<m>": SHARE}


def families() -> dict[str, Metric]:
    """Every family of conf/metrics, as its YAML has it."""
    import importlib

    found = {}
    for path in sorted((REPOSITORY / "conf" / "metrics").glob("*.yaml")):
        for name, node in yaml.safe_load(path.read_text()).items():
            module, _, word = node.pop("_target_").rpartition(".")
            found[name] = getattr(importlib.import_module(module), word)(**node)
    return found


# The claims


@pytest.mark.parametrize("name", [path.stem for path in sorted(Path(REPOSITORY, "conf/metrics").glob("*.yaml"))])
def test_no_family_claims_to_compare_more_than_it_does(name: str) -> None:
    """What the kit measured, with classes apart and in pieces, beside 40 columns of noise and beside 160.

    Rows scaled, turned, doubled or beside zeros move nothing by more than 1e-5, but for sparsity (turned: to 0; beside
    zeros: at least doubled) and the shrunk H-score, whose shrinkage counts the columns (+1.1 to +4.8 %).
    Noise of half the rows' variance makes better, by more than the interval, so that these compare rows of equal width:
    NC1 (2 to 57 % less: the means come to lie apart by chance), a silhouette below zero (−0.070 → −0.051), the H-scores
    (+0.6 to +338 %: every axis explains something by chance), GBC (7 to 71 % nearer to 0: distances add up over its
    components). Ranks rise to 2 to 6 times, TwoNN by 62 to 151 %. Noise makes worse, or better within the interval:
    k-NN (−5.4 to −1.1 %), nearest mean and shots (−7.2 to +0.2 %), Fisher ratio, Calinski–Harabasz (−45 to −12 %), η²,
    ω² (−39 to −12 %), LogME, the H-score above chance (0.790 → 0.785 and 0.793; near chance 0.018 → 0.040 and 0.012, of
    an interval 0.07 wide), NLEEP (−95 to −1 %), and Davies–Bouldin and CDNV (up to 34 and 78 % more where classes lie
    apart; up to 10 and 7 % less where the means nearly meet).
    """
    report = Kit().measure(families()[name])
    assert not report.problems, "\n".join(report.problems)
    assert report.moved


@pytest.mark.parametrize(
    ("family", "key", "claim"),
    [
        ("separability", "separability/nc1", Across.NETWORKS),
        ("separability", "separability/silhouette", Across.NETWORKS),
        ("transfer", "transfer/h_score", Across.NETWORKS),
        ("transfer", "transfer/h_score_shrunk", Across.LAYERS),  # layers differ in width as networks do
        ("transfer", "transfer/gbc", Across.NETWORKS),
        ("geometry", "geometry/rankme", Across.NETWORKS),
        ("geometry", "geometry/intrinsic_dimension", Across.NETWORKS),
        ("variance", "variance/intra", Across.EQUAL_WIDTH),
    ],
)
def test_the_kit_finds_every_claim_that_goes_too_far(family: str, key: str, claim: Across) -> None:
    honest = families()[family]

    @dataclass(frozen=True)
    class Boastful:
        kinds: ClassVar[Mapping[str, Kind]] = {**honest.kinds, key: replace(honest.kinds[key], across=claim)}

        def __call__(self, splits: Splits) -> Scores:
            scores = honest(splits)
            scores.kinds = self.kinds
            return scores

    found = Kit(resamples=100 if family in ("separability", "transfer") else 0).measure(Boastful()).problems
    assert found
    assert all(key in problem for problem in found), found


@dataclass(frozen=True)
class _Length:
    """A family that is wrong on purpose: mean length of a row."""

    kinds: ClassVar[Mapping[str, Kind]] = {"toy/length": Kind("length", "higher", Across.NETWORKS)}

    def __call__(self, splits: Splits) -> Scores:
        scores = Scores(self.kinds)
        for name, split in splits.items():
            scores.add(f"{name}/toy/length", float(np.linalg.norm(split.rows, axis=1).mean()))
        return scores


@dataclass(frozen=True)
class _Width:
    """Another: how many columns vary, which neither scale nor copies of zeros betray."""

    kinds: ClassVar[Mapping[str, Kind]] = {"toy/active": Kind("active features", "higher", Across.NETWORKS)}

    def __call__(self, splits: Splits) -> Scores:
        scores = Scores(self.kinds)
        for name, split in splits.items():
            scores.add(f"{name}/toy/active", float((np.ptp(split.rows, axis=0) > 0).sum()))
        return scores


def test_a_metric_that_scales_with_the_rows_cannot_call_itself_comparable() -> None:
    problems = Kit().measure(_Length()).problems
    assert any(p.startswith("train/toy/length") and "when the rows are scaled" in p for p in problems)


def test_a_metric_that_grows_with_the_width_cannot_call_itself_comparable() -> None:
    problems = Kit().measure(_Width()).problems
    assert any("columns of copies" in p for p in problems)
    assert any("gets better with columns of noise" in p for p in problems)
    assert not any("scaled" in p or "zeros" in p for p in problems)


def test_what_does_not_depend_on_the_single_features_must_not_be_let_off_the_turning() -> None:
    @dataclass(frozen=True)
    class Excused:
        kinds: ClassVar[Mapping[str, Kind]] = {
            name: replace(kind, of_axes=True) for name, kind in Neighbours.kinds.items()
        }

        def __call__(self, splits: Splits) -> Scores:
            scores = Neighbours()(splits)
            scores.kinds = self.kinds
            return scores

    assert any("single features" in p for p in Kit(resamples=0).measure(Excused()).problems)


# The declarations


def test_every_family_has_kinds_with_words_and_a_meaning() -> None:
    for name, family in families().items():
        assert all(key.startswith((f"{name}/", "intra_", "pair_")) for key in family.kinds), name
    for name, kind in known_kinds().items():
        assert kind.words, name
        assert kind.meaning, name
        assert (kind.per is None) == ("<class>" not in name and "<i>" not in name), name


def test_all_kinds_are_found_without_a_list_of_them() -> None:
    known = known_kinds()
    for family in families().values():
        assert family.kinds.items() <= known.items()
    assert {"map/trustworthiness", "cost/gmacs", "cost/<family>_seconds", "map/pair_variance/<i>-<j>"} <= set(known)


def test_what_decides_and_what_explains() -> None:
    assert [name for name, _ in headlines(known_kinds())] == [
        "linear/accuracy",
        "neighbours/knn_accuracy",
        "linear/balanced_accuracy",
        "neighbours/knn_balanced_accuracy",
    ]


@pytest.mark.parametrize(
    "wrong", [{"better": "more"}, {"across": "networks"}, {"per": "image"}, {"range": (1, 0)}, {"range": (0, 0)}]
)
def test_a_kind_that_means_nothing_is_refused_by_name(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="dead features") as refused:
        replace(SHARE, **wrong)  # type: ignore[arg-type]
    assert str(next(iter(wrong.values()))) in str(refused.value)
    assert refused.value.code == 2


def test_values_are_printed_as_they_are_read() -> None:
    assert (SHARE.shown(0.8134), SHARE.change(-0.0215)) == ("81.3%", "-2.1")
    assert (UNKNOWN.shown(1.5), UNKNOWN.change(0.25)) == ("1.500", "+0.250")


# Keys


def test_keys_find_their_kinds() -> None:
    assert kind_of("test/dead/share", KINDS) is SHARE
    assert kind_of("control/pixels/test/dead/share", KINDS) is SHARE
    assert kind_of("train/dead/of_6_Shirt", KINDS) is KINDS["dead/of_<class>"]
    assert kind_of("test/dead/first_16", KINDS) is KINDS["dead/first_<m>"]
    for unknown in (
        "test/dead/first_16_std",
        "dead/share",
        "test/dead",
        "val/dead/share",
        "test/dead/share_lo",
        "test",
    ):
        assert kind_of(unknown, KINDS) is None, unknown


def test_what_says_more_of_another_key() -> None:
    assert {base_of(f"test/dead/share{end}", KINDS) for end in DERIVED_ENDS} == {"test/dead/share"}
    assert base_of("test/dead/first_16_std", KINDS) == "test/dead/first_16"
    assert base_of("test/dead/of_0_lo", KINDS) is None  # a class may be called that
    assert base_of("test/dead/rate_lo", KINDS) is None
    assert derived("test/dead/rate_lo", KINDS, among={"test/dead/rate"})
    assert not derived("test/dead/rate_lo", KINDS)
    assert not derived("test/dead/share", KINDS, among={"test/dead"})


def test_splits_and_names() -> None:
    assert [split_of(k) for k in ("train/a/b", "cost/a", "control/x/test/a/b", "a/b", "train")] == [
        "train", None, "test", None, None,
    ]  # fmt: skip
    assert [name_of(k) for k in ("train/a/b/c", "cost/a", "control/x/test/a/b", "a/b", "train/")] == [
        "a/b/c", "cost/a", "a/b", None, None,
    ]  # fmt: skip


def test_words_are_filled_in() -> None:
    known = known_kinds()
    assert words_of("test/neighbours/shots_16", known) == "16-shot accuracy"
    assert words_of("train/pair_variance/2-6", known) == "variance of classes 2 and 6"
    assert words_of("cost/transfer_seconds", known) == "transfer, seconds"
    assert words_of("cost/map_seconds", known) == "map, seconds"
    assert words_of("test/dead/share", known) == "test/dead/share"


# Readers


def test_own_keys_are_the_metrics_of_the_run_in_their_order() -> None:
    known = known_kinds()
    values = [
        "test/variance/intra", "test/variance/intra_lo", "test/intra_variance/0_a_lo", "test/pair_variance/0-1",
        "test/plugin/x", "test/plugin/x_p", "cost/gmacs", "control/pixels/test/neighbours/knn_accuracy",
        "train/neighbours/shots_1", "train/neighbours/shots_1_std", "test/map/variance_intra",
        "test/map/intra_variance/0_a",
    ]  # fmt: skip
    assert own_keys(values, known) == [
        "test/variance/intra", "test/plugin/x", "train/neighbours/shots_1", "test/map/variance_intra",
    ]  # fmt: skip
    assert cost_keys(values) == ["cost/gmacs"]


@pytest.mark.parametrize(
    ("across", "same_run_width", "same_network", "wanted"),
    [
        (Across.NETWORKS, False, False, True),
        (Across.EQUAL_WIDTH, True, False, True),
        (Across.EQUAL_WIDTH, False, True, False),
        (Across.LAYERS, False, True, True),
        (Across.LAYERS, True, False, False),
        (Across.RUN, True, True, False),
    ],
)
def test_what_compares_what(across: Across, same_run_width: bool, same_network: bool, wanted: bool) -> None:
    widths, networks = [512, 512 if same_run_width else 64], ["a", "a" if same_network else "b"]
    assert compares(replace(SHARE, across=across), widths, networks) is wanted


def test_validity_in_words() -> None:
    known = known_kinds()
    assert validity(known["variance/intra"]) == "within this run"
    assert validity(known["map/variance_intra"]) == "within this map"
    assert validity(known["geometry/rankme"]) == "equal width only"
    assert validity(known["separability/eta_squared"], p=0.01) == "yes"
    assert validity(known["separability/eta_squared"], p=0.2) == "not significant"
    assert validity(replace(SHARE, across=Across.LAYERS)) == "layers of one network"
    assert validity(None) == "within this run"


# JSON


def test_json_keeps_every_kind() -> None:
    known = known_kinds()
    assert kinds_from_dict(json.loads(json.dumps(kinds_to_dict(known), allow_nan=False))) == known


@pytest.mark.parametrize(
    "damage",
    [
        None, 3, "text", [], {}, {"words": "x"}, {**SHARE.to_dict(), "across": "everything"},
        {**SHARE.to_dict(), "better": 1}, {**SHARE.to_dict(), "range": [0]}, {**SHARE.to_dict(), "range": 7},
        {**SHARE.to_dict(), "range": ["a", 1]}, {**SHARE.to_dict(), "colour": "red"},
        {**SHARE.to_dict(), "words": None},
        {**SHARE.to_dict(), "across": ["networks"]}, {**SHARE.to_dict(), "share": "yes"},
    ],
)  # fmt: skip
def test_a_damaged_kind_compares_nothing(damage: object) -> None:
    assert Kind.from_dict(damage) is UNKNOWN
    assert kinds_from_dict({"a/b": damage}) == {"a/b": UNKNOWN}


def test_no_kinds_are_none() -> None:
    assert kinds_from_dict(None) == kinds_from_dict([1]) == {}


FIELDS = st.sampled_from(["words", "better", "across", "range", "per"])
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(FIELDS, inner),
)


@given(PLAIN)
def test_whatever_stands_in_a_file_gives_a_kind(plain: object) -> None:
    assert isinstance(Kind.from_dict(plain), Kind)


# What is refused


def test_a_key_without_a_split_is_refused() -> None:
    with pytest.raises(ConfigError, match="dead/share has no split: train/dead/share or test/dead/share") as refused:
        Scores(KINDS).add("dead/share", 0.5)
    assert refused.value.code == 2


def test_a_key_without_a_kind_is_refused() -> None:
    with pytest.raises(ConfigError, match="test/dead/rate has no kind: its family declares dead/share"):
        Scores(KINDS).add("test/dead/rate", 0.5)
    with pytest.raises(ConfigError, match="declares none"):
        Scores({}).add("test/dead/rate", Undefined("why"))
    with pytest.raises(ConfigError, match="has no kind"):
        Scores(KINDS).add("test/dead/share_lo", 0.5)


def test_what_says_more_needs_something_to_say_more_of() -> None:
    scores = Scores(KINDS)
    for key, end in (("test/dead/share", "_std"), ("test/dead/first_1", "_spread")):
        if end == "_spread":
            scores.add(key, 0.5)
        with pytest.raises(ConfigError, match=f"{key}{end} belongs to a metric that is not there"):
            scores.add_end(key, end, 0.1)


def sound() -> Scores:
    scores = Scores({**KINDS, "dead/accuracy": replace(SHARE, pairs="dead_hits")})
    scores.add("test/dead/share", 0.5, draws=np.linspace(0.4, 0.6, 50), chance=0.1)
    scores.add("train/dead/share", Undefined("no rows"))
    scores.outcomes["test/dead_hits"] = np.ones(3, bool)
    scores.tables["dead"] = {"class": [0, 1], "share": [0.5, 0.25]}
    return scores


def test_sound_scores_pass() -> None:
    scores = sound()
    scores.values["test/dead/of_0_a"] = 1 + 1e-7  # float32
    assert declared(scores, "dead") is scores


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda s: s.values.update({"test/dead/rate": 0.5}), "test/dead/rate has no kind"),
        (lambda s: s.values.update({"dead/share": 0.5}), "dead/share has no split"),
        (lambda s: s.values.update({"test/dead/share": math.nan}), "test/dead/share is nan"),
        (lambda s: s.values.update({"test/dead/share_hi": math.inf}), "test/dead/share_hi is inf"),
        (lambda s: s.values.update({"test/dead/share": 1.001}), "outside its range 0 to 1"),
        (lambda s: s.values.update({"test/dead/share": -0.001}), "outside its range 0 to 1"),
        (lambda s: s.tables.update({"dead": {"a": [1], "b": [1, 2]}}), "the table dead must have one length: a 1, b 2"),
        (lambda s: s.tables.update({"dead": {}}), "the table dead must have one length: there is no column"),
        (lambda s: s.draws.update({"test/dead/first_1": np.ones(3)}), "test/dead/first_1 has draws but no value"),
        (lambda s: s.chance.update({"test/dead/first_1": 0.1}), "test/dead/first_1 has a chance level but no value"),
        (
            lambda s: s.outcomes.update({"test/other": np.ones(3)}),
            "test/other are outcomes that belong to none of the metrics",
        ),
        (
            lambda s: s.outcomes.update({"dead_hits": np.ones(3)}),
            "dead_hits are outcomes that belong to none of the metrics",
        ),
    ],
)
def test_what_was_not_declared_is_refused_with_the_family_named(spoil, words: str) -> None:  # type: ignore[no-untyped-def]
    scores = sound()
    spoil(scores)
    with pytest.raises(ConfigError, match="the metric family dead") as refused:
        declared(scores, "dead")
    assert words in refused.value.problem
    assert refused.value.code == 2
