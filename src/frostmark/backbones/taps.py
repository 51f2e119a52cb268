"""What can be tapped in a backbone: its nodes, and the roles (taps) that every network has.

    survey = survey_backbone(model, size=224)      # model on the meta device: no weights, no arithmetic
    survey.taps["last_conv"]                       # 'layer4'
    survey.resolve("stage3").shape                 # (256, 14, 14)

Stages are derived from the shapes of one traced forward pass, never typed in per network. Candidates are block
outputs: the modules at the top of the network, containers whose parts differ in resolution opened once; pooling,
reshaping and the classifier head do not count. ``stageK`` is the last candidate at the K-th resolution, followed to
its non-linearity where the forward applies one as a function. A network whose blocks put out tokens has
``block1 … blockN`` instead. How many tokens stand before the patches (a class token, registers) follows from the map
that the patches were cut from: as many as there are more tokens than cells.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import fx, nn
from torch.utils.flop_counter import FlopCounterMode

from frostmark.backbones.tracing import trace
from frostmark.errors import ConfigError, nearest

HEAD_NAMES = frozenset(
    {"fc", "classifier", "head", "heads", "head_drop", "fc_norm", "AuxLogits", "aux1", "aux2"}
    | {"head_dist", "aux_head", "pre_logits", "last_linear"}  # timm's
)
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
        prefix: tokens that stand before the patches; None where the network does not tell.
        registers: so many of them are registers (Darcet et al., arXiv 2309.16588), which stand behind a class token.
    """

    name: str
    shape: tuple[int, ...]
    flops: int
    channels_last: bool = False
    prefix: int | None = None
    registers: int = 0

    @property
    def kind(self) -> str:
        """``map`` (spatial), ``tokens`` or ``vector``."""
        return {3: "map", 2: "tokens", 1: "vector"}[len(self.shape)]

    @property
    def resolution(self) -> int:
        """Height of a spatial tensor in cells."""
        return self.shape[0] if self.channels_last else self.shape[1]

    @property
    def is_image(self) -> bool:
        """Whether it is a square map, as square images make them; attention's heads (H, T, D) look like maps, too."""
        return self.kind == "map" and (self.channels_last or self.shape[1] == self.shape[2])

    @property
    def channels(self) -> int:
        """Features a cell, a token or the vector has."""
        return self.shape[-1] if self.kind != "map" or self.channels_last else self.shape[0]

    @property
    def prefix_tokens(self) -> int:
        """Tokens before the patches; where that is not known, as many as let the others fill a square."""
        if self.prefix is not None:
            return self.prefix
        for count in (self.registers + 1, self.registers):  # with a class token, without
            patches = self.shape[0] - count
            if patches > 0 and math.isqrt(patches) ** 2 == patches:
                return count
        return 0

    @property
    def has_class_token(self) -> bool:
        """Whether the first token stands for the whole image."""
        return self.prefix_tokens > self.registers


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
    nodes = _with_prefixes(_measure(model, graph, names, size), model)
    aliases = _module_outputs(model, nodes)
    stages = _stages(model, graph, names, nodes, aliases)
    blocks = _blocks(model, nodes, aliases)
    # A plain transformer is spatial once, in its patch embedding; that is no stage.
    taps = blocks if blocks and len(stages) <= 1 else _with_last_conv(stages)
    taps |= _head(graph, model, names, nodes)
    return Survey(nodes, taps, aliases, max((n.flops for n in nodes.values()), default=0), size)


def survey_at(native: nn.Module, native_size: int, model: nn.Module, size: int) -> Survey:
    """Taps as they are at the native size, where every stage has a resolution of its own; shapes and costs at ``size``.

    Args:
        native: the network for images of ``native_size`` pixels, on the meta device.
        model: the same for images of ``size`` pixels.

    Raises:
        ConfigError: if the network cannot be traced, or cannot take images of that size.
    """
    survey = survey_backbone(native, native_size)
    if size == native_size:
        return survey
    resized = survey_backbone(model, size)
    # Which axis holds the channels is read at the native size: at others it may be ambiguous (96×96×96).
    nodes = {
        name: replace(node, channels_last=survey.nodes[name].channels_last)
        for name, node in resized.nodes.items()
        if name in survey.nodes
    }
    return Survey(nodes, survey.taps, survey.aliases, resized.flops, size)


