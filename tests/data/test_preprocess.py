"""Preprocessing agrees with the paths people know: PIL's for the report's resize, the weights' own for the official."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import transforms
from torchvision.models import Inception_V3_Weights, ResNet18_Weights, ViT_B_16_Weights

from frostmark.backbones.backbone import Preset
from frostmark.backbones.load import TorchvisionBackbone
from frostmark.data.preprocess import Official, Resize
from frostmark.data.torchvision_sets import TorchvisionSet
from frostmark.errors import ConfigError

PRESET = ResNet18_Weights.DEFAULT.transforms()


def grey_levels(normalised: torch.Tensor) -> torch.Tensor:
    """Back from the network's input to 0 … 255."""
    mean, std = torch.tensor(PRESET.mean).view(3, 1, 1), torch.tensor(PRESET.std).view(3, 1, 1)
    return (normalised * std + mean) * 255


def test_resize_is_the_reports_pil_path_within_a_grey_level(shared_data: Path) -> None:
    images = TorchvisionSet("FashionMNIST", root=str(shared_data), download=False).split("test").images[:64]
    theirs_path = transforms.Compose(
        [
            transforms.Grayscale(3),
            transforms.Resize((224, 224)),
            transforms.ToTensor(),
            transforms.Normalize(PRESET.mean, PRESET.std),
        ]
    )
    theirs = torch.stack([theirs_path(Image.fromarray(image[0].numpy())) for image in images])
    ours = Resize(224).pipeline(PRESET)(images)
    difference = (grey_levels(ours) - grey_levels(theirs)).abs()
    assert difference.mean() < 1
    assert difference.max() < 1.5  # PIL rounds after each of its two passes
    torch.testing.assert_close(grey_levels(ours)[:, 0], grey_levels(ours)[:, 1], rtol=0, atol=1e-3)  # equal channels


@pytest.mark.parametrize("weights", [ResNet18_Weights.DEFAULT, Inception_V3_Weights.DEFAULT, ViT_B_16_Weights.DEFAULT])
@pytest.mark.parametrize("shape", [(28, 28), (300, 200)])
def test_official_is_the_weights_own_transform(weights: object, shape: tuple[int, int]) -> None:
    preset = weights.transforms()  # type: ignore[attr-defined]
    images = torch.randint(0, 256, (2, 3, *shape), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    pipeline = Official().pipeline(preset)
    torch.testing.assert_close(pipeline(images), preset(images), rtol=0, atol=0)
    assert pipeline.size == preset.crop_size[0]


def test_a_resize_of_no_size_is_to_the_networks_own() -> None:
    own = {"a network of 96 pixels": Preset([96], [110], [0.5] * 3, [0.5] * 3), "torchvision's": PRESET}
    assert [Resize().pipeline(preset).size for preset in own.values()] == [96, 224]
    for name, size in {"resnet18": 224, "inception_v3": 224, "efficientnet_b3": 224, "vit_b_16": 224}.items():
        assert Resize().pipeline(TorchvisionBackbone(name).preset).size == size
    weights = "IMAGENET1K_SWAG_E2E_V1"  # its position embedding has no other size
    assert Resize().pipeline(TorchvisionBackbone("vit_b_16", weights).preset).size == 384
    assert Resize(64).pipeline(PRESET).size == 64


def test_official_at_another_size_scales_the_resize() -> None:
    assert Official(112).pipeline(PRESET).resize_to == (128,)
    assert Official(112).pipeline(PRESET)(torch.zeros(1, 1, 30, 40, dtype=torch.uint8)).shape == (1, 3, 112, 112)


def test_geometry_and_normalisation_apart_are_the_whole() -> None:
    images = torch.randint(0, 256, (3, 1, 28, 28), dtype=torch.uint8)
    pipeline = Resize(48).pipeline(PRESET)
    assert torch.equal(pipeline.normalise(pipeline.geometry(images)), pipeline(images))
    assert pipeline.geometry(images).dtype == torch.float32
    assert Official().pipeline(PRESET).geometry(images).dtype == torch.uint8


def test_normalisation_by_hand() -> None:
    white = torch.full((1, 1, 8, 8), 255, dtype=torch.uint8)
    expected = (1 - np.array(PRESET.mean)) / np.array(PRESET.std)
    np.testing.assert_allclose(Resize(8).pipeline(PRESET)(white)[0, :, 0, 0].numpy(), expected, rtol=1e-6)


def test_sizes_that_no_network_takes_are_refused() -> None:
    for choice in (Resize, Official):
        with pytest.raises(ConfigError, match=r"preprocess\.size=4"):
            choice(4)
