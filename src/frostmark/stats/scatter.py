"""The total scatter of rows: what ranks, spectra and the collapse of classes are all made of."""

from __future__ import annotations

import numpy as np

from frostmark.stats.moments import Array, Float

_CELLS = 1 << 22
"""Float64 numbers of one block: 32 MiB."""


def total_scatter(rows: Array) -> Float:
    """(D, D) S_T = Σ (x − μ)(x − μ)ᵀ of ``rows`` (N, D), in float64, without a second copy of them."""
    centre = rows.mean(0, dtype=np.float64)
    scatter = np.zeros((rows.shape[1], rows.shape[1]))
    step = max(_CELLS // rows.shape[1], 256)
    for start in range(0, len(rows), step):
        deviations = rows[start : start + step] - centre
        scatter += deviations.T @ deviations
    return scatter
