"""Networks and taps as tests of backbones need them."""

from __future__ import annotations

import torch
from torch import nn

from frostmark.backbones.activations import Activations
from frostmark.backbones.forward import Forward
from frostmark.backbones.nodes import measured
from frostmark.backbones.taps import Survey


def lived_in(model: nn.Module) -> nn.Module:
    """``model`` with norms, biases and scales as training leaves them: before them and behind them are two things."""
    draw = torch.Generator().manual_seed(1)
    statistics = (b for name, b in model.named_buffers() if name.endswith(("running_mean", "running_var")))
    for tensor in (*(p for p in model.parameters() if p.ndim < 2), *statistics):
        tensor.data.uniform_(0.2, 1.2, generator=draw)
    return model


def images(size: int, count: int = 2) -> torch.Tensor:
    """(N, 3, S, S), normal."""
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(0))


def distance(found: torch.Tensor, expected: torch.Tensor) -> float:
    """Relative distance of rows; float32 rounds to 1e-6, another memory layout sums in another order."""
    assert found.shape == expected.shape
    return float((found - expected).norm() / expected.norm())


def early(forward: Forward, survey: Survey) -> list[str]:
    """Taps that nothing but an activation reads."""
    activations = Activations(forward, measured(forward, survey.size).steps)
    nodes = {tap: forward.by_name[survey.resolve(tap).name] for tap in survey.taps}
    return [
        tap
        for tap, node in nodes.items()
        if (users := forward.users(node)) and all(activations.is_activation(user) for user in users)
    ]
