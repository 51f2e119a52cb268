"""Who asks for neighbours: all train rows, or a sample of them whose answers are those that it has among all."""

from __future__ import annotations

import numpy as np
import pytest

from frostmark.metrics.geometry import Geometry
from frostmark.metrics.graphs import Graphs, Search, compute_anew
from frostmark.metrics.metric import Split, make_splits
from frostmark.metrics.neighbours import Neighbours, Told, knn_votes
from frostmark.stats.neighbours import Graph

ROWS = {"train": 600, "test": 90}


def splits(search: Search, *, grouped: bool = False) -> dict[str, Split]:
    rng = np.random.default_rng(0)
    labels = {split: np.arange(count) % 3 for split, count in ROWS.items()}
    means = rng.standard_normal((3, 8))
    rows = {s: (means[of] + rng.standard_normal((len(of), 8))).astype(np.float32) for s, of in labels.items()}
    groups = {s: np.arange(len(of)) // 5 + 1000 * (s == "test") for s, of in labels.items()} if grouped else None
    return make_splits(
        rows, labels, ("a", "b", "c"), groups=groups, search=search, fingerprints={"train": "x", "test": "y"}
    )


@pytest.mark.parametrize(("train", "asking"), [(1000, 1000), (1001, 499), (2000, 250), (10**9, 1)])
def test_of_more_rows_as_many_ask_as_cost_what_the_limit_costs(train: int, asking: int) -> None:
    search = Search(exact_up_to=1000)
    assert search.asking(train) == asking
    assert asking == train or asking * train <= 1000**2 / 2 or asking == 1
    assert Search(exact_up_to=1000, device="cuda").asking(train) == train


@pytest.mark.parametrize("grouped", [False, True])
def test_who_asks_has_the_neighbours_that_it_has_where_all_ask(grouped: bool) -> None:
    whole, some = splits(Search(), grouped=grouped), splits(Search(exact_up_to=400), grouped=grouped)
    asked = some["train"].asked
    assert asked is not None
    assert whole["train"].asked is None
    assert some["test"].asked is None
    assert len(asked) == 400**2 // 1200
    assert np.ptp(np.bincount(some["train"].labels[asked])) <= 1
    assert np.array_equal(some["train"].nearest(20).index, whole["train"].nearest(20).index[asked])
    assert np.array_equal(some["test"].nearest(20).index, whole["test"].nearest(20).index)
    assert np.array_equal(some["train"].own(20).index, whole["train"].own(20).index)


@pytest.mark.parametrize("grouped", [False, True])
def test_accuracies_of_a_sample_say_of_how_many_images_they_are(grouped: bool) -> None:
    some, whole = (Neighbours()(splits(s, grouped=grouped)) for s in (Search(exact_up_to=400), Search()))
    asked, hits = splits(Search(exact_up_to=400), grouped=grouped)["train"].asked, whole.outcomes["train/knn_hits"]
    assert asked is not None
    assert len(asked) == some.values["train/neighbours/knn_accuracy_images"] == 400**2 // 1200
    assert some.values["train/neighbours/knn_balanced_accuracy_images"] == len(asked)
    assert some.values["train/neighbours/knn_accuracy"] == pytest.approx(hits[asked].mean())
    assert "train/knn_hits" not in some.outcomes  # they are of all images, or a comparison takes them for damaged
    assert "train/neighbours/knn_accuracy_lo" in some.values
    assert "train/neighbours/knn_accuracy_images" not in whole.values
    assert {key: of for key, of in some.values.items() if key.startswith("test")} == {
        key: of for key, of in whole.values.items() if key.startswith("test")
    }
    images = [i for split, i in zip(*(some.tables["label_audit"][c] for c in ("split", "image"))) if split == "train"]  # noqa: B905
    assert images
    assert np.isin(images, asked).all()
    assert not hits[images].any()


def test_the_dimension_of_a_very_large_train_split_is_that_of_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("frostmark.metrics.geometry.MAX_ROWS", 300)
    name = "train/geometry/intrinsic_dimension"
    exact, sampled = (Geometry()(splits(s)).values[name] for s in (Search(), Search(exact_up_to=400)))
    assert exact != sampled
    assert sampled == pytest.approx(exact, rel=0.3)


def test_an_accelerator_serves_all_of_them() -> None:
    on_cpu, by_torch = splits(Search()), splits(Search(exact_up_to=400, device="cpu"))
    assert by_torch["train"].asked is None
    for split in ROWS:
        assert np.array_equal(by_torch[split].nearest(20).index, on_cpu[split].nearest(20).index)
        assert np.array_equal(by_torch[split].own(20).index, on_cpu[split].own(20).index)


def test_graphs_of_other_samples_are_kept_under_other_names() -> None:
    names: list[str] = []

    def keep(split: str, bank: str, name: str, compute: object) -> object:
        names.append(name)
        return compute()  # type: ignore[operator]

    rows = {"train": np.random.default_rng(0).standard_normal((300, 4))}
    for words, most in ((("0", "a"), 200), (("1", "a"), 200), (("0", "a"), 250), (("0", "a"), 300)):
        graphs = Graphs(rows, np.arange(300) % 2, None, keep, words, Search(exact_up_to=most))  # type: ignore[arg-type]
        graphs.of_train(5), graphs.of_train(7)
    assert len(names) == len(set(names)) == 4
    assert compute_anew("train", "train", "x", lambda: {"a": rows["train"]})["a"] is rows["train"]


def test_votes_in_pieces_are_the_votes() -> None:
    rng = np.random.default_rng(0)
    bank, labels = rng.standard_normal((200, 4)), rng.integers(0, 5, 200)
    queries, own = rng.standard_normal((9001, 4)), rng.integers(0, 5, 9001)
    graph = Graph.of(bank, queries, 20)
    votes, told = knn_votes(graph, labels, 5), Told.by(graph, labels, own, 5, 0.07)
    assert np.array_equal(told.predicted, votes.argmax(1))
    assert np.array_equal(told.own, votes[np.arange(9001), own])
    assert np.array_equal(told.other, votes.max(1))
