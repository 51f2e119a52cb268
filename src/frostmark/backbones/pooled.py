"""What a network pools, found by walking back from the pooled vector.

pooled(node, forward, nodes)        # Pooled(source='layer4.1.relu_1', pool='gap'), or None
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import fx, nn
from torchvision.ops import Permute

from frostmark.backbones.forward import Forward
from frostmark.backbones.nodes import Node

_KEEPING_MODULES = (nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.AlphaDropout, Permute)
_PASSING_MODULES = (*_KEEPING_MODULES, nn.Flatten)
_PASSING = frozenset({"flatten", "squeeze", "view", "reshape", "dropout", "contiguous", "clone"})
_TURNING = frozenset({"permute", "transpose", "contiguous"})


@dataclass(frozen=True)
class Pooled:
    """A vector as the pool of a node.

    Attributes:
        source: name of the node.
        pool: a word of ``layer.pool=``.
    """

    source: str
    pool: str


def passed(node: fx.Node, forward: Forward) -> fx.Node:
    """The node whose numbers these are: dropout, which does nothing here, and another shape are stepped over."""
    while _passes(node, forward):
        (node, *_) = forward.inputs(node)
    return node


def pooled(node: fx.Node, forward: Forward, nodes: dict[str, Node]) -> Pooled | None:
    """The map of which a vector is the mean over all cells."""
    node = passed(node, forward)
    if not _averages(node, forward, nodes):
        return None
    (source, *_) = forward.inputs(node)
    while forward.called(source) in _TURNING or isinstance(forward.module(source), _KEEPING_MODULES):
        (source, *_) = forward.inputs(source)
    described = nodes.get(forward.names[source])
    return Pooled(described.name, "gap") if described is not None and described.is_image else None


def _passes(node: fx.Node, forward: Forward) -> bool:
    alone = len(forward.inputs(node)) == 1
    return alone and (forward.called(node) in _PASSING or isinstance(forward.module(node), _PASSING_MODULES))


def _averages(node: fx.Node, forward: Forward, nodes: dict[str, Node]) -> bool:
    """Whether an operation takes the mean over the cells of a map."""
    sources = [nodes.get(forward.names[source]) for source in forward.inputs(node)]
    if len(sources) != 1 or sources[0] is None or sources[0].kind != "map":
        return False
    if forward.called(node) == "mean":
        where = node.kwargs.get("dim", node.args[1] if len(node.args) > 1 else None)
        axes = {axis % 4 for axis in where} if isinstance(where, tuple | list) else set()
        return axes == ({1, 2} if sources[0].channels_last else {2, 3})
    result = nodes.get(forward.names[node])
    averaging = isinstance(forward.module(node), nn.AdaptiveAvgPool2d | nn.AvgPool2d)
    averaging = averaging or forward.called(node) in ("adaptive_avg_pool2d", "avg_pool2d")
    return averaging and result is not None and result.kind == "map" and result.shape[1:] == (1, 1)
