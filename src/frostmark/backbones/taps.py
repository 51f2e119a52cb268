"""What can be tapped in a backbone: its nodes, and the roles (taps) that every network has.

    survey = survey_backbone(model, size=224)      # model on the meta device: no weights, no arithmetic
    survey.taps["last_conv"]                       # 'layer4'
    survey.resolve("stage3").shape                 # (256, 14, 14)

Stages are derived from the shapes of one traced forward pass, never typed in per network. Candidates are block
outputs: the modules at the top of the network, containers whose parts differ in resolution opened once; pooling,
reshaping and the classifier head do not count. ``stageK`` is the last candidate at the K-th resolution, followed to
its non-linearity where the forward applies one as a function. A network whose blocks put out tokens has
``block1 … blockN`` instead.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx, nn
from torch.utils.flop_counter import FlopCounterMode
from torchvision import ops
from torchvision.models.feature_extraction import NodePathTracer

from frostmark.errors import ConfigError, nearest

HEAD_NAMES = frozenset({"fc", "classifier", "head", "heads", "head_drop", "fc_norm", "AuxLogits", "aux1", "aux2"})
"""Modules at the top of a network that belong to its classifier."""

ACTIVATIONS = frozenset({"relu", "relu_", "relu6", "gelu", "silu", "hardswish", "leaky_relu", "elu", "mish", "selu"})
"""Names of activations that a forward may apply as a function."""

PROBE_BATCH = 7
"""Images in the traced pass: a number that no layer has as a dimension, so that folded batches are recognised."""

_RESHAPING = ("Pool", "Permute", "Flatten", "Dropout", "Identity")


@dataclass(frozen=True)
class Node:
    """One tensor of the traced graph.

    Attributes:
        name: its qualified name, e.g. ``layer4.1.relu_1``.
        shape: of one image, without the batch dimension: (C, H, W), (H, W, C), (T, D) or (D,).
        flops: floating-point operations from the input up to and including this node, for one image.
        channels_last: whether the channels of a spatial tensor stand last, as in Swin.
    """

    name: str
    shape: tuple[int, ...]
    flops: int
    channels_last: bool = False

    @property
    def kind(self) -> str:
        """``map`` (spatial), ``tokens`` or ``vector``."""
        return {3: "map", 2: "tokens", 1: "vector"}[len(self.shape)]

    @property
    def resolution(self) -> int:
        """Height of a spatial tensor in cells."""
        return self.shape[0] if self.channels_last else self.shape[1]

    @property
    def channels(self) -> int:
        """Features a cell, a token or the vector has."""
        return self.shape[-1] if self.kind != "map" or self.channels_last else self.shape[0]


@dataclass(frozen=True)
class Survey:
    """All nodes of a backbone in the order of execution, and the taps among them.

    Attributes:
        nodes: the tappable tensors by name.
        taps: role → node name, from the input to the output.
        aliases: a module's name → the node that is its output (``layer4`` → ``layer4.1.relu_1``).
        flops: floating-point operations of the whole network for one image.
        size: edge of the square input in pixels.
    """

    nodes: dict[str, Node]
    taps: dict[str, str]
    aliases: dict[str, str]
    flops: int
    size: int

    def resolve(self, word: str) -> Node:
        """The node behind a tap, a module's name or an exact node name.

        Raises:
            ConfigError: if the backbone has none of that name; the message lists its taps and the nearest nodes.
        """
        name = self.taps.get(word, word)
        found = self.nodes.get(self.aliases.get(name, name))
        if found is not None:
            return found
        raise ConfigError(
            f"this backbone has no layer '{word}'. Its taps: {', '.join(self.taps)}. "
            f"Nearest nodes: {nearest(word, {*self.nodes, *self.aliases})}.",
            fix=f"layer={self._nearest_tap(word)}, or layer=node layer.node=<node>; "
            "`python run.py layers backbone=…` lists them all",
        )

    def node_name(self, word: str) -> str:
        """How the tensor behind a tap is called: the module that puts it out (``layer4``), or the word itself."""
        return self.taps.get(word, word)

    def rows(self, all_nodes: bool) -> list[tuple[str, str, Node, float]]:
        """(taps, name, node, share of the compute up to it) of the taps, or of all nodes, in order."""
        taps_of: dict[str, list[str]] = {}
        for tap in self.taps:
            taps_of.setdefault(self.resolve(tap).name, []).append(tap)
        return [
            (", ".join(taps), self.node_name(taps[0]) if taps else name, node, node.flops / max(self.flops, 1))
            for name, node in self.nodes.items()
            if (taps := taps_of.get(name, [])) or all_nodes
        ]

    def _nearest_tap(self, word: str) -> str:
        close = nearest(word, self.taps, most=1).split(" and ")[0]
        return "penultimate" if word == "last_conv" else close


def survey_backbone(model: nn.Module, size: int) -> Survey:
    """Trace ``model`` (on the meta device) with square images of ``size`` pixels and derive its taps.

    Raises:
        ConfigError: if the network cannot take images of that size.
    """
    graph, names = trace(model)
    nodes = _measure(model, graph, names, size)
    aliases = _module_outputs(model, nodes)
    stages = _stages(model, graph, names, nodes, aliases)
    blocks = _blocks(model, nodes, aliases)
    # A plain transformer is spatial once, in its patch embedding; that is no stage.
    taps = blocks if blocks and len(stages) <= 1 else _with_last_conv(stages)
    taps |= _head(graph, model, names, nodes)
    return Survey(nodes, taps, aliases, max((n.flops for n in nodes.values()), default=0), size)


def trace(model: nn.Module) -> tuple[fx.Graph, dict[fx.Node, str]]:
    """The graph of ``model.eval()`` and the qualified name of each of its nodes."""
    tracer = NodePathTracer(autowrap_modules=(math, ops), leaf_modules=_leaf_modules())
    graph = tracer.trace(model.eval())
    return graph, dict(tracer.node_to_qualname)


def without_inplace(model: nn.Module) -> nn.Module:
    """``model`` with every module's in-place activation switched off: it would change a tap after it was read."""
    for module in model.modules():
        if hasattr(module, "inplace"):
            setattr(module, "inplace", False)  # noqa: B010 (no attribute that nn.Module declares)
    return model


