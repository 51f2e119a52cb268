"""Images whose labels their neighbours doubt, with the images themselves: a section of a page.

section = doubtful_labels(findings, thumbnails)         # None of a run that asked no neighbours
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from frostmark.figures.files import webp
from frostmark.figures.lines import shown
from frostmark.results.findings import Findings, Line
from frostmark.results.page import Gallery, PageImage, Section
from frostmark.results.pictures import Thumbnails

MAX_SHOWN = 18
"""Images of a split, those that are doubted most."""

EDGE = 128
"""Pixels of their longer side at most."""

QUALITY = 80

MAX_NAME, MAX_FILE = 60, 160
"""Characters of a class name, and of the name of a file: the beginning of a path goes first."""


def doubtful_labels(findings: Findings, thumbnails: Thumbnails | None) -> Section | None:
    """The images whose nearest train images say another class most clearly, test first.

    Args:
        thumbnails: the images; None where they are not known: then their numbers and files stand alone.
    """
    if "label_audit" not in findings.tables:
        return None
    galleries = list(_galleries(findings, thumbnails))
    if not galleries:
        return Section("Doubtful labels", ["No label is in doubt."])
    text = (
        "The nearest train images of each image below belong to another class. Either the label is wrong or the image "
        "is hard: look at the image before you change its label. tables/label_audit.csv lists more images."
    )
    return Section("Doubtful labels", [text], galleries=galleries)


def _galleries(findings: Findings, thumbnails: Thumbnails | None) -> Iterator[Gallery]:
    for split in ("test", "train"):
        lines = list(findings.lines("label_audit", split=split))[:MAX_SHOWN]
        if lines:
            yield Gallery(f"{split}: the {len(lines)} most doubtful labels", _images(split, lines, thumbnails))


def _images(split: str, lines: Sequence[Line], thumbnails: Thumbnails | None) -> list[PageImage]:
    if thumbnails is None:
        return [PageImage(None, _words(split, line)) for line in lines]
    images = thumbnails(split, [int(line["image"]) for line in lines], EDGE)
    drawn = [webp(np.ascontiguousarray(image), QUALITY) for image in images]
    return [PageImage(of, _words(split, line)) for of, line in zip(drawn, lines, strict=True)]


def _words(split: str, line: Line) -> list[str]:
    file = str(line.get("file") or "")
    where = file if len(file) <= MAX_FILE else f"…{file[1 - MAX_FILE :]}"
    return [
        f"labelled {shown(line['label'], MAX_NAME)}",
        f"neighbours: {shown(line['neighbours_say'], MAX_NAME)} ({line['other_share']:.0%})",
        where or f"{split} image {line['image']}",
    ]
