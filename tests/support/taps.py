"""Networks and taps as tests of backbones need them."""

from __future__ import annotations

import torch
from torch import nn

from frostmark.backbones.activations import is_activation
from frostmark.backbones.forward import Forward
from frostmark.backbones.taps import Survey


def lived_in(model: nn.Module) -> nn.Module:
    """``model`` with batch norms as training leaves them: a tap before them is no tap behind them."""
    draw = torch.Generator().manual_seed(1)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.weight, module.bias, module.running_mean):
                assert tensor is not None
                tensor.data.uniform_(0.2, 1.2, generator=draw)
    return model


def early(forward: Forward, survey: Survey) -> list[str]:
    """Taps that nothing but an activation reads."""
    nodes = {tap: forward.by_name[survey.resolve(tap).name] for tap in survey.taps}
    return [
        tap
        for tap, node in nodes.items()
        if (users := forward.users(node)) and all(is_activation(user, forward) for user in users)
    ]
