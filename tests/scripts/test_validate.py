"""How well scores order networks: the statistics by cases done in the head, the published tables, the page."""

from __future__ import annotations

import csv
import importlib
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import kendalltau, weightedtau
from torchvision.models import get_model_weights

from frostmark.errors import ConfigError
from support.environment import REPOSITORY
from support.simulated_runs import KNN, hits_of, run_of


@pytest.fixture(scope="module")
def scripts() -> Iterator[SimpleNamespace]:
    """The modules of scripts/validity, by name."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(REPOSITORY / "scripts"))
        names = ("orders", "published", "page", "own", "probe")
        yield SimpleNamespace(**{name: importlib.import_module(f"validity.{name}") for name in names})


def cell_of(scripts: SimpleNamespace, score: list[float], accuracy: list[float], width: list[float]) -> object:
    columns = (np.array(column, float) for column in (score, accuracy, width))
    score_, accuracy_, width_ = columns
    return scripts.orders.Cell("pets", {"score": score_}, accuracy_, width_)


def test_a_score_that_orders_rightly_and_one_that_does_the_opposite(scripts: SimpleNamespace) -> None:
    right = scripts.orders.measured(cell_of(scripts, [1, 2, 3], [70, 80, 90], [8, 8, 16]), "score")
    assert (right.tau, right.weighted, right.regret, right.right, right.wrong) == (1, 1, 0, 1, 0)
    wrong = scripts.orders.measured(cell_of(scripts, [3, 2, 1], [70, 80, 90], [8, 8, 16]), "score")
    assert (wrong.tau, wrong.regret, wrong.right, wrong.wrong) == (-1, 20, 0, 1)
    assert wrong.weighted == pytest.approx(-1)
    assert right.width == pytest.approx(2 / np.sqrt(2 * 3))  # two pairs in order of three, one tied width
    assert wrong.width == -right.width


def test_one_pair_of_three_in_the_wrong_order(scripts: SimpleNamespace) -> None:
    """τ = (2 − 1) / 3; the swap of the best two weighs more than that of the last two."""
    accuracy = [70.0, 80.0, 90.0]
    top, last = [1.0, 3.0, 2.0], [2.0, 1.0, 3.0]
    orders = [scripts.orders.measured(cell_of(scripts, score, accuracy, [8] * 3), "score") for score in (top, last)]
    assert [order.tau for order in orders] == pytest.approx([1 / 3, 1 / 3])
    assert orders[0].weighted < orders[1].weighted
    assert orders[0].weighted == weightedtau(top, accuracy).statistic
    assert [order.regret for order in orders] == [10, 0]
    assert [(order.right, order.wrong) for order in orders] == [(2, 1), (2, 1)]


def test_what_ties_and_gaps_count(scripts: SimpleNamespace) -> None:
    assert scripts.orders.regret_at_1(np.array([5.0, 5, 1]), np.array([70.0, 80, 90])) == 15
    tied = scripts.orders.equal_width_pairs(np.array([1.0, 1, 2]), np.array([1.0, 2, 2]), np.array([4.0, 4, 4]))
    assert tied == (1, 0)
    assert scripts.orders.measured(cell_of(scripts, [1, np.nan, 3], [70, 80, 90], [8] * 3), "score") is None
    flat = scripts.orders.measured(cell_of(scripts, [1, 1, 1], [70, 80, 90], [8] * 3), "score")
    assert (flat.tau, flat.weighted, flat.regret) == (None, None, 10)


def test_cells_are_averaged_and_their_pairs_summed(scripts: SimpleNamespace) -> None:
    cells = [cell_of(scripts, score, [70, 80, 90], [8, 8, 16]) for score in ([1, 2, 3], [3, 2, 1], [1, 2, 3])]
    ((name, order),) = scripts.orders.best_first(cells)
    assert (name, order.cells, order.right, order.wrong) == ("score", 3, 2, 1)
    assert order.tau == pytest.approx(1 / 3)
    assert order.regret == pytest.approx(20 / 3)
    (line,) = scripts.orders.lines(cells, ["score"])
    assert line == ["*score*", "3", "0.33", "0.33", "6.67", "2 : 1", "0.27"]


def test_the_published_scores_say_what_is_known_of_them(scripts: SimpleNamespace) -> None:
    orders = dict(scripts.orders.best_first(scripts.published.finetuned_cells()))
    known = {
        "ImageNet top-1": 0.60, "PACTranDirichlet": 0.62, "NLEEP": 0.60, "H-Score": 0.54, "LEEP": 0.47, "GBC": 0.42,
        "LogME": 0.41, "width": 0.41, "parameters": 0.64,
    }  # fmt: skip
    assert {name: round(orders[name].tau, 2) for name in known} == known
    assert {order.cells for order in orders.values()} == {8}
    pairs = {name: (orders[name].right, orders[name].wrong) for name in ("NLEEP", "GBC", "H-Score", "LogME")}
    assert pairs == {"NLEEP": (55, 9), "GBC": (54, 10), "H-Score": (46, 18), "LogME": (40, 24)}
    assert round(orders["H-Score"].width, 2) == 0.81


def test_published_k_nn_and_linear_probes_disagree_as_is_known(scripts: SimpleNamespace) -> None:
    cells = scripts.published.knn_cells()
    taus = [kendalltau(cell.scores["k-NN"], cell.accuracy).statistic for cell in cells]
    assert (len(cells), round(float(np.median(taus)), 2), round(min(taus), 2)) == (42, 0.66, 0.17)
    said = scripts.published.knn_sentences(cells)
    assert "the median 0.66, the lower decile 0.40 and the lowest value 0.17" in said
    assert "the same winner in 11 cells" in said
    assert "among the first five of k-NN in 34" in said


def test_the_cards_of_the_networks_are_those_of_the_weights(scripts: SimpleNamespace) -> None:
    with (scripts.published.FOLDER / "networks.csv").open(encoding="utf-8") as file:
        for line in csv.DictReader(file):
            meta = get_model_weights(line["network"])["IMAGENET1K_V1"].meta
            assert int(line["parameters"]) == meta["num_params"]
            assert float(line["imagenet_top1"]) == meta["_metrics"]["ImageNet-1K"]["acc@1"]


def test_the_page_is_current(scripts: SimpleNamespace) -> None:
    """`python scripts/validate.py --markdown` would change nothing."""
    page = (REPOSITORY / "docs" / "validity.md").read_text(encoding="utf-8")
    assert scripts.page.written(page, "published", scripts.published.published_markdown()) == page
    assert scripts.page.BEGIN.format(part="probe") in page
    with pytest.raises(ValueError, match="no markers"):
        scripts.page.written(page, "nothing", "")


# ---------------------------------------------------------------- a user's own accuracies


def _runs() -> list[object]:
    """Three networks, the first with two layers, of which the second is the better on train."""
    hits = hits_of([0.6, 0.7, 0.8, 0.9], 400, np.random.default_rng(0))
    cards = {"a": ("60", "4"), "b": ("80", "8"), "c": ("70", "8")}
    more = {name: {"imagenet_top1": top1, "features": width} for name, (top1, width) in cards.items()}
    return [
        run_of(hits[0], backbone="a", layer="stage1", node="relu", train=0.3, **more["a"]),
        *(run_of(h, backbone=name, **more[name]) for h, name in zip(hits[1:], "abc", strict=True)),
    ]


def test_a_comparison_of_ones_own_is_set_against_ones_accuracies(scripts: SimpleNamespace, tmp_path: Path) -> None:
    path = tmp_path / "accuracy.csv"
    path.write_text("backbone,accuracy\nc,0.9\na,0.7\nb,0.8\nelsewhere,0.1\n")
    (cell,) = scripts.own.own_cells(_runs(), scripts.own.accuracies(path))
    orders = dict(scripts.orders.best_first([cell]))
    assert orders["k-NN accuracy"].tau == 1
    assert orders["ImageNet top-1"].tau == pytest.approx(1 / 3)
    assert (orders["k-NN accuracy"].right, orders["ImageNet top-1"].wrong) == (1, 1)
    assert "parameters" not in orders  # the runs have no such tag
    assert list(cell.accuracy) == [0.7, 0.8, 0.9]  # of the best layer on train of each network


def test_accuracies_of_layers_are_those_of_these_layers(scripts: SimpleNamespace, tmp_path: Path) -> None:
    path = tmp_path / "accuracy.csv"
    path.write_text("network,layer,accuracy\na,stage1,95\nb,last_conv,80\nc,,70\n")
    (cell,) = scripts.own.own_cells(_runs(), scripts.own.accuracies(path))
    assert list(cell.accuracy) == [95, 80, 70]
    assert dict(scripts.orders.best_first([cell]))["k-NN accuracy"].tau == -1


@pytest.mark.parametrize("text", ["name,accuracy\na,1\n", "network,top1\na,1\n", "network,accuracy\na,high\n", ""])
def test_accuracies_that_cannot_be_read_are_named(scripts: SimpleNamespace, text: str, tmp_path: Path) -> None:
    path = tmp_path / "accuracy.csv"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"accuracy\.csv"):
        scripts.own.accuracies(path)


def test_names_that_fit_no_run_are_told(scripts: SimpleNamespace) -> None:
    with pytest.raises(ConfigError, match=r"resnet19 .*\?") as told:
        scripts.own.own_cells(_runs(), {("a", ""): 1.0, ("b", ""): 2.0, ("resnet19", ""): 3.0})
    assert "a, b, c" in str(told.value)


# ---------------------------------------------------------------- the probe


def test_a_tuned_probe_separates_what_is_separable(scripts: SimpleNamespace) -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(120) % 3
    rows = (4 * np.eye(3)[labels] + rng.normal(size=(120, 3))).astype(np.float32)
    assert scripts.probe.tuned_probe(rows[:60], labels[:60], rows[60:], labels[60:]) > 0.9


def test_the_table_of_the_probe_takes_whatever_metrics_the_runs_have(scripts: SimpleNamespace) -> None:
    hits = hits_of([0.6, 0.7, 0.8, 0.9], 400, np.random.default_rng(0))
    rows = [
        scripts.probe.Probed(run_of(h, features="8", backbone=name), name, name != "d", 0.5 + 0.1 * n)
        for n, (h, name) in enumerate(zip(hits, "abcd", strict=True))
    ]
    del rows[3].run.values[KNN]
    text = scripts.probe.probe_markdown(rows, scripts.probe.Settings(Path(), Path(), Path()))
    assert "| metric | test: all 4 rows | test: 3 of trained networks |" in text
    assert "| k-NN accuracy | 1.00 (3 rows) | 1.00 |" in text
    assert "| d | 8 | 0.800 | – |" in text
