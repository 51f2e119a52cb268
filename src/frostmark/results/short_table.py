"""The few numbers of a run that a person asks for first, as wide as there is room for and no digit less.

    console.print(short_table(findings, width=console.width))

``output=full`` prints all of them instead: :func:`frostmark.results.tables.metrics_table`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from rich import box
from rich.cells import cell_len
from rich.table import Table

from frostmark.results.findings import Findings, interval, percent
from frostmark.results.tables import number
from frostmark.results.terminal import cell

_SHARES = {
    "separability/eta_squared": "variance explained by the classes",
    "map/knn_preservation": "neighbours kept by the map",
}
"""Metrics that stand below those that decide, as a person calls them."""

_PADDING, _MIN_NAME = 2, 18
"""Columns of the terminal beside every cell, and those that a name keeps: it wraps."""


@dataclass(frozen=True)
class _Column:
    """One column.

    Attributes:
        head: above it.
        cells: one a row.
        place: the higher, the sooner it goes where there is no room for it.
    """

    head: str
    cells: Sequence[str]
    place: int

    @property
    def width(self) -> int:
        return max(map(cell_len, (self.head, *self.cells))) + _PADDING


def short_table(findings: Findings, width: int) -> Table:
    """Accuracies with intervals and controls, variances, what the map keeps; at most eight rows.

    Args:
        width: columns of the terminal. What does not fit goes as a whole column, the controls first.
    """
    rows = list(_rows(findings))
    controls = list(dict.fromkeys(line["control"] for line in findings.lines("controls")))
    heads = ("train", "test", "95% CI", "chance", *controls)
    places = (3, 0, 1, 2, *range(4, 4 + len(controls)))
    columns = [
        _Column(head, [row.cells.get(head, "") for row in rows], place)
        for head, place in zip(heads, places, strict=True)
        if any(head in row.cells for row in rows)
    ]
    while len(columns) > 1 and _MIN_NAME + _PADDING + sum(column.width for column in columns) > width:
        columns.remove(max(columns, key=lambda column: column.place))
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column("", overflow="fold", min_width=_MIN_NAME)
    for column in columns:
        table.add_column(cell(column.head), justify="right", no_wrap=True, min_width=column.width - _PADDING)
    for position, row in enumerate(rows):
        table.add_row(cell(row.name), *(cell(column.cells[position]) for column in columns))
    return table


@dataclass(frozen=True)
class _Row:
    name: str
    cells: dict[str, str]


def _rows(findings: Findings) -> Iterator[_Row]:
    for metric, kind in findings.ranked:
        yield _Row(_capital(kind.words), _cells(findings, metric, percent))
    for metric, words in _SHARES.items():
        if f"test/{metric}" in findings.values:
            yield _Row(_capital(words), _cells(findings, metric, percent))
    variances = {split: _variances(findings, split) for split in ("train", "test")}
    if any(variances.values()):
        yield _Row("Variance within / between classes", variances)


def _cells(findings: Findings, metric: str, shown: Callable[[float], str]) -> dict[str, str]:
    values, key = findings.values, f"test/{metric}"
    cells = {split: shown(values[f"{split}/{metric}"]) for split in ("train", "test") if f"{split}/{metric}" in values}
    if ends := interval(key, values, shown):
        cells["95% CI"] = ends
    if key in findings.chance:
        cells["chance"] = shown(findings.chance[key])
    return cells | {line["control"]: shown(line["of_control"]) for line in findings.lines("controls", metric=key)}


def _variances(findings: Findings, split: str) -> str:
    both = [findings.values.get(f"{split}/variance/{which}") for which in ("intra", "inter")]
    return " / ".join(number(value) for value in both if value is not None)


def _capital(words: str) -> str:
    return words if words.startswith("k-NN") else words[0].upper() + words[1:]
