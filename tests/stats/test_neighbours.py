"""Nearest rows and samples: those of scikit-learn, of known sizes, the same for every backbone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neighbors import NearestNeighbors
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from frostmark.stats import accelerated, neighbours, selfjoin
from frostmark.stats.neighbours import MANY, Graph, nearest_of_other_groups, nearest_rows, unit_rows
from frostmark.stats.sampling import seeded, stratified
from frostmark.stats.selfjoin import nearest_among


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


def most_similar(rows: np.ndarray, k: int) -> np.ndarray:
    """(N, k) the largest products of each row with the others, one by one."""
    products = rows.astype(np.float64) @ rows.T.astype(np.float64)
    np.fill_diagonal(products, -np.inf)
    return -np.sort(-products, axis=1)[:, :k]


# Products of small whole numbers are exact in any order of summing, and so few that twins, ties, rows of zeros and sets
# of equal rows come by themselves.
@settings(max_examples=80, deadline=None)
@given(st.integers(2, 50), st.integers(1, 3), st.integers(0, 2), st.integers(0, 2**32 - 1), st.data())
def test_rows_among_themselves_are_those_of_brute_force(
    count: int, width: int, largest: int, seed: int, data: st.DataObject
) -> None:
    k, block = data.draw(st.integers(1, count - 1)), data.draw(st.integers(5, 60))
    rows = np.random.default_rng(seed).integers(-largest, largest + 1, (count, width)).astype(np.float32)
    index, product = nearest_among(rows, k, block=block)
    assert np.array_equal(product, most_similar(rows, k))
    assert np.array_equal(product, np.einsum("nd,nkd->nk", rows, rows[index]))
    assert not (index == np.arange(count)[:, None]).any()
    assert (np.diff(np.sort(index, axis=1), axis=1) > 0).all()
    equal = np.diff(product, axis=1) == 0
    assert (np.diff(index, axis=1)[equal] > 0).all()


@pytest.mark.parametrize("block", [100, 250, 1024])
def test_rows_among_themselves_are_the_same_bits_whatever_the_threads(block: int) -> None:
    rng = np.random.default_rng(4)
    rows = np.repeat(rng.standard_normal((300, 24)), 3, axis=0)[rng.permutation(900)]
    found = []
    for threads in (1, 2, 5):
        with threadpool_limits(threads, "blas"):
            found += [nearest_among(rows, 40, block=block) for _ in range(2)]
    for index, product in found[1:]:
        assert np.array_equal(index, found[0][0])
        assert product.tobytes() == found[0][1].tobytes()


def test_many_rows_have_the_neighbours_that_an_exhaustive_search_finds() -> None:
    rng = np.random.default_rng(5)
    rows = rng.standard_normal((MANY + 3, 16)) + 3 * rng.standard_normal((5, 16))[np.arange(MANY + 3) % 5]
    rows[:20], rows[20:25] = rows[20], 0
    index, similarity = nearest_rows(rows, rows, 30, "cosine", exclude_self=True)
    unit = unit_rows(rows)
    # float32 products of unit rows: a few roundings of 6e-8
    np.testing.assert_allclose(similarity, most_similar(unit, 30), atol=5e-7)
    np.testing.assert_allclose(similarity, np.einsum("nd,nkd->nk", unit, unit[index]), atol=5e-7)
    assert not (index == np.arange(len(rows))[:, None]).any()
    assert (np.diff(np.sort(index, axis=1), axis=1) > 0).all()
    assert set(range(20)) - {7} <= set(index[7])
    assert (similarity[20:25] == 0).all()


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


# Neighbours of other groups


def nearest_apart(rows: np.ndarray, groups: np.ndarray, k: int) -> np.ndarray:
    """As one would write it down."""
    cosines = unit_rows(rows) @ unit_rows(rows).T
    cosines[groups[:, None] == groups] = -np.inf
    return np.argsort(-cosines, axis=1, kind="stable")[:, :k]


@pytest.mark.parametrize("kept", [5, 20, 199])  # of most rows too few, of some, of none
def test_neighbours_of_other_groups_are_those_of_a_masked_search(kept: int) -> None:
    rng = np.random.default_rng(0)
    groups = rng.permutation(np.repeat(np.arange(12), [60, 30, *[11] * 10]))
    rows = rng.standard_normal((200, 8)) + rng.standard_normal((12, 8))[groups]  # a group's images are alike
    graph = nearest_of_other_groups(rows, groups, Graph.of(rows, rows, kept, exclude_self=True), 10)
    assert np.array_equal(graph.index, nearest_apart(rows, groups, 10))
    assert (groups[graph.index] != groups[:, None]).all()
    own = np.einsum("nd,nkd->nk", unit_rows(rows), unit_rows(rows)[graph.index])
    np.testing.assert_allclose(graph.similarity, own, atol=2e-6)
    assert (graph.index.dtype, graph.similarity.dtype) == (np.int32, np.float32)


def test_groups_of_one_are_no_groups() -> None:
    rows = np.random.default_rng(1).standard_normal((50, 4))
    near = Graph.of(rows, rows, 20, exclude_self=True)
    assert np.array_equal(nearest_of_other_groups(rows, np.arange(50), near, 7).index, near.first(7).index)


def test_as_many_neighbours_of_other_groups_as_all_rows_have() -> None:
    rows = np.random.default_rng(1).standard_normal((50, 4))
    groups = np.repeat([0, 1], [45, 5])
    near = Graph.of(rows, rows, 20, exclude_self=True)
    assert nearest_of_other_groups(rows, groups, near, 20).index.shape == (50, 5)
    with pytest.raises(ValueError, match="one group"):
        nearest_of_other_groups(rows, np.zeros(50, int), near, 20)


# Large sets: in parts, of a sample, on an accelerator


@pytest.fixture
def in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every bank and set is large."""
    monkeypatch.setattr(neighbours, "_INDEXED", 0)
    monkeypatch.setattr(neighbours, "_SEARCHED", 64)
    monkeypatch.setattr(neighbours, "_CELLS", 500)
    monkeypatch.setattr(selfjoin, "MAX_HELD", 0)


