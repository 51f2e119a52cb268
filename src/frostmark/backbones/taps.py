"""What can be tapped in a backbone: its nodes, and the roles (taps) that every network has.

    survey = survey_backbone(model, size=224)      # model on the meta device: no weights, no arithmetic
    survey.taps["last_conv"]                       # 'layer4'
    survey.resolve("stage3").shape                 # (256, 14, 14)
    survey.tap("stage3", "max")                    # what is read for layer=stage3 layer.pool=max

Stages are derived from the shapes of one traced forward pass, never typed in per network. Candidates are block
outputs: the modules at the top of the network, containers whose parts differ in resolution opened once; pooling,
reshaping and the classifier head do not count. ``stageK`` is the last candidate at the K-th resolution, followed to
its non-linearity, whatever the spelling of that. A network whose blocks put out tokens has
``block1 … blockN`` instead, and ``tokens``, the last block's behind the final norm. ``embedding`` every network has.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from torch import nn

from frostmark.backbones.activations import Activations
from frostmark.backbones.embedding import EMBEDDING, PENULTIMATE, Reading, Readings
from frostmark.backbones.ending import Ending
from frostmark.backbones.extractor import Tap
from frostmark.backbones.forward import Forward
from frostmark.backbones.nodes import ImageSizeError, Node, measured, module_outputs, with_prefixes
from frostmark.backbones.norms import Norm, final_norm
from frostmark.backbones.pooling import default_pool
from frostmark.backbones.stages import stages_of
from frostmark.errors import ConfigError, nearest

TOKENS, LOGITS = "tokens", "logits"

PROJECTION = "projection"
"""What a network makes of its embedding, to compare it with something else: CLIP's, with texts."""

FINAL = "final"
"""The word of ``layer.norm=`` for the network's final norm."""


@dataclass(frozen=True)
class Survey:
    """All nodes of a backbone in the order of execution, and the taps among them.

    Attributes:
        nodes: the tappable tensors by name.
        taps: role → node name, from the input to the output.
        aliases: a module's name → the node that is its output (``layer4`` → ``layer4.1.relu_1``).
        flops: floating-point operations of the whole network for one image.
        size: edge of the square input in pixels.
        norm: what the tokens of a transformer go through in the end.
        readings: ``embedding`` and ``penultimate`` as pools of a node, where they are.
    """

    nodes: dict[str, Node]
    taps: dict[str, str]
    aliases: dict[str, str]
    flops: int
    size: int
    norm: Norm | None = None
    readings: Mapping[str, Reading] = field(default_factory=dict)

    def tap(self, word: str, pool: str | None = None, norm: str = FINAL) -> Tap:
        """What is read for a layer.

        Args:
            word: a tap, a module or a node.
            pool: of a map or of tokens; None for the one that suits. What is one vector per image needs none.
            norm: whether the tokens of a block are brought through the final norm: ``final``, or ``none``.

        Raises:
            ConfigError: if the backbone has no such layer, or the pool does not fit it.
        """
        if word in self.readings:
            return self._read(self.readings[word])
        node = self.resolve(word)
        pool = default_pool(node) if pool is None else pool
        if self.norm is None or norm != FINAL or node.kind != "tokens" or not self.is_of_blocks(word):
            return Tap(node, pool)
        if node.name == self.norm.node:
            return Tap(node, pool)
        if self.norm.direct and not self.norm.pooled and word == self.last_block:
            return Tap(self.nodes[self.norm.node], pool)
        return Tap(node, pool, self.norm)

    def is_of_blocks(self, word: str) -> bool:
        """Whether a word is of a transformer's tokens: ``block1`` …, ``tokens``."""
        return word in self.taps and (word.startswith("block") or word == TOKENS)

    @property
    def last_block(self) -> str:
        """The tap of a transformer's last block; empty where there are no blocks."""
        return next((tap for tap in reversed(self.taps) if tap.startswith("block")), "")

    def _read(self, reading: Reading) -> Tap:
        nodes = [self.nodes[name] for name in reading.nodes]
        if len(nodes) == 1:
            return Tap(nodes[0], reading.pool, self.norm if reading.normed else None)
        flops = max(node.flops for node in nodes)
        beside = Node(" + ".join(reading.nodes), (sum(n.channels for n in nodes),), flops, parts=reading.nodes)
        return Tap(beside, "")

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

    def node_name(self, word: str, tap: Tap | None = None) -> str:
        """How the tensor behind a tap is called: the module that puts it out (``layer4``), or the word itself.

        Args:
            tap: what is read for the word, where that may be another tensor: the norm behind the last block.
        """
        if tap is None or word not in self.taps:
            return self.taps.get(word, word)
        names = {self.resolve(other).name: name for other, name in reversed(self.taps.items())}
        return names.get(tap.node.name) or _path(tap.node.name, self.aliases)

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
        return EMBEDDING if word == "last_conv" else close


