"""The kit that checks what a preprocessing makes of images; a plugin's own tests may use it.

assert problems(MyPreprocess()) == []
"""

from __future__ import annotations

from collections.abc import Iterator

import torch

from frostmark.backbones.backbone import Preset
from frostmark.data.contract import check_pipeline, checked_pipeline
from frostmark.data.preprocess import Preprocess
from frostmark.errors import FrostmarkError

PRESETS = (
    Preset([224], [256], [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
    Preset([32], [32], [0.5, 0.5, 0.5], [0.5, 0.5, 0.5]),
    Preset([64], [64, 64], [0.0, 0.0, 0.0], [1.0, 1.0, 1.0]),
)


def problems(preprocess: Preprocess) -> list[str]:
    """Everything in which a preprocessing is not what :class:`Preprocess` asks for, for three presets."""
    try:
        return [problem for preset in PRESETS for problem in _problems(preprocess, preset)]
    except FrostmarkError as problem:
        return [problem.problem]


def _problems(preprocess: Preprocess, preset: Preset) -> Iterator[str]:
    pipeline = checked_pipeline(preprocess, preset)
    check_pipeline(preprocess, pipeline)
    if preprocess.pipeline(preset) != pipeline:
        yield "pipeline() gives another pipeline each time"
    for channels in (1, 3):
        for shape in ((28, 28), (50, 20), (300, 400)):
            draw = torch.Generator().manual_seed(0)
            images = torch.randint(0, 256, (2, channels, *shape), generator=draw, dtype=torch.uint8)
            together, alone = pipeline(images), pipeline(images[1:])
            if not torch.equal(together[1:], alone):
                yield f"an image of {shape} becomes another one in company"
            if channels == 1 and not torch.allclose(
                together * torch.tensor(preset.std)[:, None, None] + torch.tensor(preset.mean)[:, None, None],
                (together[:, :1] * preset.std[0] + preset.mean[0]).expand(-1, 3, -1, -1),
                atol=1e-5,
            ):
                yield "a grey image does not become three equal channels"
