"""What a benchmark took, and what its layer costs.

record.add_scores(costs(subject, extraction.cost))
"""

from __future__ import annotations

from frostmark.backbones.extractor import parameters_used
from frostmark.benchmark.extraction import Cost
from frostmark.benchmark.subject import Subject
from frostmark.lit.probe import peak_memory_mb
from frostmark.metrics.cost import COST_KINDS
from frostmark.metrics.metric import Scores, Undefined, Value


def costs(subject: Subject, cost: Cost) -> Scores:
    """``cost/…``: of the forward pass that was made (``cost``), and of the layer."""
    node, survey = subject.tap.node, subject.survey
    replayed = Undefined("no image was forwarded: the rows were in the store")
    values: dict[str, Value] = {
        "cost/images_forwarded": float(cost.forwarded),
        "cost/images_per_second": cost.images_per_second if cost.forwarded else replayed,
        "cost/extract_seconds": cost.seconds,
        "cost/gmacs": node.flops / 2e9,  # a multiplication and an addition count two operations
        "cost/gmacs_share": node.flops / max(survey.flops, 1),
        "cost/params": float(parameters_used(subject.backbone.architecture(), subject.tap)),
        "cost/bytes_per_image": 4.0 * subject.tap.width,
        "cost/peak_memory_mb": peak_memory_mb(),
    }
    if cost.precision_error is not None:
        values["cost/precision_error"] = cost.precision_error
    scores = Scores(COST_KINDS)
    for key, value in values.items():
        scores.add(key, value)
    return scores
