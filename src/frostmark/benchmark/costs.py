"""What a benchmark took, and what its layer costs.

record.add_scores(costs(subject, extraction.cost))
"""

from __future__ import annotations

from frostmark.backbones.extractor import parameters_used
from frostmark.backbones.rows import NO_NETWORK
from frostmark.benchmark.making import Cost
from frostmark.benchmark.subject import Subject
from frostmark.lit.probe import peak_memory_mb
from frostmark.metrics.cost import COST_KINDS
from frostmark.metrics.metric import Scores, Undefined, Value


def costs(subject: Subject, cost: Cost) -> Scores:
    """``cost/…``: of the forward pass that was made (``cost``), and of the layer."""
    scores = Scores(COST_KINDS)
    for key, value in (_of_network(subject, cost) if subject.rows is None else _unknown()).items():
        scores.add(key, value)
    scores.add("cost/bytes_per_image", 4.0 * subject.tap.width)
    scores.add("cost/peak_memory_mb", peak_memory_mb())
    if cost.precision_error is not None:
        scores.add("cost/precision_error", cost.precision_error)
    return scores


def compute_of(subject: Subject) -> tuple[float, int]:
    """GMACs of one image, and parameters, up to the layer."""
    gmacs = subject.tap.node.flops / 2e9  # a multiplication and an addition count two operations
    return gmacs, parameters_used(subject.backbone.architecture(), subject.tap)


def _unknown() -> dict[str, Value]:
    """Of rows made elsewhere."""
    return {f"cost/{name}": Undefined(NO_NETWORK) for name in _OF_NETWORK}


_OF_NETWORK = (
    "images_forwarded",
    "images_checked",
    "images_per_second",
    "extract_seconds",
    "gmacs",
    "gmacs_share",
    "params",
)


def _of_network(subject: Subject, cost: Cost) -> dict[str, Value]:
    node, survey = subject.tap.node, subject.survey
    gmacs, params = compute_of(subject)
    replayed = Undefined("no image was forwarded because the rows were in the store")
    return {
        "cost/images_forwarded": float(cost.forwarded),
        "cost/images_checked": float(cost.checked),
        "cost/images_per_second": cost.images_per_second if cost.forwarded else replayed,
        "cost/extract_seconds": cost.seconds,
        "cost/gmacs": gmacs,
        "cost/gmacs_share": node.flops / max(survey.flops, 1),
        "cost/params": float(params),
    }
