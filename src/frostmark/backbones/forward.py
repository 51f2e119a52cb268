"""The recorded forward pass of a network, and what each of its operations is.

forward = Forward.of(model)             # model on the meta device
forward.called(node)                    # 'relu' of F.relu(x), x.relu(), torch.relu(x); '' of a module
forward.users(node)                     # what computes with the tensor
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from torch import fx, nn

from frostmark.backbones.tracing import trace

_ASKING = frozenset(
    {"size", "dim", "ndimension", "numel", "is_floating_point", "dim_order"}
    | {f"{value}_like" for value in ("zeros", "ones", "full", "empty")}
    | {f"new_{value}" for value in ("zeros", "ones", "full", "empty", "tensor")}
)
"""What tells of a tensor, or makes another of its shape, and does not compute with its numbers."""


@dataclass(frozen=True)
class Forward:
    """What a network does with its images, operation by operation.

    Attributes:
        model: the network.
        graph: its operations, in the order of execution.
        names: operation → its qualified name.
    """

    model: nn.Module
    graph: fx.Graph
    names: dict[fx.Node, str]

    @classmethod
    def of(cls, model: nn.Module) -> Forward:
        """The forward pass of ``model.eval()``; ConfigError if it cannot be recorded."""
        return cls(model, *trace(model))

    @cached_property
    def by_name(self) -> dict[str, fx.Node]:
        """Qualified name → operation."""
        return {name: node for node, name in self.names.items()}

    @cached_property
    def output(self) -> fx.Node:
        """Where the forward pass returns."""
        nodes: list[fx.Node] = list(self.graph.nodes)
        return nodes[-1]

    def module(self, node: fx.Node) -> nn.Module | None:
        """The module that an operation calls as a whole."""
        return self.model.get_submodule(str(node.target)) if node.op == "call_module" else None

    def called(self, node: fx.Node) -> str:
        """The name of the function or method that an operation calls."""
        if node.op not in ("call_function", "call_method"):
            return ""
        name: str = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", "")
        return name.strip("_")

    def users(self, node: fx.Node) -> list[fx.Node]:
        """What computes with the numbers of a tensor."""
        return [user for user in node.users if not self._asks(user)]

    def inputs(self, node: fx.Node) -> list[fx.Node]:
        """What an operation computes with, as far as it depends on the images: parameters are left out."""
        return [source for source in node.all_input_nodes if source in self.of_images]

    @cached_property
    def of_images(self) -> set[fx.Node]:
        """Everything that follows from the numbers of the images."""
        found = {node for node in self.graph.nodes if node.op == "placeholder"}
        waiting = list(found)
        while waiting:
            new = [user for user in self.users(waiting.pop()) if user not in found]
            found.update(new)
            waiting += new
        return found

    def _asks(self, node: fx.Node) -> bool:
        name = self.called(node)
        names_its_type = name == "type" and len(node.args) + len(node.kwargs) == 1
        is_property = name == "getattr" and node.args[1] not in ("T", "mT", "data")
        return name in _ASKING or names_its_type or is_property
