"""``backbone=demo_cnn``: two convolutions with seeded weights."""

from __future__ import annotations

from typing import Self

import torch
from torch import nn

from frostmark.backbones.module import ModuleBackbone


class DemoCNN(ModuleBackbone):
    """A tiny network; ``seed`` draws its weights."""

    def __init__(self, channels: int = 8, seed: int = 0) -> None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = nn.Sequential(
                nn.Conv2d(3, channels, 3, stride=2, padding=1),
                nn.ReLU(),
                nn.Conv2d(channels, 2 * channels, 3, stride=2, padding=1),
                nn.ReLU(),
                nn.AdaptiveAvgPool2d(1),
                nn.Flatten(),
                nn.Linear(2 * channels, 10),
            )
        super().__init__(network, name="demo_cnn", size=32)

    def untrained(self) -> Self:
        return self
