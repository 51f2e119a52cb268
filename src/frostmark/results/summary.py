"""The findings of one run in words: what the report said of its pictures, with what has to be said beside it.

text = summarise(title, setting, record.findings)
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

from frostmark.metrics.kinds import Kind
from frostmark.results.answer import READ_OUTS, copies
from frostmark.results.findings import Columns, Findings, Line, percent, with_interval
from frostmark.results.markdown import code, plain, table
from frostmark.results.tables import metric_lines, notes, number

MAP_CAVEAT = (
    "Do not compare runs by variances in the map: the scale of a map grows with the number of its points and changes "
    "with its seed. If train and test have separate maps, their variances differ by construction, not because a "
    "network generalises."
)
SCALE_CAVEAT = (
    "Variances of features grow with the norm and the number of the features: compare classes and splits of this run "
    "by them, not networks. The scale-free metrics (separability, neighbours) compare networks."
)


def summarise(title: str, setting: Mapping[str, str], findings: Findings, answer: Sequence[str] = ()) -> str:
    """``summary.md``: Markdown, also the description of the run; it begins with the ``answer``."""
    parts = [f"# {plain(title)}", "\n".join(map(plain, answer)), _setting(setting)]
    spaces = findings.tables.get("class_variance", {}).get("space", [])
    for space in dict.fromkeys(spaces):
        parts.append(f"## In the {space}")
        for split in ("train", "test"):
            parts.append(_split_findings(findings, split, space))
        parts.append(f"> {MAP_CAVEAT if space == 'map' else SCALE_CAVEAT}")
    parts.insert(3, _decisive(findings))
    parts.append(_all_metrics(findings))
    parts.append(_reasons("Undefined", findings.undefined))
    parts.append(_reasons("Not made", findings.skipped))
    return "\n\n".join(p for p in parts if p) + "\n"


def _setting(setting: Mapping[str, str]) -> str:
    return "\n".join(f"- {name}: {plain(value)}" for name, value in setting.items())


def _split_findings(findings: Findings, split: str, space: str) -> str:
    lines = [f"**{split}**"]
    classes, of_split = _at(findings.tables["class_variance"], split, space)
    if len(of_split) > 1:
        tight, loose = _extremes(classes, of_split, "variance")
        lines.append(
            f"- Tightest class: {_class(tight)} (variance {number(tight['variance'])}); "
            f"loosest: {_class(loose)} ({number(loose['variance'])})."
        )
    pairs, of_split = _at(findings.tables["pair_variance"], split, space)
    if of_split:
        near, far = _extremes(pairs, of_split, "mean_distance")
        lines.append(
            f"- Closest pair: {_pair(near)} (distance of the means {number(near['mean_distance'])}); "
            f"farthest: {_pair(far)} ({number(far['mean_distance'])})."
        )
        least, most = _extremes(pairs, of_split, "pooled_variance")
        lines.append(
            f"- Smallest variance of two classes pooled into one set: {_pair(least)} "
            f"({number(least['pooled_variance'])}); largest: {_pair(most)} ({number(most['pooled_variance'])})."
        )
    lines.append(_intra_inter(findings.values, split, space))
    if space == "map":
        lines.append(_badge(findings.values, f"{split}/map"))
    return "\n".join(line for line in lines if line)


def _intra_inter(values: Mapping[str, float], split: str, space: str) -> str:
    family = f"{split}/map/variance_" if space == "map" else f"{split}/variance/"
    intra, inter = values.get(f"{family}intra"), values.get(f"{family}inter")
    if intra is None or inter is None:
        return ""
    ratio = f"; ratio: {number(inter / intra)}" if intra > 0 else ""
    return f"- Variance between the class means: {number(inter)}; within the classes: {number(intra)}{ratio}."


def _badge(values: Mapping[str, float], family: str) -> str:
    """How far the map may be believed."""
    kept, accuracy = values.get(f"{family}/knn_preservation"), values.get(f"{family}/knn_accuracy")
    if kept is None or accuracy is None:
        return ""
    features = accuracy - values[f"{family}/knn_accuracy_excess"]
    return (
        f"- The map keeps {percent(kept)} of the nearest neighbours of each image (trustworthiness "
        f"{number(values[f'{family}/trustworthiness'])}, continuity {number(values[f'{family}/continuity'])}). "
        f"k-NN accuracy: {percent(accuracy)} in the map, {percent(features)} in the features."
    )


def _decisive(findings: Findings) -> str:
    placed = findings.ranked
    lines = [_accuracy(findings, name, kind, decides=n == 0) for n, (name, kind) in enumerate(placed)]
    if placed:
        lines[1:1] = [*(f"- {plain(said)}" for said in copies(findings, placed[0][1])), *_against(findings, *placed[0])]
    lines += _describing(findings.values)
    lines += _most_errors(findings)
    confused = list(findings.lines("confusable_pairs", split="test"))[:3]
    if confused:
        said = "; ".join(_pair(line) for line in confused)
        lines.append(f"- Classes that lie closest in the features (this is not an error rate): {said}.")
    return "## What decides\n\n" + "\n".join(lines) if lines else ""


def _most_errors(findings: Findings) -> list[str]:
    """The pairs of classes that what decides takes for each other most often, by images."""
    read_out = READ_OUTS[findings.ranked[0][0].partition("/")[0]] if findings.ranked else None
    wrong: Counter[str] = Counter()
    for line in findings.lines(read_out.confusion, split="test") if read_out else ():
        if line["class"] != line["predicted"]:
            pair = sorted([(line["class"], line["name"]), (line["predicted"], line["predicted_name"])])
            wrong[" and ".join(plain(name) for _, name in pair)] += int(line["images"])
    pairs = [f"{pair} ({count:,})" for pair, count in wrong.most_common(3) if count]
    return [f"- Most errors between two classes, in test images: {'; '.join(pairs)}."] if pairs else []


def _accuracy(findings: Findings, name: str, kind: Kind, *, decides: bool) -> str:
    """One of the metrics of a verdict, in a sentence that says what it is."""
    value = with_interval(f"test/{name}", findings.values, percent)
    words = plain(kind.words if kind.words.startswith("k-NN") else kind.words[:1].upper() + kind.words[1:])
    said = f"{words}{' decides' if decides else ''}: "
    if kind.balanced:
        return f"- {said}{value}, the mean recall of the classes, regardless of their sizes."
    return f"- {said}{value} of the test images are classified correctly by {_READ.get(name, 'the read-out')}."


_READ = {
    "linear/accuracy": "a linear classifier fitted on train",
    "neighbours/knn_accuracy": "k-NN",
}


def _describing(values: Mapping[str, float]) -> list[str]:
    """What describes the features and decides nothing."""
    lines = []
    fisher = with_interval("test/separability/fisher_ratio", values, number)
    if fisher:
        lines.append(f"- Fisher ratio: the test features vary {fisher} times as much between classes as within.")
    share = with_interval("test/separability/eta_squared", values, percent)
    if share:
        lines.append(f"- The classes explain {share} of the variance of the test features (η²).")
    if lines:
        lines.append("- The Fisher ratio and η² describe the features; they do not say which layer is better.")
    return lines


def _against(findings: Findings, name: str, kind: Kind) -> list[str]:
    """The metric that decides, beside what it must beat."""
    key = f"test/{name}"
    lines = []
    if key in findings.chance:
        what = "balanced accuracy " if kind.balanced else ""
        lines.append(f"- Always predicting the most common class: {what}{percent(findings.chance[key])}.")
    return lines + [_gain(line) for line in findings.lines("controls", metric=key)]


def _gain(line: Line) -> str:
    """The layer beside one control, without an interval where there is none."""
    control = _CONTROLS.get(line["control"], plain(line["control"]))
    lower = control[:1].lower() + control[1:]
    said = (
        f"- {control}: {percent(line['of_control'])}. The layer minus {lower}: {100 * line['difference']:+.1f} points"
    )
    if not math.isfinite(line["lo"]):
        return f"{said}."
    sure = "" if not line["lo"] <= 0 <= line["hi"] else "; no significant difference"
    return f"{said} (95% CI {100 * line['lo']:+.1f} to {100 * line['hi']:+.1f}{sure})."


_CONTROLS = {"untrained": "The untrained network", "pixels": "Raw pixels"}


def _all_metrics(findings: Findings) -> str:
    """Every metric with what it stands beside, as a table."""
    controls, lines = metric_lines(findings.values, findings.undefined, findings.chance, findings.kinds)
    if not lines:
        return ""
    head = ["metric", "train", "test", "95% CI (test)", "chance", "p", *controls, "valid"]
    rows = [
        [
            *(line.name, line.train, line.test, line.interval, line.chance, line.p),
            *(line.controls[c] for c in controls),
            line.valid,
        ]
        for line in lines
    ]
    said = "\n".join(f"- {plain(note)}" for note in [*notes(findings.values, {}, findings.kinds), *findings.remarks])
    return f"## All metrics\n\n{table(head, rows)}\n\n{said}"


def _reasons(heading: str, reasons: Mapping[str, str]) -> str:
    lines = [f"- {code(name)}: {plain(reason)}" for name, reason in reasons.items()]
    return f"## {heading}\n\n" + "\n".join(lines) if lines else ""


def _at(columns: Columns, split: str, space: str) -> tuple[Columns, list[int]]:
    """A table and its lines of one split and space; of many classes there are a million pairs, hence no dicts."""
    places = zip(columns["split"], columns["space"], strict=True)
    return columns, [line for line, place in enumerate(places) if place == (split, space)]


def _extremes(columns: Columns, lines: list[int], column: str) -> tuple[Line, Line]:
    least, most = min(lines, key=columns[column].__getitem__), max(lines, key=columns[column].__getitem__)
    return _line_of(columns, least), _line_of(columns, most)


def _line_of(columns: Columns, line: int) -> Line:
    return {name: cells[line] for name, cells in columns.items()}


def _class(row: Line) -> str:
    return plain(row["name"])


def _pair(row: Line) -> str:
    return f"{plain(row['name_i'])} and {plain(row['name_j'])}"
