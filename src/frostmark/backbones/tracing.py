"""The forward pass of a network as a graph, every operation under the name of the module that it stands in.

graph, names = trace(model)
[names[node] for node in graph.nodes]        # ['x', 'conv1', 'bn1', 'relu', …, 'layer4.1.relu_1', …]
"""

from __future__ import annotations

import inspect
import math
import sys
from collections.abc import Callable

from torch import fx, nn
from torchvision import ops
from torchvision.models.feature_extraction import NodePathTracer

from frostmark.backbones.overwriting import without_overwriting
from frostmark.errors import ConfigError

_OF_A_MASK = ("global_pool_naflex",)
"""Functions of timm's that only a mask lets branch, and images come without one: what they compute can be recorded."""


def trace(model: nn.Module) -> tuple[fx.Graph, dict[fx.Node, str]]:
    """The graph of ``model.eval()`` and the qualified name of each of its nodes; none overwrites what it reads.

    Raises:
        ConfigError: if the forward cannot be recorded, because it branches on what only an image decides.
    """
    modules, functions = _leaves()
    tracer = _Tracer(autowrap_modules=(math, ops), autowrap_functions=functions, leaf_modules=modules)
    try:
        graph = tracer.trace(model.eval())
    except Exception as problem:  # a forward that meets recorded values in place of tensors may raise anything
        told = (str(problem).strip() or type(problem).__name__).splitlines()[0]
        raise ConfigError(
            f"the layers of {type(model).__name__} cannot be identified: its forward pass cannot be traced ({told})",
            fix="choose another network, or rewrite its forward without branches on tensors (see torch.fx)",
        ) from problem
    without_overwriting(graph, model)
    return graph, dict(tracer.node_to_qualname)


class _Tracer(NodePathTracer):  # type: ignore[misc]  # torchvision has no types
    """Records what becomes of the images; whatever else a forward takes keeps its default, and decides its branches."""

    def create_args_for_root(
        self, root_fn: Callable[..., object], is_module: bool, concrete_args: object = None
    ) -> tuple[Callable[..., object], list[object]]:
        images = list(inspect.signature(root_fn).parameters)[1]
        return root_fn, [self.root, self.create_proxy("placeholder", images, (), {})]

    def is_leaf_module(self, m: nn.Module, module_qualname: str) -> bool:
        leaf: bool = super().is_leaf_module(m, module_qualname)
        return leaf and type(m) is not nn.TransformerEncoder

    def call_module(
        self, m: nn.Module, forward: Callable[..., object], args: tuple[object, ...], kwargs: dict[str, object]
    ) -> object:
        """Of torch's own transformer every layer is a node, as of any other: its blocks can be tapped."""
        return super().call_module(m, _layer_by_layer(m) if type(m) is nn.TransformerEncoder else forward, args, kwargs)


def _layer_by_layer(encoder: nn.TransformerEncoder) -> Callable[..., object]:
    """What its forward computes, without the branches that only choose a faster way."""

    def forward(
        src: object, mask: object = None, src_key_padding_mask: object = None, is_causal: bool | None = None
    ) -> object:
        for layer in encoder.layers:
            masks = {"src_mask": mask, "src_key_padding_mask": src_key_padding_mask, "is_causal": bool(is_causal)}
            src = layer(src, **masks)
        return src if encoder.norm is None else encoder.norm(src)

    return forward


def _leaves() -> tuple[list[type[nn.Module]], tuple[Callable[..., object], ...]]:
    """Modules and functions that are one node each, whatever happens inside.

    They are torchvision's operators, layers with weights (of a subclass, too), and what timm declares untraceable: a
    module of timm's is there only if timm was imported.
    """
    modules = [m for m in vars(ops).values() if isinstance(m, type) and issubclass(m, nn.Module)]
    timm = sys.modules.get("timm.models")
    declared = timm.get_notrace_modules() if timm else []
    functions = [f for f in timm.get_notrace_functions() if f.__name__ not in _OF_A_MASK] if timm else []
    return [*modules, nn.Linear, nn.Conv2d, *declared], tuple(functions)
