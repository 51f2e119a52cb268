"""What is drawn and permuted is paid once, and only for the same labels, groups, seed and counts."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from frostmark.metrics.graphs import Arrays
from frostmark.metrics.kept import digest
from frostmark.metrics.metric import Metric, Scores, make_splits
from frostmark.metrics.separability import Separability
from frostmark.metrics.transfer import Transfer

CLASSES = ("a", "b")
LABELS = {split: np.arange(count) % 2 for split, count in (("train", 220), ("test", 200))}
ROWS = {
    split: (np.random.default_rng(len(labels)).standard_normal((len(labels), 5)) + labels[:, None]).astype(np.float32)
    for split, labels in LABELS.items()
}


class Shelf(dict[str, Arrays]):
    """Keeps what is computed, and counts nothing twice."""

    def keep(self, split: str, bank: str, name: str, compute: Callable[[], Arrays]) -> Arrays:
        if (place := f"{split} {bank} {name}") not in self:
            self[place] = compute()
        return self[place]


def scores(family: Metric, shelf: Shelf, **more: object) -> Scores:
    given = {"labels": LABELS, "resamples": 30, "permutations": 9, **more}
    return family(make_splits(ROWS, classes=CLASSES, keep=shelf.keep, **given))  # type: ignore[arg-type]


@pytest.mark.parametrize("family", [Transfer(), Transfer(nleep=False), Separability()], ids=str)
def test_what_was_kept_is_what_would_be_computed(family: Metric) -> None:
    shelf = Shelf()
    first = scores(family, shelf)
    count = len(shelf)
    again = scores(family, shelf)
    anew = scores(family, Shelf())
    assert len(shelf) == count > 0
    assert again.values == first.values == anew.values
    assert again.chance == anew.chance
    assert again.draws.keys() == anew.draws.keys() != set()
    for key, draws in anew.draws.items():
        np.testing.assert_array_equal(again.draws[key], draws)


@pytest.mark.parametrize("family", [Transfer(), Separability()], ids=str)
def test_nothing_kept_is_computed_again(family: Metric, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf = Shelf()
    scores(family, shelf)

    def never(*_: object, **__: object) -> None:
        raise AssertionError("computed again")

    for place in (
        "transfer.Mixtures.of", "transfer.in_threads", "separability.in_threads", "separability.measured_draws",
        "separability.permuted_silhouettes",
    ):  # fmt: skip
        monkeypatch.setattr(f"frostmark.metrics.{place}", never)
    scores(family, shelf)
    with pytest.raises(AssertionError, match="computed again"):
        scores(family, Shelf())


GROUPS = {split: np.arange(len(labels)) // 4 for split, labels in LABELS.items()}


@pytest.mark.parametrize("family", [Transfer(), Separability()], ids=str)
@pytest.mark.parametrize(
    "other",
    [
        {"labels": {split: np.roll(labels, 1) for split, labels in LABELS.items()}},
        {"labels": {split: np.r_[labels[1], labels[1:]] for split, labels in LABELS.items()}},
        {"permutations": 8},
        {"resamples": 29},
        {"seed": 1},
        {"fingerprints": {"train": "x", "test": "y"}},
        {"groups": GROUPS},
    ],
    ids=["labels", "one label", "permutations", "resamples", "seed", "images", "groups"],
)
def test_what_decides_draws_is_in_their_name(family: Metric, other: dict[str, object]) -> None:
    shelf = Shelf()
    scores(family, shelf)
    assert scores(family, shelf, **other).values == scores(family, Shelf(), **other).values


def test_without_nleep_nothing_of_it_is_taken() -> None:
    shelf = Shelf()
    scores(Transfer(), shelf)
    assert "test/transfer/nleep" not in scores(Transfer(nleep=False), shelf).values
    assert isinstance(scores(Transfer(), shelf).values["test/transfer/nleep_std"], float)


def test_arrays_in_a_digest_do_not_run_into_each_other() -> None:
    one, two = np.array([1, 2, 3]), np.array([4])
    assert digest(one, two) != digest(one[:2], np.array([3, 4]))
    assert digest(one) != digest(one.astype(np.int32)) != digest(one[None])
    assert digest(one) == digest(one.copy())
