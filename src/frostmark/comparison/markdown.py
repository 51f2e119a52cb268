"""A comparison as Markdown: ``comparison.md``, and the description of the sweep's run.

text = comparison_markdown(group, verdict, about, ["vgg16 · stage4 separates better: Shirt / Coat (1.8×)"])
"""

from __future__ import annotations

from collections.abc import Sequence

from frostmark.comparison.about import About
from frostmark.comparison.cards import card_sentence
from frostmark.comparison.groups import Group
from frostmark.comparison.paired import Basis
from frostmark.comparison.tables import Grid, agreements, layers, pairs, provenance, ranking
from frostmark.comparison.verdict import Verdict
from frostmark.results.markdown import code, plain, table

HOW = (
    "One layer represents each network: the layer with the best train value of the metric that decides, where each "
    "train image is predicted without itself. The figures are of the test images. The first metric decides; variances "
    "and separability describe the features and decide nothing. Networks that share a place do not differ "
    "significantly. {tests} p values are adjusted by Holm's method: those of the first metric over all pairs, those of "
    "the other metrics over all their pairs together."
)

AGREEMENT = (
    "Kendall's τ between the order of the layers by each metric and the order by the metric that decides: 1 for equal "
    "orders, 0 for unrelated orders, −1 for opposite orders."
)
"""What the table of the agreement shows."""


def how(group: Group) -> str:
    """How the verdict is reached."""
    return HOW.format(tests=Basis.of(group.runs[0]).tests)


def comparison_markdown(group: Group, verdict: Verdict, about: About, classes: Sequence[str] = ()) -> str:
    """``comparison.md``: the answer first, then what it rests on.

    Args:
        classes: which pairs of classes each of the best two layers separates better, in sentences.
    """
    sections = [
        f"# {plain(group.dataset)}: {group.counted} side by side",
        f"**{plain(verdict.sentence)}**",
        _markdown(ranking(group, verdict)) if verdict.contenders else "",
        plain(card_sentence(group, verdict)),
        _listing("Missing", about.missing),
        _listing("Note", about.remarks),
        _listing("Classes", classes),
        "\n".join(f"- [{words}]({link})" for words, link in about.links.items()),
        f"Compared on {plain(group.setting)}. {how(group)}",
        "## All pairs\n\n" + _markdown(pairs(verdict)) if verdict.pairs else "",
        "## Every layer\n\n" + _markdown(layers(group, verdict)),
        f"## Do the metrics agree?\n\n{AGREEMENT}\n\n{_markdown(agreements(verdict))}" if verdict.agreement else "",
        "## What was run\n\n" + "\n\n".join(_markdown(grid) for grid in provenance(group) if grid[1]),
        code(about.command) if about.command else "",
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _markdown(grid: Grid) -> str:
    return table(*grid)


def _listing(word: str, lines: Sequence[str]) -> str:
    return "\n".join(f"- {word}: {plain(line)}" for line in lines)
