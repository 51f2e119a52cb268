"""Runs as their folders would hold them, of networks whose accuracy is known.

hits = hits_of([0.8, 0.9], images=400, rng=rng)         # mistakes mostly shared
runs = [run_of(hits[0], backbone="resnet18"), run_of(hits[1], backbone="vgg16")]
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.stats import norm

from frostmark.comparison.runs import Run
from frostmark.stats.bootstrap import Resamples, interval

KNN = "test/neighbours/knn_accuracy"
TAGS = {
    "dataset": "synthetic", "dataset_fingerprint": "f" * 32, "label_digest": "a" * 32, "train_images": "100",
    "test_images": "400", "preprocess": "resize", "image_size": "224", "seed": "0", "protocol": "neighbours k=20",
    "decide": "knn",
    "backbone": "resnet18", "weights": "IMAGENET1K_V1", "layer": "last_conv", "node": "layer4", "pool": "gap",
}  # fmt: skip


def run_of(hits: np.ndarray, train: float = 0.5, draws: int = 200, **tags: str) -> Run:
    """A run as its folder would hold it, with the resamples that all runs share."""
    labels = np.arange(len(hits)) % 2
    drawn = Resamples(labels, draws, ("0", "images", "test")).means(hits)
    low, high = interval(drawn)
    values = {
        KNN: float(hits.mean()), f"{KNN}_lo": low, f"{KNN}_hi": high, "train/neighbours/knn_accuracy": train,
        "cost/gmacs_share": 0.5, "cost/gmacs": 1.0,
    }  # fmt: skip
    return Run("t", TAGS | tags, ("a", "b"), values, {}, {KNN: drawn}, {"test/knn_hits": hits})


def with_linear(run: Run, hits: np.ndarray, train: float = 0.5) -> Run:
    """The run with a linear read-out of these hits beside its k-NN."""
    key, labels = "test/linear/accuracy", np.arange(len(hits)) % 2
    drawn = Resamples(labels, 200, ("0", "images", "test")).means(hits)
    low, high = interval(drawn)
    of_linear = {key: float(hits.mean()), f"{key}_lo": low, f"{key}_hi": high, "train/linear/accuracy": train}
    outcomes = {**run.outcomes, "test/linear_hits": hits}
    tags = {**run.tags, "decide": "linear"}
    return replace(
        run, tags=tags, values={**run.values, **of_linear}, draws={**run.draws, key: drawn}, outcomes=outcomes
    )


def hits_of(accuracies: list[float], images: int, rng: np.random.Generator, shared: float = 0.8) -> list[np.ndarray]:
    """Nearest-mean hits on two Gaussian classes: of each layer Φ(half the distance), mistakes mostly shared."""
    common = rng.normal(size=images)
    return [
        norm.ppf(p) + np.sqrt(shared) * common + np.sqrt(1 - shared) * rng.normal(size=images) > 0 for p in accuracies
    ]
