"""What a reader wants to know next of the layer in the first place: its weakest class, what raw pixels reach, and which
of several in the first place needs the least compute.

of_the_best(verdict)    # ["Weakest class of vgg16 · stage4: Shirt (67% of 97 test images).", "Raw pixels reach 69.0%."]
"""

from __future__ import annotations

import numpy as np

from frostmark.comparison.contenders import Contender, Headline
from frostmark.comparison.verdict import Verdict
from frostmark.results.findings import percent
from frostmark.results.tables import number


def of_the_best(verdict: Verdict) -> list[str]:
    """Sentences; none of what its run does not say."""
    if verdict.decides is None:
        return []
    best = verdict.contenders[0]
    told = (_weakest(best, verdict.decides), _pixels(best, verdict.decides), _cheapest(verdict))
    return [said for said in told if said]


def _cheapest(verdict: Verdict) -> str:
    """What to take of those between which the data show no difference."""
    cost = {c.name: c.run.values.get("cost/gmacs", np.nan) for c in verdict.contenders if c.place == 1}
    if len(cost) < 2 or not np.isfinite([*cost.values()]).all() or len(set(cost.values())) < 2:
        return ""
    name = min(cost, key=lambda one: cost[one])
    return (
        f"Of the {len(cost)} in the first place, {name} needs the least compute: {number(cost[name])} GMACs per image."
    )


def _weakest(best: Contender, decides: Headline) -> str:
    """The class of whose test images fewest are classified correctly."""
    hits, labels = best.run.outcomes.get(decides.hits or ""), best.run.labels.get("test")
    if hits is None or labels is None or len(hits) != len(labels):
        return ""
    recall = {c: float(np.mean(hits[labels == c])) for c in range(len(best.run.classes)) if np.any(labels == c)}
    worst = min(recall, key=lambda c: recall[c], default=None)
    if worst is None or len(recall) < 2 or recall[worst] == 1:
        return ""
    share = f"{percent(recall[worst])} of {int(np.sum(labels == worst)):,} test images"
    return f"Weakest class of {best.name}: {best.run.classes[worst]} ({share})."


def _pixels(best: Contender, decides: Headline) -> str:
    """The control that is the same for every network."""
    value = best.run.values.get(f"control/pixels/{decides.key}")
    return "" if value is None else f"Raw pixels reach {decides.kind.shown(value)}."
