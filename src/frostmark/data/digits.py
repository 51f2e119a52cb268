"""The 1,797 real handwritten digits that come inside scikit-learn: no download.

    Digits().split("train")       # 1,297 images of 8 × 8 pixels

scikit-learn defines no split; this one is fixed, so that runs can be compared: every image whose position in the
library's order, shuffled once by a generator seeded with 0, is among the last 500, is a test image.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch

from frostmark.data.source import Limits, SplitName, TensorImages

TEST_IMAGES = 500


@dataclass(frozen=True)
class Digits:
    """UCI's optical digits, grey 8 × 8, as scikit-learn ships them.

    Args:
        limit: how many images of each split to use.
    """

    limit: Limits = field(default_factory=Limits)
    name: str = "digits"

    def classes(self) -> tuple[str, ...]:
        return tuple(str(digit) for digit in range(10))

    def split(self, split: SplitName) -> TensorImages:
        from sklearn.datasets import load_digits

        digits = load_digits()
        order = torch.randperm(len(digits.target), generator=torch.Generator().manual_seed(0))
        chosen = order[-TEST_IMAGES:] if split == "test" else order[:-TEST_IMAGES]
        grey = torch.from_numpy(digits.images).mul(255 / 16).round().to(torch.uint8)  # ink is counted 0 … 16
        return TensorImages(grey[chosen].unsqueeze(1), torch.from_numpy(digits.target)[chosen].long())
