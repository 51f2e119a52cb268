"""What a network pools, found by walking back from the pooled vector.

pooled(node, forward, nodes)        # Pooled(source='layer4.1.relu_1', pool='gap'), or None
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import fx, nn
from torchvision.ops import Permute

from frostmark.backbones.forward import Forward
from frostmark.backbones.nodes import Node
from frostmark.backbones.pooling import BOTH_TOKENS

_KEEPING_MODULES = (nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.AlphaDropout)
_KEEPING = frozenset({"dropout", "contiguous", "clone", "to", "float"})
_TURNING = frozenset({"permute", "transpose"})
_RESHAPING = frozenset({"flatten", "squeeze", "view", "reshape", "unflatten"})
_SELECTING = frozenset({"getitem", "select", "narrow", "cat", "mean", "amax", "split", "chunk", "unbind"})
_AVERAGES = (nn.AdaptiveAvgPool2d, nn.AvgPool2d)


@dataclass(frozen=True)
class Pooled:
    """A vector as the pool of a node.

    Attributes:
        source: name of the node.
        pool: a word of ``layer.pool=``.
    """

    source: str
    pool: str


def keeps(node: fx.Node, forward: Forward) -> bool:
    """Whether an operation gives the numbers that it takes, in their shape: dropout does nothing in eval mode."""
    if not forward.inputs(node):  # of parameters alone
        return False
    return forward.called(node) in _KEEPING or isinstance(forward.module(node), _KEEPING_MODULES)


def reduces(node: fx.Node, forward: Forward) -> bool:
    """Whether an operation selects, joins, pools or reshapes what it takes, and nothing else."""
    if isinstance(forward.module(node), (*_AVERAGES, nn.AdaptiveAvgPool1d, nn.Flatten, Permute)):
        return True
    return forward.called(node) in _SELECTING | _TURNING | _RESHAPING


def kept(node: fx.Node, forward: Forward) -> fx.Node:
    """The node whose tensor this is: dropout and identities are stepped over."""
    while keeps(node, forward):
        (node, *_) = forward.inputs(node)
    return node


def passed(node: fx.Node, forward: Forward) -> fx.Node:
    """The node whose numbers these are: dropout and another shape are stepped over."""
    while keeps(node, forward) or (forward.inputs(node) and _reshapes(node, forward)):
        (node, *_) = forward.inputs(node)
    return node


def _reshapes(node: fx.Node, forward: Forward) -> bool:
    return forward.called(node) in _RESHAPING or isinstance(forward.module(node), nn.Flatten)


def pooled(node: fx.Node, forward: Forward, nodes: dict[str, Node]) -> Pooled | None:
    """The map or the tokens of which a vector is a pool that Frostmark knows."""
    node = passed(node, forward)
    sources = forward.inputs(node)
    if len(sources) != 1:
        return None
    (source,) = sources
    described = nodes.get(forward.names[source])
    if described is not None and described.kind == "map":
        return _of_map(node, source, forward, nodes)
    return _of_tokens(node, source, forward, nodes)


def token_index(node: fx.Node, forward: Forward) -> int | None:
    """Which token ``x[:, 0]`` or ``x.select(1, 0)`` is; None of everything else."""
    if forward.called(node) == "getitem" and isinstance(node.args[1], tuple):
        where = node.args[1]
        if len(where) >= 2 and where[0] == slice(None) and isinstance(where[1], int):
            return where[1] if all(rest == slice(None) for rest in where[2:]) else None
    if forward.called(node) == "select" and node.args[1:2] == (1,) and isinstance(node.args[2], int):
        return node.args[2]
    return None


def both_tokens(one: fx.Node, other: fx.Node, forward: Forward, nodes: dict[str, Node]) -> Pooled | None:
    """Two vectors as the class token and the distillation token of one tensor."""
    selections = [passed(node, forward) for node in (one, other)]
    sources = {forward.inputs(node)[0] for node in selections}
    if [token_index(node, forward) for node in selections] != [0, 1] or len(sources) != 1:
        return None
    described = nodes.get(forward.names[kept(sources.pop(), forward)])
    return Pooled(described.name, BOTH_TOKENS) if described is not None and described.kind == "tokens" else None


def _of_map(node: fx.Node, source: fx.Node, forward: Forward, nodes: dict[str, Node]) -> Pooled | None:
    if not _averages(node, nodes[forward.names[source]], forward, nodes):
        return None
    while keeps(source, forward) or (forward.inputs(source) and _turns(source, forward)):
        (source, *_) = forward.inputs(source)
    described = nodes.get(forward.names[source])
    return Pooled(described.name, "gap") if described is not None and described.is_image else None


def _turns(node: fx.Node, forward: Forward) -> bool:
    return forward.called(node) in _TURNING or isinstance(forward.module(node), Permute)


def _averages(node: fx.Node, source: Node, forward: Forward, nodes: dict[str, Node]) -> bool:
    """Whether an operation takes the mean over the cells of a map."""
    if forward.called(node) == "mean":
        axes = {axis % 4 for axis in _axes(node)}
        return axes == ({1, 2} if source.channels_last else {2, 3})
    result = nodes.get(forward.names[node])
    averaging = isinstance(forward.module(node), _AVERAGES)
    averaging = averaging or forward.called(node) in ("adaptive_avg_pool2d", "avg_pool2d")
    return averaging and result is not None and result.kind == "map" and result.shape[1:] == (1, 1)


def _of_tokens(node: fx.Node, source: fx.Node, forward: Forward, nodes: dict[str, Node]) -> Pooled | None:
    """The class token, or the mean over the patches."""
    source = kept(source, forward)
    described = nodes.get(forward.names[source])
    if token_index(node, forward) == 0:
        known = described is not None and described.kind == "tokens" and described.has_class_token
        return Pooled(forward.names[source], "cls") if known else None
    if forward.called(node) != "mean" or described is None or described.kind != "tokens":
        return None
    if {axis % 3 for axis in _axes(node)} != {1}:
        return None
    skipped = _skipped(source)
    if skipped is not None:
        source = kept(forward.inputs(source)[0], forward)
    described = nodes.get(forward.names[source])
    patches = described is not None and described.kind == "tokens" and described.prefix_tokens == (skipped or 0)
    return Pooled(forward.names[source], "mean") if patches else None


def _skipped(node: fx.Node) -> int | None:
    """How many tokens ``x[:, 5:]`` leaves out; None of everything else."""
    where = node.args[1] if getattr(node.target, "__name__", "") == "getitem" else None
    if not isinstance(where, tuple) or len(where) < 2 or not isinstance(where[1], slice):
        return None
    start = where[1].start
    plain = where[0] == slice(None) and where[1].stop is None and where[1].step is None
    return start if plain and isinstance(start, int) and start >= 0 else None


def _axes(node: fx.Node) -> tuple[int, ...]:
    where = node.kwargs.get("dim", node.args[1] if len(node.args) > 1 else None)
    axes = where if isinstance(where, tuple | list) else (where,)
    return tuple(axis for axis in axes if isinstance(axis, int))
