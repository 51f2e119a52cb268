"""A forward that overwrites no tensor, and computes what the one that did computes.

    model = without_inplace(model)          # of every module: nn.ReLU(inplace=True) is nn.ReLU()
    without_overwriting(graph, model)       # of what a forward writes itself: out += x, x.relu_(), F.relu(x, True)

An operation in place would change a tap after it was read. What reads the overwritten tensor later reads the result
instead, as it did before: ``x.relu_()`` has an effect without being assigned.
"""

from __future__ import annotations

import inspect
import operator
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import fx, nn

_OPERATORS: dict[object, Callable[..., object]] = {
    operator.iadd: operator.add,
    operator.isub: operator.sub,
    operator.imul: operator.mul,
    operator.itruediv: operator.truediv,
    operator.ipow: operator.pow,
}

_MARK = "overwrites"


def without_inplace(model: nn.Module) -> nn.Module:
    """``model`` with every module's in-place activation switched off, and marked as having been on."""
    for module in model.modules():
        if getattr(module, "inplace", False):
            setattr(module, "inplace", False)  # noqa: B010 (no attribute that nn.Module declares)
            setattr(module, _MARK, True)
    return model


def without_overwriting(graph: fx.Graph, model: nn.Module) -> None:
    """Replace operations that overwrite their input, and have what reads it later read their output."""
    passed: set[fx.Node] = set()
    for node in graph.nodes:
        passed.add(node)
        source = node.args[0] if node.args else None
        if isinstance(source, fx.Node) and _replaced(node, model):
            for user in [user for user in source.users if user not in passed]:
                user.replace_input_with(source, node)


def _replaced(node: fx.Node, model: nn.Module) -> bool:
    """Whether an operation overwrote its input; it does so no more, where there is another that does not."""
    if node.op == "call_module":
        return getattr(model.get_submodule(str(node.target)), _MARK, False)
    if node.op == "call_method":
        other = _without_mark(str(node.target), torch.Tensor)
        node.target = str(node.target) if other is None else str(node.target).rstrip("_")
        return other is not None
    if node.op != "call_function":
        return False
    if _clear_argument(node):
        return True
    other = _OPERATORS.get(node.target) or _function(node.target)
    node.target = other or node.target
    return other is not None


def _function(target: object) -> Callable[..., object] | None:
    """``torch.relu`` of ``torch.relu_``, ``torch.ops.aten.relu`` of ``torch.ops.aten.relu_``."""
    if isinstance(target, torch._ops.OpOverload):
        other = _without_mark(target.overloadpacket.__name__, torch.ops.aten)
        return getattr(other, target._overloadname, None)
    name = getattr(target, "__name__", "")
    places = (torch.ops.aten,) if isinstance(target, torch._ops.OpOverloadPacket) else (torch, F)
    found = [_without_mark(name, place) for place in places if getattr(place, name, None) is target]
    return next((other for other in found if other is not None), None)


def _without_mark(name: str, place: object) -> Callable[..., object] | None:
    if not name.endswith("_") or name.endswith("__"):
        return None
    other = getattr(place, name.rstrip("_"), None)
    return other if callable(other) else None


def _clear_argument(node: fx.Node) -> bool:
    try:
        signature = inspect.signature(node.target)  # type: ignore[arg-type]
    except (TypeError, ValueError):  # built-in functions have none
        return False
    if "inplace" not in signature.parameters:
        return False
    bound = signature.bind(*node.args, **node.kwargs)
    overwrote = bool(bound.arguments.get("inplace"))
    bound.arguments["inplace"] = False
    node.args, node.kwargs = bound.args, bound.kwargs
    return overwrote
