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

from collections.abc import Iterator
from dataclasses import dataclass, replace

from torch import fx, nn

from frostmark.backbones.nodes import Node, measured, module_outputs, with_prefixes
from frostmark.backbones.tracing import trace
from frostmark.errors import ConfigError, nearest

HEAD_NAMES = frozenset(
    {"fc", "classifier", "head", "heads", "head_drop", "fc_norm", "AuxLogits", "aux1", "aux2"}
    | {"head_dist", "aux_head", "pre_logits", "last_linear"}  # timm's
)
"""Modules at the top of a network that belong to its classifier."""

ACTIVATIONS = frozenset({"relu", "relu_", "relu6", "gelu", "silu", "hardswish", "leaky_relu", "elu", "mish", "selu"})
"""Names of activations that a forward may apply as a function."""

_RESHAPING = ("Pool", "Permute", "Flatten", "Dropout", "Identity")


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
        node = self.nodes.get(self.aliases.get(name, name))
        if node is not None:
            return node
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
    nodes = with_prefixes(measured(model, graph, names, size), model)
    aliases = module_outputs(model, nodes)
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


def _candidates(model: nn.Module, nodes: dict[str, Node], aliases: dict[str, str]) -> Iterator[tuple[str, Node]]:
    """Block outputs: (module name, its output node), in the order of execution."""

    def output(name: str) -> Node | None:
        return nodes.get(aliases.get(name, name))

    candidates: list[tuple[str, Node]] = []
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
                candidates.append((path, node))
            elif node is not None and (node.kind == "vector" or (node.kind == "map" and node.resolution == 1)):
                pooled = min(pooled, order[node.name])
    # A single cell behind global pooling (the last convolution of timm's MobileNetV3) is no map of the image any more.
    maps = [(path, node) for path, node in candidates if node.resolution > 1 or order[node.name] < pooled]
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
