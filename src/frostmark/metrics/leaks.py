"""What test images that are copies of train images do to a benchmark: how many they are, and the accuracy without them.

    scores = leak_scores(leaked, test)                       # leaked (N,) bool: which test images are copies
    scores = leak_scores(leaked, test, hits, balanced=False) # over 0.5%: what decides, of the other images alone

Which images are copies is found in the images (:mod:`frostmark.stats.copies`), not in the rows.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from frostmark.metrics.kinds import Across, Kind
from frostmark.metrics.metric import Scores, Split
from frostmark.metrics.predictions import mean_recall
from frostmark.stats.moments import Array

MAX_SHARE = 0.005
"""Of the test images that may be copies before the accuracy without them is told."""

LEAK_KINDS: Mapping[str, Kind] = {
    "leaks/images": Kind(
        "leaked images",
        "lower",
        Across.NETWORKS,
        range=(0, math.inf),
        meaning="test images that are exact or near copies of a train image",
    ),
    "leaks/share": Kind(
        "share of leaked images",
        "lower",
        Across.NETWORKS,
        share=True,
        range=(0, 1),
        meaning="share of leaked images among the test images",
    ),
    "leaks/accuracy": Kind(
        "accuracy without leaked images",
        "higher",
        Across.NETWORKS,
        share=True,
        range=(0, 1),
        meaning="the accuracy that decides, without the leaked images; measured if they are more than 0.5% of test",
    ),
}


def leak_scores(leaked: NDArray[np.bool_], test: Split, hits: Array | None = None, *, balanced: bool = False) -> Scores:
    """How many test images are copies; where they are many, what decides without them, with its interval.

    Args:
        leaked: (N,) which test images are copies of train images.
        hits: (N,) which test images what decides classified correctly; None if nothing decides.
        balanced: whether the mean recall of the classes decides.
    """
    scores = Scores(LEAK_KINDS)
    scores.add("test/leaks/images", float(leaked.sum()))
    scores.add("test/leaks/share", float(leaked.mean()))
    clean = np.flatnonzero(~leaked)
    if hits is None or leaked.mean() <= MAX_SHARE or not len(clean):
        return scores
    resamples = test.resamples.among(clean, (*test.resamples.context, "without leaks"))
    means = resamples.balanced_means if balanced else resamples.means
    right = np.asarray(hits[clean], dtype=bool)
    value = mean_recall(test.labels[clean], right) if balanced else float(right.mean())
    scores.add("test/leaks/accuracy", value, draws=means(right) if resamples.draws else None)
    return scores
