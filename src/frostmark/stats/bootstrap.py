"""How far a number could have come out otherwise: percentile bootstrap, stratified by class.

    resamples = Resamples(labels, draws=1000, context=("0", fingerprint, "test"))
    draws = resamples.means(hits)                       # (1000,) accuracy of every resample
    low, high = interval(draws)                         # 95 %

The resamples depend on the seed, the images and the split alone: every backbone and layer is measured on the same ones,
so that the difference of two runs' draws is a draw of their difference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from frostmark.stats.moments import Array, ClassMoments, ClassSummary, Float
from frostmark.stats.permutation import in_threads
from frostmark.stats.sampling import seeded

LEVEL = 0.95
"""Share of the draws that an interval holds."""

_CELLS = 1 << 24
"""Numbers of one array of a block of draws: bounds the memory."""


@dataclass(frozen=True)
class Resamples:
    """Rows drawn with replacement, as many of each class as it has.

    Attributes:
        labels: (N,) classes of the rows.
        draws: number of resamples B.
        context: words that, with the class, decide what is drawn.
    """

    labels: NDArray[np.int64]
    draws: int
    context: tuple[str, ...]

    def blocks(self, cells_per_draw: int = 1) -> Iterator[tuple[slice, dict[int, NDArray[np.float32]]]]:
        """How often each row is drawn: a slice of the draws, and (b, n_c) counts for every class c, block by block."""
        members = {int(c): int(n) for c, n in zip(*np.unique(self.labels, return_counts=True), strict=True)}
        generators = {c: seeded(0, *self.context, "bootstrap", str(c)) for c in members}
        at_once = int(np.clip(_CELLS // max(cells_per_draw, *members.values()), 4, 256))
        for start in range(0, self.draws, at_once):
            part = slice(start, min(start + at_once, self.draws))
            yield part, {c: _counts(generators[c], part.stop - start, n) for c, n in members.items()}

    def means(self, outcomes: Array) -> Float:
        """(B,) mean of ``outcomes`` (N,) in every resample."""
        sums = np.zeros(self.draws)
        values = outcomes.astype(np.float64)
        by_class = {int(c): values[self.labels == c] for c in np.unique(self.labels)}
        for part, counts in self.blocks():
            sums[part] = sum(counts[c] @ of_class for c, of_class in by_class.items())
        return sums / max(len(self.labels), 1)

    def class_means(self, outcomes: Array) -> Float:
        """(B, C) mean of ``outcomes`` (N,) of every class that has rows: of hits, its recall."""
        classes = np.unique(self.labels)
        values = {int(c): outcomes[self.labels == c].astype(np.float64) for c in classes}
        found = np.zeros((self.draws, len(classes)))
        for part, counts in self.blocks():
            for i, (c, of_class) in enumerate(values.items()):
                found[part, i] = (counts[c] @ of_class) / counts[c].sum(1, dtype=np.float64)
        return found

    def balanced_means(self, outcomes: Array) -> Float:
        """(B,) unweighted mean of :meth:`class_means`: of hits, the balanced accuracy."""
        return np.asarray(self.class_means(outcomes).mean(1))


def _counts(rng: np.random.Generator, draws: int, size: int) -> NDArray[np.float32]:
    drawn = rng.integers(size, size=(draws, size)) + size * np.arange(draws)[:, None]
    return np.bincount(drawn.ravel(), minlength=draws * size).reshape(draws, size).astype(np.float32)


def resampled_summaries(
    rows: Array, moments: ClassMoments, resamples: Resamples, *, spread: bool = False
) -> Iterator[tuple[slice, ClassSummary]]:
    """The classes in every resample: slices of the draws with their summaries.

    One product of counts (b, n_c) and centred rows (n_c, D) a class and block gives means and variances: rows are never
    copied. In float32, which an interval does not notice. A summary is good until the next one is asked for: the block
    of means is written over, as fresh memory would take longer than what is done in it.

    Args:
        rows: (N, D).
        moments: of ``rows``.
        spread: whether mean distances to the class means are wanted; as much work again.
    """
    labels, present = resamples.labels, moments.present
    centre = moments.grand_mean
    centred = {c: (rows[labels == c] - moments.mean[c]).astype(np.float32) for c in present}
    squares = {c: np.einsum("nd,nd->n", x, x, dtype=np.float64) for c, x in centred.items()}
    means = (moments.mean[present] - centre).astype(np.float32)
    width = rows.shape[1]
    block = np.empty((0, len(present), width), np.float32)
    for part, counts in resamples.blocks(len(present) * width // 4):  # a block of means has 256 MiB at most
        size = part.stop - part.start
        block = block if len(block) >= size else np.empty((size, len(present), width), np.float32)
        mean = block[:size]
        variance, distance = np.empty((size, len(present))), np.empty((size, len(present)))

        def fill(
            some: NDArray[np.intp],
            counts: dict[int, NDArray[np.float32]] = counts,
            mean: NDArray[np.float32] = mean,
            variance: Float = variance,
            distance: Float = distance,
        ) -> None:
            for i in some:
                of_class = _resampled(centred[present[i]], squares[present[i]], counts[present[i]], spread=spread)
                shift, variance[:, i], distance[:, i] = of_class
                np.add(shift, means[i], out=mean[:, i])

        in_threads(fill, np.array_split(np.arange(len(present)), 16))
        yield part, ClassSummary(moments.count[present], variance, mean, distance if spread else None)


def _resampled(
    centred: NDArray[np.float32], squares: Float, counts: NDArray[np.float32], *, spread: bool
) -> tuple[NDArray[np.float32], Float, Float]:
    """Of one class (b, D) how far its mean moves, (b,) its variance and, if wanted, (b,) its spread in every draw.

    Args:
        centred: (n, D) rows less their mean, of squared lengths ``squares`` (n,).
        counts: (b, n) how often each is drawn.
    """
    n = len(squares)
    shift = counts @ centred
    shift /= n
    moved = np.einsum("bd,bd->b", shift, shift)
    variance = np.maximum(counts @ squares / n - moved, 0)
    if not spread:
        return shift, variance, np.zeros(len(counts))
    apart = squares - 2 * (shift @ centred.T) + moved[:, None]
    return shift, variance, np.einsum("bn,bn->b", counts, np.sqrt(np.maximum(apart, 0))) / n


def measured_draws(
    rows: Array,
    moments: ClassMoments,
    resamples: Resamples,
    measures: Mapping[str, Callable[[ClassSummary], Float]],
    *,
    spread: bool = False,
) -> dict[str, Float]:
    """(B,) values of each of ``measures`` in every resample; none without resamples. As :func:`resampled_summaries`."""
    if not measures or not resamples.draws:
        return {}

    def measured(piece: ClassSummary) -> list[Float]:
        with np.errstate(divide="ignore", invalid="ignore"):  # two means may coincide in a resample
            return [measure(piece) for measure in measures.values()]

    blocks = [
        np.concatenate(values, axis=1)
        for _, summary in resampled_summaries(rows, moments, resamples, spread=spread)
        for values in [in_threads(measured, summary.pieces())]
    ]
    return dict(zip(measures, np.concatenate(blocks, axis=1), strict=True))


def recentred(draws: Float, estimate: float) -> Float:
    """Draws moved so that their mean is the estimate.

    A resample of a sample is noisier than the sample: distances between class means, which noise enlarges, come out
    larger in every draw than in the data. Without the move the interval of such a number would lie beside it.
    """
    return np.asarray(draws + (estimate - draws.mean()))


def rescaled(draws: Float, estimate: float) -> Float:
    """Positive draws multiplied so that their median is the estimate: :func:`recentred` for ratios.

    A ratio to a distance has no mean where the distance may vanish; its median it has.
    """
    middle = float(np.median(draws))
    return draws * (estimate / middle) if middle > 0 else draws


def interval(draws: Float, level: float = LEVEL) -> tuple[float, float]:
    """The quantiles of ``draws`` (B,) that hold ``level`` of them."""
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
