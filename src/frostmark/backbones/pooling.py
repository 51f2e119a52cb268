"""How a tapped tensor becomes one row an image.

    pool_rows(tensor, node, "gap")      # (N, 512, 7, 7) → (N, 512)

A spatial map takes ``gap``, ``max``, ``gem`` and ``flatten``; tokens take ``cls`` (if there is a class token), ``mean``
(of the patches: class token and registers do not count) and ``flatten``; a vector is a row already, whatever the pool.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from frostmark.backbones.nodes import Node
from frostmark.errors import ConfigError

GEM_POWER = 3.0
"""Exponent of generalised-mean pooling (Radenović et al., arXiv 1711.02512)."""

_EPSILON = 1e-6


def _gap(x: Tensor) -> Tensor:
    """Mean over the cells, as a product with a vector: faster than ``mean`` where the channels stand last in memory."""
    cells = x.permute(0, 2, 3, 1).flatten(1, 2)
    return (x.new_full((1, cells.shape[1]), 1.0 / cells.shape[1]) @ cells).squeeze(1)


def _gem(x: Tensor) -> Tensor:
    return _gap(x.clamp(min=_EPSILON).pow(GEM_POWER)).pow(1.0 / GEM_POWER)


POOLS: dict[str, dict[str, Callable[[Tensor], Tensor]]] = {
    "map": {
        "gap": _gap,
        "max": lambda x: x.amax((2, 3)),
        "gem": _gem,
        "flatten": lambda x: x.flatten(1),
    },
    "tokens": {"cls": lambda x: x[:, 0], "mean": lambda x: x.mean(1), "flatten": lambda x: x.flatten(1)},
}
"""The pools of each kind of tensor: (N, C, H, W) or (N, T, D) in float32 → (N, D)."""


def check_pool(node: Node, pool: str) -> None:
    """Refuse a pool that a tensor of this kind does not have.

    Raises:
        ConfigError: naming the pools that fit.
    """
    valid = POOLS.get(node.kind)
    if valid is not None and pool not in valid:
        what = "a spatial map" if node.kind == "map" else "tokens"
        raise ConfigError(
            f"layer.pool={pool} does not fit node '{node.name}', which is {what} of shape {node.shape}",
            fix=f"layer.pool={next(iter(valid))} (valid here: {', '.join(valid)})",
        )
    if node.kind == "tokens" and pool == "cls" and not node.has_class_token:
        raise ConfigError(
            f"layer.pool=cls needs a class token, and the {node.shape[0]} tokens of node '{node.name}' have none",
            fix="layer.pool=mean (valid here: mean, flatten)",
        )


def row_width(node: Node, pool: str) -> int:
    """Number of features D of the rows that ``pool`` makes of ``node``."""
    return math.prod(node.shape) if pool == "flatten" else node.channels


def pool_rows(tensor: Tensor, node: Node, pool: str) -> Tensor:
    """Rows of a batch.

    Args:
        tensor: (N, …) what the node put out, any floating dtype.
        node: its description.
        pool: one of :data:`POOLS` for the node's kind.

    Returns:
        (N, D) float32, pooled in float32.
    """
    x = tensor.to(torch.float32)
    if node.kind == "vector":
        return x
    if node.channels_last:
        x = x.permute(0, 3, 1, 2)
    if node.kind == "tokens" and pool == "mean":
        x = x[:, node.prefix_tokens :]
    with torch.autocast(x.device.type, enabled=False):  # it would take products to half precision again
        return POOLS[node.kind][pool](x)
