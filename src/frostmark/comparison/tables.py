"""A comparison in tables: for the terminal, as CSV, and as text for Markdown and for the page.

console.print(ranking_table(group, verdict))
write_csv(Path("comparison.csv"), all_runs(group))
head, lines = ranking(group, verdict)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from rich import box
from rich.cells import cell_len
from rich.table import Table

from frostmark.comparison.cards import CARD_HEAD, TOP1, card_cells
from frostmark.comparison.contenders import Headline
from frostmark.comparison.groups import Group
from frostmark.comparison.runs import Run
from frostmark.comparison.verdict import Verdict
from frostmark.metrics.kinds import base_of, kind_of
from frostmark.results.answer import CONTROLS
from frostmark.results.findings import interval
from frostmark.results.tables import number
from frostmark.results.terminal import cell

Grid = tuple[list[str], list[list[str]]]
"""Head and lines of a table, all text."""

_NAME = 16
"""Columns of the terminal that a name has at least."""

_VERSIONS = "version."
_SHARED_TAGS = (
    "dataset",
    "dataset_fingerprint",
    "label_digest",
    "groups",
    "preprocess",
    "seed",
    "protocol",
)
_CARD_TAGS = (TOP1, "parameters", "features")
_OWN_TAGS = (
    "weights",
    "weights_digest",
    "weights_license",
    *_CARD_TAGS,
    "node",
    "image_size",
    "precision",
    "device",
    "reducer",
)


def ranking(group: Group, verdict: Verdict) -> Grid:
    """The contenders, the best first, those that cannot be told apart with one place."""
    shared = verdict.headlines
    several = len(set(group.names)) > 1
    head = ["place", "network · layer", *(["chosen among"] if several else []), *(h.words for h in shared)]
    head += ["GMACs", "parameters used", "images/s", *CARD_HEAD]
    lines = []
    for c in verdict.contenders:
        among = [f"{c.of} layer{'s' if c.of > 1 else ''}"] if several else []
        cells = [*(with_interval(c.run, h) for h in shared), *_costs(c.run), *card_cells(c.run)]
        lines.append([str(c.place), c.name, *among, *cells])
    return _filled(head, [*lines, *_controls(verdict, blank=1 if several else 0, width=len(head))])


def _filled(head: list[str], lines: list[list[str]]) -> Grid:
    """Without the columns in which no line says anything."""
    kept = [n for n in range(len(head)) if any(line[n] for line in lines)]
    return [head[n] for n in kept], [[line[n] for n in kept] for line in lines]


def _controls(verdict: Verdict, blank: int, width: int) -> Iterator[list[str]]:
    """What the contenders must beat, a line each, without a place.

    Args:
        blank: cells without content behind the name.
        width: cells of a line.
    """
    told: set[tuple[str, ...]] = set()
    for c in verdict.contenders:
        controls = dict.fromkeys(key.split("/")[1] for key in c.run.values if key.startswith("control/"))
        for control in controls:
            values = {h: c.run.values.get(f"control/{control}/{h.key}") for h in verdict.headlines}
            cells = ["" if value is None else h.kind.shown(value) for h, value in values.items()]
            of = f"{CONTROLS.get(control, control)} (control)"
            name = of if control == "pixels" else f"{c.name}: {of}"
            line = ["–", name, *[""] * blank, *cells]
            if tuple(line) not in told:  # the pixels are the same for all
                told.add(tuple(line))
                yield line + [""] * (width - len(line))


def layers(group: Group, verdict: Verdict) -> Grid:
    """Every run: its headline metrics and what the layer is chosen by; networks together, layers by depth."""
    shared, choosing = verdict.headlines, verdict.chosen_by
    order = sorted(range(len(group.runs)), key=lambda n: (group.names.index(group.names[n]), depth(group.runs[n])))
    head = [
        "network · layer",
        *([f"train {choosing.words}"] if choosing else []),
        *(h.words for h in shared),
        "share of compute",
        "features",
    ]
    lines = []
    for n in order:
        run = group.runs[n]
        train = [choosing.kind.shown(run.values[choosing.train_key])] if choosing else []
        cells = [*train, *(with_interval(run, h) for h in shared)]
        share = f"{depth(run):.0%}" if knows_depth(run) else ""
        lines.append([group.titles[n], *cells, share, run.tags.get("features", "")])
    return head, lines


def pairs(verdict: Verdict) -> Grid:
    """Every two contenders by every headline metric."""
    head = ["first", "second", "metric", "first minus second", "95% CI", "p (Holm)", "significant"]
    lines = []
    for p in verdict.pairs:
        d, change = p.difference, p.headline.kind.change
        ends = f"{change(d.low)} to {change(d.high)}" if np.isfinite(d.low) else ""
        told = "yes" if p.told else "no"
        lines.append(
            [p.first, p.second, p.headline.words, change(d.mean), ends, "" if np.isnan(p.p) else f"{p.p:.2g}", told]
        )
    return head, lines


def agreements(verdict: Verdict) -> Grid:
    """How far the other metrics put the runs in the order of the one that decides."""
    return ["metric", "Kendall's τ"], [[words, f"{tau:+.2f}"] for words, tau in verdict.agreement.items()]


def provenance(group: Group) -> list[Grid]:
    """What was run, exactly: what all runs share, each run's own, and the versions of the packages."""
    runs = group.runs
    first = runs[0].tags
    shared = [[_words(tag), first[tag]] for tag in _SHARED_TAGS if tag in first]
    own = [tag for tag in _OWN_TAGS if any(tag in run.tags for run in runs)]
    lines = [
        [title, *(run.tags.get(tag, "") for tag in own), run.run_id or ""]
        for title, run in zip(group.titles, runs, strict=True)
    ]
    versions = []
    for tag in sorted({tag for run in runs for tag in run.tags if tag.startswith(_VERSIONS)}):
        of_runs = dict.fromkeys(run.tags.get(tag, "none") for run in runs)
        versions.append([tag.removeprefix(_VERSIONS), " and ".join(of_runs)])
    return [
        (["shared by all", "value"], shared),
        (["network · layer", *map(_words, own), "run"], lines),
        (["package", "version"], versions),
    ]


