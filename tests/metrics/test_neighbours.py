"""Neighbours, nearest class means and few labels: by hand, against plain implementations, on known distributions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm
from sklearn.neighbors import NearestCentroid

from frostmark.metrics import neighbours
from frostmark.metrics import shots as shots_of
from frostmark.metrics.geometry import Geometry
from frostmark.metrics.graphs import Arrays
from frostmark.metrics.metric import Scores, Split, Undefined, make_splits
from frostmark.metrics.neighbours import Neighbours, knn_votes, means_of, ncm_predict
from frostmark.metrics.shots import SHOT_DRAWS, SHOTS, few_of_each
from frostmark.stats.moments import ClassMoments
from frostmark.stats.neighbours import KEPT, Graph

Drawn = tuple[np.ndarray, np.ndarray]


def plain(
    bank: np.ndarray, labels: np.ndarray, queries: np.ndarray, k: int, t: float, leave_one_out: bool = False
) -> list[int]:
    """The DINO protocol as one would write it down."""
    bank = bank / np.linalg.norm(bank, axis=1, keepdims=True)
    queries = queries / np.linalg.norm(queries, axis=1, keepdims=True)
    predicted = []
    for line, q in enumerate(queries):
        similarity = bank @ q
        others = [i for i in np.argsort(-similarity) if not (leave_one_out and i == line)]
        votes = np.zeros(labels.max() + 1)
        for i in others[:k]:
            votes[labels[i]] += np.exp(similarity[i] / t)
        predicted.append(int(votes.argmax()))
    return predicted


def predicted(
    bank: np.ndarray,
    labels: np.ndarray,
    queries: np.ndarray,
    classes: int,
    k: int = 20,
    temperature: float = 0.07,
    leave_one_out: bool = False,
) -> np.ndarray:
    graph = Graph.of(bank, queries, k, exclude_self=leave_one_out)
    return knn_votes(graph, labels, classes, temperature).argmax(1)


def drawn(n: int, classes: int = 4, d: int = 6, apart: float = 1.0, seed: int = 0) -> Drawn:
    """Classes of equal size around means on the axes, ``apart`` from the origin, as wide as one."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(n) % classes)
    return (rng.standard_normal((n, d)) + apart * np.eye(classes, d)[labels]).astype(np.float32), labels


def splits(train: Drawn, test: Drawn, classes: int = 4, **more: object) -> dict[str, Split]:
    named = {"train": train, "test": test}
    rows, labels = ({name: part[i] for name, part in named.items()} for i in (0, 1))
    quick = {"resamples": 0, "permutations": 0}
    return make_splits(rows, labels, tuple("abcdefghij"[:classes]), **quick | more)  # type: ignore[arg-type]


def lines(scores: Scores, table: str, **wanted: object) -> list[dict[str, object]]:
    columns = scores.tables[table]
    found = [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]
    return [line for line in found if all(line[name] == value for name, value in wanted.items())]


# k nearest neighbours


def test_against_a_plain_implementation() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 5, 400)
    bank = rng.standard_normal((400, 8)) + rng.standard_normal((5, 8))[labels]
    queries = rng.standard_normal((100, 8))
    assert predicted(bank, labels, queries, 5, 20, 0.07).tolist() == plain(bank, labels, queries, 20, 0.07)
    assert predicted(bank, labels, bank, 5, leave_one_out=True).tolist() == plain(bank, labels, bank, 20, 0.07, True)


def test_votes_are_shares() -> None:
    rows, labels = drawn(150)
    votes = knn_votes(Graph.of(rows, rows, 20), labels, 7)
    assert votes.shape == (150, 7)
    np.testing.assert_allclose(votes.sum(1), 1, rtol=1e-6)
    assert (votes >= 0).all()
    assert not votes[:, 4:].any()


