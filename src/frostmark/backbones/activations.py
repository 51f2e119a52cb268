"""Where a forward applies the non-linearity of a layer, whatever its spelling.

    followed(node, forward)         # the node itself where no activation has it as its only input

An activation is a module of torch (``nn.ReLU()``, one used several times, too), a function, a method, or an expression
of such operations on one tensor: ``x * torch.sigmoid(x)``, written out or inside a module of one's own.
"""

from __future__ import annotations

from collections.abc import Iterator

from torch import fx, nn
from torch.nn.modules import activation

from frostmark.backbones.forward import Forward

_OF_MANY_NUMBERS = (nn.MultiheadAttention, nn.Softmax, nn.Softmax2d, nn.LogSoftmax, nn.Softmin, nn.GLU)

ACTIVATION_MODULES = tuple(
    kind
    for kind in vars(activation).values()
    if isinstance(kind, type) and issubclass(kind, nn.Module) and kind not in (nn.Module, *_OF_MANY_NUMBERS)
)
"""Modules of torch that apply a non-linearity to every number by itself."""

_ACTIVATING = frozenset(
    {"relu", "relu6", "gelu", "silu", "hardswish", "leaky_relu", "elu", "celu", "mish", "selu", "prelu", "rrelu"}
    | {
        "sigmoid",
        "hardsigmoid",
        "logsigmoid",
        "log_sigmoid",
        "tanh",
        "hardtanh",
        "tanhshrink",
        "softplus",
        "softsign",
        "softshrink",
    }
    | {"hardshrink", "threshold"}
)
_BENDING = frozenset(
    {"clamp", "clamp_min", "clamp_max", "clip", "exp", "expm1", "log1p", "erf", "pow", "square", "abs"}
)
"""Non-linear functions that are an activation only as a part of one: by itself ``x.clamp(1e-6)`` begins a pooling."""

_SCALING = frozenset({"mul", "div", "truediv", "true_divide"})
_LINEAR = _SCALING | {"add", "sub", "rsub", "neg"}

_POOLS = frozenset({"max_pool2d", "avg_pool2d", "lp_pool2d"})
_POOL_MODULES = (nn.MaxPool2d, nn.AvgPool2d, nn.LPPool2d)


def followed(node: fx.Node, forward: Forward) -> fx.Node:
    """The activation that is applied to ``node``, if nothing else reads ``node``; else ``node`` itself.

    Where a forward pools before it activates (``relu(max_pool2d(conv(x), 2))``), the activation of what was pooled.
    """
    while True:
        after = _activation(node, forward) or _shared(node, forward)
        users = forward.users(node)
        if after is None and len(users) == 1 and _pools(users[0], forward):
            after = _activation(users[0], forward)
        if after is None:
            return node
        node = after


def _shared(node: fx.Node, forward: Forward) -> fx.Node | None:
    """The first of several activations, if whatever reads ``node`` applies the same one."""
    users = forward.users(node)
    kinds = {forward.called(user) or str(forward.module(user)) for user in users}
    return users[0] if len(kinds) == 1 and all(is_activation(user, forward) for user in users) else None


def is_activation(node: fx.Node, forward: Forward) -> bool:
    """Whether an operation by itself is an activation: ``x.clamp(min=0)`` is one, too."""
    if forward.called(node) in ("clamp", "clip", "clamp_min"):
        return 0 in (*node.args[1:2], node.kwargs.get("min"))
    return forward.called(node) in _ACTIVATING or isinstance(forward.module(node), ACTIVATION_MODULES)


def _non_linear(node: fx.Node, forward: Forward) -> bool:
    return forward.called(node) in _BENDING or is_activation(node, forward)


def _pools(node: fx.Node, forward: Forward) -> bool:
    return forward.called(node) in _POOLS or isinstance(forward.module(node), _POOL_MODULES)


def _elementwise(node: fx.Node, forward: Forward) -> bool:
    return forward.called(node) in _LINEAR or _non_linear(node, forward)


def _activation(node: fx.Node, forward: Forward) -> fx.Node | None:
    """The end of the shortest non-linear expression of ``node`` alone that everything from ``node`` goes through."""
    ends = list(_non_linear_ends(node, forward))
    end = ends[0] if ends else node
    own = _own_module(end, node, forward)
    several = len(forward.users(node)) > 1
    if end is node or not (own or several or is_activation(end, forward)):
        return None
    for more in ends[1:]:  # a module of one's own is read to its end: the square of a squared ReLU belongs to it
        if own and forward.names[more].startswith(f"{own}."):
            end = more
    if several:  # x * relu6(x + 3) is not complete before it is divided by 6
        while (scaled := _scaled(end, forward)) is not None:
            end = scaled
    return end


def _non_linear_ends(node: fx.Node, forward: Forward) -> Iterator[fx.Node]:
    """In order, the operations that depend on ``node`` alone, elementwise, and that all uses of ``node`` lead into."""
    before: dict[fx.Node, set[fx.Node]] = {node: set()}  # operation → what it is computed from, as far as ``node``
    bent: set[fx.Node] = set()
    later = node.next
    while later.op != "root":
        inputs = forward.inputs(later)
        if inputs and all(source in before for source in inputs) and _elementwise(later, forward):
            before[later] = set(inputs).union(*(before[source] for source in inputs))
            if _non_linear(later, forward) or bent & before[later]:
                bent.add(later)
                if all(set(forward.users(source)) <= before[later] | {later} for source in before[later]):
                    yield later
        later = later.next


def _own_module(node: fx.Node, source: fx.Node, forward: Forward) -> str:
    """The module, of elementwise operations alone, in which ``node`` is computed and ``source`` is not."""
    path = forward.names[node].rpartition(".")[0]
    if node.op == "call_module" or not path or f"{forward.names[source]}.".startswith(f"{path}."):
        return ""
    inside = [n for n, name in forward.names.items() if name.startswith(f"{path}.") and n.op != "get_attr"]
    return path if all(_elementwise(n, forward) for n in inside) else ""


def _scaled(node: fx.Node, forward: Forward) -> fx.Node | None:
    """What multiplies ``node`` by a number, if nothing else reads it."""
    users = forward.users(node)
    alone = len(users) == 1 and users[0].all_input_nodes == [node]
    return users[0] if alone and forward.called(users[0]) in _SCALING else None