def _leaf_modules() -> list[type[nn.Module]]:
    return [m for m in vars(ops).values() if isinstance(m, type) and issubclass(m, nn.Module)]


def _measure(model: nn.Module, graph: fx.Graph, names: dict[fx.Node, str], size: int) -> dict[str, Node]:
    """Run the graph once on the meta device: every batched tensor's shape and the operations spent so far."""
    meter = _Meter(fx.GraphModule(model, graph), names)
    try:
        with torch.no_grad(), meter.counter:
            meter.run(torch.empty(PROBE_BATCH, 3, size, size, device="meta"))
    except (AssertionError, RuntimeError) as problem:
        raise ConfigError(
            f"this backbone cannot take images of {size} pixels: {str(problem).splitlines()[0]}",
            fix="leave preprocess.size at the size the weights were made for, or choose a larger one",
        ) from problem
    return meter.nodes


class _Meter(fx.Interpreter):
    """Runs a graph node by node and writes down shape and cost of what each puts out."""

    def __init__(self, module: fx.GraphModule, names: dict[fx.Node, str]) -> None:
        super().__init__(module)
        self.counter = FlopCounterMode(display=False)
        self.nodes: dict[str, Node] = {}
        self._names = names

    def run_node(self, n: fx.Node) -> Any:
        result = super().run_node(n)
        if n.op in ("placeholder", "output", "get_attr") or not isinstance(result, torch.Tensor):
            return result
        if result.ndim in (2, 3, 4) and result.shape[0] == PROBE_BATCH and result.is_floating_point():
            shape = tuple(result.shape[1:])
            flops = self.counter.get_total_flops() // PROBE_BATCH
            # Square images make square maps: equal leading dimensions mean that the channels stand last.
            last = len(shape) == 3 and shape[0] == shape[1] != shape[2]
            self.nodes[self._names[n]] = Node(self._names[n], shape, flops, last)
        return result


