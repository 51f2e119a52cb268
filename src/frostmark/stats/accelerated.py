"""Products of blocks where the hardware has a faster way: exact nearest neighbours on a GPU, bounds in bfloat16.

device = accelerator("auto")                              # "cuda" where there is a GPU, else None
index, similarity = nearest_on(device, bank, queries, k=90, prepare=unit_rows)
bound = product_bounds(one, other) if rounds_fast() else None     # of each row, no product with another is larger
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from frostmark.stats.moments import Array

if TYPE_CHECKING:
    import torch

ACCELERATORS = ("auto", "gpu", "cuda")
"""Words for where a forward pass runs that allow a GPU."""

BANK_CELLS, PRODUCTS = 1 << 28, 1 << 28
"""Numbers of a block of the bank, and products at once: 1 GiB each in float32."""

_BLOCK = 1024
"""Rows whose products with all others are made at once."""

_BFLOAT16 = 2.0**-8
"""By what share of itself a number is rounded in bfloat16, at most."""


def accelerator(asked: str) -> str | None:
    """The device on which neighbours are searched; None where it is the CPU.

    Args:
        asked: where the forward pass runs, as ``trainer.accelerator`` has it.
    """
    if asked not in ACCELERATORS:
        return None
    import torch

    return "cuda" if torch.cuda.is_available() else None


def nearest_on(
    device: str,
    bank: Array,
    queries: Array,
    k: int,
    prepare: Callable[[Array], NDArray[np.float32]],
    own: NDArray[np.integer] | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The k rows of ``bank`` (N, D) with the largest products with each of ``queries`` (M, D), largest first.

    In full float32, as the search on the CPU: the two differ by the order of rows whose products differ by rounding.

    Args:
        k: no more than the bank offers.
        prepare: what is made of some rows before they are multiplied.
        own: (M,) the row of the bank that each query is, and that is no neighbour of it; None if they are others.

    Returns:
        indices (M, k) and products (M, k).
    """
    import torch

    step = max(BANK_CELLS // bank.shape[1], k)
    at_once = max(PRODUCTS // step, 1)
    parts = [slice(first, first + at_once) for first in range(0, max(len(queries), 1), at_once)]
    best = [(np.empty((0, 0), np.int64), np.empty((0, 0), np.float32))] * len(parts)
    with torch.inference_mode(), _full_precision():
        for start in range(0, len(bank), step):
            block = torch.from_numpy(prepare(bank[start : start + step])).to(device)
            for number, part in enumerate(parts):
                products = torch.from_numpy(prepare(queries[part])).to(device) @ block.T
                if own is not None:
                    _leave_out(products, own[part] - start)
                best[number] = _merged(best[number], products, start, k)
    return np.concatenate([index for index, _ in best]), np.concatenate([product for _, product in best])


def _leave_out(products: torch.Tensor, column: NDArray[np.integer]) -> None:
    """Each query's product with itself, in ``column`` (m,) of the block if it lies there."""
    line = np.flatnonzero((column >= 0) & (column < products.shape[1]))
    products[line.tolist(), column[line].tolist()] = -np.inf


def _merged(
    best: tuple[NDArray[np.int64], NDArray[np.float32]], products: torch.Tensor, start: int, k: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The k best of those so far and those of a block that begins at ``start``; of equals the lower index first."""
    top = products.topk(min(k, products.shape[1]), dim=1)
    index, value = top.indices.cpu().numpy() + start, top.values.cpu().numpy()
    if best[0].size:
        index, value = np.concatenate([best[0], index], axis=1), np.concatenate([best[1], value], axis=1)
    order = np.lexsort((index, -value))[:, :k]
    return np.take_along_axis(index, order, axis=1), np.take_along_axis(value, order, axis=1)


@contextmanager
def _full_precision() -> Iterator[None]:
    """Products in float32, not in TF32, whose ten bits would mix up near neighbours."""
    import torch

    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


@cache
def rounds_fast() -> bool:
    """Whether this processor multiplies in bfloat16, three times as fast as in float32."""
    import torch

    able: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(able.get("avx512_bf16") or able.get("amx_bf16"))


def product_bounds(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N,) what no product of a row of ``one`` (N, D) with a row of ``other`` (M, D) exceeds; rows of length ≤ 1.

    Products in bfloat16, and what rounding may have taken from them: |xy − x'y'| ≤ ‖x − x'‖ + ‖x'‖·‖y − y'‖. Never
    below zero, as the largest of the negative ones is not looked for.
    """
    import torch

    largest, lost = np.empty(len(one), np.int16), np.empty(len(one), np.float32)
    with torch.inference_mode():
        parts = [slice(start, start + _BLOCK) for start in range(0, len(other), _BLOCK)]
        pieces, losses = zip(*(_rounded(other[part]) for part in parts), strict=True)
        theirs, their_loss = torch.cat(pieces), max(float(loss.max()) for loss in losses)
        for start in range(0, len(one), _BLOCK):
            part = slice(start, start + _BLOCK)
            mine, loss = _rounded(one[part])
            # Where the sign is plus, the bits of floating numbers are in the order of the numbers.
            largest[part] = (mine @ theirs.T).view(torch.int16).numpy().max(1)
            lost[part] = loss + (1 + loss) * their_loss
    product = (np.maximum(largest, 0).astype(np.int32) << 16).view(np.float32)
    return np.asarray(product * (1 + 2 * _BFLOAT16) + lost, np.float32)


def _rounded(rows: NDArray[np.float32]) -> tuple[torch.Tensor, NDArray[np.float32]]:
    """Rows (N, D) in bfloat16, and (N,) the length of what that takes from each."""
    import torch

    exact = torch.from_numpy(rows)
    rounded = exact.to(torch.bfloat16)
    return rounded, torch.linalg.vector_norm(exact - rounded.to(exact.dtype), dim=1).numpy()
