"""NC1: how far every class has collapsed to a point, seen along the directions between the class means.

    nc1(summary.mean, total_scatter(rows), summary.count)      # 0 once every class is a point
    nc1_of_noise(means, scatter, triangular_root(scatter), count)    # the same number for permuted labels, sooner

After Papyan, Han & Donoho, PNAS 117 (2020).
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import get_blas_funcs, lapack

from frostmark.stats.moments import Array, Float

_SPANNED = ((np.float32, 0.3), (np.float64, 1e-4))
"""Smallest pivot of a Cholesky factor over the largest from which a precision will do for the class means: below the
last they hardly span some direction."""


def nc1(means: Array, scatter: Float, count: Array) -> float:
    """Variability collapse tr(Σ_W Σ_B⁺) / C: 0 once every class has shrunk to a point.

    Σ_W = S_W / N, Σ_B = (1/C) Σ (μ_c − μ̄)(μ_c − μ̄)ᵀ of rank C − 1 at most: of its eigenvalues those below 1e-12 of
    the largest count as zero. After Papyan, Han & Donoho, PNAS 117 (2020); worked out in the Gram matrix of the means.

    Args:
        means: (C, D) class means.
        scatter: (D, D) total scatter S_T = S_W + S_B of the rows.
        count: (C,) rows of each class.
    """
    n = count.sum()
    means = means.astype(np.float64)
    centred = means - means.mean(0)
    values, vectors = np.linalg.eigh(centred @ centred.T)
    kept = values > 1e-12 * values[-1]
    directions = vectors[:, kept].T @ centred  # (k, D), each as long as the root of its eigenvalue
    from_centre = (means - (count / n) @ means) @ directions.T
    within = np.einsum("kd,kd->k", directions @ scatter, directions) - (count[:, None] * from_centre**2).sum(0)
    return float((np.maximum(within, 0) / n / values[kept] ** 2).sum())


def nc1_of_noise(means: Array, scatter: Float, root: Float, count: Array) -> float:
    """:func:`nc1` without eigenvectors, where the class means span all directions that C of them in D features can.

    Those of permuted labels do, and of these there are many. With M the means about μ̄, w_c = n_c/N and S_W = S_T − S_B:
    if C ≤ D, M M⁺ leaves out but the direction (1, …, 1), and N·nc1 = ‖M⁺ᵀ S_T^½‖² − N(1 − ‖w‖²); otherwise MᵀM has an
    inverse, and N·nc1 = tr(S_W (MᵀM)⁻¹). Where the means do not span so much, the eigenvectors it is.

    Args:
        means, scatter, count: as of :func:`nc1`.
        root: (D, D) :func:`triangular_root` of the scatter.
    """
    n, (classes, width) = count.sum(), means.shape
    exact = means - means.mean(0, dtype=np.float64)
    few = classes <= width
    for kind, enough in _SPANNED:
        centred = exact.astype(kind, copy=False)
        gram = centred @ centred.T if few else centred.T @ centred
        if few:
            gram += np.trace(gram) / classes**2  # the direction (1, …, 1), in which M is 0, as long as the others
        inverse, pivots = _inverse(gram)
        if pivots < enough:
            continue
        if few:
            trmm, symm = get_blas_funcs("trmm", dtype=kind), get_blas_funcs("symm", dtype=kind)
            across = trmm(1.0, root.T.astype(kind, copy=False), centred.T)  # R is triangular: half of a product
            reached = symm(1.0, inverse, across, side=1, lower=1, overwrite_c=1)  # Rᵀ M⁺
            return float(np.einsum("dc,dc->", reached, reached, dtype=np.float64) / n - (1 - ((count / n) ** 2).sum()))
        from_centre = np.sqrt(count)[:, None] * (means - (count / n) @ means)
        within = scatter - from_centre.T @ from_centre
        np.fill_diagonal(within, np.diagonal(within) / 2)  # both are symmetric, of one there is but half
        return float(2 * np.einsum("de,de->", within, inverse) / n)
    return nc1(means, scatter, count)


def _inverse(gram: Array) -> tuple[Array, float]:
    """Lower half of the inverse of a symmetric matrix; the smallest pivot of its factor over the largest, or 0."""
    single = gram.dtype == np.float32
    potrf, potri = (lapack.spotrf, lapack.spotri) if single else (lapack.dpotrf, lapack.dpotri)
    factor, failed = potrf(gram, lower=True)
    pivots = np.diagonal(factor)
    if failed or pivots.min() <= 0:
        return gram, 0.0
    ratio = float(pivots.min() / pivots.max())
    return np.asarray(potri(factor, lower=True, overwrite_c=True)[0]), ratio


def triangular_root(scatter: Float) -> Float:
    """(D, D) lower triangular R of R Rᵀ = ``scatter``, but for 1e-13 of its trace, which makes it definite."""
    ridge = 1e-13 * np.trace(scatter) + np.finfo(float).tiny
    return np.asarray(np.linalg.cholesky(scatter + ridge * np.eye(len(scatter))))
