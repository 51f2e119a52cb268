"""How alike two representations of the same images are, whatever their width, rotation and scale.

cka(rows_of_resnet18, rows_of_vit)      # (N, D₁), (N, D₂), same images in the same order → about 0 … 1

With N rows and more features than rows, the usual (biased) CKA calls independent noise similar: 0.91 at N=200, D=2048.
Only the unbiased one is here.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations_with_replacement

import numpy as np

from frostmark.stats.moments import Array, Float

_CELLS = 1 << 22
"""Float64 numbers of one block: 32 MiB."""

_ROUNDING = 64 * np.finfo(np.float64).eps
"""What sums that cancel leave, as a share of the largest: less than this is nothing, whatever the processor rounds."""


def cka(x: Array, y: Array) -> float:
    """Linear centred kernel alignment, HSIC(x, y)/√(HSIC(x, x) · HSIC(y, y)), by the unbiased HSIC.

    Kornblith et al., arXiv 1905.00414; unbiased as in Nguyen et al., arXiv 2010.15327. 1 for representations that
    differ by rotation, scale and shift; about 0, on either side of it, for unrelated ones.

    Args:
        x, y: (N, D₁) and (N, D₂), row i of both of the same image; N ≥ 4.

    Raises:
        ValueError: if the rows are not paired, or fewer than 4.
        ZeroDivisionError: if HSIC(x, x) or HSIC(y, y) is not positive: too few rows for the noise in them.
    """
    own = {"x": hsic(x, x), "y": hsic(y, y)}
    for name, value in own.items():
        if value <= 0:
            raise ZeroDivisionError(
                f"the unbiased HSIC of {name} with itself is {value:.3g}, not positive: "
                f"its {len(x)} rows are equal, or too few to be told from noise; compare more images"
            )
    return hsic(x, y) / float(np.sqrt(own["x"]) * np.sqrt(own["y"]))


def cka_matrix(rows: Sequence[Array | None]) -> Float:
    """(R, R) :func:`cka` between all of R representations; NaN for None, and where noise hides what they share.

    Args:
        rows: each (N, D) of the same images, or None where they are not at hand.
    """
    known = [n for n, of in enumerate(rows) if of is not None]
    own = {n: hsic(of, of) for n in known if (of := rows[n]) is not None}
    matrix = np.full((len(rows), len(rows)), np.nan)
    for i, j in combinations_with_replacement(known, 2):
        x, y = rows[i], rows[j]
        if x is not None and y is not None and own[i] > 0 and own[j] > 0:
            matrix[i, j] = matrix[j, i] = 1.0 if i == j else hsic(x, y) / np.sqrt(own[i]) / np.sqrt(own[j])
    return matrix


def hsic(x: Array, y: Array) -> float:
    """Unbiased Hilbert–Schmidt independence criterion with linear kernels (Song et al., JMLR 13, 2012, eq. 5).

    [tr(K̃L̃) + 1ᵀK̃1 · 1ᵀL̃1/((N−1)(N−2)) − 2/(N−2) · 1ᵀK̃L̃1] / (N(N−3)), K̃ = XXᵀ and L̃ = YYᵀ with zero diagonals.
    Shifting the rows does not change it, and once they are centred K̃1 = −diag K. With k_i and l_i the squared lengths
    of the centred rows,

        N(N−3) HSIC = ‖XᵀY‖² − N/(N−2) Σ k_i l_i + Σ k_i Σ l_i/((N−1)(N−2)),

    which needs no N×N matrix. In float64, block by block. May be negative.

    Args:
        x, y: (N, D₁) and (N, D₂), N ≥ 4.

    Raises:
        ValueError: if the rows are not paired, or fewer than 4.
    """
    n = len(x)
    if x.ndim != 2 or y.ndim != 2 or n != len(y) or n < 4:
        raise ValueError(f"rows of shapes {x.shape} and {y.shape}: two matrices of the same 4 or more images wanted")
    if _constant(x) or _constant(y):
        return 0.0  # exactly; the rounding of the mean would leave a little
    # Of ‖XᵀY‖² = tr(XXᵀYYᵀ) the side with the smaller matrix.
    cross, of_x, of_y = _by_features(x, y) if x.shape[1] * y.shape[1] <= n * n else _by_rows(x, y)
    parts = np.array([cross, -n / (n - 2) * of_x @ of_y, of_x.sum() * of_y.sum() / ((n - 1) * (n - 2))])
    total = float(parts.sum())
    return total / (n * (n - 3)) if abs(total) > _ROUNDING * np.abs(parts).max() else 0.0


def _constant(rows: Array) -> bool:
    return bool((rows == rows[0]).all())


def _by_features(x: Array, y: Array) -> tuple[float, Float, Float]:
    """‖XᵀY‖² of the centred rows, and their squared lengths (N,) each, from XᵀY (D₁, D₂)."""
    mean_x, mean_y = x.mean(0, dtype=np.float64), y.mean(0, dtype=np.float64)
    product = np.zeros((x.shape[1], y.shape[1]))
    squares_x, squares_y = np.empty(len(x)), np.empty(len(x))
    step = max(_CELLS // (x.shape[1] + y.shape[1]), 256)
    for start in range(0, len(x), step):
        part = slice(start, start + step)
        of_x = x[part] - mean_x
        of_y = of_x if y is x else y[part] - mean_y  # BLAS does half the work for XᵀX
        product += of_x.T @ of_y
        squares_x[part] = np.einsum("nd,nd->n", of_x, of_x)
        squares_y[part] = np.einsum("nd,nd->n", of_y, of_y)
    return float(np.vdot(product, product)), squares_x, squares_y


def _by_rows(x: Array, y: Array) -> tuple[float, Float, Float]:
    """The same from XXᵀ and YYᵀ (N, N): few rows, many features."""
    gram_x = _gram(x)
    gram_y = gram_x if y is x else _gram(y)
    return float(np.vdot(gram_x, gram_y)), np.diag(gram_x), np.diag(gram_y)


def _gram(rows: Array) -> Float:
    gram = np.zeros((len(rows), len(rows)))
    step = max(_CELLS // len(rows), 256)
    for start in range(0, rows.shape[1], step):
        block = rows[:, start : start + step]
        centred = block - block.mean(0, dtype=np.float64)
        gram += centred @ centred.T
    return gram
