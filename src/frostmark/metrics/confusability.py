"""Which classes a layer confuses: the variance along the line between two classes, against its length.

matrix = directional_cdnv(rows, labels, moments)       # (C, C), the larger the more confused
order = similarity_order(matrix)                       # classes that are confused stand side by side
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform

from frostmark.stats.moments import Array, ClassMoments, Float
from frostmark.stats.permutation import in_threads


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

    def fill(c: int) -> None:
        deviations = rows[labels == c] - moments.mean[c]
        projected = deviations @ means.T
        projected -= projected[:, c, None]
        along[c] = np.einsum("nc,nc->c", projected, projected) / len(projected)

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
    """The images of classes i and j that look most alike to the layer: row of i, row of j, their cosine."""
    of_i, of_j = np.flatnonzero(labels == i), np.flatnonzero(labels == j)
    other = _unit(rows[of_j]).T
    best = (0, 0, -np.inf)
    for start in range(0, len(of_i), 1024):  # in pieces: two classes may hold all of the rows
        cosines = _unit(rows[of_i[start : start + 1024]]) @ other
        a, b = np.unravel_index(int(cosines.argmax()), cosines.shape)
        if cosines[a, b] > best[2]:
            best = (int(of_i[start + a]), int(of_j[b]), float(cosines[a, b]))
    return best


def _unit(rows: Array) -> Array:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(lengths > 0, lengths, 1))
