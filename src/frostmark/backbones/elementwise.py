"""What an operation does to every number by itself, told by what torch computes for it: its spelling does not matter.

    with Operators([x]) as ran:
        y = torch.where(x > 0, x, 0)
    ran.step(y)       # Step(linear=False, …); None of a convolution, a mean or a softmax

Functions, methods and modules are made of torch's operators, and torch marks those that compute number by number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

_ACTIVATING = frozenset(
    {"relu", "relu6", "gelu", "silu", "mish", "elu", "celu", "selu", "leaky_relu", "threshold", "hardtanh", "tanh"}
    | {"prelu", "_prelu_kernel", "rrelu", "rrelu_with_noise", "rrelu_with_noise_functional", "hardswish"}
    | {"sigmoid", "hardsigmoid", "log_sigmoid_forward", "softplus", "softshrink", "hardshrink"}
)
"""Operators that are an activation by themselves, wherever they stand."""

_UNMARKED = frozenset({"masked_fill", "rsub"}) | _ACTIVATING
"""Operators that compute number by number though not every version of torch marks them so."""

_SAME = frozenset({"clone", "_to_copy", "alias", "detach", "lift_fresh"})
_LINEAR = frozenset({"add", "sub", "rsub", "neg", "mul", "div"})
_SHAPED = frozenset(
    {f"{value}_like" for value in ("zeros", "ones", "full", "empty")}
    | {f"new_{value}" for value in ("zeros", "ones", "full", "empty", "empty_strided")}
)
"""Operators that take the shape of a tensor, and none of its numbers."""


@dataclass(frozen=True)
class Step:
    """What an operation does to the numbers of a tensor, each by itself.

    Attributes:
        alike: whether what comes of it has the shape of what it takes.
        real: whether what comes of it are real numbers, and not a mask.
        linear: whether it only scales and moves them, or adds tensors.
        keeps: whether it changes none of them.
        activates: whether it is an activation wherever it stands.
        by_numbers: whether the constants in it are single numbers, and not vectors or maps.
    """

    alike: bool
    real: bool
    linear: bool
    keeps: bool
    activates: bool
    by_numbers: bool


@dataclass(frozen=True)
class _Operator:
    """One operator that torch ran: what it took, and which of its results were computed from the watched tensors."""

    func: torch._ops.OpOverload
    args: Sequence[object]
    kwargs: Mapping[str, object]
    watched: Sequence[Tensor]
    constants: Sequence[Tensor]

    @property
    def name(self) -> str:
        """``relu`` of ``aten::relu_`` as well."""
        return str(self.func.overloadpacket.__name__).rstrip("_")

    @property
    def keeps(self) -> bool:
        return self.name in _SAME

    @property
    def elementwise(self) -> bool:
        return torch.Tag.pointwise in self.func.tags or self.keeps or self.name in _UNMARKED

    @property
    def linear(self) -> bool:
        """Products and quotients of two watched tensors are not."""
        if self.name == "div" and (self.args[0] is not self.watched[0] or self.kwargs.get("rounding_mode")):
            return False
        return self.keeps or (self.name in _LINEAR and (len(self.watched) == 1 or self.name not in ("mul", "div")))

    @property
    def activates(self) -> bool:
        """``x.clamp(min=0)`` does; ``x.clamp(min=1e-6)`` begins a pooling."""
        if self.name in ("clamp", "clip", "clamp_min", "clamp_max"):
            low, high = (self._bound(at, word) for at, word in ((1, "min"), (2, "max")))
            return self.name == "clamp_max" or high is not None or low == 0
        return self.name in _ACTIVATING

    def _bound(self, at: int, word: str) -> object:
        return self.args[at] if len(self.args) > at else self.kwargs.get(word)


class Operators(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch has none here
    """Writes down the operators that compute with tensors.

    Args:
        tensors: whatever else is computed with is a constant.
    """

    def __init__(self, tensors: Iterable[Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._tensors = list(tensors)
        self._watched = list(self._tensors)
        self._operators: list[_Operator] = []

    def __torch_dispatch__(
        self,
        func: torch._ops.OpOverload,
        types: Sequence[type],
        args: Sequence[object] = (),
        kwargs: Mapping[str, object] | None = None,
    ) -> object:
        """Runs an operator, and writes it down."""
        run: Callable[..., object] = func
        result = run(*args, **(kwargs or {}))
        taken = [x for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)]
        watched = [x for x in taken if self._is_watched(x)]
        if watched and func.overloadpacket.__name__ not in _SHAPED:
            constants = [x for x in taken if not self._is_watched(x)]
            self._operators.append(_Operator(func, args, kwargs or {}, watched, constants))
            self._watched += [x for x in tree_leaves(result) if isinstance(x, Tensor)]
        return result

    def _is_watched(self, tensor: Tensor) -> bool:
        return any(tensor is watched for watched in self._watched)

    def step(self, result: object) -> Step | None:
        """What was done, with what came of it; None if it was not done to every number by itself."""
        if not isinstance(result, Tensor) or not all(of.elementwise for of in self._operators):
            return None
        return Step(
            all(tensor.shape == result.shape for tensor in self._tensors),
            result.is_floating_point(),
            all(of.linear for of in self._operators),
            all(of.keeps for of in self._operators),
            any(of.activates for of in self._operators),
            all(constant.numel() == 1 for of in self._operators for constant in of.constants),
        )
