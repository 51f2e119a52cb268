"""Suites of data sets on which networks of known quality were run, with the bootstrap draws of their images.

scores, draws = suite_of(rng, np.zeros(5), data_sets=10, images=200, apart=0.3)
"""

from __future__ import annotations

import numpy as np


def suite_of(
    rng: np.random.Generator, quality: np.ndarray, data_sets: int, images: int, apart: float, draws: int = 200
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Shares of hits (D, K), and of every data set (B, K) on resamples of its images; mistakes are mostly shared.

    Args:
        quality: (K,) in probits.
        apart: standard deviation of what a network is better or worse by on one data set alone, in probits.
    """
    scores, drawn = np.empty((data_sets, len(quality))), []
    for number in range(data_sets):
        latent = rng.normal(1.0, 0.4) + quality + apart * rng.normal(size=len(quality))
        noise = np.sqrt(0.6) * rng.normal(size=(images, 1)) + np.sqrt(0.4) * rng.normal(size=(images, len(quality)))
        hits = (latent + noise > 0).astype(np.float64)
        scores[number] = hits.mean(0)
        picked = rng.integers(images, size=(draws, images)) + images * np.arange(draws)[:, None]
        counts = np.bincount(picked.ravel(), minlength=draws * images).reshape(draws, images)
        drawn.append(counts.astype(np.float64) @ hits / images)
    return scores, drawn