def _measure(model: nn.Module, graph: fx.Graph, names: dict[fx.Node, str], size: int) -> dict[str, Node]:
    """Run the graph once on the meta device: every batched tensor's shape and the operations spent so far."""
    # Frozen, because torch's counter of operations asks views of parameters for gradients that they have not.
    meter = _Meter(fx.GraphModule(model, graph).requires_grad_(False), names)
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


def _with_prefixes(nodes: dict[str, Node], model: nn.Module) -> dict[str, Node]:
    """``nodes`` in which tokens know how many of them stand before the patches.

    Patches are the cells of the largest square map before them that has no more cells than there are tokens: the
    patch embedding, of which nothing else is known. Registers are told by the name of their parameter, (1, R, D).
    """
    registers = sum(
        p.shape[-2] for name, p in model.named_parameters() if p.ndim == 3 and "reg" in name.rpartition(".")[2]
    )
    grids: set[int] = set()
    found: dict[str, Node] = {}
    for name, node in nodes.items():
        if node.is_image:
            grids.add(node.resolution**2)
        fitting = [cells for cells in grids if cells <= node.shape[0]] if node.kind == "tokens" else []
        prefix = node.shape[0] - max(fitting) if fitting else None
        found[name] = replace(node, prefix=prefix, registers=registers if node.kind == "tokens" else 0)
    return found


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
    order = {name: position for position, name in enumerate(nodes)}
    pooled = len(order)
    for name, module in model.named_children():
        if name in HEAD_NAMES:
            continue
        parts = [(f"{name}.{k}", child) for k, child in module.named_children()]
        resolutions = {n.resolution for p, _ in parts if (n := output(p)) is not None and n.kind == "map"}
        opened = isinstance(module, nn.ModuleList) or (isinstance(module, nn.Sequential) and len(resolutions) > 1)
        for path, child in parts if opened else [(name, module)]:
            node = output(path)
            if node is not None and node.is_image and not _reshapes(child):
                found.append((path, node))
            elif node is not None and (node.kind == "vector" or (node.kind == "map" and node.resolution == 1)):
                pooled = min(pooled, order[node.name])
    # A single cell behind global pooling (the last convolution of timm's MobileNetV3) is no map of the image any more.
    maps = [(path, node) for path, node in found if node.resolution > 1 or order[node.name] < pooled]
    yield from sorted(maps, key=lambda item: order[item[1].name])


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
    """``penultimate``: the input of the last weight layer; ``logits``: the output of the network.

    A network without a classifier puts out what its classifier would have taken: that is ``penultimate`` then.
    """
    modules = dict(model.named_modules())
    weighted = [
        n
        for n in graph.nodes
        if n.op == "call_module" and isinstance(modules.get(str(n.target)), nn.Linear | nn.Conv2d)
    ]
    (output,) = [n for n in graph.nodes if n.op == "output"]
    headless = bool(weighted) and _in_body(names[weighted[-1]], nodes)
    sources = {
        "penultimate": output.args[0] if headless else weighted[-1].args[0] if weighted else None,
        "logits": None if headless else output.args[0],
    }
    named = {tap: names[source] for tap, source in sources.items() if isinstance(source, fx.Node)}
    return {tap: name for tap, name in named.items() if name in nodes}


def _in_body(layer: str, nodes: dict[str, Node]) -> bool:
    """Whether a weight layer belongs to no classifier: it puts out a map or tokens and does not stand in a head."""
    return layer.partition(".")[0] not in HEAD_NAMES and layer in nodes and nodes[layer].kind != "vector"
