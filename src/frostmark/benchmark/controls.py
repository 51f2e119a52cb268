"""What the layer must beat: the same metrics of the same network untrained, and of raw pixels.

add_controls(record, subject, measurement)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from frostmark.analysis.measure import Measurement, joined
from frostmark.backbones.backbone import UNTRAINED
from frostmark.benchmark.extraction import extraction_of
from frostmark.benchmark.kept_scores import scores_of_pixels
from frostmark.benchmark.measuring import observers
from frostmark.benchmark.networks import untrained_network
from frostmark.benchmark.seen import PIXELS, pixel_rows
from frostmark.benchmark.subject import Subject
from frostmark.errors import ConfigError, FrostmarkError
from frostmark.lit.callbacks.metrics import Metrics
from frostmark.lit.trainer import is_rank_zero
from frostmark.metrics.metric import Scores
from frostmark.results.record import Record


@dataclass(frozen=True)
class Measured:
    """The metrics of a control, and the number of its features."""

    scores: Scores
    width: int


Control = Callable[[Subject, Measurement], Measured | None]


def add_controls(record: Record, subject: Subject, measurement: Measurement) -> None:
    """Measure every control that was asked for; one that cannot be had is skipped with its reason."""
    for name in dict.fromkeys(subject.config.controls):
        measurement.progress(f"control: {name}")
        try:
            measured = CONTROLS[name](subject, measurement)
        except FrostmarkError as problem:  # the layer's own numbers are there
            if problem.code == FrostmarkError.code:  # a bug of ours
                raise
            record.skipped[f"control {name}"] = problem.problem
            continue
        if measured is not None:
            record.add_control(name, measured.scores, (subject.tap.width, measured.width))
    record.compare()


def untrained(subject: Subject, measurement: Measurement) -> Measured:
    """The same network with seeded initial weights.

    Raises:
        ConfigError: if the network of the run is untrained itself, or cannot be built anew.
    """
    if subject.backbone.weights_name == UNTRAINED:
        raise ConfigError("the network of this run is untrained itself", fix="controls=[pixels]")
    network = untrained_network(subject)
    extraction = extraction_of(subject, network, measurement.progress)
    collecting, observed = observers(subject, extraction)
    metrics = Metrics(measurement, observed)
    extraction.through([*collecting, metrics], subject)
    return Measured(metrics.scores, subject.tap.width)


def pixels(subject: Subject, measurement: Measurement) -> Measured | None:
    """The images' own pixels, whatever the preprocessing; None in a process that only extracts for another one.

    Raises:
        ConfigError: if the rows were made elsewhere.
    """
    if subject.rows is not None:
        raise ConfigError("rows made elsewhere come without pixels", fix="controls=[]")
    if not is_rank_zero():
        return None

    def compute() -> tuple[Scores, int]:
        rows = pixel_rows(subject, measurement.progress)
        labels = {split: images.labels.numpy() for split, images in subject.splits.items()}
        return joined(measurement.scores(subject.setting.splits(rows, labels))), rows["train"].shape[1]

    return Measured(*scores_of_pixels(subject, compute))


CONTROLS: dict[str, Control] = {"untrained": untrained, PIXELS: pixels}
"""The words of ``controls=``, and what each measures."""
