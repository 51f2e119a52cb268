"""Networks on the way of a race: what they get right on a growing sample, with mistakes mostly shared.

    field = Field.drawn(30, images=4_000, spread=0.05, rng=rng)
    raced(field, field.hits(rng))           # who is left, and the share of the forward passes of the full grid

Accuracies lie around 80 % with the standard deviation ``spread``. A read-out of n images lacks the share
(n / N)^−γ − 1 of what it gains; what networks gain from the first sample to all images differs by as much as makes one
pair in ten change places on the way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from frostmark.stats.racing import LEVEL, Look, behind, doubling

LEAST = 60
ONE_IN_TEN = np.tan(np.pi / 10)
"""Spread of the gains, as a share of that of the accuracies, with which one pair in ten changes places."""

Sample = tuple[NDArray[np.bool_], NDArray[np.bool_]]
"""(n, C) hits, and hits of read-outs of half the sample."""


@dataclass(frozen=True)
class Field:
    """Networks whose learning curves are known.

    Attributes:
        final: (C,) accuracy of a read-out of all images.
        gains: (C,) what it has gained since the first sample.
        sizes: of the samples.
        shared, again: shares of the variance that all networks have in common, and that a new read-out draws anew.
        power: γ of the learning curves.
    """

    final: NDArray[np.float64]
    gains: NDArray[np.float64]
    sizes: Sequence[int]
    shared: float = 0.8
    again: float = 0.02
    power: float = 0.5

    @classmethod
    def drawn(
        cls, count: int, images: int, spread: float, rng: np.random.Generator, crossing: float = ONE_IN_TEN,
        power: float = 0.5,
    ) -> Field:  # fmt: skip
        final = np.clip(0.8 + spread * rng.standard_normal(count), 0.05, 0.98)
        gains = 0.06 + crossing * spread * rng.standard_normal(count)
        return cls(final, gains, doubling(images, LEAST), power=power)

    def accuracy(self, images: float) -> NDArray[np.float64]:
        """(C,) of read-outs of so many images."""
        first, last = self.sizes[0], self.sizes[-1]
        to_come = ((images / last) ** -self.power - 1) / ((first / last) ** -self.power - 1)
        return np.asarray(np.clip(self.final - self.gains * to_come, 0.02, 0.995))

    @property
    def crossing(self) -> float:
        """The share of pairs whose order at the first sample is not the last."""
        early, late = self.accuracy(self.sizes[0]), self.final
        i, j = np.triu_indices(len(late), 1)
        return float(((early[i] - early[j]) * (late[i] - late[j]) < 0).mean())

    def hits(self, rng: np.random.Generator) -> list[Sample]:
        """Of each sample, the first images of the next one."""
        images, count = self.sizes[-1], len(self.final)
        common, own = rng.standard_normal((images, 1)), rng.standard_normal((images, count))
        kept = np.sqrt(self.shared) * common + np.sqrt(1 - self.shared - self.again) * own

        def told(size: int, of: float) -> NDArray[np.bool_]:
            fresh = np.sqrt(self.again) * rng.standard_normal((size, count))
            return np.asarray(kept[:size] + fresh < norm.ppf(self.accuracy(of)))

        return [(told(size, size), told(size, size / 2)) for size in self.sizes]


def raced(field: Field, samples: Sequence[Sample]) -> tuple[NDArray[np.intp], float]:
    """Candidates that are left, and the forward passes as a share of those of the full grid.

    Those that are left are forwarded to the last image, as for their report.
    """
    left, forwarded, before = np.arange(len(field.final)), 0, 0
    for number, size in enumerate(field.sizes):
        forwarded += len(left) * (size - before)
        before = size
        if len(left) > 1:
            looks = [Look.of(hits[:, left], halves[:, left]) for hits, halves in samples[: number + 1]]
            out = behind(looks, len(field.sizes) - 1 - number, LEVEL / len(field.sizes))
            left = left[~out]
    return left, forwarded / (len(field.final) * field.sizes[-1])
