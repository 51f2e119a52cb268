"""The linear read-out: against scikit-learn, by hand, what changes nothing, what is undefined, and what is kept."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from frostmark.metrics.graphs import Arrays
from frostmark.metrics.linear import Linear
from frostmark.metrics.metric import Scores, Split, Undefined, make_splits
from frostmark.metrics.predictions import balanced_accuracy, wilson
from frostmark.metrics.read_out import STRENGTHS, Train, can_hold_out, folds_of, read
from frostmark.metrics.shots import SHOT_DRAWS, SHOTS

Drawn = tuple[np.ndarray, np.ndarray]


def drawn(count: int, classes: int = 4, width: int = 6, apart: float = 1.5, seed: int = 0) -> Drawn:
    """Classes of equal size around means on the axes, ``apart`` from the origin, as wide as one."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(count) % classes)
    return (rng.standard_normal((count, width)) + apart * np.eye(classes, width)[labels]).astype(np.float32), labels


def splits(train: Drawn, test: Drawn, classes: int = 4, **more: object) -> dict[str, Split]:
    named = {"train": train, "test": test}
    rows, labels = ({name: part[i] for name, part in named.items()} for i in (0, 1))
    quick = {"resamples": 0, "permutations": 0}
    return make_splits(rows, labels, tuple("abcdefghij"[:classes]), **quick | more)  # type: ignore[arg-type]


def measured(train: Drawn, test: Drawn, **more: object) -> Scores:
    return Linear()(splits(train, test, **more))


def value(scores: Scores, name: str) -> float:
    found = scores.values[name]
    assert isinstance(found, float), found
    return found


def folds(labels: np.ndarray, groups: np.ndarray | None = None, count: int = 5) -> np.ndarray:
    return folds_of(labels, count, np.random.default_rng(0), groups)


# Against scikit-learn


@pytest.mark.parametrize(("count", "width"), [(400, 10), (80, 150)])
def test_the_chosen_penalty_gives_what_scikit_learn_gives(count: int, width: int) -> None:
    (rows, labels), (test_rows, truth) = drawn(count, width=width), drawn(400, width=width, seed=1)
    read_out = read(Train.of(rows, labels), folds(labels))
    mean, scale = rows.mean(0), rows.std(0)
    theirs = LogisticRegression(C=float(read_out.strength[0]) / width, tol=1e-6, max_iter=2000)
    theirs.fit((rows - mean) / scale, labels)
    expected = theirs.predict((test_rows - mean) / scale)
    assert (read_out.predict(test_rows) == expected).mean() > 0.98
    assert abs((read_out.predict(test_rows) == truth).mean() - (expected == truth).mean()) < 0.01


def test_rows_held_out_are_predicted_by_fits_without_them() -> None:
    rows, labels = drawn(120)
    of = folds(labels)
    read_out = read(Train.of(rows, labels), of)
    mean, scale = rows.mean(0), rows.std(0)
    again = np.empty(120, int)
    for fold in range(5):
        out = of == fold
        fitted = LogisticRegression(C=float(read_out.strength[0]) / 6, tol=1e-6, max_iter=2000)
        again[out] = fitted.fit(((rows - mean) / scale)[~out], labels[~out]).predict(((rows - mean) / scale)[out])
    assert (again == read_out.held_out).mean() > 0.97


# The penalty


def test_noise_is_read_with_a_strong_penalty_and_clear_classes_with_a_weak_one() -> None:
    noise = drawn(200, width=40, apart=0.0)
    clear = drawn(200, apart=20.0)
    weak, strong = (float(read(Train.of(*of), folds(of[1])).strength[0]) for of in (clear, noise))
    assert strong <= 0.1 < 100 <= weak
    assert {weak, strong} <= set(STRENGTHS)


def test_train_images_of_noise_are_predicted_by_chance() -> None:
    """What a fit that knew them would not do: 40 features tell 60 images apart whatever their labels."""
    test = drawn(40, width=40)
    noise = (drawn(60, width=40, apart=0, seed=seed) for seed in range(8))
    accuracies = [value(measured(train, test), "train/linear/accuracy") for train in noise]
    assert np.mean(accuracies) < 0.33  # 0.25 and three standard errors of 480 images


