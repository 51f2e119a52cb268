"""What an operation does to every number is told by what torch computes for it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from frostmark.backbones.elementwise import Operators, Step

LINEAR: dict[str, Callable[[Tensor], Tensor]] = {
    "a sum with a number": lambda x: 1 - x,
    "a sum of two": lambda x: x + 2 * x,
    "a scale per channel": lambda x: x * torch.rand(3, 1, 1),
    "a quotient": lambda x: x / 3,
    "dropout of a network that rests": lambda x: F.dropout(x, 0.5, training=False),
    "another type": lambda x: x.double(),
}
BENDING: dict[str, Callable[[Tensor], Tensor]] = {
    "a module": nn.Hardswish(),
    "a module with a parameter": nn.PReLU(),
    "a sigmoid in another word": torch.special.expit,
    "a choice": lambda x: torch.where(x > 0, x, 0),
    "a mask": lambda x: x > 0,
    "a square": lambda x: x * x,
    "an inverse": lambda x: 1 / x,
    "a rounded quotient": lambda x: torch.div(x, 2, rounding_mode="floor"),
}
MIXING: dict[str, Callable[[Tensor], Tensor]] = {
    "a convolution": nn.Conv2d(3, 3, 1),
    "a mean": lambda x: x.mean(1, keepdim=True),
    "a softmax": lambda x: x.softmax(1),
    "a norm": lambda x: F.normalize(x, dim=1),
    "pooling": lambda x: F.max_pool2d(x, 3, 1, 1),
    "a batch norm": nn.BatchNorm2d(3).eval(),
    "a permutation": lambda x: x.transpose(2, 3),
    "a largest channel": lambda x: x.max(1).values,
}


def step_of(operation: Callable[[Tensor], Tensor]) -> Step | None:
    x = torch.randn(2, 3, 4, 4)
    with torch.no_grad(), Operators([x]) as ran:
        y = operation(x)
    return ran.step(y)


@pytest.mark.parametrize("operation", LINEAR.values(), ids=LINEAR)
def test_what_scales_and_moves_is_linear(operation: Callable[[Tensor], Tensor]) -> None:
    step = step_of(operation)
    assert step is not None
    assert step.linear
    assert not step.activates


@pytest.mark.parametrize("operation", BENDING.values(), ids=BENDING)
def test_what_bends_is_told(operation: Callable[[Tensor], Tensor]) -> None:
    step = step_of(operation)
    assert step is not None
    assert step.alike
    assert not step.linear


@pytest.mark.parametrize("operation", MIXING.values(), ids=MIXING)
def test_what_mixes_numbers_is_none(operation: Callable[[Tensor], Tensor]) -> None:
    assert step_of(operation) is None


@pytest.mark.parametrize(
    ("operation", "activates"),
    [
        (lambda x: x.clamp(min=0), True),
        (lambda x: x.clamp_(0), True),
        (lambda x: x.clamp(-1, 1), True),
        (lambda x: x.clamp(max=6), True),
        (lambda x: x.clamp(min=1e-6), False),
        (lambda x: F.leaky_relu(x), True),
        (lambda x: x.exp(), False),
    ],
)
def test_what_is_an_activation_wherever_it_stands(operation: Callable[[Tensor], Tensor], activates: bool) -> None:
    step = step_of(operation)
    assert step is not None
    assert step.activates == activates


def test_constants_may_be_of_any_shape_and_are_told_apart() -> None:
    numbers, channels = step_of(lambda x: x * torch.tensor([2.0])), step_of(lambda x: x * torch.rand(3, 1, 1))
    wider = step_of(lambda x: x + torch.rand(5, 2, 3, 4, 4))
    assert numbers is not None and channels is not None and wider is not None  # noqa: PT018
    assert (numbers.by_numbers, channels.by_numbers) == (True, False)
    assert (numbers.alike, wider.alike) == (True, False)
