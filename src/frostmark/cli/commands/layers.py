"""List the taps and nodes of a backbone, without its weights, and its tokens, final norm and embedding.

python run.py layers backbone=vgg16 preprocess.size=224
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from rich import box
from rich.table import Table

from frostmark.backbones.backbone import Backbone
from frostmark.backbones.contract import checked_backbone
from frostmark.backbones.drawing import drawing
from frostmark.backbones.recipe import facts
from frostmark.backbones.rows import RowsBackbone
from frostmark.cli.console import console
from frostmark.cli.parser import Parser
from frostmark.config.build import build
from frostmark.config.compose import compose
from frostmark.config.labelled import without_label
from frostmark.config.words import conf_dir
from frostmark.data.contract import checked_pipeline
from frostmark.data.preprocess import Preprocess
from frostmark.features.given import GivenRows, read_rows
from frostmark.results.terminal import cell


def run(arguments: list[str]) -> int:
    """Print the table."""
    parser = Parser.of("layers", __doc__)
    parser.add_argument("overrides", nargs="*", help="backbone=<choice>, backbone.name=…, preprocess.size=…")
    parser.add_argument("--nodes", action="store_true", help="list all nodes, not only the taps")
    parser.add_argument("-cd", "--config-dir", type=Path, help="a folder of your own YAML files")
    options = parser.parse_args(arguments)
    config = compose(conf_dir(), options.overrides, options.config_dir)
    with drawing(config.seed):
        backbone = checked_backbone(build(without_label(config.backbone), "backbone", Backbone))
    if isinstance(backbone, RowsBackbone):
        console().print(rows_table(read_rows(backbone.path)))
        return 0
    preprocess = build(config.preprocess, "preprocess", Preprocess)
    survey = backbone.survey(checked_pipeline(preprocess, backbone.preset).size)
    terminal = console()
    terminal.print(layers_table(backbone.name, survey.size, survey.rows(options.nodes)))
    for name, said in facts(survey).items():
        terminal.print(cell(f"{name}: {said}"), soft_wrap=True)
    if not options.nodes:
        print(f"layer=<tap>, or layer=node layer.node=<node>; all {len(survey.nodes)} nodes: add --nodes")
    return 0


def rows_table(given: GivenRows) -> Table:
    """The layers of a file of rows, their features, and the kind of numbers in the file."""
    counts = ", ".join(f"{len(labels):,} {split}" for split, labels in given.labels.items())
    table = Table(title=cell(f"{given.contents.name}: {counts}"), box=box.SIMPLE_HEAD, title_style="bold")
    table.title_justify = "left"
    table.add_column("layer")
    for column in ("features", "numbers"):
        table.add_column(column, justify="right")
    for name in given.layers:
        layer = given.layer(name)
        table.add_row(cell(name), f"{layer.width:,}", layer.kind)
    return table


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
