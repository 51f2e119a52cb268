"""Nearest rows and samples: those of scikit-learn, of known sizes, the same for every backbone."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from frostmark.stats.neighbours import Graph, nearest_rows
from frostmark.stats.sampling import seeded, stratified


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_neighbours_are_scikit_learns(metric: str) -> None:
    rng = np.random.default_rng(0)
    bank, queries = rng.standard_normal((200, 16)), rng.standard_normal((30, 16))
    index, values = nearest_rows(bank, queries, 7, metric)  # type: ignore[arg-type]
    distance, expected = NearestNeighbors(n_neighbors=7, metric=metric).fit(bank).kneighbors(queries)
    assert np.array_equal(index, expected)
    np.testing.assert_allclose(1 - values if metric == "cosine" else values, distance, atol=2e-6)


def test_a_row_is_not_its_own_neighbour_but_its_twins_are() -> None:
    rows = np.array([[1.0, 0]] * 4 + [[0, 1]] * 3)
    index, _ = nearest_rows(rows, rows, 3, "cosine", exclude_self=True)
    for i, line in enumerate(index):
        assert i not in line
        assert len(set(line)) == 3
    assert set(index[0]) == {1, 2, 3}
    assert index.shape == (7, 3)


def test_zero_rows_are_similar_to_nothing() -> None:
    _, similarity = nearest_rows(np.array([[0.0, 0], [3, 4]]), np.array([[3.0, 4], [0, 0]]), 2, "cosine")
    np.testing.assert_allclose(similarity, [[1, 0], [0, 0]], atol=1e-6)


def test_more_neighbours_than_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="k=3"):
        nearest_rows(np.eye(3), np.eye(3), 3, "cosine", exclude_self=True)


def test_a_graph_is_of_the_nearest_by_cosine_nearest_first() -> None:
    rng = np.random.default_rng(1)
    bank, queries = rng.standard_normal((120, 8)), rng.standard_normal((30, 8))
    graph = Graph.of(bank, queries, 12)
    index, similarity = nearest_rows(bank, queries, 12, "cosine")
    assert np.array_equal(graph.index, index)
    assert np.array_equal(graph.similarity, similarity)
    assert (graph.index.dtype, graph.similarity.dtype) == (np.int32, np.float32)
    assert (np.diff(graph.similarity, axis=1) <= 0).all()
    unit = [rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (bank, queries)]
    assert np.array_equal(graph.index, nearest_rows(*unit, 12, "euclidean")[0])


@pytest.mark.parametrize("exclude_self", [False, True])
@pytest.mark.parametrize("k", [1, 5, 19, 20, 90])
def test_a_graph_has_as_many_neighbours_as_the_bank_offers(k: int, exclude_self: bool) -> None:
    rows = np.random.default_rng(2).standard_normal((20, 4))
    graph = Graph.of(rows, rows, k, exclude_self=exclude_self)
    assert graph.index.shape == graph.similarity.shape == (20, min(k, 20 - exclude_self))
    assert all(len(set(line)) == len(line) for line in graph.index.tolist())
    assert (graph.index[:, 0] == np.arange(20)).all() != exclude_self
    if exclude_self:
        assert not (graph.index == np.arange(20)[:, None]).any()


@pytest.mark.parametrize("exclude_self", [False, True])
def test_the_first_of_a_graph_are_the_graph_of_fewer(exclude_self: bool) -> None:
    rows = np.random.default_rng(3).standard_normal((60, 6))
    graph = Graph.of(rows, rows, 40, exclude_self=exclude_self)
    for k in (1, 7, 40):
        fewer = Graph.of(rows, rows, k, exclude_self=exclude_self)
        assert np.array_equal(graph.first(k).index, fewer.index)
        np.testing.assert_allclose(graph.first(k).similarity, fewer.similarity, rtol=1e-6)
    assert np.array_equal(graph.first(41).index, graph.index)


@pytest.mark.parametrize(("bank", "exclude_self"), [(0, False), (1, True)])
def test_a_bank_without_neighbours_has_no_graph(bank: int, exclude_self: bool) -> None:
    with pytest.raises(ValueError, match="0 rows to choose from"):
        Graph.of(np.ones((bank, 3)), np.ones((1, 3)), 5, exclude_self=exclude_self)


def test_a_sample_keeps_the_proportions_and_depends_on_seed_and_context_alone() -> None:
    labels = np.repeat([0, 1, 2], [600, 300, 100])
    chosen = stratified(labels, 100, seeded(0, "abc", "train"))
    assert np.bincount(labels[chosen]).tolist() == [60, 30, 10]
    assert (np.diff(chosen) > 0).all()
    assert np.array_equal(chosen, stratified(labels, 100, seeded(0, "abc", "train")))
    assert not np.array_equal(chosen, stratified(labels, 100, seeded(1, "abc", "train")))
    assert not np.array_equal(chosen, stratified(labels, 100, seeded(0, "abd", "train")))
    assert np.array_equal(stratified(labels, None, seeded(0)), np.arange(1000))
    assert len(stratified(np.arange(7) % 3, 5, seeded(0))) == 5
