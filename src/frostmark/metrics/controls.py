"""What a layer must beat: the same metrics of an untrained network of the same architecture, and of raw pixels.

    table = gains(values, draws, {"pixels": pixel_scores})

The resamples are those of the layer itself, so that a difference has an interval.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from frostmark.metrics.kinds import Across, Kind, kind_of, split_of
from frostmark.metrics.metric import Scores, Table, Undefined, columns
from frostmark.stats.bootstrap import interval
from frostmark.stats.moments import Array


def stands_beside(key: str, kinds: Mapping[str, Kind]) -> bool:
    """Whether a metric of a control is shown beside the layer's own: it compares more than one run, and is of rows.

    What scales with the features says nothing beside that of another network; nor does what it took, or an interval.
    """
    kind = kind_of(key, kinds)
    return kind is not None and kind.across is not Across.RUN and split_of(key) is not None


def gains(values: Mapping[str, float], draws: Mapping[str, Array], controls: Mapping[str, Scores]) -> Table:
    """One line a control and metric: its value, the layer's, their difference, and the 95 % interval of the difference.

    Args:
        values, draws: of the layer.
        controls: name → scores.
    """

    def lines() -> Iterator[tuple[str, str, float, float, float, float, float]]:
        for control, scores in controls.items():
            for key, value in scores.values.items():
                if not stands_beside(key, scores.kinds) or isinstance(value, Undefined) or key not in values:
                    continue
                low = high = float("nan")
                if key in draws and key in scores.draws and _paired(key, scores.kinds):
                    low, high = interval(draws[key] - scores.draws[key])
                yield control, key, value, values[key], values[key] - value, low, high

    return columns(("control", "metric", "of_control", "of_layer", "difference", "lo", "hi"), lines())


def _paired(key: str, kinds: Mapping[str, Kind]) -> bool:
    """Whether the difference of two draws is a draw of the difference."""
    kind = kind_of(key, kinds)
    return kind is not None and kind.pairs is not None
