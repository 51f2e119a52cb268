"""The page of a comparison, ``comparison.html``: what stands in it, in its order.

html = comparison_html(comparison)              # one self-contained document, a few megabytes
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from matplotlib.figure import Figure

from frostmark.comparison import pictures
from frostmark.comparison.best import of_the_best
from frostmark.comparison.cards import card_sentence
from frostmark.comparison.comparison import Comparison
from frostmark.comparison.maps import NOTE
from frostmark.comparison.markdown import AGREEMENT, how
from frostmark.comparison.tables import Grid, agreements, layers, pairs, provenance, ranking
from frostmark.figures.files import svg
from frostmark.figures.linked import LinkedPieces, linked_maps
from frostmark.results.page import PagePicture, PageTable, Section, page


def comparison_html(comparison: Comparison) -> str:
    """The verdict and what follows from it, the ranking, the linked maps, then tables and pictures.

    The same comparison gives the same text. No link leads out of the page: away from MLflow it would lead nowhere.
    """
    about, verdict = comparison.about, comparison.verdict
    cards = card_sentence(comparison.group, verdict) if verdict.contenders else ""
    classes = () if comparison.classes is None else comparison.classes.sentences
    advice = [*of_the_best(verdict), *(f"{line}." for line in classes), *([cards] if cards else [])]
    notes = [f"Missing: {line}" for line in about.missing] + list(about.remarks)
    return page(comparison.title, [verdict.sentence, *advice], list(_sections(comparison)), notes)


def _linked(comparison: Comparison) -> LinkedPieces | None:
    maps, group = comparison.maps, comparison.group
    return None if maps is None else linked_maps(maps.grid(group), maps.images, group.runs[0].classes, NOTE)


def _sections(comparison: Comparison) -> Iterator[Section]:
    group, verdict = comparison.group, comparison.verdict
    if verdict.contenders:
        yield Section("Ranking", [f"Compared on {group.setting}."], [_ranking(comparison)])
    maps = _linked(comparison)
    if maps is not None:
        yield Section("Maps", ["Every map shows the same images."], maps=maps)
    if verdict.pairs:
        yield Section("Pairs", (), [_table(pairs(verdict), 0, 1, 2, 6)])
    curves = pictures.depth_curves(comparison, "accuracy by depth")
    yield Section("Every layer", (), [_table(layers(group, verdict), 0)], _drawings("Accuracy by depth", curves))
    if comparison.costs:
        yield Section("Quality against cost", (), (), _drawings("Quality against cost", pictures.costs(comparison)))
    if comparison.classes is not None:
        yield Section(
            "Classes",
            (),
            (),
            _drawings("Which pairs of classes each layer separates better", pictures.classes(comparison.classes)),
        )
    yield _similarity(comparison)
    if verdict.agreement:
        yield Section("Do the metrics agree?", [AGREEMENT], [_agreements(comparison)])
    if verdict.contenders:
        yield Section("How the ranking is made", [how(group, verdict)])
    yield _what_was_run(comparison)


def _ranking(comparison: Comparison) -> PageTable:
    head, lines = ranking(comparison.group, comparison.verdict)
    words = [n for n, name in enumerate(head) if name in ("network · layer", "chosen among")]
    return PageTable(head, lines, words)


def _agreements(comparison: Comparison) -> PageTable:
    grid = agreements(comparison.verdict)
    return replace(_table(grid, 0), folded=f"Kendall's τ of {len(grid[1])} metrics")


def _what_was_run(comparison: Comparison) -> Section:
    """The command and the settings; the versions last, and folded: nobody reads them first."""
    shared, own, versions = provenance(comparison.group)
    tables = [_table(shared, 0, 1), _table(own, *range(len(own[0])))]
    if versions[1]:
        tables.append(replace(_table(versions, 0, 1), folded="Versions"))
    return Section("What was run", (), tables, code=comparison.about.command)


def _similarity(comparison: Comparison) -> Section:
    title, of = "How alike the layers are", comparison.similarity
    if of is None:
        return Section(
            title,
            ["The rows of the layers are not kept in mlruns/features. Run the layers again to compare their features."],
        )
    text = (
        f"Linear CKA by the unbiased HSIC, of {of.images:,} test images: 1 for rows that differ only by rotation and "
        "scale, about 0 for unrelated rows. Empty cells: the rows are not kept in mlruns/features."
    )
    return Section(title, [text], (), _drawings(title, pictures.similarity(of)))


def _table(grid: Grid, *words: int) -> PageTable:
    """A table whose columns ``words`` hold words."""
    head, lines = grid
    return PageTable(head, lines, words)


def _drawings(about: str, figure: Figure | None) -> list[PagePicture]:
    """A figure, if there is one, with what it shows in a few words."""
    return [] if figure is None else [PagePicture(svg(figure), about)]
