"""What it took to make a run's numbers: the kinds of the ``cost/…`` metrics, which belong to no split.

scores = Scores(COST_KINDS)
scores.add("cost/gmacs", 1.82)
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from frostmark.metrics.kinds import Across, Kind

_POSITIVE = (0, math.inf)

COST_KINDS: Mapping[str, Kind] = {
    "cost/images_forwarded": Kind(
        "images forwarded",
        "neither",
        Across.RUN,
        range=_POSITIVE,
        meaning="images that went through the backbone in this run; 0 if all rows were in the store",
    ),
    "cost/images_checked": Kind(
        "images checked",
        "neither",
        Across.RUN,
        range=_POSITIVE,
        meaning="images that were forwarded again to check stored rows (`features.spot_check`); not among those "
        "forwarded",
    ),
    "cost/images_per_second": Kind(
        "images/s",
        "higher",
        Across.NETWORKS,
        range=_POSITIVE,
        meaning="rate of the forward pass with preprocessing and storing, after the first batches; compare it on one "
        "machine",
    ),
    "cost/extract_seconds": Kind(
        "extraction, seconds",
        "lower",
        Across.RUN,
        range=_POSITIVE,
        meaning="time of the forward pass, which may store several layers",
    ),
    "cost/gmacs": Kind(
        "GMACs",
        "lower",
        Across.NETWORKS,
        range=_POSITIVE,
        meaning="multiply-accumulates (10⁹) of one image up to the layer",
    ),
    "cost/gmacs_share": Kind(
        "share of compute",
        "lower",
        Across.NETWORKS,
        share=True,
        range=(0, 1),
        meaning="depth of the layer: its share of the whole network's multiply-accumulates",
    ),
    "cost/params": Kind(
        "parameters", "lower", Across.NETWORKS, range=_POSITIVE, meaning="parameters used up to the layer"
    ),
    "cost/latency_ms_p50": Kind(
        "latency, ms (median)",
        "lower",
        Across.NETWORKS,
        range=_POSITIVE,
        meaning="of one image in the exported ONNX file (`export`), onnxruntime on the processor; compare it on one "
        "machine",
    ),
    "cost/latency_ms_p95": Kind(
        "latency, ms (95% within)",
        "lower",
        Across.NETWORKS,
        range=_POSITIVE,
        meaning="like the median latency: 95% of the measurements were not slower",
    ),
    "cost/exported_mb": Kind(
        "exported size, MB",
        "lower",
        Across.NETWORKS,
        range=_POSITIVE,
        meaning="size of the exported ONNX file with its weights",
    ),
    "cost/precision_error": Kind(
        "precision error",
        "lower",
        Across.NETWORKS,
        range=_POSITIVE,
        meaning="relative distance of the rows from those of float32 on a probe batch; only in other precisions",
    ),
    "cost/bytes_per_image": Kind(
        "bytes per image",
        "lower",
        Across.NETWORKS,
        range=_POSITIVE,
        meaning="size of the layer's row in the store",
    ),
    "cost/peak_memory_mb": Kind(
        "peak memory, MB",
        "lower",
        Across.RUN,
        range=_POSITIVE,
        meaning="peak memory of this process so far: RAM, or GPU memory if it used a GPU",
    ),
    "cost/map_seconds": Kind(
        "map, seconds", "lower", Across.RUN, range=_POSITIVE, meaning="time of fitting and placing the map"
    ),
    "cost/badge_seconds": Kind(
        "badge, seconds",
        "lower",
        Across.RUN,
        range=_POSITIVE,
        meaning="time of measuring how faithful the map is",
    ),
    "cost/<family>_seconds": Kind(
        "<family>, seconds",
        "lower",
        Across.RUN,
        range=_POSITIVE,
        meaning="time of the metric family with its intervals and nulls",
    ),
}