@pytest.mark.parametrize("size", [1_000, 20_000, 60_000])
def test_many_images_choose_the_penalty_by_fewer_folds(size: int) -> None:
    from frostmark.metrics.read_out import deciding

    decide = deciding(np.arange(size) % 5)
    assert len(decide) == {1_000: 5, 20_000: 3, 60_000: 1}[size]


# Folds


@pytest.mark.parametrize(("folds", "images", "count"), [(5, 29_999, 5), (5, 30_000, 3), (2, 50_000, 2)])
def test_of_many_images_three_folds_will_do(folds: int, images: int, count: int) -> None:
    """Each third holds as many images out as choose the penalty, and every fold costs a fit to the others."""
    assert Linear(folds).count(images) == count


def test_folds_deal_out_every_class_evenly() -> None:
    labels = np.repeat([0, 1, 2], [50, 23, 7])
    of = folds(labels)
    table = np.array([np.bincount(of[labels == c], minlength=5) for c in range(3)])
    assert np.ptp(table, axis=1).max() <= 1
    assert np.ptp(table.sum(0)) <= 1


def test_folds_leave_out_whole_groups() -> None:
    groups = np.repeat(np.arange(40), 5)
    labels = np.repeat(np.arange(40) % 4, 5)
    of = folds(labels, groups)
    assert all(len(set(of[groups == g])) == 1 for g in range(40))
    assert all(set(labels[of == fold]) == {0, 1, 2, 3} for fold in range(5))
    mixed = np.tile([0, 1, 1, 1, 2], 40)
    assert all(len(set(folds(mixed, groups)[groups == g])) == 1 for g in range(40))


