"""What a layer must beat: the same metrics of an untrained network of the same architecture, and of raw pixels.

    table = gains(values, draws, {"pixels": pixel_scores})

The resamples are those of the layer itself, so that a difference has an interval.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from frostmark.metrics.metric import Scores, Table, Undefined, columns
from frostmark.stats.bootstrap import UNCERTAINTY_ENDS, interval
from frostmark.stats.moments import Array

_NOT_BESIDE = ("/variance/", "/intra_variance/", "/pair_variance/", "cost/")
"""What scales with the features says nothing beside that of another network; nor does what it took."""

_UNPAIRED = "/geometry/"
"""Draws of neighbourhoods, which differ from layer to layer: the difference of two is no draw of a difference."""


def stands_beside(key: str) -> bool:
    """Whether a metric of a control is shown beside the layer's own: whether it is free of scale, and no interval."""
    return not any(part in key for part in _NOT_BESIDE) and not key.endswith(UNCERTAINTY_ENDS)


def gains(values: Mapping[str, float], draws: Mapping[str, Array], controls: Mapping[str, Scores]) -> Table:
    """One line a control and metric: its value, the layer's, their difference, and the 95 % interval of the difference.

    Args:
        values, draws: of the layer.
        controls: name → scores.
    """

    def lines() -> Iterator[tuple[str, str, float, float, float, float, float]]:
        for control, scores in controls.items():
            for key, value in scores.values.items():
                if not stands_beside(key) or isinstance(value, Undefined) or key not in values:
                    continue
                low = high = float("nan")
                if key in draws and key in scores.draws and _UNPAIRED not in key:
                    low, high = interval(draws[key] - scores.draws[key])
                yield control, key, value, values[key], values[key] - value, low, high

    return columns(("control", "metric", "of_control", "of_layer", "difference", "lo", "hi"), lines())
