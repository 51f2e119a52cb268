"""What the model cards said before: ImageNet top-1, parameters and features beside a verdict.

card_cells(run)                         # ["69.8%", "11.7 M", "512"]
card_sentence(group, verdict)           # "This order is not the order of the model cards: Kendall's τ = +0.33 (3 …"

A network's accuracy on ImageNet is free, and in published tables no score of a user's own images orders fine-tuned
accuracies much better (docs/validity.md): a comparison that only repeats it has told nothing new. Everything is read
from the tags of the runs; no backbone is opened.
"""

from __future__ import annotations

import math
from contextlib import suppress
from itertools import combinations

import numpy as np

from frostmark.comparison.groups import Group
from frostmark.comparison.runs import Run
from frostmark.comparison.verdict import Verdict
from frostmark.stats.paired import agreement

CARD_HEAD = ("ImageNet top-1", "parameters", "features")
"""Of the published weights, of the whole network, of the layer."""

TOP1 = "imagenet_top1"
"""The tag that holds the published accuracy on ImageNet-1k in percent; absent where it is not known."""


def card_cells(run: Run) -> list[str]:
    """The cells below :data:`CARD_HEAD`; empty where a figure is not known."""
    top1, parameters, features = imagenet_top1(run), _number(run, "parameters"), _number(run, "features")
    return [
        "" if top1 is None else f"{top1:.1f}%",
        "" if parameters is None else f"{parameters / 1e6:.1f} M",
        "" if features is None else f"{features:,.0f}",
    ]


def imagenet_top1(run: Run) -> float | None:
    """The published accuracy of the run's weights on ImageNet-1k in percent, if it is known."""
    return _number(run, TOP1)


def card_sentence(group: Group, verdict: Verdict) -> str:
    """Whether the order of the networks is that of their published ImageNet accuracies; empty of one network alone.

    Of every network the layer that stands for it counts, by the test value of the metric that decides.
    """
    if verdict.decides is None or len(set(group.names)) < 2:
        return ""
    network = dict(zip(group.titles, group.names, strict=True))
    known, unknown = [], []
    for c in verdict.contenders:
        top1 = imagenet_top1(c.run)
        if top1 is None:
            unknown.append(network[c.name])
        else:
            known.append((c.run.values[verdict.decides.key], top1))
    missing = f"the published ImageNet top-1 is not known for {_listed(unknown)}" if unknown else ""
    if len(known) < 2:
        return f"This order cannot be compared with the order of the model cards: {missing}."
    return _order(known) + (f" {missing[0].upper()}{missing[1:]}." if missing else "")


def _order(known: list[tuple[float, float]]) -> str:
    """The sentence on networks with (value that decides, ImageNet top-1)."""
    values, cards = np.array(known).T
    counted = f"{len(known)} networks with a published ImageNet top-1"
    tau = agreement(values, cards)
    if tau is None:
        return f"This order cannot be compared with the order of the model cards: equal figures ({counted})."
    opposed = any((a - c) * (b - d) < 0 for (a, b), (c, d) in combinations(known, 2))
    return (
        f"This order is {'not ' if opposed else ''}the order of the model cards: Kendall's τ = {tau:+.2f} ({counted})."
    )


def _number(run: Run, tag: str) -> float | None:
    with suppress(ValueError):  # a run of another version, or of somebody else's backbone
        value = float(run.tags.get(tag, ""))
        return value if math.isfinite(value) else None
    return None


def _listed(names: list[str]) -> str:
    return " and ".join(names) if len(names) < 3 else f"{', '.join(names[:-1])} and {names[-1]}"