def survey_backbone(model: nn.Module, size: int, vectors: Mapping[str, str] | None = None) -> Survey:
    """Trace ``model`` (on the meta device) with square images of ``size`` pixels and derive its taps.

    Args:
        vectors: tap → name of a node, one vector per image, of a network whose ends have names of their own; None for
            ``embedding``, ``penultimate`` and ``logits``.

    Raises:
        ConfigError: if the network cannot take images of that size.
    """
    forward = Forward.of(model)
    measures = measured(forward, size)
    nodes = with_prefixes(measures.nodes, model)
    aliases = module_outputs(model, nodes)
    blocks = _blocks(model, nodes, aliases)
    ending = Ending.of(forward, nodes)
    stages = stages_of(Activations(forward, measures.steps), nodes, aliases, ending, opened=not blocks)
    # A plain transformer is spatial once, in its patch embedding; that is no stage, be its blocks found or not.
    plain = bool(blocks) and len(stages) <= 1
    if not blocks and len(stages) == 1 and _turns_to_tokens(stages, nodes, aliases):
        stages = {}
    taps = blocks if plain else _with_last_conv(stages)
    last = aliases.get(path := list(blocks.values())[-1], path) if plain else None
    norm = final_norm(forward, nodes, last) if last is not None else None
    if last is not None:
        taps |= {TOKENS: _of_tokens(last, norm, aliases)}
    found = Readings(forward, nodes, ending, norm, last)
    ends = {PENULTIMATE: ending.penultimate, LOGITS: ending.logits} if vectors is None else {}
    readings = found.all() if vectors is None else {word: found.of(forward.by_name[n]) for word, n in vectors.items()}
    named = [word for word in readings if word != PENULTIMATE]
    taps |= {word: _path(readings[word].nodes[-1], aliases, taps) for word in named}
    return Survey(
        nodes,
        taps | {tap: name for tap, name in ends.items() if name is not None},
        aliases,
        max((node.flops for node in nodes.values()), default=0),
        size,
        norm,
        readings,
    )


def _turns_to_tokens(stages: Mapping[str, str], nodes: dict[str, Node], aliases: dict[str, str]) -> bool:
    """Whether tokens follow the only map, so that what comes of them is the network (``TransformerEncoder``)."""
    (path,) = stages.values()
    names = list(nodes)
    return any(nodes[name].kind == "tokens" for name in names[names.index(aliases.get(path, path)) + 1 :])


def _of_tokens(last_block: str, norm: Norm | None, aliases: dict[str, str]) -> str:
    """How the last tokens before pooling are called."""
    if norm is None or norm.pooled:
        return _path(last_block, aliases)
    return norm.module if aliases.get(norm.module, norm.module) == norm.node else norm.node


def _path(name: str, aliases: dict[str, str], taps: Mapping[str, str] | None = None) -> str:
    """How a node is called: as a tap calls it, else by the path of the module that it is the output of."""
    called = [path for path in (taps or {}).values() if aliases.get(path, path) == name]
    paths = [path for path, node in aliases.items() if node == name]
    return called[0] if called else min(paths, key=len, default=name)


def survey_at(
    native: nn.Module, native_size: int, model: nn.Module, size: int, vectors: Mapping[str, str] | None = None
) -> Survey:
    """Taps as they are at the native size, where every stage has a resolution of its own; shapes and costs at ``size``.

    Args:
        native: the network for images of ``native_size`` pixels, on the meta device.
        model: the same for images of ``size`` pixels.
        vectors: as of :func:`survey_backbone`.

    Raises:
        ConfigError: if the network cannot be traced, or cannot take images of that size.
    """
    survey = survey_backbone(native, native_size, vectors)
    if size == native_size:
        return survey
    try:
        resized = survey_backbone(model, size, vectors)
    except ImageSizeError as problem:
        fix = f"preprocess.size={native_size}, the network's own, which is taken where no size is typed"
        raise ImageSizeError(problem.problem, fix=fix) from problem
    # Which axis holds the channels is read at the native size: at others it may be ambiguous (96×96×96).
    nodes = {
        name: replace(node, channels_last=survey.nodes[name].channels_last)
        for name, node in resized.nodes.items()
        if name in survey.nodes
    }
    return replace(survey, nodes=nodes, flops=resized.flops, size=size)


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
