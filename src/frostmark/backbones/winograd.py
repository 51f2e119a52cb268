"""3×3 convolutions with a quarter of the multiplications: Winograd's minimal filtering F(4×4, 3×3).

body.conv = WinogradConv2d(body.conv) if suits(body.conv) else body.conv      # the same but for rounding

Tiles of 6×6 pixels and the filters are brought to where the convolution is 36 matrix products over the channels, and
the products back to 4×4 pixels: Lavin and Gray, arXiv 1509.09308. The transformations are interpolations in five
points and infinity. At the integers 0, ±1, ±2 of the textbooks the result has four times the rounding error of a
direct convolution in float32, at 0, ±√½, ±√2 (points c and 1/c: Alam et al., arXiv 2201.10369) twice.
"""

from __future__ import annotations

import math
from typing import TypeGuard

import torch
import torch.nn.functional as F
from torch import Tensor, nn

MIN_WEIGHTS = 128 * 256
"""Channels times kernels: with fewer the transformations take as long as the multiplications that they save."""

_POINTS = (0, math.sqrt(0.5), -math.sqrt(0.5), math.sqrt(2), -math.sqrt(2))
_OUT, _TILE = 4, 6
_CELLS = 1 << 24
"""Numbers of the transformed images at once: bounds the memory; with fewer the filters are read too often."""


def suits(module: nn.Module) -> TypeGuard[nn.Conv2d]:
    """Whether a module is a convolution that this one can take the place of, with profit."""
    return (
        type(module) is nn.Conv2d
        and (module.kernel_size, module.stride, module.padding, module.dilation) == ((3, 3), (1, 1), (1, 1), (1, 1))
        and (module.groups, module.padding_mode) == (1, "zeros")
        and module.in_channels * module.out_channels >= MIN_WEIGHTS
    )


class WinogradConv2d(nn.Module):
    """Takes the place of a convolution that :func:`suits`.

    Only on the CPU in float32: elsewhere libraries choose the algorithm themselves, and bfloat16 has too few digits.

    Args:
        convolution: whose weights and bias it has.
    """

    def __init__(self, convolution: nn.Conv2d) -> None:
        super().__init__()
        self.direct = convolution
        self._filters: Tensor | None = None

    def forward(self, images: Tensor) -> Tensor:
        """(N, C, H, W) → (N, K, H, W), channels_last."""
        height, width = images.shape[2:]
        tiles = math.ceil(height / _OUT) * math.ceil(width / _OUT)
        # At the border of small images too much of the tiles is void.
        if tiles * 6 > height * width or not _in_float32(images):
            return self.direct(images)  # type: ignore[no-any-return]
        if self._filters is None:
            self._filters = _transformed(self.direct.weight)
        return _convolve(images, self._filters, self.direct.bias)


def _in_float32(images: Tensor) -> bool:
    return (
        images.device.type == "cpu"
        and images.dtype == torch.float32
        and not torch.is_autocast_enabled("cpu")
        and not torch.compiler.is_compiling()
    )


def _convolve(images: Tensor, filters: Tensor, bias: Tensor | None) -> Tensor:
    (count, channels, height, width), kernels = images.shape, filters.shape[2]
    down, across = math.ceil(height / _OUT), math.ceil(width / _OUT)
    border = (1, down * _OUT + 1 - height), (1, across * _OUT + 1 - width)
    padded = F.pad(images, (*border[1], *border[0])).permute(0, 2, 3, 1)
    maps = images.new_empty(count, height, width, kernels)
    at_once = max(1, _CELLS // (_TILE**2 * down * across * max(channels, kernels)))
    for source, target in zip(torch.split(padded, at_once), torch.split(maps, at_once), strict=True):
        tiles = source.unfold(1, _TILE, _OUT).unfold(2, _TILE, _OUT).permute(4, 5, 0, 1, 2, 3).reshape(_TILE**2, -1)
        products = torch.bmm((_TILES @ tiles).view(_TILE**2, -1, channels), filters)
        parts = (_RESULTS @ products.view(_TILE**2, -1)).view(_OUT, _OUT, -1, down, across, kernels)
        whole = parts.permute(2, 3, 0, 4, 1, 5).reshape(-1, down * _OUT, across * _OUT, kernels)
        torch.add(whole[:, :height, :width], 0 if bias is None else bias, out=target)
    return maps.permute(0, 3, 1, 2)


def _transformed(weight: Tensor) -> Tensor:
    """(K, C, 3, 3) filters → (36, C, K), by way of float64."""
    filters = _FILTERS @ weight.double().flatten(2).permute(2, 1, 0).flatten(1)
    return filters.view(_TILE**2, weight.shape[1], weight.shape[0]).to(weight.dtype)


def _interpolation(points: tuple[float, ...]) -> tuple[Tensor, Tensor, Tensor]:
    """Toom and Cook's matrices in two dimensions: of tiles (36, 36), of filters (36, 9), of results (16, 36)."""

    def values(length: int) -> Tensor:
        """Of the polynomials 1, x, …, of the last at infinity."""
        finite = torch.tensor(points, dtype=torch.float64)
        return torch.vstack([torch.linalg.vander(finite, N=length), torch.eye(length, dtype=torch.float64)[-1:]])

    forth, filters, back = torch.linalg.inv(values(_TILE)).T, values(_TILE - _OUT + 1), values(_OUT).T
    # The tiles keep the size of their numbers, which the filters make up for.
    scale = torch.linalg.vector_norm(forth, dim=1, keepdim=True)
    of_tiles, of_filters, of_results = (torch.kron(m, m) for m in (forth / scale, filters * scale, back))
    return of_tiles, of_filters, of_results


_TILES, _FILTERS, _RESULTS = _interpolation(_POINTS)
_TILES, _RESULTS = _TILES.float(), _RESULTS.float()
