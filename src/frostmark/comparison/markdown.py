"""A comparison as Markdown: ``comparison.md``, and the description of the sweep's run.

text = comparison_markdown(group, verdict, about, ["vgg16 · stage4 separates better: Shirt / Coat (1.8×)"])
"""

from __future__ import annotations

from collections.abc import Sequence

from frostmark.comparison.about import About
from frostmark.comparison.best import of_the_best
from frostmark.comparison.cards import card_sentence
from frostmark.comparison.groups import Group
from frostmark.comparison.paired import Basis
from frostmark.comparison.tables import Grid, agreements, layers, pairs, provenance, ranking
from frostmark.comparison.verdict import Verdict
from frostmark.results.markdown import code, plain, table

CHOSEN = (
    "One layer represents each network: the layer with the best train value of the metric that decides, where each "
    "train image is predicted without itself. The other metrics compare these layers, too; by another metric another "
    "layer of a network may be better. "
)
"""How layers are chosen where there are several networks."""

EVERY = "All layers of the network are ranked, so the first place is the best of {layers} on the test images. "

HOW = (
    "{chosen}The figures are of the test images. The first metric decides; variances and separability describe the "
    "features and decide nothing. Layers that share a place do not differ significantly, which does not show that they "
    "are equal. {tests} Each 95% interval comes from bootstrap resamples of the test images, the same resamples for "
    "all layers, and is not adjusted for the number of pairs. The train images, and the classifiers fitted on them, "
    "are held fixed. p values are adjusted by Holm's method: those of the first metric over all pairs, those of the "
    "other metrics over all their pairs together."
)

AGREEMENT = (
    "Kendall's τ between the order of the layers by each metric and the order by the metric that decides: 1 for equal "
    "orders, 0 for unrelated orders, −1 for opposite orders."
)
"""What the table of the agreement shows."""


def how(group: Group, verdict: Verdict) -> str:
    """How the verdict is reached."""
    several = len(set(group.names)) > 1
    chosen = CHOSEN if several else EVERY.format(layers=len(verdict.contenders))
    return HOW.format(chosen=chosen, tests=Basis.of(group.runs[0]).tests)


def comparison_markdown(group: Group, verdict: Verdict, about: About, classes: Sequence[str] = ()) -> str:
    """``comparison.md``: the answer first, then what it rests on.

    Args:
        classes: which pairs of classes each of the best two layers separates better, in sentences.
    """
    sections = [
        f"# {plain(group.dataset)}: {group.counted} side by side",
        f"**{plain(verdict.sentence)}**",
        " ".join(plain(said) for said in of_the_best(verdict)),
        _markdown(ranking(group, verdict)) if verdict.contenders else "",
        plain(card_sentence(group, verdict)),
        _listing("Missing", about.missing),
        _listing("Note", about.remarks),
        _listing("Classes", classes),
        "\n".join(f"- [{words}]({link})" for words, link in about.links.items()),
        f"Compared on {plain(group.setting)}. {how(group, verdict)}",
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