def _module_outputs(model: nn.Module, nodes: dict[str, Node]) -> dict[str, str]:
    """Module name → the last node computed inside it; a leaf module is its own node."""
    outputs: dict[str, str] = {}
    modules = {name for name, _ in model.named_modules() if name}
    for name in nodes:
        path = name.split(".")
        for depth in range(1, len(path)):
            prefix = ".".join(path[:depth])
            if prefix in modules:
                outputs[prefix] = name
    return outputs


def _candidates(model: nn.Module, nodes: dict[str, Node], aliases: dict[str, str]) -> Iterator[tuple[str, Node]]:
    """Block outputs: (module name, its output node), in the order of execution."""

    def output(name: str) -> Node | None:
        return nodes.get(aliases.get(name, name))

    found: list[tuple[str, Node]] = []
    for name, module in model.named_children():
        if name in HEAD_NAMES:
            continue
        parts = [(f"{name}.{k}", child) for k, child in module.named_children()]
        resolutions = {n.resolution for p, _ in parts if (n := output(p)) is not None and n.kind == "map"}
        opened = isinstance(module, nn.ModuleList) or (isinstance(module, nn.Sequential) and len(resolutions) > 1)
        for path, child in parts if opened else [(name, module)]:
            node = output(path)
            if node is not None and node.kind == "map" and not _reshapes(child):
                found.append((path, node))
    order = {name: position for position, name in enumerate(nodes)}
    yield from sorted(found, key=lambda item: order[item[1].name])


def _reshapes(module: nn.Module) -> bool:
    return any(word in type(module).__name__ for word in _RESHAPING)


def _stages(
    model: nn.Module, graph: fx.Graph, names: dict[fx.Node, str], nodes: dict[str, Node], aliases: dict[str, str]
) -> dict[str, str]:
    last_at: dict[int, tuple[str, Node]] = {}
    for path, node in _candidates(model, nodes, aliases):
        last_at[node.resolution] = (path, node)
    by_name = {name: node for node, name in names.items()}
    return {
        f"stage{k}": _followed(by_name[node.name], names) or path
        for k, (path, node) in enumerate(last_at.values(), start=1)
    }


def _with_last_conv(stages: dict[str, str]) -> dict[str, str]:
    return stages | {"last_conv": list(stages.values())[-1]} if stages else {}


def _followed(node: fx.Node, names: dict[fx.Node, str]) -> str | None:
    """The activation that the forward applies to ``node`` as a function, if that is its only use."""
    users = list(node.users)
    if len(users) != 1 or users[0].op not in ("call_function", "call_method"):
        return None
    target = users[0].target
    called = target if isinstance(target, str) else getattr(target, "__name__", "")
    return names[users[0]] if called in ACTIVATIONS else None


def _blocks(model: nn.Module, nodes: dict[str, Node], aliases: dict[str, str]) -> dict[str, str]:
    """The longest container whose parts all put out tokens of one width: a transformer's blocks."""
    longest: list[str] = []
    for name, module in model.named_modules():
        if not isinstance(module, nn.Sequential | nn.ModuleList):
            continue
        paths = [f"{name}.{k}" for k, _ in module.named_children()]
        outputs = [nodes.get(aliases.get(p, p)) for p in paths]
        tokens = [n.channels for n in outputs if n is not None and n.kind == "tokens"]
        if len(tokens) == len(paths) > len(longest) and len(set(tokens)) == 1:
            longest = paths
    return {f"block{k}": path for k, path in enumerate(longest, start=1)}


def _head(graph: fx.Graph, model: nn.Module, names: dict[fx.Node, str], nodes: dict[str, Node]) -> dict[str, str]:
    """``penultimate``: the input of the last weight layer; ``logits``: the output of the network."""
    modules = dict(model.named_modules())
    weighted = [
        n
        for n in graph.nodes
        if n.op == "call_module" and isinstance(modules.get(str(n.target)), nn.Linear | nn.Conv2d)
    ]
    (output,) = [n for n in graph.nodes if n.op == "output"]
    taps: dict[str, str] = {}
    source = weighted[-1].args[0] if weighted else None
    if isinstance(source, fx.Node) and names.get(source) in nodes:
        taps["penultimate"] = names[source]
    if isinstance(output.args[0], fx.Node) and (logits := names[output.args[0]]) in nodes:
        taps["logits"] = logits
    return taps
