"""Which classes a read-out recognises, and what it takes them for: sections of a page.

confusion_section(findings, classes)        # in percent; of many classes a picture, and what is confused most
recall_section(findings)                    # a line per class, the weakest first
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from frostmark.figures.files import pixels, webp
from frostmark.figures.heat import draw_confusion
from frostmark.figures.lines import shown
from frostmark.results.answer import READ_OUTS, ReadOutWords
from frostmark.results.findings import Findings, Line, percent
from frostmark.results.page import Matrix, PagePicture, PageTable, Section
from frostmark.stats.moments import Float

MAX_MATRIX = 30
"""Classes up to which the matrix is a table of numbers."""

MAX_CONFUSED = 20
"""Confusions that are named beside a picture."""

MAX_OPEN = 50
"""Classes up to which all recalls stand in the open; of more the weakest half of so many do."""

MAX_NAME = 60
"""Characters of a class name."""


def confusion_section(findings: Findings, classes: Sequence[str]) -> Section | None:
    """What the images of each class are taken for on test, by what decides; the other read-out's is folded."""
    counted = [
        (of, matrix) for of in _by_place(findings) if (matrix := _counts(findings, of, len(classes))) is not None
    ]
    if not counted:
        return None
    if len(classes) > MAX_MATRIX:
        of, counts = counted[0]
        drawn = draw_confusion(_shares(counts), classes, f"{_title(of)} (test)")
        pictures = [PagePicture(webp(pixels(drawn), 85), _of(of))]
        return Section(
            "Confusion matrix",
            [f"{_title(of)}, test images. Row: true class; column: predicted class."],
            [_most_confused(counts, classes)],
            pictures,
        )
    matrices = [_matrix(counts, classes, folded=_of(of) if n else "") for n, (of, counts) in enumerate(counted)]
    text = (
        f"{_title(counted[0][0])}, test images. Row: true class; column: predicted class. "
        "Each cell: percent of the test images of the true class."
    )
    return Section("Confusion matrix", [text], matrices=matrices)


def recall_section(findings: Findings) -> Section | None:
    """Recall of every class on test by what decides, the weakest first."""
    of = next(iter(_by_place(findings)), None)
    lines = [] if of is None else list(findings.lines("class_recall", split="test", read_out=of.recall))
    if of is None or not lines:
        return None
    lines.sort(key=lambda line: line["recall"])
    taken = _taken_for(findings, of)
    first = lines if len(lines) <= MAX_OPEN else lines[: MAX_OPEN // 2]
    tables = [_recalls(first, taken)]
    if len(first) < len(lines):
        rest = lines[len(first) :]
        tables.append(_recalls(rest, taken, folded=f"The other {len(rest):,} classes"))
    return Section("Recall by class", [f"{_title(of)}, test images; the weakest class first."], tables)


def _by_place(findings: Findings) -> list[ReadOutWords]:
    """The read-outs of the run, that which decides first."""
    families = dict.fromkeys(name.partition("/")[0] for name, _ in findings.ranked)
    return [READ_OUTS[family] for family in families if family in READ_OUTS]


def _title(of: ReadOutWords) -> str:
    return "Linear read-out" if of.recall == "linear" else of.recall


def _of(of: ReadOutWords) -> str:
    return f"Confusion matrix of {'the linear read-out' if of.recall == 'linear' else of.recall}"


def _counts(findings: Findings, of: ReadOutWords, classes: int) -> Float | None:
    """(C, C) test images of each class by what they are taken for; None without the table."""
    matrix = np.zeros((classes, classes))
    for line in findings.lines(of.confusion, split="test"):
        matrix[int(line["class"]), int(line["predicted"])] = line["images"]
    return matrix if matrix.any() else None


def _shares(counts: Float) -> Float:
    """Of the images of each class; NaN of a class without any."""
    images = counts.sum(1, keepdims=True)
    return np.where(images > 0, counts / np.maximum(images, 1), np.nan)


def _matrix(counts: Float, classes: Sequence[str], folded: str) -> Matrix:
    images, shares = counts.sum(1).astype(int), np.nan_to_num(_shares(counts))
    right = np.eye(len(classes), dtype=bool)
    names = [shown(name, MAX_NAME) for name in classes]
    return Matrix(
        names,
        [[_rounded(share) for share in line] for line in shares.tolist()],
        # Confusions are few beside what is right: they are coloured three times as deeply.
        np.where(right, 0.75 * shares, np.minimum(3 * shares, 1)).tolist(),
        [
            [f"{names[i]} → {names[j]}: {counts[i, j]:,.0f} of {images[i]:,} images" for j in range(len(names))]
            for i in range(len(names))
        ],
        folded,
    )


def _rounded(share: float) -> str:
    """Whole percent; nothing of nothing, ``<1`` of what would be rounded to it."""
    return "" if share == 0 else "<1" if share < 0.005 else f"{100 * share:.0f}"


def _most_confused(counts: Float, classes: Sequence[str]) -> PageTable:
    wrong = counts * ~np.eye(len(classes), dtype=bool)
    order = np.argsort(-wrong, axis=None, kind="stable")[:MAX_CONFUSED]
    pairs = [divmod(int(place), len(classes)) for place in order]
    rows = [
        [shown(classes[i], MAX_NAME), shown(classes[j], MAX_NAME), f"{wrong[i, j]:,.0f} of {counts[i].sum():,.0f}"]
        for i, j in pairs
        if wrong[i, j]
    ]
    return PageTable(("true class", "predicted class", "test images"), rows, words=(0, 1))


def _taken_for(findings: Findings, of: ReadOutWords) -> dict[int, str]:
    """Class → what most of its images that are not recognised are taken for, with their number."""
    most: dict[int, tuple[float, str]] = {}
    for line in findings.lines(of.confusion, split="test"):
        label = int(line["class"])
        if line["predicted"] != line["class"] and line["images"] > most.get(label, (0, ""))[0]:
            most[label] = (line["images"], f"{shown(line['predicted_name'], MAX_NAME)} ({line['images']:,})")
    return {label: words for label, (_, words) in most.items()}


def _recalls(lines: Sequence[Line], taken: dict[int, str], folded: str = "") -> PageTable:
    rows = [
        [shown(line["name"], MAX_NAME), percent(line["recall"]), _ends(line), taken.get(int(line["class"]), ""),
         f"{line['images']:,}"]
        for line in lines
    ]  # fmt: skip
    head = ("class", "recall", "95% CI", "most often predicted as", "test images")
    return PageTable(head, rows, words=(0, 3), bars={1: [line["recall"] for line in lines]}, folded=folded)


def _ends(line: Line) -> str:
    low, high = line["recall_lo"], line["recall_hi"]
    return f"{100 * low:.1f}–{100 * high:.1f}" if np.isfinite(low) and np.isfinite(high) else ""
