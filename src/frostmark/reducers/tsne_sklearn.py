"""t-SNE as scikit-learn has it: the reference, and what the report most likely used.

SklearnTSNE(fit_on="each").fit(Points.alone(rows), seed=0, progress=print).coordinates
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from frostmark.reducers.pca import shaken_start
from frostmark.reducers.reducer import Fitted, Points, Progress, Reducer


@dataclass(frozen=True, kw_only=True)
class SklearnTSNE(Reducer):
    """scikit-learn's TSNE; it cannot place new rows.

    Args:
        perplexity: effective number of neighbours; lowered where there are fewer than three times as many rows.
        max_iter: iterations, early exaggeration included.
    """

    fit_on: Literal["train", "each"] = "each"
    perplexity: float = 30.0
    max_iter: int = 1000
    places_new_rows: ClassVar[bool] = False
    label: ClassVar[str] = "t-SNE by scikit-learn"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.perplexity <= 1 or self.max_iter < 250:
            raise ValueError(f"perplexity={self.perplexity} must exceed 1, max_iter={self.max_iter} reach 250")

    def fit(self, points: Points, seed: int, progress: Progress) -> Fitted:
        from sklearn.manifold import TSNE

        rows = points.rows
        progress(f"scikit-learn's t-SNE of {len(rows):,} images")
        perplexity = min(self.perplexity, (len(rows) - 1) / 3)
        start = shaken_start(rows, seed).astype(np.float32)  # its own "pca", but that seeds differ
        tsne = TSNE(perplexity=perplexity, max_iter=self.max_iter, init=start, random_state=seed)
        coordinates = np.asarray(tsne.fit_transform(rows), dtype=np.float64)
        return Fitted(coordinates, kl_divergence=float(tsne.kl_divergence_))