def test_without_a_fold_two_classes_must_be_left() -> None:
    labels = np.array([0] * 9 + [1])
    assert not can_hold_out(labels, np.r_[np.zeros(5), np.ones(5)].astype(int))
    assert can_hold_out(np.arange(10) % 2, np.arange(10) // 5)
    assert not can_hold_out(np.arange(10) % 2, np.zeros(10, int))


# Invariances


def test_scale_shift_copies_and_dead_columns_change_nothing() -> None:
    train, test = drawn(200), drawn(300, seed=1)
    before = measured(train, test).outcomes["test/linear_hits"]

    def changed(change: Callable[[np.ndarray], np.ndarray]) -> float:
        rows = [(change(of).astype(np.float32), labels) for of, labels in (train, test)]
        return float((measured(*rows).outcomes["test/linear_hits"] == before).mean())

    assert changed(lambda x: x * np.logspace(-3, 3, 6) + 5) > 0.99
    assert changed(lambda x: np.hstack([x, x, x])) > 0.99
    assert changed(lambda x: np.hstack([x, np.full((len(x), 4), 7.0)])) > 0.99


def test_the_order_of_test_images_changes_nothing() -> None:
    train, (rows, labels) = drawn(100), drawn(80, seed=1)
    turned = measured(train, (rows[::-1].copy(), labels[::-1].copy()))
    assert np.array_equal(turned.outcomes["test/linear_hits"][::-1], measured(train, (rows, labels)).outcomes["test/linear_hits"])  # fmt: skip # noqa: E501


def test_the_order_of_train_images_changes_only_which_are_held_out_together() -> None:
    (rows, labels), test = drawn(300), drawn(300, seed=1)
    order = np.random.default_rng(3).permutation(300)
    first, second = measured((rows, labels), test), measured((rows[order], labels[order]), test)
    assert abs(value(first, "test/linear/accuracy") - value(second, "test/linear/accuracy")) < 0.02


def test_the_same_rows_twice_give_the_same_scores_to_the_bit() -> None:
    both = splits(drawn(200), drawn(100, seed=1), resamples=50, permutations=9)
    first, second = Linear()(both), Linear()(both)
    assert first.values == second.values
    assert first.tables == second.tables


# What is undefined, and what is not


def test_a_train_split_of_one_class_has_no_read_out() -> None:
    rows, _ = drawn(30)
    scores = measured((rows, np.zeros(30, int)), drawn(20))
    assert set(scores.values.values()) == {Undefined("the train split holds one class only")}
    assert {"test/linear/accuracy", "train/linear/balanced_accuracy", "test/linear/shots_16"} <= set(scores.values)


def test_fewer_images_than_folds_give_no_train_accuracy() -> None:
    scores = measured(drawn(4, apart=9), drawn(40, apart=9, seed=1))
    reason = Undefined("5 folds need as many train images, and there are 4")
    assert scores.values["train/linear/accuracy"] == reason
    assert value(scores, "test/linear/accuracy") > 0.75
    assert "train/linear_hits" not in scores.outcomes


def test_one_image_of_a_second_class_cannot_be_held_out() -> None:
    rows, labels = drawn(20, classes=2, apart=9)
    few = np.r_[np.flatnonzero(labels == 0), np.flatnonzero(labels == 1)[:1]]
    scores = measured((rows[few], labels[few]), (rows, labels))
    reason = Undefined("without a fold of the train images one class only is left")
    assert scores.values["train/linear/balanced_accuracy"] == reason


def test_labels_that_train_does_not_have_are_never_right() -> None:
    (rows, labels), (test_rows, truth) = drawn(200, apart=20.0), drawn(80, apart=20.0, seed=1)
    known = labels != 2
    scores = measured((rows[known], labels[known]), (test_rows, truth))
    assert value(scores, "test/linear/accuracy") == np.mean(truth != 2)
    assert value(scores, "test/linear/balanced_accuracy") == 0.75
    assert value(scores, "test/linear/shots_16") == np.mean(truth != 2)


def test_classes_that_test_does_not_have_count_for_nothing() -> None:
    (rows, labels), (test_rows, truth) = drawn(200, apart=20.0), drawn(80, apart=20.0, seed=1)
    known = truth != 3
    scores = measured((rows, labels), (test_rows[known], truth[known]))
    assert value(scores, "test/linear/balanced_accuracy") == 1
    assert set(scores.tables["class_recall"]["name"]) == set("abcd")


def test_rows_that_do_not_vary_name_the_most_common_class() -> None:
    labels = np.repeat([0, 1], [30, 10])
    scores = measured((np.ones((40, 3), np.float32), labels), (np.ones((40, 3), np.float32), labels))
    assert value(scores, "test/linear/accuracy") == 0.75
    assert value(scores, "test/linear/balanced_accuracy") == 0.5


def test_more_features_than_images() -> None:
    scores = measured(drawn(60, width=120, apart=20), drawn(100, width=120, apart=20, seed=1))
    assert value(scores, "test/linear/accuracy") > 0.6  # 0.25 by chance: 4 of 120 features tell the classes
    assert value(scores, "train/linear/accuracy") > 0.5


# Intervals, nulls, tables


def test_balanced_accuracy_by_hand() -> None:
    labels, predicted = np.array([0, 0, 0, 0, 1, 1]), np.array([0, 0, 0, 1, 1, 0])
    assert balanced_accuracy(labels, predicted) == pytest.approx((0.75 + 0.5) / 2)
    always = np.zeros(6, int)
    assert balanced_accuracy(labels, always) == 0.5


def test_wilson_by_hand() -> None:
    low, high = wilson(np.array([0, 5, 10]), np.array([10, 10, 10]))
    np.testing.assert_allclose(low, [0, 0.2366, 0.7225], atol=1e-4)
    np.testing.assert_allclose(high, [0.2775, 0.7634, 1], atol=1e-4)


def test_outcomes_intervals_and_nulls_belong_to_the_accuracies() -> None:
    scores = measured(drawn(200), drawn(120, seed=1), resamples=200, permutations=99)
    for split in ("train", "test"):
        hits = scores.outcomes[f"{split}/linear_hits"]
        assert hits.mean() == scores.values[f"{split}/linear/accuracy"]
        for name in ("accuracy", "balanced_accuracy"):
            key = f"{split}/linear/{name}"
            assert scores.draws[key].shape == (200,)
            assert value(scores, f"{key}_lo") < value(scores, key) < value(scores, f"{key}_hi")
            assert (f"{key}_p" in scores.values) == (split == "test")
    assert value(scores, "test/linear/accuracy_p") == 0.01
    assert scores.chance["test/linear/balanced_accuracy"] == 0.25


def test_the_null_of_noise_is_met_as_often_as_it_says() -> None:
    ps = [value(measured(drawn(60, apart=0, seed=s), drawn(60, apart=0, seed=100 + s), permutations=19), "test/linear/accuracy_p") for s in range(20)]  # fmt: skip # noqa: E501
    assert np.mean(np.array(ps) <= 0.1) < 0.35  # 0.1 and more than three standard errors


def test_tables() -> None:
    scores = measured(drawn(160, apart=30.0), drawn(48, apart=30.0, seed=1))
    assert set(scores.tables) == {"linear_confusion", "class_recall", "linear_shots"}
    assert sum(scores.tables["linear_confusion"]["images"]) == 160 + 48  # type: ignore[arg-type]
    recall = scores.tables["class_recall"]
    assert recall["read_out"] == ["linear"] * 8
    assert recall["recall"] == [1.0] * 8
    assert all(low < 1 for low in recall["recall_lo"])  # type: ignore[operator]
    assert scores.tables["linear_shots"]["draw"] == list(range(SHOT_DRAWS)) * len(SHOTS)


def test_more_labelled_images_read_better() -> None:
    scores = measured(drawn(400, width=20), drawn(300, width=20, seed=1))
    curve = [value(scores, f"test/linear/shots_{shots}") for shots in SHOTS]
    assert curve == sorted(curve)
    assert curve[-1] < value(scores, "test/linear/accuracy")


def test_fits_that_take_too_long_are_undefined(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("frostmark.metrics.linear.SHOT_WORK", 4 * 4 * 6 * 2 * 8)
    scores = measured(drawn(200), drawn(50, seed=1))
    assert scores.tables["linear_shots"]["shots"].count(1) == 16  # type: ignore[arg-type]
    assert scores.tables["linear_shots"]["shots"].count(8) == 2  # type: ignore[arg-type]
    why = Undefined("fits to 16 images of each of 4 classes take too long")
    assert scores.values["test/linear/shots_16"] == why


# What is kept


def test_a_read_out_that_was_kept_is_not_fitted_again(monkeypatch: pytest.MonkeyPatch) -> None:
    shelf: dict[str, Arrays] = {}

    def keep(split: str, bank: str, name: str, compute: Callable[[], Arrays]) -> Arrays:
        if (found := f"{split}-{bank}-{name}") not in shelf:
            shelf[found] = compute()
        return shelf[found]

    train, test = drawn(120), drawn(60, seed=1)
    first = measured(train, test, keep=keep)
    assert len(shelf) == 2

    def never(*_: object) -> None:
        raise AssertionError("fitted again")

    with monkeypatch.context() as patched:
        patched.setattr("frostmark.metrics.read_out.fit", never)
        patched.setattr("frostmark.metrics.linear.Train.of", never)
        assert measured(train, test, keep=keep).values == first.values
    relabelled = train[0], np.roll(train[1], 1)
    assert measured(relabelled, test, keep=keep).values != first.values
    assert len(shelf) == 4
    Linear(folds=3)(splits(train, test, keep=keep))
    assert len(shelf) in (5, 6)  # the shots curve is the same where the same penalty is chosen


@pytest.mark.parametrize("folds", [1, 0])
def test_fewer_than_two_folds_are_refused(folds: int) -> None:
    with pytest.raises(ValueError, match=f"folds={folds}"):
        Linear(folds=folds)
