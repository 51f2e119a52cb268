"""What the authors of a network hand out as the feature of an image: ``layer=embedding``.

    reading = Readings(forward, nodes, ending, norm, last_block="blocks.11").embedding()
    reading.nodes, reading.pool         # ('norm',), 'cls' of a ViT; ('layer4.1.relu_1',), 'gap' of ResNet18

It is what the classifier reads, or what a network without one puts out. Three things are not as the graph has them: of
several classifiers that read several tokens the tokens' mean counts (a distilled DeiT); of a batch norm inside a
classifier what it reads (LeViT); of tokens that are normed and averaged with no classifier behind them the class token,
which their training made stand for the image (timm averages DINOv3's patches and says that Meta takes the class token).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import fx, nn

from frostmark.backbones.ending import Ending
from frostmark.backbones.forward import Forward
from frostmark.backbones.nodes import Node
from frostmark.backbones.norms import Norm
from frostmark.backbones.pooled import both_tokens, kept, passed, pooled
from frostmark.backbones.pooling import default_pool

EMBEDDING, PENULTIMATE = "embedding", "penultimate"


@dataclass(frozen=True)
class Reading:
    """A vector per image, as the pool of a node where it is one that Frostmark knows: equal rows are read alike.

    Attributes:
        nodes: names; the vectors of several stand side by side.
        pool: of the one node that is no vector; empty for vectors.
        normed: whether the final norm is applied to what was pooled.
        pooling: path of the module that makes a vector of tokens or a map in the network's own way; may be empty.
    """

    nodes: tuple[str, ...]
    pool: str = ""
    normed: bool = False
    pooling: str = ""


@dataclass(frozen=True)
class Readings:
    """Finds what vectors are made of.

    Attributes:
        forward, nodes, ending: of the network.
        norm, last_block: of a transformer: its final norm, and the node of its last block.
    """

    forward: Forward
    nodes: dict[str, Node]
    ending: Ending
    norm: Norm | None
    last_block: str | None

    def all(self) -> dict[str, Reading]:
        """``embedding`` and ``penultimate``, those that the network has."""
        found = {EMBEDDING: self.embedding(), PENULTIMATE: self.penultimate()}
        return {word: reading for word, reading in found.items() if reading is not None}

    def embedding(self) -> Reading | None:
        """The feature of an image; None of a network that puts out nothing that can be tapped."""
        forward = self.forward
        vectors = [vector for vector in _read(forward, self.ending) if forward.names.get(vector) in self.nodes]
        if len(vectors) == 2 and (both := both_tokens(vectors[0], vectors[1], forward, self.nodes)) is not None:
            return Reading((both.source,), both.pool)
        if len(vectors) > 1:
            return Reading(tuple(forward.names[vector] for vector in vectors))
        reading = self.of(vectors[0]) if vectors else None
        if reading is None or self.ending.layers or reading.pool != "mean" or reading.normed:
            return reading
        final = self.norm is not None and reading.nodes == (self.norm.node,)
        return replace(reading, pool="cls") if final and self.nodes[reading.nodes[0]].has_class_token else reading

    def penultimate(self) -> Reading | None:
        """What the last weight layer reads, if that is a vector."""
        if self.ending.penultimate is None:
            return None
        node = self.nodes[self.ending.penultimate]
        return self.of(self.forward.by_name[node.name]) if node.kind == "vector" or node.is_cell else None

    def of(self, vector: fx.Node) -> Reading:
        """How a vector comes about; a map and tokens are pooled as suits them."""
        forward, node = self.forward, self.nodes[self.forward.names[vector]]
        known = pooled(vector, forward, self.nodes) if node.kind == "vector" or node.is_cell else None
        if known is not None:
            return Reading((self._cast(known.source),), known.pool)
        if node.kind != "vector":
            node = self.nodes.get(forward.names[kept(vector, forward)], node)
            return Reading((node.name,), default_pool(node))
        return self._behind_norm(vector) or Reading((node.name,), pooling=_own_pooling(vector, forward, self.nodes))

    def _cast(self, name: str) -> str:
        """The node that a module puts out, of one that it only brings to another type: open_clip's LayerNorm does."""
        node = self.forward.by_name[name]
        while len(users := self.forward.users(node)) == 1 and self.forward.called(users[0]) == "to":
            within = self.forward.names[users[0]].rpartition(".")[0]
            if not within or within != self.forward.names[node].rpartition(".")[0]:
                break
            (node,) = users
        return self.forward.names[node]

    def _behind_norm(self, vector: fx.Node) -> Reading | None:
        """The pool of the last block's tokens that the network norms afterwards."""
        norm, forward = self.norm, self.forward
        if norm is None or not norm.pooled or forward.names[passed(vector, forward)] != norm.node:
            return None
        known = pooled(forward.by_name[norm.source], forward, self.nodes)
        if known is None or known.source != self.last_block:
            return None
        return Reading((known.source,), known.pool, normed=True)


def _read(forward: Forward, ending: Ending) -> list[fx.Node]:
    """What the classifiers read, each tensor once; the output of a network without one."""
    layers = ending.readers or ((forward.by_name[ending.penultimate],) if ending.penultimate else ())
    sources = [forward.inputs(layer)[0] if ending.readers else layer for layer in layers]
    return list(dict.fromkeys(_before_own_norm(s, layer, forward) for s, layer in zip(sources, layers, strict=True)))


def _before_own_norm(source: fx.Node, layer: fx.Node, forward: Forward) -> fx.Node:
    """What a batch norm reads that stands in one module with the classifier behind it."""
    within = forward.names[layer].rpartition(".")[0]
    node = kept(source, forward)
    if not within or not isinstance(forward.module(node), nn.modules.batchnorm._BatchNorm):
        return source
    (before, *_) = forward.inputs(node)
    outside = not forward.names[before].startswith(f"{within}.")
    return before if outside and forward.names[node].startswith(f"{within}.") else source


def _own_pooling(vector: fx.Node, forward: Forward, nodes: dict[str, Node]) -> str:
    """The path of the module in which what was a map or tokens becomes one vector, or one cell."""
    node = vector
    while True:
        inputs = [nodes[name] for source in forward.inputs(node) if (name := forward.names[source]) in nodes]
        if not inputs:
            return ""
        if inputs[0].kind != "vector" and not inputs[0].is_cell:
            name = forward.names[node]
            return name if node.op == "call_module" and "." not in name else name.rpartition(".")[0]
        node = forward.by_name[inputs[0].name]
