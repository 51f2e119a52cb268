"""How far a number could have come out otherwise: percentile bootstrap, stratified by class, or of whole groups.

    resamples = Resamples(labels, draws=1000, context=("0", fingerprint, "test"))
    draws = resamples.means(hits)                       # (1000,) accuracy of every resample
    low, high = interval(draws)                         # 95 %

The resamples depend on the seed, the images and the split alone: every backbone and layer is measured on the same ones,
so that the difference of two runs' draws is a draw of their difference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from frostmark.stats.grouped import Codes, count_groups, drawn_groups, why_too_few
from frostmark.stats.moments import Array, ClassMoments, ClassSummary, Float
from frostmark.stats.permutation import in_threads
from frostmark.stats.sampling import seeded

LEVEL = 0.95
"""Share of the draws that an interval holds."""

_CELLS = 1 << 24
"""Numbers of one array of a block of draws: bounds the memory."""

MAX_HELD = 1 << 27
"""Numbers of rows of which a centred copy is held; of more it is made of one class at a time, for every block."""

_PIECE = 1 << 24
"""Numbers of a piece of a class where rows are too many for a centred copy: 64 MiB."""

_FLOATS = 1 << 22
"""Numbers in float64 at once."""


Counts = dict[int, NDArray[np.float32]]
"""Class → (b, n_c) how often each of its rows is drawn."""


@dataclass(frozen=True)
class Resamples:
    """Rows drawn with replacement, as many of each class as it has; of images in groups, whole groups.

    Groups are drawn whatever their classes: intervals then hold what the shares of the classes may be, too. How many is
    said by :func:`~frostmark.stats.grouped.drawn_groups`. Fewer than 6 groups have no resamples.

    Attributes:
        labels: (N,) classes of the rows.
        draws: number of resamples B.
        context: words that, with the class, decide what is drawn.
        groups: (N,) of the rows; None if they are independent.
    """

    labels: NDArray[np.int64]
    draws: int
    context: tuple[str, ...]
    groups: Codes | None = None

    def __post_init__(self) -> None:
        if self.groups is not None and why_too_few(count_groups(self.groups)):
            object.__setattr__(self, "draws", 0)

    def among(self, rows: NDArray[np.int64], context: tuple[str, ...]) -> Resamples:
        """Those of some ``rows``, indices (n,)."""
        groups = None if self.groups is None else self.groups[rows]
        return replace(self, labels=self.labels[rows], context=context, groups=groups)

    def blocks(self, cells_per_draw: int = 1) -> Iterator[tuple[slice, Counts]]:
        """How often each row is drawn: a slice of the draws, and (b, n_c) counts for every class c, block by block.

        A class of which a resample draws no group has its own rows there, once each: what is measured between classes
        needs all of them.
        """
        if self.groups is not None:
            yield from self._blocks_of_groups(self.groups, max(cells_per_draw, len(self.labels)))
            return
        members = {int(c): int(n) for c, n in zip(*np.unique(self.labels, return_counts=True), strict=True)}
        generators = {c: seeded(0, *self.context, "bootstrap", str(c)) for c in members}
        for part in self._parts(max(cells_per_draw, *members.values())):
            yield part, {c: _counts(generators[c], part.stop - part.start, n) for c, n in members.items()}

    def means(self, outcomes: Array) -> Float:
        """(B,) mean of ``outcomes`` (N,) in every resample."""
        values = outcomes.astype(np.float64)
        if self.groups is not None:
            return self._means_of_groups(self.groups, values)
        sums = np.zeros(self.draws)
        by_class = {int(c): values[self.labels == c] for c in np.unique(self.labels)}
        for part, counts in self.blocks(len(self.labels)):
            sums[part] = sum(counts[c] @ of_class for c, of_class in by_class.items())
        return sums / max(len(self.labels), 1)

    def class_means(self, outcomes: Array) -> Float:
        """(B, C) mean of ``outcomes`` (N,) of every class that has rows: of hits, its recall.

        Conditional on the numbers of images of the classes; of images in groups, on which groups are drawn.
        """
        classes = np.unique(self.labels)
        values = {int(c): outcomes[self.labels == c].astype(np.float64) for c in classes}
        means = np.zeros((self.draws, len(classes)))
        for part, counts in self.blocks(len(self.labels)):
            for i, (c, of_class) in enumerate(values.items()):
                means[part, i] = (counts[c] @ of_class) / counts[c].sum(1, dtype=np.float64)
        return means

    def balanced_means(self, outcomes: Array) -> Float:
        """(B,) unweighted mean of :meth:`class_means`: of hits, the balanced accuracy."""
        return np.asarray(self.class_means(outcomes).mean(1))

    def _parts(self, cells_per_draw: int) -> Iterator[slice]:
        at_once = int(np.clip(_CELLS // cells_per_draw, 4, 256))
        for start in range(0, self.draws, at_once):
            yield slice(start, min(start + at_once, self.draws))

    def _drawn(self, size: int, cells_per_draw: int) -> Iterator[tuple[slice, NDArray[np.float32]]]:
        """Slices of the draws with (b, G) how often each of ``size`` groups is drawn."""
        rng = seeded(0, *self.context, "bootstrap", "groups")
        for part in self._parts(max(cells_per_draw, size)):
            yield part, _counts(rng, part.stop - part.start, size, drawn_groups(size))

    def _means_of_groups(self, groups: Codes, values: Float) -> Float:
        own = np.unique(groups, return_inverse=True)[1]
        sums, sizes = np.bincount(own, values), np.bincount(own)
        means = np.zeros(self.draws)
        for part, drawn in self._drawn(len(sizes), 1):
            means[part] = (drawn @ sums) / (drawn @ sizes)
        return means

    def _blocks_of_groups(self, groups: Codes, cells_per_draw: int) -> Iterator[tuple[slice, Counts]]:
        own = np.unique(groups, return_inverse=True)[1]
        of_class = {int(c): own[self.labels == c] for c in np.unique(self.labels)}
        for part, drawn in self._drawn(int(own.max()) + 1, cells_per_draw):
            yield part, {c: _or_once(drawn[:, own_groups]) for c, own_groups in of_class.items()}


def _or_once(counts: NDArray[np.float32]) -> NDArray[np.float32]:
    """Counts (b, n) with ones in draws that draw none."""
    counts[counts.sum(1) == 0] = 1
    return counts


def _counts(rng: np.random.Generator, draws: int, size: int, drawn_each: int = 0) -> NDArray[np.float32]:
    """(draws, size) how often each of ``size`` is drawn, of so many drawn each time, or as many as there are."""
    drawn = rng.integers(size, size=(draws, drawn_each or size))
    drawn += size * np.arange(draws)[:, None]
    return np.bincount(drawn.ravel(), minlength=draws * size).reshape(draws, size).astype(np.float32)


def resampled_summaries(
    rows: Array, moments: ClassMoments, resamples: Resamples, *, spread: bool = False
) -> Iterator[tuple[slice, ClassSummary]]:
    """The classes in every resample: slices of the draws with their summaries.

    One product of counts (b, n_c) and centred rows (n_c, D) a class and block gives means and variances: rows that are
    drawn are not copied, and of very many rows a piece of a class at a time is held. In float32, which an interval does
    not notice. A summary is good until the next one is asked for: the block of means is written over, as fresh memory
    would take longer than what is done in it.

    Args:
        rows: (N, D).
        moments: of ``rows``.
        spread: whether mean distances to the class means are wanted; as much work again.
    """
    labels, present = resamples.labels, moments.present
    centre = moments.grand_mean
    few = rows.size <= MAX_HELD

    def centred(c: int) -> Iterable[_Piece]:
        return _centred(rows, np.flatnonzero(labels == c), moments.mean[c], rows.size if few else _PIECE)

    held = {c: centred(c) for c in present} if few else {}
    squares = {c: _squares(held[c] if held else centred(c)) for c in present}
    means = (moments.mean[present] - centre).astype(np.float32)
    width = rows.shape[1]
    block = np.empty((0, len(present), width), np.float32)
    for part, counts in resamples.blocks(len(present) * width // 4):  # a block of means has 256 MiB at most
        size = part.stop - part.start
        sizes = _sizes(moments, resamples, counts)
        block = block if len(block) >= size else np.empty((size, len(present), width), np.float32)
        mean = block[:size]
        variance, distance = np.empty((size, len(present))), np.empty((size, len(present)))

        def fill(
            some: NDArray[np.intp],
            counts: Counts = counts,
            sizes: NDArray[np.int64] = sizes,
            mean: NDArray[np.float32] = mean,
            variance: Float = variance,
            distance: Float = distance,
        ) -> None:
            for i in some:
                n = sizes[..., i]
                c = present[i]
                of_class = _resampled(held[c] if held else centred(c), squares[c], counts[c], n, spread=spread)
                shift, variance[:, i], distance[:, i] = of_class
                np.add(shift, means[i], out=mean[:, i])

        in_threads(fill, np.array_split(np.arange(len(present)), 16))
        yield part, ClassSummary(sizes, variance, mean, distance if spread else None)


_Piece = tuple[slice, NDArray[np.float32]]
"""Which rows of a class, and these rows (n, D) less the mean of the class."""


@dataclass(frozen=True)
class _Centred:
    """The rows of a class less its mean, piece by piece, made anew whenever they are gone through."""

    rows: Array
    members: NDArray[np.intp]
    mean: Float
    step: int

    def __iter__(self) -> Iterator[_Piece]:
        for start in range(0, len(self.members), self.step):
            part = slice(start, start + self.step)
            yield part, _less(self.rows, self.members[part], self.mean)


def _centred(rows: Array, members: NDArray[np.intp], mean: Float, most: int) -> Iterable[_Piece]:
    """The pieces of a class, of ``most`` numbers each; held if there is one only."""
    pieces = _Centred(rows, members, mean, max(most // max(rows.shape[1], 1), 1))
    return pieces if len(members) > pieces.step else list(pieces)


def _less(rows: Array, members: NDArray[np.intp], mean: Float) -> NDArray[np.float32]:
    """(n, D) float32 some rows less a mean, which is taken off in float64."""
    centred = np.empty((len(members), rows.shape[1]), np.float32)
    step = max(_FLOATS // max(rows.shape[1], 1), 1)
    for start in range(0, len(members), step):
        centred[start : start + step] = rows[members[start : start + step]] - mean
    return centred


def _squares(pieces: Iterable[_Piece]) -> Float:
    return np.concatenate([np.einsum("nd,nd->n", x, x, dtype=np.float64) for _, x in pieces])


def _sizes(moments: ClassMoments, resamples: Resamples, counts: Counts) -> NDArray[np.int64]:
    """(C,) rows of every class in every draw; of images in groups (b, C), as groups differ in size."""
    if resamples.groups is None:
        return moments.count[moments.present]
    return np.stack([counts[int(c)].sum(1) for c in moments.present], axis=1).astype(np.int64)


def _resampled(
    pieces: Iterable[_Piece], squares: Float, counts: NDArray[np.float32], n: NDArray[np.int64], *, spread: bool
) -> tuple[NDArray[np.float32], Float, Float]:
    """Of one class (b, D) how far its mean moves, (b,) its variance and, if wanted, (b,) its spread in every draw.

    Args:
        pieces: (n, D) rows less their mean, of squared lengths ``squares`` (n,).
        counts: (b, n) how often each is drawn.
        n: () or (b,) how many are drawn.
    """
    shift = reduce(np.add, (counts[:, part] @ x for part, x in pieces))
    shift /= n[..., None].astype(np.float32)
    moved = np.einsum("bd,bd->b", shift, shift)
    variance = np.maximum(counts @ squares / n - moved, 0)
    distance = np.zeros(len(counts))
    for part, x in pieces if spread else ():
        along = shift @ x.T
        along *= 2
        apart = squares[part] - along
        apart += moved[:, None]
        np.sqrt(np.maximum(apart, 0, out=apart), out=apart)
        distance += np.einsum("bn,bn->b", counts[:, part], apart)
    return shift, variance, distance / n


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
