"""A ranking over data sets for a person: tables, Markdown, page, picture and the files that hold them.

files = write_across(across, Path("results"), "compare --across frostmark")     # across.{csv,png,html,md}
console.print(across_table(across))
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from rich import box
from rich.table import Table

from frostmark.comparison.across import AcrossSets
from frostmark.comparison.tables import Grid, with_interval
from frostmark.figures.files import save, svg
from frostmark.figures.ranks import draw_ranks, draw_scores
from frostmark.results.markdown import code, plain, table
from frostmark.results.page import PagePicture, PageTable, Section, page
from frostmark.results.tables import write_csv
from frostmark.results.terminal import cell
from frostmark.stats.ranks import tied

HOW = (
    "On each data set, the layer with the best train value represents its network. The test values of these layers are "
    "ranked: 1 is the best, and equal values share a rank. Intervals come from a bootstrap of two levels: data sets, "
    "then the images (or whole groups) of each data set. Networks that share a place do not differ significantly: a "
    "significant difference of mean ranks exceeds the critical difference (5%, all pairs together). Best in: share of "
    "the draws in which a network has the best mean rank. Bradley–Terry: network i is better than network j on a data "
    "set with probability sᵢ / (sᵢ + sⱼ); the geometric mean of all s is 1."
)


def ranking_grid(across: AcrossSets) -> Grid:
    """The networks, the best first; no lines without a ranking."""
    head = ["place", "network", "mean rank (95% CI)", f"mean {across.words} (95% CI)", "best in", "Bradley–Terry"]
    r = across.ranking
    if r is None:
        return head, []
    ends = (r.score_low, r.score_high)
    return head, [
        [
            str(across.places[name]),
            name,
            f"{r.mean_rank[k]:.2f} ({r.low[k]:.2f}–{r.high[k]:.2f})",
            f"{across.shown(r.mean_score[k])} ({'–'.join(across.shown(e[k]).rstrip('%') for e in ends)})",
            f"{r.wins[k]:.1%}",
            f"{across.strengths[k]:.2f}",
        ]
        for k, name in enumerate(across.networks)
    ]


def scores_grid(across: AcrossSets) -> Grid:
    """Every network on every data set, with its interval there."""
    head = ["network", *(of.name for of in across.data_sets)]
    lines = [
        [
            name,
            *(with_interval(of.stands[name].run, of.decides) if name in of.stands else "" for of in across.data_sets),
        ]
        for name in across.networks
    ]
    return head, lines


def layers_grid(across: AcrossSets) -> Grid:
    """Which layer stands for each network on each data set."""
    head = ["network", *(of.name for of in across.data_sets)]
    lines = [
        [name, *(of.stands[name].layer if name in of.stands else "" for of in across.data_sets)]
        for name in across.networks
    ]
    return head, lines


def across_table(across: AcrossSets) -> Table:
    """The ranking for the terminal; without one, the scores."""
    head, lines = ranking_grid(across) if across.ranking is not None else scores_grid(across)
    made = Table(box=box.SIMPLE_HEAD)
    for name in head:
        if name == "network":
            made.add_column(name, overflow="fold", min_width=16)
        else:
            made.add_column(cell(name), justify="right")
    for line in lines:
        made.add_row(*map(cell, line), style="bold" if across.places.get(line[1]) == 1 else None)
    return made


def across_columns(across: AcrossSets) -> dict[str, Sequence[str | float]]:
    """Columns of ``across.csv``: one line per network."""
    r, unknown = across.ranking, [np.nan] * len(across.networks)
    made: dict[str, Sequence[str | float]] = {
        "place": [str(across.places.get(name, "")) for name in across.networks],
        "network": list(across.networks),
        "mean_rank": unknown if r is None else r.mean_rank.tolist(),
        "mean_rank_lo": unknown if r is None else r.low.tolist(),
        "mean_rank_hi": unknown if r is None else r.high.tolist(),
        "mean_score": unknown if r is None else r.mean_score.tolist(),
        "mean_score_lo": unknown if r is None else r.score_low.tolist(),
        "mean_score_hi": unknown if r is None else r.score_high.tolist(),
        "wins": unknown if r is None else r.wins.tolist(),
        "bradley_terry": list(across.strengths) or unknown,
    }
    for number, of in enumerate(across.data_sets):
        has = [name in of.stands for name in across.networks]
        stands = [of.stands.get(name) for name in across.networks]
        made[f"score/{of.name}"] = [of.score(n) if h else np.nan for n, h in zip(across.networks, has, strict=True)]
        made[f"rank/{of.name}"] = unknown if r is None else r.ranks[number].tolist()
        made[f"layer/{of.name}"] = ["" if stand is None else stand.layer for stand in stands]
        made[f"run_id/{of.name}"] = ["" if stand is None else stand.run.run_id or "" for stand in stands]
    return made


def across_markdown(across: AcrossSets, command: str) -> str:
    """``across.md``: the answer first, then what it rests on."""
    parts = [
        f"# {across.title}",
        f"**{plain(across.sentence)}**",
        _markdown(ranking_grid(across)) if across.ranking is not None else "",
        "\n".join(f"- Note: {plain(note)}" for note in across.notes),
        plain(_how(across)),
        "## Every data set\n\n" + _markdown(scores_grid(across)),
        "## Best layers\n\n" + _markdown(layers_grid(across)),
        code(command) if command else "",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def across_html(across: AcrossSets, command: str, drawn: Figure) -> str:
    """``across.html``: one self-contained document."""
    picture = [PagePicture(svg(drawn), across.title)]
    sections = [
        Section(
            "Every data set",
            [f"{across.words} on test; in parentheses its 95% confidence interval."],
            [PageTable(*scores_grid(across))],
        ),
        Section(
            "Best layers", ["The layer with the best train value on each data set."], [PageTable(*layers_grid(across))]
        ),
    ]
    if across.ranking is not None:
        sections.insert(0, Section("Ranking", [_how(across)], [PageTable(*ranking_grid(across))], picture))
    else:
        sections[0] = Section(sections[0].title, sections[0].text, sections[0].tables, picture)
    if command:
        sections.append(Section("What was run", code=command))
    return page(across.title, [across.sentence], sections, across.notes)


def write_across(across: AcrossSets, folder: Path, command: str) -> list[Path]:
    """Write ``across.csv``, ``.png``, ``.html`` and ``.md``; the same ranking gives the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn = _picture(across)
    whole, text = folder / "across.html", folder / "across.md"
    whole.write_text(across_html(across, command, drawn), encoding="utf-8")
    text.write_text(across_markdown(across, command), encoding="utf-8")
    return [write_csv(folder / "across.csv", across_columns(across)), save(drawn, folder / "across.png"), whole, text]


def _how(across: AcrossSets) -> str:
    r = across.ranking
    return "" if r is None else f"{HOW} Critical difference: {r.critical:.2f} ranks."


def _picture(across: AcrossSets) -> Figure:
    r = across.ranking
    if r is None:
        scores = {
            of.name: [of.score(name) if name in of.stands else np.nan for name in across.networks]
            for of in across.data_sets
        }
        return draw_scores(across.networks, scores, across.words, across.title, across.in_percent)
    alike = tied(r.mean_rank, r.critical)
    return draw_ranks(across.networks, r.mean_rank, r.low, r.high, r.critical, alike, across.title)


def _markdown(grid: Grid) -> str:
    head, lines = grid
    return table(head, lines)
