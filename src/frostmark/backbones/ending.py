"""How a network ends: which layers make its output, what they read, and whether they are a classifier.

ending = Ending.of(forward, nodes)
ending.layers                       # the last weight layers: of ResNet18 [fc]; none where there is no classifier
ending.penultimate, ending.logits   # names of nodes
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import fx

from frostmark.backbones.forward import Forward
from frostmark.backbones.nodes import Node
from frostmark.backbones.pooled import Pooled, pooled

HEAD_NAMES = frozenset({"fc", "classifier", "head", "heads", "last_linear"})
"""Parts of a network that are its classifier though they put out a map, as SqueezeNet's class convolution does."""

_PRODUCTS = frozenset({"linear", "conv1d", "conv2d", "matmul", "mm", "addmm", "bmm", "einsum"})


@dataclass(frozen=True)
class Ending:
    """The classifier of a network, if it has one.

    Attributes:
        layers: the weight layers that nothing but the output lies behind, in order; none without a classifier.
        readers: those of them that read one vector per image; all where none does.
        penultimate: the input of the last of them, or the output of a network without a classifier.
        logits: the output of a network with a classifier.
        pooled: what ``penultimate`` is the pool of, where nothing stands between.
    """

    layers: tuple[fx.Node, ...]
    readers: tuple[fx.Node, ...]
    penultimate: str | None
    logits: str | None
    pooled: Pooled | None = None

    @classmethod
    def of(cls, forward: Forward, nodes: dict[str, Node]) -> Ending:
        """Found by walking back from the output."""
        output = _output(forward, nodes)
        layers = last_weight_layers(forward, output)
        if output is None or not layers:
            return cls((), (), None, _named(output, forward, nodes))
        readers = _reading_vectors(layers, forward, nodes)
        last = readers[-1]
        if _is_stream(layers) or _in_body(forward.names[last], nodes):
            return cls((), (), _named(output, forward, nodes), None, pooled(output, forward, nodes))
        (source, *_) = forward.inputs(last)
        named = (_named(source, forward, nodes), _named(output, forward, nodes))
        return cls(tuple(layers), tuple(readers), *named, pooled(source, forward, nodes))


def has_weights(node: fx.Node, forward: Forward) -> bool:
    """Whether an operation mixes the numbers that it takes by weights: a layer, or a product with a parameter."""
    if not forward.inputs(node):  # of parameters alone
        return False
    module = forward.module(node)
    if module is not None:
        return any(p.numel() > max(p.shape, default=1) for p in module.parameters())
    return forward.called(node) in _PRODUCTS and len(forward.inputs(node)) < len(node.all_input_nodes)


def last_weight_layers(forward: Forward, output: fx.Node | None) -> list[fx.Node]:
    """The weight layers from which the output is reached without passing another one, in the order of execution."""
    seen: set[fx.Node] = set()
    waiting = [] if output is None else [output]
    layers = set()
    while waiting:
        node = waiting.pop()
        if node in seen:
            continue
        seen.add(node)
        if has_weights(node, forward):
            layers.add(node)
        else:
            waiting += forward.inputs(node)
    return [node for node in forward.graph.nodes if node in layers]


def _output(forward: Forward, nodes: dict[str, Node]) -> fx.Node | None:
    """What the forward returns: of several tensors the first, of several maps the last."""
    returned: list[fx.Node] = []
    fx.map_arg(forward.output.args[0], returned.append)
    described = [nodes.get(forward.names.get(node, "")) for node in returned]
    maps = len(returned) > 1 and all(node is not None and node.is_image for node in described)
    return returned[-1 if maps else 0] if returned else None


def _named(node: fx.Node | None, forward: Forward, nodes: dict[str, Node]) -> str | None:
    name = forward.names.get(node, "") if node is not None else ""
    return name if name in nodes else None


def _reading_vectors(layers: list[fx.Node], forward: Forward, nodes: dict[str, Node]) -> list[fx.Node]:
    """Of several layers those that read one vector per image, and not every token beside it as VOLO's second one."""
    kinds = {layer: nodes.get(forward.names[forward.inputs(layer)[0]]) for layer in layers}
    vectors = [layer for layer, node in kinds.items() if node is not None and node.kind == "vector"]
    return vectors or layers


def _is_stream(layers: list[fx.Node]) -> bool:
    """Whether the output is a residual stream: one of the layers that add to it also feeds another one."""
    return any(_before(layer) & set(layers) for layer in layers)


def _before(node: fx.Node) -> set[fx.Node]:
    """Everything that a node is computed from."""
    seen: set[fx.Node] = set()
    waiting = list(node.all_input_nodes)
    while waiting:
        source = waiting.pop()
        if source not in seen:
            seen.add(source)
            waiting += source.all_input_nodes
    return seen


def _in_body(layer: str, nodes: dict[str, Node]) -> bool:
    """Whether a weight layer belongs to no classifier: it puts out a map or tokens and does not stand in a head."""
    named = HEAD_NAMES & set(layer.split("."))
    return not named and layer in nodes and nodes[layer].kind != "vector"
