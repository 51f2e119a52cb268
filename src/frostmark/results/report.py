"""``report.html``: what one run found, on one page to mail: for whoever has neither the program nor the images.

html = report_html(record, answer("resnet18 · last_conv", record.findings), RunSetting({"Seed": "0"}, "python run.py"))

Under a megabyte for usual runs. It begins with the sentences that the terminal ends with; every part stands on what the
record holds, and a part of which the record holds nothing is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.image import imread

from frostmark.figures.files import svg, webp
from frostmark.figures.lines import shown
from frostmark.metrics.shots import SHOTS
from frostmark.results.answer import CONTROLS, copies
from frostmark.results.doubts import doubtful_labels
from frostmark.results.findings import Findings, interval, percent
from frostmark.results.page import PagePicture, PageTable, Section, page
from frostmark.results.recognised import confusion_section, recall_section
from frostmark.results.record import Record
from frostmark.results.tables import number

MAP_QUALITY = 85
"""Of the maps in the page; their names stay sharp."""

MAX_VALUE = 600
"""Characters of a line of the setting."""

_VERSIONS = "version."


@dataclass(frozen=True)
class RunSetting:
    """What was run.

    Attributes:
        lines: word → value: the resolved configuration in short.
        command: what was typed; empty of a run that Python asked for.
    """

    lines: Mapping[str, str]
    command: str = ""


def report_html(record: Record, answer: Sequence[str], setting: RunSetting) -> str:
    """The page of a finished run; the same run gives the same text.

    Args:
        answer: its sentences, the most important first.
    """
    findings = record.findings
    told = answer or ["The run has no accuracy, so there is no result to report."]
    placed = findings.ranked
    notes = [*(copies(findings, placed[0][1]) if placed else []), *record.remarks]
    return page(record.title, told, list(_sections(record, setting)), notes)


def _sections(record: Record, setting: RunSetting) -> Iterator[Section]:
    findings = record.findings
    made = (
        _numbers(findings),
        _maps(record),
        confusion_section(findings, record.classes),
        recall_section(findings),
        doubtful_labels(findings, record.thumbnails),
        _shots(record),
        _costs(record),
    )
    yield from (section for section in made if section is not None)
    yield _what_was_run(record, setting)


def _numbers(findings: Findings) -> Section | None:
    """The metrics of the verdict, and below them what the first must beat."""
    placed = findings.ranked
    if not placed:
        return None
    values = findings.values
    rows = [(kind.words, values[f"test/{name}"], interval(f"test/{name}", values)) for name, kind in placed]
    kind, key = placed[0][1], f"test/{placed[0][0]}"
    rows += [
        (f"{CONTROLS.get(line['control'], line['control'])}: {kind.words}", line["of_control"], "")
        for line in findings.lines("controls", metric=key)
    ]
    if key in findings.chance:
        rows.append((f"always predicting the most common class: {kind.words}", findings.chance[key], ""))
    shares = [value for _, value, _ in rows]
    cells = [[_capital(words), percent(value), ends] for words, value, ends in rows]
    return Section("Accuracy", tables=[PageTable(("", "test", "95% CI"), cells, bars={1: shares})])


def _maps(record: Record) -> Section | None:
    names = {split: f"map_{split}.png" for split in ("test", "train")}
    there = {split: name for split, name in names.items() if name in record.figures}
    if not there:
        why = {record.skipped[name] for name in names.values() if name in record.skipped}
        return Section("Maps", [f"There is no map: {'; '.join(sorted(why))}."]) if why else None
    pictures = [
        PagePicture(_drawn(record.folder / name), f"Map of the {split} images") for split, name in there.items()
    ]
    text = ["Images that lie close together have similar features. Distances between clusters have little meaning."]
    return Section("Maps", text, pictures=pictures)


def _drawn(picture: Path) -> bytes:
    """A picture of the run, as small as a page wants it."""
    return webp(np.round(imread(picture)[..., :3] * 255).astype(np.uint8), MAP_QUALITY)


def _shots(record: Record) -> Section | None:
    """Accuracy against the number of labels."""
    values, read_outs = record.values, {"linear": "linear read-out", "neighbours": "nearest class mean"}
    known = {f: words for f, words in read_outs.items() if any(f"test/{f}/shots_{n}" in values for n in SHOTS)}
    if not known:
        return None
    rows = [
        [f"{shots}", *(_spread(values, f"test/{family}/shots_{shots}") for family in known)]
        for shots in SHOTS
        if any(f"test/{family}/shots_{shots}" in values for family in known)
    ]
    everything = {"linear": "test/linear/accuracy", "neighbours": "test/neighbours/ncm_accuracy"}
    rows.append(["all", *(percent(values[key]) if (key := everything[f]) in values else "" for f in known)])
    table = PageTable(("labels per class", *(f"{words} (± sd)" for words in known.values())), rows)
    drawn = record.figures.get("shots.png")
    pictures = [] if drawn is None else [PagePicture(svg(drawn), "Accuracy against the number of labels per class")]
    text = ["Test accuracy against the number of labelled train images per class: mean of random draws."]
    return Section("Accuracy with few labels", text, [table], pictures)


def _spread(values: Mapping[str, float], key: str) -> str:
    if key not in values:
        return ""
    spread = values.get(f"{key}_std")
    return percent(values[key]) + ("" if spread is None else f" ± {100 * spread:.1f}")


_COSTS = (
    "images_per_second", "extract_seconds", "gmacs", "params", "bytes_per_image", "peak_memory_mb", "map_seconds",
)  # fmt: skip


def _costs(record: Record) -> Section | None:
    """What the run and its layer cost; where nothing was extracted, why."""
    keys = [key for key in (f"cost/{name}" for name in _COSTS) if key in record.kinds]
    rows = [
        [_capital(record.kinds[key].words), number(record.values[key])]
        for key in keys
        if key in record.values and (record.values[key] > 0)
    ]
    why = record.undefined.get("cost/images_per_second", "")
    text = [f"The speed is not known: {why}."] if why else []
    return Section("Cost", text, [PageTable(("", ""), rows)]) if rows else None


def _what_was_run(record: Record, setting: RunSetting) -> Section:
    lines = [[word, shown(value, MAX_VALUE)] for word, value in setting.lines.items()]
    tags = sorted(tag for tag in record.tags if tag.startswith(_VERSIONS))
    versions = [[tag.removeprefix(_VERSIONS), record.tags[tag]] for tag in tags]
    tables = [PageTable(("", ""), lines, words=(0, 1))]
    if versions:
        tables.append(PageTable(("package", "version"), versions, words=(0, 1), folded="Versions"))
    text = ["This command reproduces the numbers:"] if setting.command else []
    return Section("What was run", text, tables, code=setting.command)


def _capital(words: str) -> str:
    return words if words.startswith("k-NN") else words[0].upper() + words[1:]