def test_votes_of_many_rows_are_counted_in_pieces() -> None:
    rng = np.random.default_rng(0)
    graph = Graph(rng.integers(0, 50, (9000, 5), dtype=np.int32), np.sort(rng.random((9000, 5), np.float32))[:, ::-1])
    labels = rng.integers(0, 6, 50)
    votes = knn_votes(graph, labels, 6)
    for line in (0, 4095, 4096, 8191, 8192, 8999):
        few = Graph(graph.index[line : line + 1], graph.similarity[line : line + 1])
        assert (knn_votes(few, labels, 6)[0] == votes[line]).all()


def test_near_votes_outweigh_many_far_ones() -> None:
    bank = np.array([[1.0, 0], [0, 1], [0, 1], [0, 1]])
    labels = np.array([0, 1, 1, 1])
    query = np.array([[1.0, 0.1]])
    assert predicted(bank, labels, query, 2, k=4, temperature=0.07).tolist() == [0]
    assert predicted(bank, labels, query, 2, k=4, temperature=100.0).tolist() == [1]
    near, far = query @ bank[0] / np.linalg.norm(query), query @ bank[1] / np.linalg.norm(query)
    share = np.exp(near / 0.5) / (np.exp(near / 0.5) + 3 * np.exp(far / 0.5))
    np.testing.assert_allclose(knn_votes(Graph.of(bank, query, 4), labels, 2, 0.5)[:, 0], share, rtol=1e-6)


