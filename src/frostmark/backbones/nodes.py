"""The tensors of a traced network: their names, their shapes, and what it costs to get to them.

    forward = Forward.of(model)                          # model on the meta device: no weights, no arithmetic
    nodes = with_prefixes(measured(forward, size=224).nodes, model)
    nodes["layer4.1.relu_1"].shape                       # (512, 7, 7)
    module_outputs(model, nodes)["layer4"]               # 'layer4.1.relu_1'

How many tokens stand before the patches (a class token, registers) follows from the map that the patches were cut
from: as many as there are more tokens than cells.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import fx, nn
from torch.utils.flop_counter import FlopCounterMode

from frostmark.backbones.elementwise import Operators, Step
from frostmark.backbones.forward import Forward
from frostmark.errors import ConfigError

PROBE_BATCH = 7
"""Images in the traced pass: a number that no layer has as a dimension, so that folded batches are recognised."""


class ImageSizeError(ConfigError):
    """A network cannot take images of a size."""


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
        parts: names of the vectors that stand side by side in one that the graph does not have.
    """

    name: str
    shape: tuple[int, ...]
    flops: int
    channels_last: bool = False
    prefix: int | None = None
    registers: int = 0
    parts: tuple[str, ...] = ()

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
    def is_cell(self) -> bool:
        """Whether it is a map of one cell, as global pooling makes it."""
        return self.is_image and self.resolution == 1

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
class Traced:
    """What one traced pass tells.

    Attributes:
        nodes: the tensors that hold something of every image, by name.
        steps: the operations that compute every number by itself.
    """

    nodes: dict[str, Node]
    steps: dict[fx.Node, Step]


def measured(forward: Forward, size: int) -> Traced:
    """Run a network on the meta device once: shapes, what each operation is, and the operations spent so far.

    Args:
        size: edge of the square images in pixels.

    Raises:
        ImageSizeError: if the network cannot take images of that size.
    """
    meter = _Meter(forward)
    try:
        with torch.no_grad(), torch.device("meta"), meter.counter:
            meter.run(torch.empty(PROBE_BATCH, 3, size, size, device="meta"))
    except (AssertionError, RuntimeError) as problem:
        raise ImageSizeError(
            f"this backbone cannot take images of {size} pixels: {str(problem).splitlines()[0]}",
            fix="preprocess.size=<pixels that the network takes>",
        ) from problem
    return Traced(meter.nodes, meter.steps)


def takes(forward: Forward, size: int) -> bool:
    """Whether a network on the meta device takes images of ``size`` pixels."""
    try:
        measured(forward, size)
    except ImageSizeError:
        return False
    return True


class _Meter(fx.Interpreter):
    """Runs a graph node by node and writes down what each is, and the shape and cost of what it puts out."""

    def __init__(self, forward: Forward) -> None:
        # Frozen, because torch's counter of operations asks views of parameters for gradients that they have not.
        super().__init__(fx.GraphModule(forward.model, forward.graph).requires_grad_(False))
        self.counter = FlopCounterMode(display=False)
        self.nodes: dict[str, Node] = {}
        self.steps: dict[fx.Node, Step] = {}
        self._forward = forward

    def run_node(self, n: fx.Node) -> object:
        result = self._watched(n)
        if n.op == "get_attr" and isinstance(result, torch.Tensor):
            return result.to("meta")  # a constant that the forward makes
        if n.op in ("placeholder", "output", "get_attr") or not isinstance(result, torch.Tensor):
            return result
        if result.ndim in (2, 3, 4) and result.shape[0] == PROBE_BATCH and result.is_floating_point():
            shape = tuple(result.shape[1:])
            flops = self.counter.get_total_flops() // PROBE_BATCH
            # Square images make square maps: equal leading dimensions mean that the channels stand last.
            last = len(shape) == 3 and shape[0] == shape[1] != shape[2]
            name = self._forward.names[n]
            self.nodes[name] = Node(name, shape, flops, last)
        return result

    def _watched(self, n: fx.Node) -> object:
        inputs = [self.env[source] for source in self._forward.inputs(n)]
        if n.op == "output" or not inputs or not all(isinstance(x, torch.Tensor) for x in inputs):
            return super().run_node(n)
        with Operators(inputs) as operators:
            result = super().run_node(n)
        if (step := operators.step(result)) is not None:
            self.steps[n] = step
        return result


def with_prefixes(nodes: dict[str, Node], model: nn.Module) -> dict[str, Node]:
    """``nodes`` in which tokens know how many of them stand before the patches.

    Patches are the cells of the largest square map before them that has no more cells than there are tokens: the
    patch embedding, of which nothing else is known. Registers are told by the name of their parameter, (1, R, D).
    """
    registers = sum(
        p.shape[-2] for name, p in model.named_parameters() if p.ndim == 3 and "reg" in name.rpartition(".")[2]
    )
    grids: set[int] = set()
    prefixed: dict[str, Node] = {}
    for name, node in nodes.items():
        if node.is_image:
            grids.add(node.resolution**2)
        fitting = [cells for cells in grids if cells <= node.shape[0]] if node.kind == "tokens" else []
        prefix = node.shape[0] - max(fitting) if fitting else None
        prefixed[name] = replace(node, prefix=prefix, registers=registers if node.kind == "tokens" else 0)
    return prefixed


def module_outputs(model: nn.Module, nodes: dict[str, Node]) -> dict[str, str]:
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