def _words(tag: str) -> str:
    return tag.replace("_", " ")


def all_runs(group: Group) -> dict[str, Sequence[str | float]]:
    """Columns of ``comparison.csv``: one line per run, every metric by which these runs may be compared."""
    keys = dict.fromkeys(key for run in group.runs for key in run.values if _in_table(group, key))
    columns: dict[str, Sequence[str | float]] = {
        "network": list(group.names),
        "layer": list(group.layers),
        "run_id": [run.run_id or "" for run in group.runs],
    }
    for tag in ("weights", "node", *_CARD_TAGS, "precision"):
        columns[tag] = [run.tags.get(tag, "") for run in group.runs]
    return columns | {key: [run.values.get(key, float("nan")) for run in group.runs] for key in keys}


def _in_table(group: Group, key: str) -> bool:
    """Whether a number is one of the layer, not of a class or a pair, that compares the runs."""
    kind = kind_of(base_of(key, group.kinds) or key, group.kinds)
    return kind is not None and kind.per is None and group.compares(key)


def with_interval(run: Run, headline: Headline) -> str:
    """``83.1% (82.0–84.2)``."""
    value, ends = headline.kind.shown(run.values[headline.key]), interval(headline.key, run.values, headline.kind.shown)
    return f"{value} ({ends})" if ends else value


def depth(run: Run) -> float:
    """Share of the network's multiply-accumulates up to the layer; 1 where it is not known."""
    return run.values.get("cost/gmacs_share", 1.0)


def knows_depth(run: Run) -> bool:
    """Whether the depth of the layer can be known: rows made elsewhere come without their network."""
    return "cost/gmacs_share" not in run.undefined


def _costs(run: Run) -> list[str]:
    gmacs, params = run.values.get("cost/gmacs"), run.values.get("cost/params")
    rate = run.values.get("cost/images_per_second")
    return [
        "" if gmacs is None else number(gmacs),
        "" if params is None else f"{params / 1e6:.1f} M",
        "" if rate is None else f"{rate:,.0f}",
    ]


def ranking_table(group: Group, verdict: Verdict, width: int = 200) -> Table:
    """:func:`ranking` for the terminal, with the interval of the metric that decides alone.

    Args:
        width: columns of the terminal. What does not fit goes as a whole column, the last first.
    """
    first, *others = verdict.headlines
    ends = " (95% CI)" if any(f"{first.key}_lo" in c.run.values for c in verdict.contenders) else ""
    decisive = f"{first.words}{ends}"
    costs, cells = _filled(
        ["GMACs", *CARD_HEAD], [[*_costs(c.run)[:1], *card_cells(c.run)] for c in verdict.contenders]
    )
    head = [decisive if width >= 80 else _stacked(decisive), *map(_stacked, (*(h.words for h in others), *costs))]
    lines = [
        [with_interval(c.run, first), *(h.kind.shown(c.run.values[h.key]) for h in others), *of]
        for c, of in zip(verdict.contenders, cells, strict=True)
    ]
    columns = list(zip(head, *lines, strict=True))
    while len(columns) > 1 and _needed(columns) > width:
        columns.pop()
    shown = Table(box=box.SIMPLE_HEAD)
    shown.add_column("place", justify="right")
    # Names are folded where there is little room; numbers never are.
    shown.add_column("best layer" if len(set(group.names)) > 1 else "layer", overflow="fold", min_width=_NAME)
    for name, *_ in columns:
        shown.add_column(name, justify="right", no_wrap=True)
    for c, *values in zip(verdict.contenders, *(of[1:] for of in columns), strict=True):
        shown.add_row(str(c.place), cell(c.name), *values, style="bold" if c.place == 1 else None)
    return shown


def _stacked(words: str) -> str:
    return "\n".join(words.split())


def _needed(columns: Sequence[Sequence[str]]) -> int:
    """Columns of the terminal for place, name and these, each with two for its edges."""
    wide = [max(cell_len(line) for text in column for line in text.split("\n")) for column in columns]
    return len("place") + 2 + _NAME + 2 + sum(wide) + 2 * len(wide) + 2