def test_leave_one_out_does_not_let_a_row_vote_for_itself() -> None:
    rows = np.array([[1.0, 0], [0.9, 0.1], [0, 1], [0.1, 0.9]])
    labels = np.array([0, 1, 0, 1])  # every row's only near neighbour is of the other class
    assert predicted(rows, labels, rows, 2, k=1, leave_one_out=True).tolist() == [1, 0, 1, 0]
    assert predicted(rows, labels, rows, 2, k=1).tolist() == labels.tolist()


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 40), st.integers(1, 45), st.booleans(), st.integers(0, 2**31))
def test_a_rows_own_label_does_not_change_its_votes(n: int, k: int, twins: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows, labels = rng.standard_normal((n, 3)), rng.integers(0, 3, n)
    if twins:
        rows = rows[rng.integers(0, n, n)]
    graph = Graph.of(rows, rows, k, exclude_self=True)
    votes = knn_votes(graph, labels, 3)
    one = int(rng.integers(n))
    changed = labels.copy()
    changed[one] = (labels[one] + 1) % 3
    assert np.array_equal(knn_votes(graph, changed, 3)[one], votes[one])


def test_labels_that_mean_nothing_are_not_found_again_in_the_train_rows() -> None:
    rows, _ = drawn(2000, apart=0)
    labels = np.random.default_rng(9).integers(0, 2, 2000)
    values = Neighbours(k=1)(splits((rows, labels), (rows, labels), classes=2)).values
    assert values["test/neighbours/knn_accuracy"] == 1  # a test row that is a train row finds itself
    # Who is one's neighbour is often one's neighbour's neighbour: twice the variance of 2,000 coin tosses at most.
    assert values["train/neighbours/knn_accuracy"] == pytest.approx(0.5, abs=3 * np.sqrt(2 * 0.25 / 2000))


def test_k_is_clamped_and_tiny_temperatures_do_not_overflow() -> None:
    rows, labels = np.eye(3), np.array([0, 1, 2])
    assert predicted(rows, labels, rows, 3, k=20, temperature=1e-4).tolist() == [0, 1, 2]
    assert knn_votes(Graph.of(rows, rows, 20), labels, 3).shape == (3, 3)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_scale_changes_nothing(scale: float) -> None:
    rng = np.random.default_rng(2)
    labels = rng.integers(0, 3, 100)
    rows = rng.standard_normal((100, 5))
    expected = predicted(rows, labels, rows, 3, leave_one_out=True)
    assert np.array_equal(predicted(scale * rows, labels, rows, 3, leave_one_out=True), expected)


# Nearest class mean


@pytest.mark.parametrize("offset", [0.0, 1e3])
def test_the_nearest_mean_against_a_plain_loop_and_scikit_learn(offset: float) -> None:
    rows, labels = drawn(600, classes=5, d=7)
    rows = rows + np.float32(offset)
    queries = drawn(5000, classes=5, d=7, seed=1)[0] + np.float32(offset)  # more than are asked at once
    means = ClassMoments.of(rows, labels, 5).summary.mean
    found = ncm_predict(means, queries)
    assert found.tolist() == [int(np.argmin([((q - m) ** 2).sum() for m in means])) for q in queries.astype(float)]
    expected = NearestCentroid().fit(rows.astype(float), labels).predict(queries.astype(float))
    assert found.tolist() == expected.tolist()


def test_of_two_means_equally_near_it_is_the_lower() -> None:
    assert ncm_predict(np.array([[1.0, 0], [-1, 0], [1, 0]]), np.array([[0.0, 3], [2, 0], [-1, 0]])).tolist() == [
        0,
        0,
        1,
    ]


@pytest.mark.parametrize("distance", [0.5, 1.0, 2.0, 3.0])
def test_two_gaussians_are_told_apart_as_often_as_theory_says(distance: float) -> None:
    """Φ(‖Δ‖/2σ), less the little that the noise of the estimated means costs."""
    sigma, d, n, asked = 3.0, 5, 4000, 20_000
    rng = np.random.default_rng(int(10 * distance))
    direction = rng.standard_normal(d)
    means = 7 + np.array([[0.0], [1.0]]) * sigma * distance * direction / np.linalg.norm(direction)
    labels, truth = np.arange(2 * n) % 2, np.arange(asked) % 2
    train = (means[labels] + sigma * rng.standard_normal((2 * n, d))).astype(np.float32)
    test = (means[truth] + sigma * rng.standard_normal((asked, d))).astype(np.float32)
    found = ncm_predict(ClassMoments.of(train, labels, 2).summary.mean, test)
    expected = norm.cdf(distance / 2)
    # The estimated Δ is off by 2σ²/n in each of the d − 1 directions across it, which takes (d − 1)/(n·distance²) off
    # the cosine of its angle; thrice that for a bad draw.
    turned = 3 * (d - 1) / (n * distance**2)
    tolerance = 3 * np.sqrt(expected * (1 - expected) / asked) + norm.pdf(distance / 2) * distance / 2 * turned
    assert tolerance < 0.013
    assert (found == truth).mean() == pytest.approx(expected, abs=tolerance)


# Few labels


@pytest.mark.parametrize("shots", [1, 3, 8])
def test_few_shots_are_distinct_rows_of_each_class(shots: int) -> None:
    labels = np.random.default_rng(0).permutation(np.repeat([0, 1, 2], [8, 20, 11]))
    rng = np.random.default_rng(1)
    chosen = set()
    for _ in range(10):
        weights = means_of(
            np.eye(39), few_of_each(labels, 3, shots, rng)
        )  # the mean of unit rows shows which they were
        for c in range(3):
            rows = np.flatnonzero(weights[c])
            assert len(rows) == shots
            np.testing.assert_allclose(weights[c, rows], 1 / shots)
            assert (labels[rows] == c).all()
            chosen |= set(rows.tolist())
    assert len(chosen) >= 20


def test_every_row_is_drawn_equally_often() -> None:
    labels = np.repeat([0, 1], [10, 30])
    rng = np.random.default_rng(2)
    often = sum(means_of(np.eye(40), few_of_each(labels, 2, 4, rng)) for _ in range(2000)) * 4
    share = np.r_[often[0, :10], often[1, 10:]] / 2000
    expected = np.repeat([0.4, 4 / 30], [10, 30])
    assert (np.abs(share - expected) < 4.5 * np.sqrt(expected * (1 - expected) / 2000)).all()  # 40 of them, 1e-5 each


@pytest.mark.parametrize("labels", [[0, 0, 0, 1, 1], [0, 0, 0, 2, 2, 2], [0, 0, 0, 1, 1, 1]])
def test_too_few_rows_for_the_shots_are_refused(labels: list[int]) -> None:
    with pytest.raises(ValueError, match="fewer than 3 rows"):
        few_of_each(np.array(labels), 3, 3, np.random.default_rng(0))


def test_more_labels_are_better() -> None:
    scores = Neighbours()(splits(drawn(400), drawn(400, seed=1)))
    curve = [scores.values[f"test/neighbours/shots_{shots}"] for shots in SHOTS]
    assert curve[-1] > curve[0] + 0.05  # type: ignore[operator]
    assert scores.values["test/neighbours/ncm_accuracy"] > curve[0]  # type: ignore[operator]
    for shots, value in zip(SHOTS, curve, strict=True):
        accuracies = [line["accuracy"] for line in lines(scores, "shots", shots=shots)]
        assert len(accuracies) == SHOT_DRAWS
        assert value == pytest.approx(np.mean(accuracies))  # type: ignore[arg-type]
        spread = scores.values[f"test/neighbours/shots_{shots}_std"]
        assert spread == pytest.approx(np.std(accuracies, ddof=1))  # type: ignore[arg-type]
        assert [line["draw"] for line in lines(scores, "shots", shots=shots)] == list(range(SHOT_DRAWS))
    assert Neighbours()(splits(drawn(400), drawn(400, seed=1))).tables["shots"] == scores.tables["shots"]


def test_many_classes_are_asked_for_by_fewer_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    real = neighbours.ncm_predict
    monkeypatch.setattr(neighbours, "ncm_predict", lambda means, rows: asked.append(len(rows)) or real(means, rows))
    monkeypatch.setattr(shots_of, "SHOT_COMPARISONS", 4 * 1200)
    train, test = drawn(400), drawn(1500, seed=1)
    scores = Neighbours()(splits(train, test))
    assert asked == [1500] + [1200] * SHOT_DRAWS * len(SHOTS)  # the class means of all rows are asked by every row
    assert scores.values["test/neighbours/shots_16"] == pytest.approx(
        scores.values["test/neighbours/ncm_accuracy"],  # type: ignore[arg-type]
        abs=0.1,
    )


def test_all_rows_of_a_class_drawn_are_the_class() -> None:
    values = Neighbours()(splits(drawn(4 * 16), drawn(400, seed=1))).values
    assert values["test/neighbours/shots_16"] == pytest.approx(values["test/neighbours/ncm_accuracy"])  # type: ignore[arg-type]
    assert values["test/neighbours/shots_16_std"] == pytest.approx(0, abs=1e-12)


def test_a_class_too_small_for_the_shots_is_the_reason_that_there_are_none() -> None:
    rows, labels = drawn(200)
    few = np.flatnonzero((labels != 2) | (np.cumsum(labels == 2) <= 5))
    scores = Neighbours()(splits((rows[few], labels[few]), drawn(100, seed=1)))
    for shots in (8, 16):
        reason = Undefined(f"a train class has fewer than {shots} images")
        assert scores.values[f"test/neighbours/shots_{shots}"] == reason
        assert f"test/neighbours/shots_{shots}_std" not in scores.values
    assert sorted(set(scores.tables["shots"]["shots"])) == [1, 2, 4]
    single = np.r_[np.flatnonzero(labels != 2), np.flatnonzero(labels == 2)[:1]]
    assert sorted(
        set(Neighbours()(splits((rows[single], labels[single]), (rows, labels))).tables["shots"]["shots"])
    ) == [1]


# The family


def test_the_family() -> None:
    scores = Neighbours()(splits(drawn(160, apart=30.0), drawn(48, apart=30.0, seed=1)))
    of = (("train", "knn"), ("test", "knn"), ("test", "ncm"))
    accuracies = {f"{s}/neighbours/{n}_{word}" for s, n in of for word in ("accuracy", "balanced_accuracy")}
    shots = {f"test/neighbours/shots_{m}{end}" for m in SHOTS for end in ("", "_std")}
    assert set(scores.values) == accuracies | shots
    assert {scores.values[key] for key in accuracies} == {1.0}
    assert set(scores.tables) == {"knn_confusion", "label_audit", "class_recall", "shots"}
    assert set(scores.chance) == accuracies
    alone = drawn(20)[0], np.zeros(20, int)
    assert all(isinstance(v, Undefined) for v in Neighbours()(splits(alone, alone)).values.values())


def test_outcomes_draws_and_chance_belong_to_the_accuracy() -> None:
    rows, labels = drawn(300)
    labels[:60] = 3  # the commonest train class
    test_rows, truth = drawn(120, seed=1)
    truth[:20] = 1  # another one is the commonest of the test split
    scores = Neighbours()(splits((rows, labels), (test_rows, truth), resamples=200))
    of_split = {"train": labels, "test": truth}
    assert set(scores.outcomes) == {"train/knn_hits", "test/knn_hits", "test/ncm_hits"}
    for name, hits in scores.outcomes.items():
        split, _, kind = name.removesuffix("_hits").partition("/")
        key = f"{split}/neighbours/{kind}_accuracy"
        assert hits.shape == of_split[split].shape
        assert hits.mean() == scores.values[key]
        assert scores.chance[key] == np.mean(of_split[split] == 3)
        assert scores.draws[key].shape == (200,)
        low, value, high = (scores.values[k] for k in (f"{key}_lo", key, f"{key}_hi"))
        assert 0 <= low < value < high <= 1  # type: ignore[operator]
    expected = plain(rows, labels, test_rows, 20, 0.07)
    assert scores.outcomes["test/knn_hits"].tolist() == (np.array(expected) == truth).tolist()


def test_the_confusion_table_holds_every_image_once() -> None:
    train, test = drawn(300), drawn(130, seed=1)
    scores = Neighbours()(splits(train, test))
    for name, (_, labels) in (("train", train), ("test", test)):
        cells = lines(scores, "knn_confusion", split=name)
        assert sum(cell["images"] for cell in cells) == len(labels)  # type: ignore[misc]
        right = sum(cell["images"] for cell in cells if cell["class"] == cell["predicted"])  # type: ignore[misc]
        assert right / len(labels) == pytest.approx(scores.values[f"{name}/neighbours/knn_accuracy"])
        for c in range(4):
            of_class = lines(scores, "knn_confusion", split=name, name="abcd"[c])
            assert sum(cell["images"] for cell in of_class) == (labels == c).sum()  # type: ignore[misc]
            assert all(cell["class"] == c and cell["predicted_name"] == "abcd"[cell["predicted"]] for cell in of_class)  # type: ignore[index]


@pytest.mark.parametrize("flipped", ["train", "test"])
def test_wrong_labels_are_found_first(flipped: str) -> None:
    both = {"train": drawn(200, apart=20.0), "test": drawn(80, apart=20.0, seed=1)}
    _, labels = both[flipped]
    wrong = np.random.default_rng(5).choice(len(labels), 5, replace=False)
    truth = labels[wrong].copy()
    labels[wrong] = (truth + 1) % 4
    scores = Neighbours()(splits(both["train"], both["test"]))
    worst = lines(scores, "label_audit", split=flipped)[:5]
    assert {line["image"] for line in worst} == set(wrong.tolist())
    for line in worst:
        true = int(truth[wrong == line["image"]][0])
        assert (line["label"], line["neighbours_say"]) == ("abcd"[(true + 1) % 4], "abcd"[true])
        assert line["other_share"] > 0.5 > line["own_share"]  # type: ignore[operator]
    doubt = [line["other_share"] - line["own_share"] for line in lines(scores, "label_audit", split=flipped)]  # type: ignore[operator]
    assert doubt == sorted(doubt, reverse=True)
    assert min(doubt) > 0


def test_labels_without_doubt_are_not_in_the_audit() -> None:
    scores = Neighbours()(splits(drawn(200, apart=40.0), drawn(80, apart=40.0, seed=1)))
    assert scores.tables["label_audit"]["image"] == []


def test_more_neighbours_than_are_kept_vote_when_they_are_asked_for() -> None:
    (rows, labels), (test_rows, truth) = drawn(200), drawn(60, seed=1)
    assert KEPT < 120
    scores = Neighbours(k=120, temperature=0.5)(splits((rows, labels), (test_rows, truth)))
    expected = np.array(plain(rows, labels, test_rows, 120, 0.5))
    alone = np.array(plain(rows, labels, rows, 120, 0.5, leave_one_out=True))
    assert scores.outcomes["test/knn_hits"].tolist() == (expected == truth).tolist()
    assert scores.outcomes["train/knn_hits"].tolist() == (alone == labels).tolist()


@pytest.mark.parametrize("k", [199, 200, 10_000])
def test_more_neighbours_than_there_are_are_all_there_are(k: int) -> None:
    (rows, labels), (test_rows, truth) = drawn(200), drawn(60, seed=1)
    scores = Neighbours(k=k, temperature=0.5)(splits((rows, labels), (test_rows, truth)))
    alone = np.array(plain(rows, labels, rows, 199, 0.5, leave_one_out=True))
    assert scores.outcomes["train/knn_hits"].tolist() == (alone == labels).tolist()


def test_the_graph_of_a_split_is_made_once() -> None:
    made: Counter[tuple[str, str, int]] = Counter()

    def keep(split: str, bank: str, name: str, compute: Callable[[], Arrays]) -> Arrays:
        made[split, bank, int(name.rpartition("-")[2])] += 1
        return compute()

    both = splits(drawn(300), drawn(150, seed=1), keep=keep)
    for family in (Neighbours(k=20), Neighbours(k=5), Geometry(), Neighbours(k=KEPT)):
        family(both)
    once = {("train", "train", KEPT): 1, ("test", "train", KEPT): 1, ("test", "test", KEPT): 1}
    assert made == once
    Neighbours(k=120)(both)
    assert made == once | {("train", "train", 120): 1, ("test", "train", 120): 1}


def test_a_graph_that_was_kept_is_taken() -> None:
    train, test = drawn(200), drawn(60, seed=1)
    kept = {"train": Graph.of(train[0], train[0], KEPT, exclude_self=True), "test": Graph.of(train[0], test[0], KEPT)}

    found = splits(train, test, keep=lambda split, *_: vars(kept[split]))
    assert Neighbours()(found).values == Neighbours()(splits(train, test)).values
    turned = {name: Graph(graph.index[::-1], graph.similarity) for name, graph in kept.items()}
    swapped = splits(train, test, keep=lambda split, *_: vars(turned[split]))
    assert Neighbours()(swapped).values != Neighbours()(found).values


def test_test_labels_that_no_train_row_has_are_never_right() -> None:
    (rows, labels), (test_rows, truth) = drawn(200, apart=20.0), drawn(80, apart=20.0, seed=1)
    known = labels != 2
    scores = Neighbours()(splits((rows[known], labels[known]), (test_rows, truth), resamples=20))
    for name in ("knn", "ncm"):
        assert scores.values[f"test/neighbours/{name}_accuracy"] == np.mean(truth != 2)
        assert not scores.outcomes[f"test/{name}_hits"][truth == 2].any()
    assert scores.values["test/neighbours/shots_16"] == np.mean(truth != 2)
    assert not lines(scores, "knn_confusion", predicted=2)
    strangers = {line["image"] for line in lines(scores, "label_audit", split="test")}
    assert strangers == set(np.flatnonzero(truth == 2).tolist())
    assert {line["own_share"] for line in lines(scores, "label_audit", split="test")} == {0.0}


def test_train_labels_that_no_test_row_has_do_no_harm() -> None:
    (rows, labels), (test_rows, truth) = drawn(200, apart=20.0), drawn(80, apart=20.0, seed=1)
    kept = truth < 2
    scores = Neighbours()(splits((rows, labels), (test_rows[kept], truth[kept]), resamples=20))
    assert scores.values["test/neighbours/knn_accuracy"] == scores.values["test/neighbours/ncm_accuracy"] == 1
