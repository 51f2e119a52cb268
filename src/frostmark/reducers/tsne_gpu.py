"""t-SNE on a GPU by TorchDR: all pairs of points, with neither trees nor grids.

    GpuTSNE(fit_on="each").fit(Points.alone(rows), seed=0, progress=print).coordinates    # pip install 'frostmark[gpu]'

It needs memory for several matrices of all pairs, about 2 GB for 10,000 points. Without a GPU the CPU does it, slowly.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from frostmark.errors import MissingExtraError
from frostmark.reducers.pca import shaken_start
from frostmark.reducers.reducer import Fitted, Points, Progress, Reducer
from frostmark.stats.neighbours import unit_rows

_ALIKE = 1e-5
"""Differences that single precision leaves of rows that only differ in length; TorchDR fails on them."""


@dataclass(frozen=True, kw_only=True)
class GpuTSNE(Reducer):
    """TorchDR's TSNE; it cannot place new rows.

    Args:
        perplexity: effective number of neighbours; lowered where there are fewer than three times as many rows.
        max_iter: iterations, the 250 of early exaggeration included.

    Raises:
        ConfigError: if the package is not installed.
    """

    fit_on: Literal["train", "each"] = "each"
    perplexity: float = 30.0
    max_iter: int = 1000
    places_new_rows: ClassVar[bool] = False
    label: ClassVar[str] = "t-SNE by TorchDR"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.perplexity <= 1 or self.max_iter <= 250:
            raise ValueError(f"perplexity={self.perplexity} must exceed 1, max_iter={self.max_iter} exceed 250")
        if importlib.util.find_spec("torchdr") is None:
            raise MissingExtraError("reducer=tsne_gpu", "the package torchdr", "gpu")

    def fit(self, points: Points, seed: int, progress: Progress) -> Fitted:
        import torch

        device = "cuda" if torch.cuda.is_available() else "cpu"
        progress(f"t-SNE of {len(points.rows):,} images on {device}")
        rows = unit_rows(points.rows)
        if np.ptp(rows, axis=0).max() < _ALIKE:
            progress("all rows point the same way: the map is noise")
            return Fitted(shaken_start(rows, seed))
        with _repeatable(), torch.inference_mode(False), torch.enable_grad():
            from torchdr import TSNE

            tsne = TSNE(
                perplexity=min(self.perplexity, (len(rows) - 1) / 3),
                max_iter=self.max_iter,
                init=shaken_start(rows, seed).astype(np.float32),
                random_state=None,  # nothing more is drawn, and a seed would reseed and reset the whole process
                device=device,
                distributed=False,
                process_duplicates=False,  # twins keep their weight, as in the other t-SNEs
            )
            coordinates = tsne.fit_transform(rows)
        return Fitted(np.asarray(coordinates, dtype=np.float64))


@contextmanager
def _repeatable() -> Iterator[None]:
    """Sums in a fixed order, where torch has a way to do that."""
    import torch

    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
