"""The published tables in docs/published, and what they say.

finetuned_cells()           # eight data sets × ten networks: scores and controls against fine-tuned accuracy
knn_cells()                 # 42 cells: k-NN against a linear probe on the same frozen rows
published_markdown()        # the part of docs/validity.md that follows from them
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from validity.orders import HEAD, Cell, Float, lines, measured, shown
from validity.page import table

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "published"

CONTROLS = ("ImageNet top-1", "parameters", "width")
"""What is known of a network without any image of the user's."""

KNN = "k-NN"

_CONTROL_COLUMNS = {"ImageNet top-1": "imagenet_top1", "parameters": "parameters", "width": "width"}
_CELL = ("dataset", "metric", "bands", "partition", "normalization", "image_size", "interpolation")


def finetuned_cells() -> list[Cell]:
    """The data sets of which scores are published, the scores and controls of ten networks on each."""
    scores: dict[str, dict[str, dict[str, float]]] = {}
    for line in _read("published_scores.csv"):
        of_set = scores.setdefault(line["dataset"], {})
        of_set.setdefault(line["score"], {})[line["network"]] = float(line["value"])
    accuracy = _finetuned()
    return [_finetuned_cell(name, accuracy[name], of_set) for name, of_set in scores.items()]


def all_finetuned_cells() -> list[Cell]:
    """All data sets and networks of the table of fine-tuned accuracies, with the controls alone."""
    return [_finetuned_cell(name, of_networks, {}) for name, of_networks in _finetuned().items()]


def _finetuned() -> dict[str, dict[str, float]]:
    accuracy: dict[str, dict[str, float]] = {}
    for line in _read("finetuned_torchvision.csv"):
        accuracy.setdefault(line["dataset"], {})[line["network"]] = float(line["finetuned_accuracy"])
    return accuracy


def _finetuned_cell(name: str, accuracy: Mapping[str, float], scores: Mapping[str, Mapping[str, float]]) -> Cell:
    cards = {line["network"]: line for line in _read("networks.csv")}
    scored = {network for of_networks in scores.values() for network in of_networks}
    networks = [network for network in accuracy if network in scored or not scores]
    columns = {score: _array(networks, of_networks) for score, of_networks in scores.items()}
    for control, column in _CONTROL_COLUMNS.items():
        columns[control] = _array(networks, {network: float(card[column]) for network, card in cards.items()})
    return Cell(name, columns, _array(networks, accuracy), columns["width"])


def knn_cells() -> list[Cell]:
    """k-NN as the score, the linear probe as the accuracy: one cell for each data set, bands and normalisation."""
    rows: dict[tuple[str, ...], list[tuple[float, float]]] = {}
    for line in _read("knn_and_linear.csv"):
        rows.setdefault(tuple(line[key] for key in _CELL), []).append((float(line["knn5"]), float(line["linear"])))
    cells = []
    for key, pairs in rows.items():
        knn, linear = np.array(pairs).T
        cells.append(Cell(" ".join(key[:3]), {KNN: knn}, linear, np.full(len(knn), np.nan)))
    return cells


def knn_sentences(cells: Sequence[Cell]) -> str:
    """What k-NN says of the order of a linear probe."""
    taus = np.array([order.tau for cell in cells if (order := measured(cell, KNN)) is not None])
    places = [min(_places(cell)) for cell in cells]  # of several best networks the one that k-NN puts first
    regret = 100 * np.mean([order.regret for cell in cells if (order := measured(cell, KNN)) is not None])
    return (
        f"Of {len(cells)} cells with {min(len(c.accuracy) for c in cells)} networks or more: Kendall's τ of 5-NN with "
        f"the linear probe has the median {shown(np.median(taus))}, the lower decile {shown(np.quantile(taus, 0.1))} "
        f"and the lowest value {shown(taus.min())}. Both name the same winner in {places.count(0)} cells; the best "
        f"network of the linear probe is among the first five of k-NN in {sum(place < 5 for place in places)}. "
        f"Choosing by k-NN costs {regret:.1f} points of the linear probe's accuracy on average."
    )


def _places(cell: Cell) -> list[int]:
    """Of every network that is the best by accuracy, how many k-NN puts before it."""
    knn = cell.scores[KNN]
    return [int((knn > knn[best]).sum()) for best in np.flatnonzero(cell.accuracy == cell.accuracy.max())]


def published_markdown() -> str:
    """What follows from the published tables."""
    cells, every = finetuned_cells(), all_finetuned_cells()
    return "\n\n".join(
        [
            f"### Fine-tuned accuracy: {len(cells)} data sets, {len(cells[0].accuracy)} networks of torchvision",
            table(HEAD, lines(cells, CONTROLS)),
            f"The controls alone, on all {len(every)} data sets and {len(every[0].accuracy)} networks:",
            table(HEAD, lines(every, CONTROLS)),
            "### A linear probe of frozen rows: 5-NN",
            knn_sentences(knn_cells()),
        ]
    )


def _array(networks: Sequence[str], values: Mapping[str, float]) -> Float:
    return np.array([values.get(network, np.nan) for network in networks])


def _read(name: str) -> list[dict[str, str]]:
    with (FOLDER / name).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
