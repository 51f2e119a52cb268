"""t-SNE as scikit-learn has it: the reference, and what the report most likely used.

SklearnTSNE(fit_on="each").fit(rows, seed=0, progress=print).coordinates
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from frostmark.reducers.reducer import Fitted, Progress, Reducer
from frostmark.stats.moments import Array


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

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.perplexity <= 1 or self.max_iter < 250:
            raise ValueError(f"perplexity={self.perplexity} must exceed 1, max_iter={self.max_iter} reach 250")

    def fit(self, rows: Array, seed: int, progress: Progress) -> Fitted:
        from sklearn.manifold import TSNE

        progress(f"scikit-learn's t-SNE of {len(rows):,} images")
        perplexity = min(self.perplexity, (len(rows) - 1) / 3)
        # Its "pca" start divides by a deviation that is zero for some degenerate rows.
        init = "pca" if min(rows.shape) >= 2 else "random"
        tsne = TSNE(perplexity=perplexity, max_iter=self.max_iter, init=init, random_state=seed)
        return Fitted(np.asarray(tsne.fit_transform(rows), dtype=np.float64))
