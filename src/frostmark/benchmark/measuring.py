"""Who watches a pass: the callbacks that collect rows and class moments, and what is made of them.

collecting, observed = observers(subject, extraction)
extraction.through([*collecting, Metrics(measurement, observed, record)], subject)
"""

from __future__ import annotations

from dataclasses import replace

from frostmark.analysis.observed import Observed
from frostmark.benchmark.extraction import Extraction
from frostmark.benchmark.subject import Subject
from frostmark.lit.callbacks.collect import CollectRows, StreamMoments
from frostmark.lit.trainer import Callback


def observers(subject: Subject, extraction: Extraction) -> tuple[list[Callback], Observed]:
    """The callbacks that collect, and what metrics and maps will see once the pass is over."""
    sizes = {split: len(images) for split, images in subject.splits.items()}
    rows = CollectRows(subject.word, sizes, subject.project)
    moments = StreamMoments(subject.tap.width, len(subject.classes), tuple(sizes))
    setting = subject.setting
    if not subject.wide and extraction.keeps(subject.tap):
        setting = replace(setting, keep=extraction.kept(subject.tap))
    return [rows, moments], Observed(setting, rows, moments)
