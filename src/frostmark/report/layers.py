"""What can be tapped in a backbone, as a table for the terminal.

console.print(layers_table("vgg16", 224, survey.rows(all_nodes=False)))
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from rich import box
from rich.table import Table

from frostmark.results.terminal import cell


class NodeLike(Protocol):
    """A node as it is shown."""

    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def channels(self) -> int: ...
    @property
    def flops(self) -> int: ...


def layers_table(backbone: str, size: int, rows: Sequence[tuple[str, str, NodeLike, float]]) -> Table:
    """Taps, nodes, shapes of one image, features after pooling, compute up to the node and its share of the whole."""
    table = Table(title=cell(f"{backbone} at {size} pixels"), box=box.SIMPLE_HEAD, title_style="bold")
    table.title_justify = "left"
    for column in ("tap", "node", "shape"):
        table.add_column(column)
    for column in ("features", "GMACs", "share of compute"):
        table.add_column(column, justify="right")
    for tap, name, node, share in rows:
        shape = " × ".join(str(n) for n in node.shape)
        gmacs = f"{node.flops / 2e9:.2f}"  # a multiplication and an addition count two operations
        table.add_row(cell(tap), cell(name), shape, f"{node.channels:,}", gmacs, f"{share:.1%}")
    return table
