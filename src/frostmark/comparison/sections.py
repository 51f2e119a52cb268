"""The page of a comparison, ``comparison.html``: what stands in it, in its order.

html = comparison_html(comparison)              # one self-contained document, a few megabytes
"""

from __future__ import annotations

from collections.abc import Iterator

from matplotlib.figure import Figure

from frostmark.comparison import pictures
from frostmark.comparison.cards import card_sentence
from frostmark.comparison.comparison import Comparison
from frostmark.comparison.maps import NOTE
from frostmark.comparison.markdown import AGREEMENT, how
from frostmark.comparison.page import PageTable, Section, comparison_page
from frostmark.comparison.tables import Grid, agreements, layers, pairs, provenance, ranking
from frostmark.figures.files import svg
from frostmark.figures.linked import LinkedPieces, linked_maps


def comparison_html(comparison: Comparison) -> str:
    """The verdict, the linked maps, then tables and pictures; the same comparison gives the same text."""
    about = comparison.about
    missing = [f"Missing: {line}" for line in about.missing]
    lines = [comparison.verdict.sentence, *missing, *about.remarks]
    return comparison_page(comparison.title, lines, list(_sections(comparison)), _linked(comparison))


def _linked(comparison: Comparison) -> LinkedPieces | None:
    maps, group = comparison.maps, comparison.group
    return None if maps is None else linked_maps(maps.grid(group), maps.images, group.runs[0].classes, NOTE)


def _sections(comparison: Comparison) -> Iterator[Section]:
    group, verdict = comparison.group, comparison.verdict
    if verdict.contenders:
        cards = card_sentence(group, verdict)
        text = [*([cards] if cards else []), f"Compared on {group.setting}.", how(group)]
        yield Section("Ranking", text, _tables(ranking(group, verdict)))
        yield Section("Every two", (), _tables(pairs(verdict)))
    curves = pictures.depth_curves(comparison, "accuracy by depth")
    yield Section("Every layer", (), _tables(layers(group, verdict)), _drawings(curves))
    if comparison.costs:
        yield Section("Quality against cost", (), (), _drawings(pictures.costs(comparison)))
    if comparison.classes is not None:
        drawn = pictures.classes(comparison.classes)
        yield Section("Which classes", comparison.classes.sentences, (), _drawings(drawn))
    yield _similarity(comparison)
    if verdict.agreement:
        yield Section("Do the metrics agree?", [AGREEMENT], _tables(agreements(verdict)))
    typed = [f"Typed: {comparison.about.command}"] if comparison.about.command else []
    yield Section("What was run, exactly", typed, _tables(*provenance(group)))


def _similarity(comparison: Comparison) -> Section:
    title, of = "How alike the layers are", comparison.similarity
    if of is None:
        return Section(title, ["Their rows are not kept in mlruns/features: run them again to compare them."])
    text = (
        f"Linear CKA by the unbiased HSIC, of {of.images:,} test images: 1 for rows that differ by rotation and "
        "scale, about 0 for unrelated ones. Empty cells: rows that are not kept in mlruns/features."
    )
    return Section(title, [text], (), _drawings(pictures.similarity(of)))


def _tables(*grids: Grid) -> list[PageTable]:
    return [PageTable(*grid) for grid in grids]


def _drawings(*figures: Figure | None) -> list[str]:
    return [svg(figure) for figure in figures if figure is not None]
