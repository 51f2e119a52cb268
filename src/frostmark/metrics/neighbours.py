"""How well an image's neighbours tell its class.

    predicted = knn_predict(bank, bank_labels, queries, classes=10, k=20, temperature=0.07)

The protocol of DINO: rows of unit length, cosine similarity s, each of the k nearest votes exp(s / T) for its class
(Wu et al., arXiv 1805.01978; Caron et al., arXiv 2104.14294).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from frostmark.metrics.metric import Scores, Splits, guarded
from frostmark.stats.moments import Array
from frostmark.stats.neighbours import nearest_rows


def knn_predict(
    bank: Array,
    bank_labels: Array,
    queries: Array,
    classes: int,
    k: int = 20,
    temperature: float = 0.07,
    *,
    leave_one_out: bool = False,
) -> NDArray[np.int64]:
    """The class each query's neighbours vote for.

    Args:
        bank: (N, D) rows whose ``bank_labels`` (N,) are known.
        queries: (M, D) rows.
        k: neighbours that vote, at most as many as the bank offers.
        temperature: T of the weights exp(s / T).
        leave_one_out: the queries are the bank; none votes for itself.

    Returns:
        (M,) labels; the lower class where votes are equal.

    Raises:
        ValueError: if the bank offers no neighbour.
    """
    k = min(k, len(bank) - leave_one_out)
    index, similarity = nearest_rows(bank, queries, k, "cosine", exclude_self=leave_one_out)
    votes = np.zeros((len(queries), classes))
    lines = np.repeat(np.arange(len(queries)), k)
    # Relative to the nearest: the ratio of the votes is the same, and exp does not overflow at a small T.
    weights = np.exp((similarity - similarity[:, :1]).astype(np.float64) / temperature)
    np.add.at(votes, (lines, bank_labels[index].ravel()), weights.ravel())
    return np.asarray(votes.argmax(1), dtype=np.int64)


@dataclass(frozen=True)
class Neighbours:
    """k-NN accuracy: test rows ask the train rows; train rows ask each other, themselves left out.

    Args:
        k: neighbours that vote.
        temperature: of their weights.
        metric: of the neighbours; the protocol knows one.

    Raises:
        ValueError: if k or the temperature is not positive.
    """

    k: int = 20
    temperature: float = 0.07
    metric: Literal["cosine"] = "cosine"

    def __post_init__(self) -> None:
        if self.k < 1 or self.temperature <= 0:
            raise ValueError(f"k={self.k} and temperature={self.temperature} must be positive")

    def __call__(self, splits: Splits) -> Scores:
        train, test = splits["train"], splits["test"]

        def accuracy(queries: Array, labels: Array, *, leave_one_out: bool) -> float:
            predicted = knn_predict(
                train.rows,
                train.labels,
                queries,
                len(train.classes),
                self.k,
                self.temperature,
                leave_one_out=leave_one_out,
            )
            return float((predicted == labels).mean())

        alone = {"the train split holds one class only": len(train.moments.present) < 2}
        return Scores(
            {
                "test/neighbours/knn_accuracy": guarded(
                    lambda: accuracy(test.rows, test.labels, leave_one_out=False), alone
                ),
                "train/neighbours/knn_accuracy": guarded(
                    lambda: accuracy(train.rows, train.labels, leave_one_out=True), alone
                ),
            }
        )