def alike(count: int, width: int = 24, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (rng.standard_normal((count, width)) + 3 * rng.standard_normal((5, width))[np.arange(count) % 5]).astype(
        "f4"
    )


@pytest.mark.parametrize("exclude_self", [False, True])
def test_a_bank_in_parts_has_the_same_neighbours(exclude_self: bool, request: pytest.FixtureRequest) -> None:
    bank = alike(300)
    queries = bank if exclude_self else alike(130, seed=1)
    whole = Graph.of(bank, queries, 20, exclude_self=exclude_self)
    request.getfixturevalue("in_parts")
    parts = Graph.of(bank, queries, 20, exclude_self=exclude_self)
    assert np.array_equal(parts.index, whole.index)
    np.testing.assert_allclose(parts.similarity, whole.similarity, atol=1e-6)
    few = Graph.of(bank, queries, 290, exclude_self=exclude_self)  # more than a part has
    assert (np.sort(few.index, axis=1)[:, 1:] != np.sort(few.index, axis=1)[:, :-1]).all()


def test_a_self_join_that_reads_rows_again_gives_the_same_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = alike(MANY, 12)
    held = Graph.of(rows, rows, 15, exclude_self=True)
    monkeypatch.setattr(selfjoin, "MAX_HELD", 0)
    read = Graph.of(rows, rows, 15, exclude_self=True)
    assert np.array_equal(read.index, held.index)
    assert np.array_equal(read.similarity, held.similarity)


def test_other_groups_in_parts_are_those_of_a_masked_search(in_parts: None) -> None:
    rows, groups = alike(200), np.arange(200) % 9
    graph = nearest_of_other_groups(rows, groups, Graph.of(rows, rows, 5, exclude_self=True), 10)
    assert np.array_equal(graph.index, nearest_apart(rows, groups, 10))


def test_a_sample_asks_all_other_rows() -> None:
    rows, groups, asked = alike(300), np.arange(300) % 40, np.array([3, 4, 77, 290, 299])
    whole = Graph.of(rows, rows, 25, exclude_self=True)
    some = Graph.of_some(rows, asked, 25)
    assert np.array_equal(some.index, whole.index[asked])
    np.testing.assert_allclose(some.similarity, whole.similarity[asked], atol=1e-6)
    apart = nearest_of_other_groups(rows, groups, some, 10, asked)
    assert np.array_equal(apart.index, nearest_apart(rows, groups, 10)[asked])


@pytest.mark.parametrize(("cells", "products"), [(1 << 28, 1 << 28), (24 * 70, 70 * 33), (1, 1)])
@pytest.mark.parametrize("exclude_self", [False, True])
def test_an_accelerator_finds_what_the_cpu_finds(
    exclude_self: bool, cells: int, products: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accelerated, "BANK_CELLS", cells)
    monkeypatch.setattr(accelerated, "PRODUCTS", products)
    bank = alike(500)
    queries = bank if exclude_self else alike(101, seed=1)
    cpu = Graph.of(bank, queries, 30, exclude_self=exclude_self)
    torch = Graph.of(bank, queries, 30, exclude_self=exclude_self, device="cpu")
    assert np.array_equal(torch.index, cpu.index)
    np.testing.assert_allclose(torch.similarity, cpu.similarity, atol=1e-6)
    assert (torch.index.dtype, torch.similarity.dtype) == (np.int32, np.float32)


def test_twins_on_an_accelerator_come_in_order_and_a_row_is_not_its_own_neighbour() -> None:
    rows = np.array([[1.0, 0]] * 4 + [[0, 1]] * 3, np.float32)
    graph = Graph.of(rows, rows, 6, exclude_self=True, device="cpu")
    assert graph.index[1].tolist() == [0, 2, 3, 4, 5, 6]
    assert Graph.of(rows, rows[:0], 3, device="cpu").index.shape == (0, 3)


def test_who_is_asked_for_a_cpu_gets_no_accelerator() -> None:
    assert accelerated.accelerator("cpu") is None
    assert accelerated.accelerator("auto") in {None, "cuda"}
