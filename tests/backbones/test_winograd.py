"""Convolutions with fewer multiplications against torch's own, and against arithmetic in float64."""

from __future__ import annotations

from copy import deepcopy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from frostmark.backbones.extractor import Extractor, Tap
from frostmark.backbones.load import TorchvisionBackbone
from frostmark.backbones.winograd import _POINTS, WinogradConv2d, _interpolation, suits

CHANNELS = 256
SIZES = [(14, 14), (7, 7), (8, 8), (15, 9), (5, 30)]


def convolution(channels: int = CHANNELS, kernels: int = CHANNELS, *, bias: bool = True) -> nn.Conv2d:
    torch.manual_seed(0)
    made = nn.Conv2d(channels, kernels, 3, padding=1, bias=bias).requires_grad_(False)
    return made.to(memory_format=torch.channels_last)


def images(count: int, height: int, width: int, channels: int = CHANNELS) -> Tensor:
    rng = torch.Generator().manual_seed(1)
    drawn = torch.randn(count, channels, height, width, generator=rng).relu()
    return drawn.contiguous(memory_format=torch.channels_last)


def error(found: Tensor, right: Tensor) -> float:
    return float((found.double() - right).norm() / right.norm())


def test_the_transformations_are_exact_but_for_rounding() -> None:
    tiles, filters, results = (matrix.numpy() for matrix in _interpolation(_POINTS))
    rng = np.random.default_rng(0)
    tile, kernel = rng.standard_normal((6, 6)), rng.standard_normal((3, 3))
    found = results @ ((filters @ kernel.ravel()) * (tiles @ tile.ravel()))
    right = [(tile[i : i + 3, j : j + 3] * kernel).sum() for i in range(4) for j in range(4)]
    assert found == pytest.approx(right, rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("size", SIZES, ids=lambda s: f"{s[0]}x{s[1]}")
@pytest.mark.parametrize("bias", [True, False])
def test_as_near_to_the_truth_as_float32_comes(size: tuple[int, int], bias: bool) -> None:
    direct, given = convolution(bias=bias), images(3, *size)
    right = deepcopy(direct).double()(given.double())
    found = WinogradConv2d(direct)(given)
    assert found.shape == right.shape
    assert found.is_contiguous(memory_format=torch.channels_last)
    assert not torch.equal(found, direct(given))  # it is another way
    assert error(found, right) < 3e-6
    assert error(found, right) < 4 * error(direct(given), right)


def test_ones_are_counted() -> None:
    direct = convolution(bias=False)
    direct.weight.fill_(1)
    counted = WinogradConv2d(direct)(torch.ones_like(images(1, 8, 8)))[0, 0] / CHANNELS
    expected = np.full((8, 8), 9.0)
    expected[[0, -1]], expected[:, [0, -1]] = 6, 6
    expected[[0, 0, -1, -1], [0, -1, 0, -1]] = 4
    assert counted.numpy() == pytest.approx(expected, rel=1e-5)


def test_an_image_does_not_depend_on_its_company() -> None:
    fast, given = WinogradConv2d(convolution()), images(40, 7, 7)
    together = fast(given)
    alone = torch.cat([fast(one) for one in given.split(1)])
    assert error(alone, together.double()) < 1e-6
    assert torch.equal(fast(given), together)  # the same batch, the same bits


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (4, 1)], ids=lambda s: f"{s[0]}x{s[1]}")
def test_small_images_go_the_direct_way(size: tuple[int, int]) -> None:
    direct, given = convolution(), images(3, *size)
    assert torch.equal(WinogradConv2d(direct)(given), direct(given))


def test_other_precisions_go_the_direct_way() -> None:
    direct, given = convolution(), images(2, 8, 8)
    fast = WinogradConv2d(direct)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(fast(given), direct(given))
    assert torch.equal(deepcopy(fast).double()(given.double()), deepcopy(direct).double()(given.double()))


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        (nn.Conv2d(512, 256, 3, padding=1), True),
        (nn.Conv2d(128, 256, 3, padding=1), True),
        (nn.Conv2d(128, 255, 3, padding=1), False),
        (nn.Conv2d(256, 256, 3, padding=1, stride=2), False),
        (nn.Conv2d(256, 256, 3, padding=1, dilation=2), False),
        (nn.Conv2d(256, 256, 3, padding=1, groups=256), False),
        (nn.Conv2d(256, 256, 3, padding=1, padding_mode="reflect"), False),
        (nn.Conv2d(256, 256, 3, padding="same"), False),
        (nn.Conv2d(256, 256, 3), False),
        (nn.Conv2d(256, 256, 1), False),
        (nn.ConvTranspose2d(256, 256, 3, padding=1), False),
    ],
)
def test_which_convolutions_it_suits(module: nn.Module, expected: bool) -> None:
    assert suits(module) is expected


def test_rows_of_a_deep_network_are_those_of_the_plain_one() -> None:
    backbone = TorchvisionBackbone("vgg16", "untrained")
    model = backbone.load(0).eval()
    tap = Tap(backbone.survey(64).resolve("last_conv"), "gap")
    given = F.interpolate(torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(0)), size=64)
    with torch.inference_mode():
        plain = model.double().features[:30](given.double()).mean((2, 3))
        model.float()
        (rows,) = Extractor(model, [tap])(given)
    assert error(rows, plain) < 1e-5
