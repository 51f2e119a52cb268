"""Near copies: saved again, resized or mirrored they are found; what only looks alike is not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from frostmark.stats import copies
from frostmark.stats.copies import EDGE, OTHERS, SKETCH_WIDTH, are_small, near_copies

Pictures = NDArray[np.uint8]


def pictures(count: int, seed: int, noise: float = 0.0) -> Pictures:
    """(N, 32, 32): smooth patterns that differ from each other, with white noise on them."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:EDGE, :EDGE] / EDGE
    waves = np.stack([np.cos(np.pi * (a * x + b * y)) for a in range(4) for b in range(4) if a + b])
    made = 128 + np.tensordot(rng.normal(0, 25, (count, len(waves))), waves, axes=1)
    return (made + rng.normal(0, noise, made.shape)).clip(0, 255).astype(np.uint8)


def sketches(of: Pictures, side: int = 100) -> Pictures:
    made = np.hstack([of.reshape(len(of), EDGE * EDGE), np.full((len(of), 1), side, np.uint8)])
    assert made.shape == (len(of), SKETCH_WIDTH)
    return made


def noisy(of: Pictures, seed: int, noise: float = 3.0) -> Pictures:
    return (of + np.random.default_rng(seed).normal(0, noise, of.shape)).clip(0, 255).astype(np.uint8)


def test_noisy_darker_and_flatter_copies_are_found_and_nothing_else() -> None:
    train, test = pictures(300, 0), pictures(100, 1)
    test[10] = noisy(train[5], 2)
    test[20] = noisy((train[6] * 0.8).astype(np.uint8), 3)
    test[30] = noisy((train[7] * 0.5 + 64).astype(np.uint8), 4)
    found = near_copies(sketches(train), sketches(test))
    assert (found.query.tolist(), found.bank.tolist()) == ([10, 20, 30], [5, 6, 7])
    assert (found.correlation > 0.95).all()
    assert not found.mirrored.any()


def test_a_class_of_things_that_look_alike_has_no_copies() -> None:
    """All nearly agree: 300 pictures of one pattern with noise of their own. The cosine alone would name them."""
    one = np.repeat(pictures(1, 0), 400, axis=0)
    alike = noisy(one, 1, noise=12)
    train, test = alike[:300], alike[300:]
    assert len(near_copies(sketches(train), sketches(test))) == 0
    again = test.copy()
    again[3] = noisy(train[77], 5, noise=1)
    found = near_copies(sketches(train), sketches(again))
    assert (found.query.tolist(), found.bank.tolist()) == ([3], [77])


def test_mirror_images_are_found_where_the_features_are_near() -> None:
    train, test = pictures(300, 0), pictures(100, 1)
    test[10] = noisy(train[5][:, ::-1], 2)
    assert len(near_copies(sketches(train), sketches(test))) == 0
    nearest = np.zeros((100, OTHERS), np.int64)
    nearest[10] = [9, 8, 5, 7, 6]
    found = near_copies(sketches(train), sketches(test), nearest)
    assert (found.query.tolist(), found.bank.tolist(), found.mirrored.tolist()) == ([10], [5], [True])


def test_a_symmetric_copy_is_one_as_it_is() -> None:
    train, test = pictures(300, 0), pictures(20, 1)
    both = ((train[5].astype(int) + train[5][:, ::-1]) // 2).astype(np.uint8)
    train[5], test[2] = both, noisy(both, 3)
    found = near_copies(sketches(train), sketches(test), np.full((20, OTHERS), 5))
    assert (found.query.tolist(), found.mirrored.tolist()) == ([2], [False])


def test_plain_and_small_images_are_left_alone() -> None:
    train, test = pictures(100, 0), pictures(20, 1)
    train[0] = test[0] = 128
    train[1] = test[1] = np.where(np.arange(EDGE) < 16, 128, 130)  # one grey level around the mean
    test[2] = train[2]
    assert near_copies(sketches(train), sketches(test)).query.tolist() == [2]
    small = sketches(train, side=8), sketches(test, side=8)
    assert len(near_copies(*small)) == 0
    assert are_small(small[0])
    assert not are_small(sketches(train, side=copies.MIN_SIDE))


@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_few_train_images_give_no_error(count: int) -> None:
    found = near_copies(sketches(pictures(count, 0)), sketches(pictures(3, 1)))
    assert len(found) == 0


def test_pixels_have_to_agree_as_well() -> None:
    """The same low frequencies, and stripes across one of them that the hash does not see."""
    train, test = pictures(100, 0), pictures(10, 1)
    stripes = (60 * np.cos(np.pi * (np.arange(EDGE) + 0.5) * 12 / EDGE)).astype(int)
    base = (train[4] * 0.2 + 100).astype(np.uint8)
    train[4], test[4] = base, (base + stripes).clip(0, 255).astype(np.uint8)
    hashes = [copies._Pictures.of(sketches(of)).hashes[4] for of in (train, test)]
    assert hashes[0] @ hashes[1] > 1 - copies.MAX_DISTANCE
    assert len(near_copies(sketches(train), sketches(test))) == 0


@given(st.integers(0, 2**32 - 1))
def test_the_order_of_the_images_changes_nothing(seed: int) -> None:
    train, test = pictures(40, 0), pictures(20, 1)
    test[:5] = noisy(train[:5], 2)
    order = np.random.default_rng(seed).permutation(40)
    found = near_copies(sketches(train[order]), sketches(test))
    assert found.query.tolist() == [0, 1, 2, 3, 4]
    assert order[found.bank].tolist() == [0, 1, 2, 3, 4]


def test_memory_does_not_hold_all_pictures_as_floats(monkeypatch: pytest.MonkeyPatch) -> None:
    """In parts of 16 the outcome is the same to the bit."""
    train, test = pictures(100, 0), pictures(50, 1)
    test[7] = noisy(train[60], 2)
    whole = near_copies(sketches(train), sketches(test))
    monkeypatch.setattr(copies, "_AT_ONCE", 16)
    parts = near_copies(sketches(train), sketches(test))
    assert whole.bank.tolist() == parts.bank.tolist() == [60]
    assert whole.correlation.tolist() == parts.correlation.tolist()
