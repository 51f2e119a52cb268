"""Which classes a layer confuses: the variance along the line between two classes, against its length.

matrix = directional_cdnv(rows, labels, moments)       # (C, C), the larger the more confused
order = similarity_order(matrix)                       # classes that are confused stand side by side
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform

from frostmark.stats.accelerated import product_bounds, rounds_fast
from frostmark.stats.moments import Array, ClassMoments, Float
from frostmark.stats.permutation import in_threads
from frostmark.stats.sampling import seeded, some

MAX_ALIKE = 10_000
"""Images of a class up to which the two that look most alike are looked for among all."""

_MANY_PAIRS = 1 << 22
"""Pairs of images from which it pays to ask first who may be most alike."""

_CELLS = 1 << 22
"""Numbers of one class in float64 at once: 32 MiB."""

_BLOCK = 1024
"""Rows that are compared with all others at once."""

_SHARE, _SAMPLED = 8, 256
"""Products are bounded along an eighth as many axes as there are features; so many rows of each class tell which."""

_MEASURED = 16
"""Rows of the largest bounds that are measured first."""

_ROUNDING = 1e-5
"""Of products and squared lengths in float32, of rows of unit length."""


def directional_cdnv(rows: Array, labels: Array, moments: ClassMoments) -> Float:
    """(C, C) class-distance-normalised variance along the line that joins two class means.

    (uᵀΣ_i u + uᵀΣ_j u) / (2 ‖μ_i − μ_j‖²), u the unit vector along μ_i − μ_j; the smaller, the better the pair is
    told apart. NaN on the diagonal, for coinciding means and for classes without rows. All projections come from one
    product of the rows (N, D) with the class means (C, D). After Galanti et al., arXiv 2112.15121.
    """
    classes = len(moments.count)
    centre = moments.grand_mean
    along = np.full((classes, classes), np.nan)  # [i, j]: variance of class i along μ_i − μ_j, times ‖μ_i − μ_j‖²
    means = np.where(moments.count[:, None] > 0, moments.mean - centre, np.nan)
    step = max(_CELLS // max(rows.shape[1], classes, 1), 1)

    def fill(c: int) -> None:
        members, squares = np.flatnonzero(labels == c), np.zeros(classes)
        for start in range(0, len(members), step):
            projected = (rows[members[start : start + step]] - moments.mean[c]) @ means.T
            projected -= projected[:, c, None]
            squares += np.einsum("nc,nc->c", projected, projected)
        along[c] = squares / len(members)

    in_threads(fill, moments.present.tolist())
    squared = moments.mean_distances**2
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(squared > 0, (along + along.T) / (2 * squared**2), np.nan)


def similarity_order(matrix: Float) -> NDArray[np.intp]:
    """(C,) an order of the classes in which those that are confused stand together.

    Leaves of an average-linkage tree, distance √(1 / confusability). Pairs without a value lie farthest apart.
    """
    if len(matrix) < 3:
        return np.arange(len(matrix))
    with np.errstate(divide="ignore", invalid="ignore"):
        apart = 1 / np.sqrt(matrix)
    known = np.isfinite(apart)
    apart = np.where(known, apart, apart[known].max(initial=1.0))
    np.fill_diagonal(apart, 0)
    tree = linkage(squareform((apart + apart.T) / 2, checks=False), "average", optimal_ordering=len(matrix) <= 200)
    return np.asarray(leaves_list(tree))


def confused_pairs(matrix: Float, most: int) -> list[tuple[int, int]]:
    """The pairs i < j that are confused most, in that order; pairs without a value are left out."""
    i, j = np.triu_indices(len(matrix), 1)
    values = matrix[i, j]
    order = np.argsort(-np.nan_to_num(values, nan=-np.inf), kind="stable")
    return [(int(i[p]), int(j[p])) for p in order[:most] if np.isfinite(values[p])]


def nearest_between(rows: Array, labels: Array, i: int, j: int) -> tuple[int, int, float]:
    """The images of classes i and j that look most alike to the layer: row of i, row of j, their cosine.

    Exact up to :data:`MAX_ALIKE` images of each class; of more, so many are drawn, the same for every layer.
    """
    of_i, of_j = (_compared(labels, c) for c in (i, j))
    one, other = _unit(rows[of_i]), _unit(rows[of_j])
    for who_may in (_hopeful, _hopeful_in_bfloat16):
        if len(one) * len(other) > _MANY_PAIRS:
            hopeful = who_may(one, other)
            of_i, one = of_i[hopeful], one[hopeful]
    best = (0, 0, -np.inf)
    for start in range(0, len(of_i), _BLOCK):  # in pieces: two classes may hold all of the rows
        cosines = one[start : start + _BLOCK] @ other.T
        a, b = np.unravel_index(int(cosines.argmax()), cosines.shape)
        if cosines[a, b] > best[2]:
            best = (int(of_i[start + a]), int(of_j[b]), float(cosines[a, b]))
    return best


def _compared(labels: Array, c: int) -> NDArray[np.intp]:
    members = np.flatnonzero(labels == c)
    return members[some(len(members), MAX_ALIKE, seeded(0, "alike", str(c)))]


def _hopeful(one: Array, other: Array) -> NDArray[np.intp]:
    """Which rows of ``one`` (N, D) may have the largest product with a row of ``other`` (M, D), all of unit length.

    Along few axes, and with the lengths of what lies beside them, a product is bounded from above (Cauchy and Schwarz).
    The pair with the largest bound of each row is measured; who cannot reach the best of them is left out.
    """
    axes = _axes(one, other)
    (near, rest), (their_near, their_rest) = (_along(rows, axes) for rows in (one, other))
    mine, theirs = np.column_stack([near, rest]), np.column_stack([their_near, their_rest])
    bound, reached = np.empty(len(one), np.float32), -np.inf
    for start in range(0, len(one), _BLOCK):
        part = slice(start, start + _BLOCK)
        bounds = mine[part] @ theirs.T
        partner = bounds.argmax(1)
        bound[part] = bounds[np.arange(len(bounds)), partner]
        reached = max(reached, float(np.einsum("nd,nd->n", one[part], other[partner]).max()))
        if start == 0 and np.count_nonzero(bound[part] >= reached - _ROUNDING) > _BLOCK // 2:
            return np.arange(len(one))  # rows of too many directions: the bound is not worth its time
    return np.flatnonzero(bound >= reached - _ROUNDING)


def _hopeful_in_bfloat16(one: Array, other: Array) -> NDArray[np.intp]:
    """The same by products of all features with few digits, where the processor has them; else all rows of ``one``.

    It leaves out rows of many directions, too: in noise, few products come near the largest.
    """
    if not rounds_fast() or one.dtype != np.float32:
        return np.arange(len(one))
    bound = product_bounds(one, other)
    reached = float((one[np.argsort(-bound)[:_MEASURED]] @ other.T).max())
    return np.flatnonzero(bound >= reached - _ROUNDING)


def _axes(one: Array, other: Array) -> Array:
    """(D, k) orthonormal: where most of the length of some rows of both lies."""
    few = np.concatenate([rows[:: -(-len(rows) // _SAMPLED)] for rows in (one, other)])
    values, vectors = np.linalg.eigh(few @ few.T)
    wanted = min(max(one.shape[1] // _SHARE, 1), int((values > _ROUNDING * values[-1]).sum()))
    return np.asarray(np.linalg.qr(few.T @ vectors[:, -wanted:])[0])


def _along(rows: Array, axes: Array) -> tuple[Array, Array]:
    """(N, k) coordinates of rows of length 1, or 0, and (N,) the length of the rest, rounded up."""
    near = rows @ axes
    squared = 1 - np.einsum("nk,nk->n", near, near)
    return near, np.sqrt(np.maximum(squared, 0) + _ROUNDING)


def _unit(rows: Array) -> Array:
    """Rows (N, D), or a copy of them, as long as 1 each: written over."""
    for start in range(0, len(rows), _BLOCK):
        part = rows[start : start + _BLOCK]
        lengths = np.linalg.norm(part, axis=1, keepdims=True)
        part /= np.where(lengths > 0, lengths, 1)
    return rows
