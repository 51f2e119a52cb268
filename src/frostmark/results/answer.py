"""The answer of one run, in two or three sentences: how good the read-out is, against what, and where it fails.

answer("squeezenet1_0 · last_conv", findings)[0]
# "Linear read-out of squeezenet1_0 · last_conv: 84.1% of 1,000 test images correct (95% CI 81.7–86.3)."
"""

from __future__ import annotations

import math
from typing import NamedTuple

from frostmark.metrics.kinds import Kind
from frostmark.metrics.lookup import NOT_CHANCE
from frostmark.results.findings import Findings, Line, interval, percent, with_interval


class ReadOutWords(NamedTuple):
    """How a family classifies: its name for a person, in ``class_recall`` and in the tables of confusions."""

    words: str
    recall: str
    confusion: str


READ_OUTS = {
    "linear": ReadOutWords("Linear read-out of", "linear", "linear_confusion"),
    "neighbours": ReadOutWords("k-NN on", "k-NN", "knn_confusion"),
}
"""Family that decides → how it classifies."""

CONTROLS = {"untrained": "the untrained network", "pixels": "raw pixels"}
"""Word of ``controls=`` → what the layer stands beside."""


_UNTRAINED = "The weights are untrained: the result says nothing about a pretrained network."


def answer(name: str, findings: Findings, *, untrained: bool = False) -> list[str]:
    """The sentences, the most important first; none of a run that nothing decides.

    Args:
        name: of what was benchmarked: backbone and layer.
        untrained: whether the weights are: a reader takes a network for a pretrained one.
    """
    placed = findings.ranked
    if not placed:
        return []
    metric, kind = placed[0]
    read_out = READ_OUTS[metric.partition("/")[0]]
    key = f"test/{metric}"
    said = [_how_good(f"{read_out.words} {name}", key, kind, read_out, findings), _against(key, kind, findings)]
    said += [_weakest(read_out, findings), _UNTRAINED if untrained else ""]
    return [sentence for sentence in said if sentence]


def copies(findings: Findings, kind: Kind) -> list[str]:
    """How many test images are copies of train images, and the metric that decides without them if these are many.

    Args:
        kind: of the metric that decides.
    """
    values = findings.values
    if "test/leaks/images" not in values:
        return []
    if not values["test/leaks/images"]:
        return ["No test image is a copy of a train image."]
    many, share = values["test/leaks/images"], percent(values["test/leaks/share"])
    one, several = "test image ({}) is a copy of a train image", "test images ({}) are copies of train images"
    said = f"{many:,.0f} {(one if many == 1 else several).format(share)}; tables/leaks.csv lists the copies."
    without = with_interval("test/leaks/accuracy", values, percent)
    return [f"{said} Without the copies, {kind.words} is {without}." if without else said]


def _how_good(what: str, key: str, kind: Kind, read_out: ReadOutWords, findings: Findings) -> str:
    value, ends = findings.values[key], interval(key, findings.values)
    sure = f" (95% CI {ends})" if ends else ""
    count = sum(line["images"] for line in findings.lines("class_recall", split="test", read_out=read_out.recall))
    if kind.balanced:
        return f"{what}: balanced accuracy {percent(value)}{f' on {count:,} test images' if count else ''}{sure}."
    return f"{what}: {percent(value)} of {f'{count:,}' if count else 'the'} test images correct{sure}."


def _against(key: str, kind: Kind, findings: Findings) -> str:
    """What the layer beats: its controls, or without any the largest class alone; or that it does not beat chance."""
    p = findings.values.get(f"{key}_p")
    if p is not None and p > NOT_CHANCE:
        return f"The result is not significantly better than chance (p = {p:.2g})."
    controls = [_beside(line) for line in findings.lines("controls", metric=key)]
    if controls:
        said = " and ".join(controls)
        return f"{said[0].upper()}{said[1:]}."
    if key in findings.chance and not kind.balanced:
        return f"Always predicting the most common class: {percent(findings.chance[key])}."
    return ""


def _beside(line: Line) -> str:
    control, points = CONTROLS.get(line["control"], line["control"]), 100 * line["difference"]
    if math.isfinite(line["lo"]) and line["lo"] <= 0 <= line["hi"]:
        return f"no significant difference from {control} ({percent(line['of_control'])})"
    return f"{abs(points):.1f} points {'above' if points > 0 else 'below'} {control}"


def _weakest(read_out: ReadOutWords, findings: Findings) -> str:
    """The class that is recognised least, and what it is most often predicted as."""
    classes = list(findings.lines("class_recall", split="test", read_out=read_out.recall))
    if len(classes) < 2:
        return ""
    worst = min(classes, key=lambda line: line["recall"])
    if worst["recall"] == 1:
        return "Every test image is classified correctly."
    taken = findings.lines(read_out.confusion, split="test", **{"class": worst["class"]})
    wrong = max((line for line in taken if line["predicted"] != line["class"]), key=lambda line: line["images"])
    recall = f"{percent(worst['recall'])} of {worst['images']:,} test images"
    return f"Weakest class: {worst['name']} ({recall}), most often predicted as {wrong['predicted_name']}."
