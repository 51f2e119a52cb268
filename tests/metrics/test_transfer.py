"""The transfer family: under what must not matter, its keys, its nulls, and where it ends."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frostmark.metrics.metric import ONE_CLASS, Undefined, make_splits
from frostmark.metrics.spectrum import Spectrum
from frostmark.metrics.transfer import EQUAL_ROWS, FLAT_CLASS, Transfer
from frostmark.stats.permutation import p_value, z_score
from support.transfer_cases import NAMES, blobs, four, scores

Array = np.ndarray[Any, Any]
LN_2PI = np.log(2 * np.pi)


# What must not matter


@given(st.integers(0, 10_000), st.booleans(), st.floats(-4, 4))
@settings(max_examples=30, deadline=None)
def test_rotation_scale_shift_order_and_names_change_nothing(seed: int, wide: bool, log_scale: float) -> None:
    rows, _ = blobs(24, 30 if wide else 5, 3, apart=0.5, seed=seed)
    labels = np.repeat([0, 1, 2], [5, 8, 11])
    rng = np.random.default_rng(seed)
    rotation, _ = np.linalg.qr(rng.standard_normal((rows.shape[1],) * 2))
    order = rng.permutation(len(rows))
    moved = 10**log_scale * rows @ rotation + rng.standard_normal(rows.shape[1])
    # The Gram matrix rounds at 1e-16 of its largest eigenvalue, the smallest is 1e-4 of that or more; a shift of 1e4
    # times the scale costs four digits more.
    np.testing.assert_allclose(four(moved[order], (2 - labels)[order]), four(rows, labels), rtol=1e-7)


def test_absent_classes_do_not_count() -> None:
    rows, labels = blobs(80, 6, 3)
    sparse = np.array([1, 4, 7])[labels]
    assert scores(rows, sparse, count=5, classes=10).values == scores(rows, labels, count=5).values


# The family


def test_the_family_logs_every_key_and_only_those() -> None:
    rows, labels = blobs(200, 8, 3)
    rows = rows.astype(np.float32)
    parts = {"train": slice(0, 160), "test": slice(100, 200)}
    splits = make_splits(
        {k: rows[p] for k, p in parts.items()}, {k: labels[p] for k, p in parts.items()}, tuple("abc"), permutations=9
    )
    keys = {f"{s}/transfer/{n}" for s in parts for n in NAMES}
    keys |= {f"{s}/transfer/h_score_excess" for s in parts}
    found = Transfer(nleep=False)(splits)
    ends = {f"{s}/transfer/h_score_excess{end}" for s in parts for end in ("_lo", "_hi")}
    assert set(found.values) == {f"{k}{end}" for k in keys for end in ("", "_p", "_z")} | ends
    assert set(found.chance) == keys
    # 100 test rows are too few for 15 Gaussians, 160 train rows are enough.
    more = Transfer(nleep=True)(splits)
    assert more.values["test/transfer/nleep"] == Undefined("100 rows are fewer than 10 for each of 15 Gaussians")
    assert float(more.values["train/transfer/nleep"]) <= 0  # type: ignore[arg-type]
    assert float(more.values["train/transfer/nleep_std"]) > 0  # type: ignore[arg-type]
    assert more.values == Transfer(nleep=True)(splits).values  # seeded
    assert {k: more.values[k] for k in found.values} == found.values


@pytest.mark.parametrize(("n", "d"), [(150, 20), (40, 90)])
def test_nulls_are_the_values_of_permuted_labels(n: int, d: int) -> None:
    rows, labels = blobs(n, d, 3, apart=0.4)
    rows = rows.astype(np.float32)
    splits = make_splits({"test": rows}, {"test": labels}, tuple("abc"), permutations=30)
    found, null = Transfer()(splits), np.array([four(rows, y) for y in splits["test"].permutations])
    for name, draws, value in zip(NAMES, null.T, four(rows, labels), strict=True):
        key = f"test/transfer/{name}"
        if isinstance(found.values[key], Undefined):
            assert (name, d) == ("h_score", 90)
            continue
        assert found.values[key] == pytest.approx(value, rel=1e-9)
        assert found.values[f"{key}_p"] == p_value(value, draws)
        # The null's sums are in float32: 1e-6 of a value, more of the spread between values.
        assert found.values[f"{key}_z"] == pytest.approx(z_score(value, draws), rel=1e-3)
        if name in ("logme", "gbc"):  # of the others the chance level is known
            assert found.chance[key] == pytest.approx(draws.mean(), rel=1e-5)


def test_features_that_tell_the_classes_stand_out_and_noise_does_not() -> None:
    rows, labels = blobs(150, 20, 3, apart=1)
    noise = np.random.default_rng(1).standard_normal((150, 20))
    for name in NAMES:
        assert scores(rows, labels, count=99).values[f"test/transfer/{name}_p"] == 0.01
        assert float(scores(noise, labels, count=99).values[f"test/transfer/{name}_p"]) > 0.02  # type: ignore[arg-type]


def undefined(rows: Array, labels: Array, classes: int) -> dict[str, str]:
    found = scores(rows, labels, nleep=True, count=3, classes=classes).values
    assert not any(isinstance(v, float) and not np.isfinite(v) for v in found.values())
    reasons = {k.removeprefix("test/transfer/"): v.reason for k, v in found.items() if isinstance(v, Undefined)}
    return {k: reason for k, reason in reasons.items() if not k.endswith("_z")}  # three permutations may agree


def test_undefined_values_say_why() -> None:
    rows, labels = blobs(200, 6, 3)
    assert undefined(rows, labels, 3) == {}
    every = {*NAMES, "h_score_excess", "nleep"}
    assert undefined(rows, np.full(200, 2), 3) == dict.fromkeys(every, ONE_CLASS)
    assert undefined(rows[:0], labels[:0], 3) == dict.fromkeys(every, ONE_CLASS)
    assert undefined(np.full((200, 6), 0.1), labels, 3) == dict.fromkeys(every, EQUAL_ROWS)
    alone = np.where(np.arange(200) == 7, 3, labels)
    assert undefined(rows, alone, 4) == {"gbc": FLAT_CLASS}
    copies = np.where((labels == 1)[:, None], rows[0], rows)
    assert undefined(copies, labels, 3) == {"gbc": FLAT_CLASS}
    wide, many = blobs(700, 1000, 3)  # U √s of equal rows is not equal to the last digit
    wide[many == 1] = wide[0]
    assert undefined(wide, many, 3)["gbc"] == FLAT_CLASS
    assert Spectrum.of(np.full((3, 3), 0.1)).rank == 0  # whose mean is not 0.1
    assert set(undefined(rows[:6], np.arange(6) % 2, 2)) == {"h_score", "nleep"}
    assert set(undefined(rows[:2], np.arange(2), 2)) == {"h_score", "h_score_excess", "gbc", "nleep"}
