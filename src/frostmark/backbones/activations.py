"""Where a forward applies the non-linearity of a layer, whatever its spelling.

    activations = Activations(forward, steps)
    activations.followed(node)          # the node itself where no activation has it as its only input

An activation is a chain of operations that compute every number of one tensor by itself, from that number and from
constants: a module of torch (one used several times, too), a function, a method, ``x * (x > 0)``,
``torch.where(x > 0, x, 0.1 * x)``. Operations that go apart and meet again are one link of the chain. What only moves
and scales is not an activation, and what mixes numbers (a gate that sees the map, a norm, a softmax) ends the chain.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from torch import fx, nn
from torch.nn.modules import activation

from frostmark.backbones.elementwise import Step
from frostmark.backbones.ending import has_weights
from frostmark.backbones.forward import Forward

_OF_MANY_NUMBERS = (nn.MultiheadAttention, nn.Softmax, nn.Softmax2d, nn.LogSoftmax, nn.Softmin, nn.GLU)

ACTIVATION_MODULES = tuple(
    kind
    for kind in vars(activation).values()
    if isinstance(kind, type) and issubclass(kind, nn.Module) and kind not in (nn.Module, *_OF_MANY_NUMBERS)
)
"""Modules of torch that apply a non-linearity to every number by itself."""

_ZEROS = frozenset({"zeros", "zeros_like", "new_zeros"})
_LARGEST = frozenset({"max", "maximum", "fmax"})

_POOLS = frozenset({"max_pool2d", "avg_pool2d", "lp_pool2d"})
_POOL_MODULES = (nn.MaxPool2d, nn.AvgPool2d, nn.LPPool2d)
_PEAKS = frozenset({"max_pool2d", "adaptive_max_pool2d"})
_PEAK_MODULES = (nn.MaxPool2d, nn.AdaptiveMaxPool2d)


@dataclass(frozen=True)
class _Link:
    """A part of a chain: one operation, or several that go apart from one tensor and meet again.

    Attributes:
        end: its last operation.
        bends: whether it is not linear.
        whole: whether it is an activation wherever it stands.
        scales: whether it only multiplies by, or adds, a single number.
    """

    end: fx.Node
    bends: bool
    whole: bool
    scales: bool


@dataclass(frozen=True)
class Activations:
    """Finds the activations of a forward.

    Attributes:
        steps: its operations that compute every number by itself.
    """

    forward: Forward
    steps: Mapping[fx.Node, Step]

    def followed(self, node: fx.Node) -> fx.Node:
        """The activation that is applied to ``node``, if nothing else reads ``node``; else ``node`` itself.

        Where a forward pools before it activates (``relu(max_pool2d(conv(x), 2))``), the activation of what was pooled.
        """
        while True:
            after = self._activation(node)
            users = self.forward.users(node)
            if after is None and len(users) == 1 and self._pools(users[0]):
                after = self._activation(users[0])
            if after is None:
                return node
            node = after

    def is_activation(self, node: fx.Node) -> bool:
        """Whether an operation by itself is an activation: ``x.clamp(min=0)`` is one, too."""
        if isinstance(self.forward.module(node), ACTIVATION_MODULES):
            return True
        if node not in self.steps:
            return False
        others = [source for source in node.all_input_nodes if source not in self.forward.of_images]
        of_zero = any(self.forward.called(other) in _ZEROS for other in others)
        return self.steps[node].activates or (self.forward.called(node) in _LARGEST and of_zero)

    def _activation(self, source: fx.Node) -> fx.Node | None:
        """The end of the chain that everything from ``source`` goes through, as far as it belongs to an activation."""
        links = list(self._links(source))
        bends = [at for at, link in enumerate(links) if link.bends]
        if bends and self._begins_formula(links[-1].end):
            bends = [at for at in bends if links[at].whole]
        if not bends:
            return None
        last = bends[-1]
        for at in range(last + 1, len(links)):  # x * relu6(x + 3) is not complete before it is divided by 6
            if not links[at].scales:
                break
            last = at if not self.steps[links[at].end].keeps else last
        return links[last].end

    def _links(self, source: fx.Node) -> Iterator[_Link]:
        """The chain of ``source``, in order."""
        begun: set[fx.Node] = set()
        for end, before in self._ends(source):
            between = {self._first[node] for node in before | {end}} - begun
            bends = any(not self.steps[node].linear for node in between)
            whole = self.is_activation(end) or len(between) > 1 or self._in_own_module(end, source)
            scales = len(between) == 1 and not bends and self.steps[end].by_numbers
            yield _Link(end, bends, bends and whole, scales)
            begun |= between

    def _ends(self, source: fx.Node) -> Iterator[tuple[fx.Node, set[fx.Node]]]:
        """In order, the operations that all uses of ``source`` lead into, and what each is computed from on the way."""
        chain = set(self._twins[source])
        later = source.next
        while later.op != "root":
            inputs = self.forward.inputs(later)
            step = self.steps.get(later)
            if step is not None and step.alike and inputs and chain.issuperset(inputs):
                chain.add(later)
                if step.real:
                    ends = chain.intersection(self._twins[later])
                    before = self._before(ends, chain)
                    if all(set(self.forward.users(node)) <= before | ends for node in before):
                        yield self._first[later], before - set(self._twins[source])
            later = later.next

    def _before(self, ends: set[fx.Node], chain: set[fx.Node]) -> set[fx.Node]:
        """What of a chain some of its operations are computed from."""
        found: set[fx.Node] = set()
        waiting = list(ends)
        while waiting:
            new = [node for node in self.forward.inputs(waiting.pop()) if node in chain and node not in found]
            found.update(new)
            waiting += new
        return found

    @cached_property
    def _first(self) -> dict[fx.Node, fx.Node]:
        """Operation → the first one that computes the same of the same: ``x.relu()`` in two branches is one."""
        known: dict[tuple[str, str, str], fx.Node] = {}
        first: dict[fx.Node, fx.Node] = {}
        for node in self.forward.graph.nodes:
            module = self.forward.module(node)
            has_own = module is None or any(True for _ in (*module.parameters(), *module.buffers()))
            what = self.forward.called(node) or str(node.target if has_own else module)
            args = fx.map_arg((node.args, node.kwargs), first.__getitem__)
            first[node] = known.setdefault((node.op, what, repr(args)), node)
        return first

    @cached_property
    def _twins(self) -> dict[fx.Node, list[fx.Node]]:
        """Operation → all that compute the same of the same, itself included."""
        groups: dict[fx.Node, list[fx.Node]] = {}
        for node, first in self._first.items():
            groups.setdefault(first, []).append(node)
        return {node: groups[first] for node, first in self._first.items()}

    def _begins_formula(self, end: fx.Node) -> bool:
        """Whether what is averaged or summed of a tensor bends before weights see it.

        So do the root of generalised-mean pooling, and the quotient of a softmax that is written out.
        """
        users = [user for node in self._twins[end] for user in self.forward.users(node)]
        waiting = [user for user in users if user not in self.steps and not self._is_peak(user)]
        seen = set(waiting)
        while waiting:
            node = waiting.pop()
            if self._has_parameters(node):
                continue
            new = [user for user in self.forward.users(node) if user not in seen]
            if any(not self.steps[user].linear for user in new if user in self.steps):
                return True
            seen.update(new)
            waiting += new
        return False

    def _has_parameters(self, node: fx.Node) -> bool:
        module = self.forward.module(node)
        return has_weights(node, self.forward) or (module is not None and any(True for _ in module.parameters()))

    def _pools(self, node: fx.Node) -> bool:
        return self.forward.called(node) in _POOLS or isinstance(self.forward.module(node), _POOL_MODULES)

    def _is_peak(self, node: fx.Node) -> bool:
        return self.forward.called(node) in _PEAKS or isinstance(self.forward.module(node), _PEAK_MODULES)

    def _in_own_module(self, node: fx.Node, source: fx.Node) -> bool:
        """Whether ``node`` is computed in a module of elementwise operations alone, and ``source`` outside of it."""
        names = self.forward.names
        path = names[node].rpartition(".")[0]
        if node.op == "call_module" or not path or f"{names[source]}.".startswith(f"{path}."):
            return False
        inside = [n for n, name in names.items() if name.startswith(f"{path}.") and self.forward.inputs(n)]
        return all(n in self.steps for n in inside)
