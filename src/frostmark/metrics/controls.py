"""What a layer must beat: the same metrics of an untrained network of the same architecture, and of raw pixels.

    shown = beside(pixel_scores, widths=(512, 784))         # without what compares rows of equal width
    table = gains(values, draws, {"pixels": shown})

The resamples are those of the layer itself, so that a difference has an interval.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from frostmark.metrics.kinds import Kind, kind_of, split_of
from frostmark.metrics.lookup import compares
from frostmark.metrics.metric import Scores, Table, Undefined, columns
from frostmark.stats.bootstrap import interval
from frostmark.stats.moments import Array


def stands_beside(key: str, kinds: Mapping[str, Kind], widths: tuple[int, int]) -> bool:
    """Whether a metric of a control is shown beside the layer's own: it compares the two, and is of rows.

    What scales with the features says nothing beside that of another network; nor does what changes with their number
    beside that of another width, nor what a control took, nor an interval.

    Args:
        widths: number of features of the layer and of the control.
    """
    kind = kind_of(key, kinds)
    return kind is not None and split_of(key) is not None and compares(kind, widths, ("layer", "control"))


def beside(scores: Scores, widths: tuple[int, int]) -> Scores:
    """What of a control's ``scores`` is shown beside the layer's own; see :func:`stands_beside`."""
    shown = Scores(scores.kinds)
    shown.values |= {key: value for key, value in scores.values.items() if stands_beside(key, scores.kinds, widths)}
    shown.draws |= {key: draws for key, draws in scores.draws.items() if key in shown.values}
    return shown


def gains(values: Mapping[str, float], draws: Mapping[str, Array], controls: Mapping[str, Scores]) -> Table:
    """One line a control and metric: its value, the layer's, their difference, and the 95 % interval of the difference.

    Args:
        values, draws: of the layer.
        controls: name → scores, what is :func:`beside` alone.
    """

    def lines() -> Iterator[tuple[str, str, float, float, float, float, float]]:
        for control, scores in controls.items():
            for key, value in scores.values.items():
                if isinstance(value, Undefined) or key not in values:
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
