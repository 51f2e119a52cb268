"""The norm that a transformer ends with, found in the graph: what authors publish is behind it.

    norm = final_norm(forward, nodes, "blocks.11")      # Norm(module='norm', node='norm', source='blocks.11', …)
    module = norm_module(forward, norm)                 # the same operations, for the tokens of any block

It is the first LayerNorm-like operation that the tokens of the last block reach without being changed, all that is made
of them being behind it; the norm of the keys in an attention pool is a part of the pool (CoCa). Most networks norm the
tokens and pool then; BEiT and EVA-02 norm what was pooled.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import fx, nn

from frostmark.backbones.ending import has_weights
from frostmark.backbones.forward import Forward
from frostmark.backbones.nodes import Node
from frostmark.backbones.pooled import keeps, reduces

_STATISTICS = frozenset({"mean", "var", "var_mean", "std", "std_mean", "rsqrt", "vector_norm"})
_COMPARING = frozenset({"scaled_dot_product_attention", "matmul", "bmm", "einsum"})
_BATCH_NORMS = (nn.modules.batchnorm._BatchNorm,)


@dataclass(frozen=True)
class Norm:
    """The final norm of a transformer.

    Attributes:
        module: path of its module, or the name of the operation where it has none.
        node: name of the node behind it.
        source: name of the node that the network applies it to.
        pooled: whether that is a pooled row, one vector per image, and not all tokens.
        direct: whether nothing stands between the last block and it: its node then is that of the last block, normed.
    """

    module: str
    node: str
    source: str
    pooled: bool
    direct: bool

    def __str__(self) -> str:
        """What decides a row: ``norm before pooling``, ``fc_norm after pooling``."""
        return f"{self.module} {'after' if self.pooled else 'before'} pooling"


def final_norm(forward: Forward, nodes: dict[str, Node], last_block: str) -> Norm | None:
    """The norm behind the node of the last block; None of a network that ends without one.

    Args:
        last_block: name of the node.
    """
    start = forward.by_name[last_block]
    for source in _unchanged(start, forward):
        for module, operations in _norms(source, forward, nodes):
            end = operations[-1]
            if _all_goes_through(start, end, forward):
                described = nodes[forward.names[source]]
                name, of = forward.names[end], described.name
                return Norm(module or name, name, of, described.kind == "vector", _same(start, source, forward))
    return None


def norm_module(forward: Forward, norm: Norm) -> fx.GraphModule:
    """What the network does between the source of the norm and its node, as a module of one tensor."""
    source, end = forward.by_name[norm.source], forward.by_name[norm.node]
    graph = fx.Graph()
    copies = {source: graph.placeholder("x")}

    def copied(node: fx.Node) -> fx.Node:
        if node not in copies:
            for before in node.all_input_nodes:
                copied(before)
            copies[node] = graph.node_copy(node, lambda n: copies[n])
        return copies[node]

    graph.output(copied(end))
    return fx.GraphModule(forward.model, graph)


def _unchanged(start: fx.Node, forward: Forward) -> Iterator[fx.Node]:
    """The node, and what is made of it by selecting, joining and pooling alone."""
    waiting, seen = [start], {start}
    while waiting:
        node = waiting.pop(0)
        yield node
        for user in forward.users(node):
            if user not in seen and (keeps(user, forward) or reduces(user, forward)):
                seen.add(user)
                waiting.append(user)


def _norms(source: fx.Node, forward: Forward, nodes: dict[str, Node]) -> Iterator[tuple[str, list[fx.Node]]]:
    """Norms of a tensor: (path of the module, operations); the outermost modules first."""
    described = nodes.get(forward.names[source])
    if described is None or described.kind == "map":
        return
    for user in forward.users(source):
        if user is forward.output:
            continue
        path = forward.names[user].split(".")
        for depth in range(1, len(path) + 1):
            scope = ".".join(path[:depth])
            if forward.names[source].startswith(f"{scope}."):
                continue
            operations = _inside(scope, source, forward)
            if operations and _is_norm(operations, forward) and _alike(operations[-1], described, forward, nodes):
                if _is_of_keys(operations[-1], scope, source, forward):
                    break
                yield scope if depth < len(path) else str(user.target if user.op == "call_module" else ""), operations
                break


def _inside(scope: str, source: fx.Node, forward: Forward) -> list[fx.Node]:
    """What a module, or a single operation, makes of a tensor alone; nothing unless all of it leads to its last one."""
    made: list[fx.Node] = []
    node = source.next
    while node.op not in ("output", "root"):
        name = forward.names[node]
        if name == scope or name.startswith(f"{scope}."):
            inputs = forward.inputs(node) if node in forward.of_images else []
            if inputs and all(before is source or before in made for before in inputs):
                made.append(node)
        node = node.next
    while made and not forward.users(made[-1]):
        made.pop()
    leaving = [node for node in made if any(user not in made for user in forward.users(node))]
    return made if made and leaving == [made[-1]] else []


def _is_norm(operations: list[fx.Node], forward: Forward) -> bool:
    modules = [forward.module(node) for node in operations]
    if any(has_weights(node, forward) for node in operations) or any(isinstance(m, _BATCH_NORMS) for m in modules):
        return False
    words = [forward.called(node) for node in operations]
    return any(isinstance(m, nn.LayerNorm | nn.RMSNorm) for m in modules) or any(
        word in _STATISTICS or word.endswith("norm") for word in words
    )


def _is_of_keys(end: fx.Node, scope: str, source: fx.Node, forward: Forward) -> bool:
    """Whether a norm belongs to an attention that pools: learned queries read it, in the same module, and nothing else.

    So has CoCa's pool; the norm of SigLIP's tokens stands before the module that pools them.
    """
    within = scope.rpartition(".")[0]
    if not within or forward.names[source].startswith(f"{within}."):
        return False
    asked = [
        n for n, name in forward.names.items() if name.rpartition(".")[0] == within and _asks_by_queries(n, forward)
    ]
    answers = _behind(asked, set(), forward)
    return bool(asked) and all(
        node in answers or (node is not forward.output and forward.names[node].startswith(f"{within}."))
        for node in _behind([end], answers, forward)
    )


def _behind(starts: list[fx.Node], stops: set[fx.Node], forward: Forward) -> set[fx.Node]:
    """What is computed from some operations, and these; of what is computed from ``stops`` nothing."""
    found, waiting = set(starts), list(starts)
    while waiting:
        node = waiting.pop()
        new = [user for user in forward.users(node) if user not in found] if node not in stops else []
        found.update(new)
        waiting += new
    return found


def _asks_by_queries(node: fx.Node, forward: Forward) -> bool:
    """Whether an operation compares tokens with queries that do not depend on the images."""
    first, *others = node.all_input_nodes or [node]
    attends = isinstance(forward.module(node), nn.MultiheadAttention) or forward.called(node) in _COMPARING
    return attends and first not in forward.of_images and any(other in forward.of_images for other in others)


def _alike(end: fx.Node, source: Node, forward: Forward, nodes: dict[str, Node]) -> bool:
    described = nodes.get(forward.names[end])
    return described is not None and described.shape == source.shape


def _all_goes_through(start: fx.Node, norm: fx.Node, forward: Forward) -> bool:
    """Whether nothing is computed from ``start`` on the way to the output but by the norm."""
    behind, waiting = {start}, [start]
    while waiting:
        for user in forward.users(waiting.pop()):
            if user is not norm and user not in behind:
                behind.add(user)
                waiting.append(user)
    needed, waiting = set(), [forward.output]
    while waiting:
        node = waiting.pop()
        if node not in needed and node is not norm:
            needed.add(node)
            waiting += forward.inputs(node)
    return not any(
        has_weights(node, forward) or _is_norm([node], forward) for node in (behind & needed) - {start, forward.output}
    )


def _same(start: fx.Node, source: fx.Node, forward: Forward) -> bool:
    while source is not start and keeps(source, forward) and len(forward.inputs(source)) == 1:
        (source,) = forward.inputs(source)
    return source is start
