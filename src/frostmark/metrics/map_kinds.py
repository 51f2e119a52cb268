"""The kinds of what is measured in a map: how far it may be believed, and the report's variances in it.

scores = Scores(MAP_KINDS)
scores.add("test/map/trustworthiness", 0.98)
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial

from frostmark.metrics.kinds import Across, Kind

_badge = partial(Kind, better="higher", across=Across.NETWORKS, of_map=True)
_variance = partial(Kind, better="neither", across=Across.RUN, range=(0, math.inf), of_map=True)

MAP_KINDS: Mapping[str, Kind] = {
    "map/trustworthiness": _badge(
        "trustworthiness",
        range=(0, 1),
        meaning="1 if points side by side in the map are neighbours in the features; about 0.5 by chance; of the ten "
        "nearest",
    ),
    "map/continuity": _badge(
        "continuity", range=(0, 1), meaning="1 if neighbours in the features stand side by side in the map"
    ),
    "map/knn_preservation": _badge(
        "neighbours kept",
        share=True,
        range=(0, 1),
        meaning="share of the ten nearest neighbours in the features that are among the ten nearest in the map",
    ),
    "map/distance_correlation": _badge(
        "distance correlation",
        range=(-1, 1),
        meaning="rank correlation of the distances of 100,000 pairs: large distances, which t-SNE hardly keeps",
    ),
    "map/knn_accuracy": _badge(
        "k-NN accuracy in the map",
        share=True,
        range=(0, 1),
        meaning="accuracy of the ten nearest in the map, with one vote each",
    ),
    "map/knn_accuracy_excess": _badge(
        "k-NN accuracy, map minus features",
        better="neither",
        share=True,
        range=(-1, 1),
        meaning="how much more accurate the ten nearest in the map are than the ten nearest in the features",
    ),
    "map/stability": _badge(
        "stability over seeds",
        share=True,
        range=(0, 1),
        meaning="share of neighbours that maps of different seeds have in common",
    ),
    "map/seed_disparity": _badge(
        "disparity over seeds",
        better="lower",
        range=(0, 1),
        meaning="what remains of the differences between maps of different seeds after alignment",
    ),
    "map/kl_divergence": _badge(
        "KL divergence",
        better="lower",
        meaning="what t-SNE minimised; compare it at equal numbers of points and equal perplexity",
    ),
    "map/variance_intra": _variance(
        "within-class variance in the map",
        meaning="`variance/intra` in the coordinates of the map; do not compare runs by it",
    ),
    "map/variance_inter": _variance(
        "between-class variance in the map",
        meaning="`variance/inter` in the coordinates of the map; do not compare runs by it",
    ),
    "map/intra_variance/<class>": _variance(
        "variance of <class> in the map", per="class", meaning="variance of one class in the coordinates of the map"
    ),
    "map/pair_variance/<i>-<j>": _variance(
        "variance of classes <i> and <j> in the map",
        per="pair",
        meaning="variance of two classes pooled into one set, in the coordinates of the map",
    ),
}
