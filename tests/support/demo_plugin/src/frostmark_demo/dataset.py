"""``dataset=stripes``: stripes of four directions, which no pixel alone tells apart."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch

from frostmark.data.source import Limits, SplitName, TensorImages

ANGLES = (0.0, 45.0, 90.0, 135.0)


@dataclass(frozen=True)
class Stripes:
    """Grey 16 × 16 images with a random phase and noise."""

    train: int = 80
    test: int = 40
    limit: Limits = field(default_factory=Limits)
    name: str = "stripes"

    def classes(self) -> tuple[str, ...]:
        return tuple(f"{angle:.0f} degrees" for angle in ANGLES)

    def split(self, split: SplitName) -> TensorImages:
        count = self.train if split == "train" else self.test
        draw = torch.Generator().manual_seed(0 if split == "train" else 1)
        labels = torch.arange(count) % len(ANGLES)
        angle = torch.deg2rad(torch.tensor(ANGLES))[labels, None, None]
        y, x = torch.meshgrid(torch.arange(16.0), torch.arange(16.0), indexing="ij")
        phase = 6.28 * torch.rand((count, 1, 1), generator=draw)
        waves = torch.sin(x * torch.cos(angle) + y * torch.sin(angle) + phase)
        noise = 0.3 * torch.randn(waves.shape, generator=draw)
        return TensorImages(((waves + noise) * 40 + 128).clamp(0, 255).to(torch.uint8).unsqueeze(1), labels)
