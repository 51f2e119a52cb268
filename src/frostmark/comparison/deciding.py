"""What decides between runs: what they were made with, unless whoever compares them asks for something else.

rule, notes = rule_of(group, AS_MADE)               # from the runs' tags
rule, notes = rule_of(group, Asked(family="knn"))   # compare … decide=knn
"""

from __future__ import annotations

from dataclasses import dataclass

from frostmark.comparison.groups import Group
from frostmark.metrics.deciding import Rule

_TAGS = {"decide": "linear", "decide_balanced": "auto"}
"""Tags that say what decides, and what is meant where a run has none."""


@dataclass(frozen=True)
class Asked:
    """What is asked for in place of what the runs were made with; None where nothing is."""

    family: str | None = None
    balanced: str | None = None


AS_MADE = Asked()
"""What the runs were made with decides."""


def rule_of(group: Group, asked: Asked) -> tuple[Rule, list[str]]:
    """What decides between the runs of a group, and what must be said of it: that they were made with unlike rules."""
    words: list[str] = []
    notes: list[str] = []
    wanted = (asked.family, asked.balanced)
    for (tag, usual), word, key in zip(_TAGS.items(), wanted, ("decide", "decide.balanced"), strict=True):
        made = list(dict.fromkeys(run.tags.get(tag, usual) for run in group.runs))
        words.append(word or (made[0] if len(made) == 1 else usual))
        if word is None and len(made) > 1:
            listed = " and ".join(f"{key}={of}" for of in made)
            notes.append(
                f"the runs were made with {listed}: this comparison uses {key}={usual}; `compare` takes another {key}=…"
            )
    labels = next((run.labels["train"] for run in group.runs if "train" in run.labels), None)
    return Rule.of(words[0], words[1], labels), notes
