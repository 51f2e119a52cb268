"""How a tapped tensor becomes one row per image.

    pool_rows(tensor, node, "gap")      # (N, 512, 7, 7) → (N, 512)

A spatial map takes ``gap``, ``max``, ``gem`` and ``flatten``; tokens take ``cls`` (if there is a class token), ``mean``
(of the patches: class token and registers do not count), ``cls_mean`` (one beside the other, as in the linear probes of
DINOv2) and ``flatten``; a vector is a row already, whatever the pool.
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

BOTH_TOKENS = "cls_dist"
"""No word of ``layer.pool=``: the mean of the class token and the distillation token, which a distilled DeiT has."""

_EPSILON = 1e-6


def _gap(x: Tensor) -> Tensor:
    """Mean over the cells, as a product with a vector: faster than ``mean`` where the channels stand last in memory."""
    cells = x.permute(0, 2, 3, 1).flatten(1, 2)
    return (x.new_full((1, cells.shape[1]), 1.0 / cells.shape[1]) @ cells).squeeze(1)


def _gem(x: Tensor) -> Tensor:
    return _gap(x.clamp(min=_EPSILON).pow(GEM_POWER)).pow(1.0 / GEM_POWER)


MAP_POOLS: dict[str, Callable[[Tensor], Tensor]] = {
    "gap": _gap,
    "max": lambda x: x.amax((2, 3)),
    "gem": _gem,
    "flatten": lambda x: x.flatten(1),
}
"""Pools of maps: (N, C, H, W) → (N, D)."""

TOKEN_POOLS: dict[str, Callable[[Tensor, int], Tensor]] = {
    "cls": lambda x, prefix: x[:, :1],
    "mean": lambda x, prefix: x[:, prefix:].mean(1, keepdim=True),
    "cls_mean": lambda x, prefix: torch.stack([x[:, 0], x[:, prefix:].mean(1)], 1),
    "flatten": lambda x, prefix: x,
}
"""Pools of tokens: (N, T, D), and how many of them stand before the patches → (N, k, D), the parts of a row."""


def default_pool(node: Node) -> str:
    """The pool of a node where none is asked for: none of a vector."""
    if node.kind == "tokens":
        return "cls" if node.has_class_token else "mean"
    return "gap" if node.kind == "map" else ""


def check_pool(node: Node, pool: str) -> None:
    """Refuse a pool that a tensor of this kind does not have.

    Raises:
        ConfigError: naming the pools that fit.
    """
    if node.kind == "vector" or pool == BOTH_TOKENS:
        return
    valid = list(MAP_POOLS if node.kind == "map" else TOKEN_POOLS)
    if pool not in valid:
        what = "a spatial map" if node.kind == "map" else "tokens"
        raise ConfigError(
            f"layer.pool={pool} does not fit node '{node.name}', which is {what} of shape {node.shape}",
            fix=f"layer.pool={valid[0]} (valid here: {', '.join(valid)})",
        )
    if pool in ("cls", "cls_mean") and not node.has_class_token:
        raise ConfigError(
            f"layer.pool={pool} needs a class token, and the {node.shape[0]} tokens of node '{node.name}' have none",
            fix="layer.pool=mean (valid here: mean, flatten)",
        )


def row_width(node: Node, pool: str) -> int:
    """Number of features D of the rows that ``pool`` makes of ``node``."""
    if pool == "flatten":
        return math.prod(node.shape)
    return node.channels * (2 if pool == "cls_mean" else 1)


def pool_rows(tensor: Tensor, node: Node, pool: str, norm: Callable[[Tensor], Tensor] | None = None) -> Tensor:
    """Rows of a batch.

    Args:
        tensor: (N, …) what the node put out, any floating dtype.
        node: its description.
        pool: a word that :func:`check_pool` lets pass.
        norm: applied to every part (M, D) of the rows of tokens, after pooling.

    Returns:
        (N, D) float32, pooled in float32.
    """
    x = tensor.to(torch.float32)
    if node.kind == "vector":
        return x
    with torch.autocast(x.device.type, enabled=False):  # it would take products to half precision again
        if node.kind == "map":
            return MAP_POOLS[pool](x.permute(0, 3, 1, 2) if node.channels_last else x)
        parts = x[:, :2].mean(1, keepdim=True) if pool == BOTH_TOKENS else TOKEN_POOLS[pool](x, node.prefix_tokens)
        if norm is not None:
            parts = norm(parts.flatten(0, 1)).reshape(parts.shape)
        return parts.flatten(1)
