"""What can be tapped in a backbone: its nodes, and the roles (taps) that every network has.

    survey = survey_backbone(model, size=224)      # model on the meta device: no weights, no arithmetic
    survey.taps["last_conv"]                       # 'layer4'
    survey.resolve("stage3").shape                 # (256, 14, 14)

Stages are derived from the shapes of one traced forward pass, never typed in per network. Candidates are block
outputs: the modules at the top of the network, containers whose parts differ in resolution opened once; pooling,
reshaping and the classifier head do not count. ``stageK`` is the last candidate at the K-th resolution, followed to
its non-linearity, whatever the spelling of that. A network whose blocks put out tokens has
``block1 … blockN`` instead.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import nn

from frostmark.backbones.ending import Ending
from frostmark.backbones.forward import Forward
from frostmark.backbones.nodes import Node, measured, module_outputs, with_prefixes
from frostmark.backbones.stages import stages_of
from frostmark.errors import ConfigError, nearest


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
    forward = Forward.of(model)
    nodes = with_prefixes(measured(model, forward.graph, forward.names, size), model)
    aliases = module_outputs(model, nodes)
    blocks = _blocks(model, nodes, aliases)
    ending = Ending.of(forward, nodes)
    stages = stages_of(forward, nodes, aliases, ending, opened=not blocks)
    # A plain transformer is spatial once, in its patch embedding; that is no stage.
    taps = blocks if blocks and len(stages) <= 1 else _with_last_conv(stages)
    taps |= {tap: name for tap in ("penultimate", "logits") if (name := getattr(ending, tap)) is not None}
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


def _with_last_conv(stages: dict[str, str]) -> dict[str, str]:
    return stages | {"last_conv": list(stages.values())[-1]} if stages else {}


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
